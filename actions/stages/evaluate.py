"""The stage evaluate: the model on the test rows, and against the champion if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from actions.context import Context
from actions.contracts.request import WorkOrder
from actions.data_preparation.sources import storage_path
from actions.data_preparation.tables import frame_of
from actions.errors import OperationError
from actions.ml_evaluation.evaluate import learning_curves
from actions.ml_evaluation.save import save_evaluation
from actions.ml_evaluation.update_card import update_card
from actions.models.comparison import Comparison
from actions.models.saved_model import Model, open_model
from actions.stages.inputs import prepared, trained
from actions.stages.judge import ChampionScores
from actions.stages.records import folder_of
from actions.stages.results import Evaluated

if TYPE_CHECKING:
    import pandas as pd


def evaluate(order: WorkOrder, context: Context) -> Evaluated:
    """Evaluate on the test rows; write figures, plots, and the model's card anew."""
    from actions.ml_evaluation.evaluation import evaluate_model

    found = trained(order, context).model
    context.report("opening the model")
    path = context.storage.path(found.uri)
    model = open_model(path, found.sha256)
    data = prepared(order, context)
    rows = frame_of(data.test.uri, context)
    context.report(f"evaluating on {len(rows)} rows")
    evaluation = evaluate_model(model, rows, learning_curves(path))
    champion = None
    if order.champion is not None:
        context.report("comparing with the champion on the same rows")
        same_data = order.champion.data_sha256 == data.data.sha256
        champion = _champion_scores(order, model, evaluation.metrics, rows, context, same_data=same_data)
    context.report("drawing plots")
    folder = folder_of("evaluate", order, context.storage)
    saved = save_evaluation(evaluation, folder, context, champion.comparison if champion else None)
    update_card(path, order.request.model_name, order.request.notes, evaluation, order.request.data)
    return Evaluated(
        uri=saved.uri,
        sha256=saved.sha256,
        rows=evaluation.rows,
        metrics=evaluation.metrics,
        intervals=evaluation.intervals,
        plots=saved.plots,
        champion=champion,
    )


def _champion_scores(
    order: WorkOrder,
    challenger: Model,
    evaluated: Mapping[str, float | None],
    rows: pd.DataFrame,
    context: Context,
    *,
    same_data: bool,
) -> ChampionScores:
    """Compare with the champion; whatever keeps it from being scored is said, and is for judge to weigh."""
    from actions.ml_evaluation.paired_bootstrap import compare, incompatibility
    from actions.ml_evaluation.predictions import predictions_of
    from actions.ml_evaluation.slices import default_columns

    champion = order.champion
    if champion is None:
        raise ValueError("there is no champion")
    seen = True
    metrics: dict[str, float | None] | None = None
    comparison: Comparison | None = None
    why = None
    try:
        model = open_model(storage_path(champion.uri, context, "champion"), champion.sha256)
        same_rows = model.signature.training_rows_sha256 == challenger.signature.training_rows_sha256
        seen = not (same_data and same_rows)
        why = incompatibility(model, challenger)
        if why is None:
            metrics = predictions_of(model, rows).scores()
            if metrics.get(order.request.metric) is not None and evaluated.get(order.request.metric) is not None:
                slices = default_columns(challenger, rows)
                comparison = compare(challenger, model, rows, order.request.metric, order.gate, slices)
    except OperationError as error:
        why = f"{error.body.rule} Found: {error.body.found}"[:1_000]
    return ChampionScores(
        version=champion.version,
        metrics=metrics,
        comparison=comparison,
        not_comparable=why,
        may_have_seen_rows=seen,
    )
