"""The stage evaluate: the model, and the champion if there is one, on the test rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actions.data_preparation.files import frame_of
from actions.data_preparation.sources import storage_path
from actions.ml_evaluation.results import Evaluation
from actions.ml_evaluation.saving import save_evaluation
from actions.ml_evaluation.supervised import classifier_evaluation, regressor_evaluation
from actions.ml_training.artifact import Model, open_model
from actions.operation import Context, OperationError
from actions.request import Champion, WorkOrder
from actions.stages.inputs import prepared, trained
from actions.stages.judging import ChampionScores
from actions.stages.records import folder_of
from actions.stages.results import Evaluated

if TYPE_CHECKING:
    import pandas as pd


def evaluate(order: WorkOrder, context: Context) -> Evaluated:
    """Evaluate on the test rows; write figures and plots."""
    found = trained(order, context).model
    context.report("opening the model")
    model = open_model(context.storage.path(found.uri), found.sha256)
    data = prepared(order, context)
    rows = frame_of(data.test.uri, context)
    context.report(f"evaluating on {len(rows)} rows")
    evaluation = _evaluation(model, rows)
    champion = None
    if order.champion is not None:
        context.report("scoring the champion on the same rows")
        same_data = order.champion.data_sha256 == data.data.sha256
        champion = _champion_scores(order.champion, model, rows, context, same_data=same_data)
    context.report("drawing plots")
    saved = save_evaluation(evaluation, folder_of("evaluate", order, context.storage), context)
    return Evaluated(
        uri=saved.uri,
        sha256=saved.sha256,
        rows=evaluation.rows,
        metrics=evaluation.metrics,
        plots=saved.plots,
        champion=champion,
    )


def _evaluation(model: Model, rows: pd.DataFrame) -> Evaluation:
    if model.signature.task == "classification":
        return classifier_evaluation(model, rows)
    return regressor_evaluation(model, rows)


def _champion_scores(
    champion: Champion, challenger: Model, rows: pd.DataFrame, context: Context, *, same_data: bool
) -> ChampionScores:
    """Score the champion; whatever keeps it from being scored is said, and is for judge to weigh."""
    seen = True
    metrics, why = None, None
    try:
        model = open_model(storage_path(champion.uri, context, "champion"), champion.sha256)
        same_rows = model.signature.training_rows_sha256 == challenger.signature.training_rows_sha256
        seen = not (same_data and same_rows)
        why = _other_question(model, challenger)
        if why is None:
            metrics = _evaluation(model, rows).metrics
    except OperationError as error:
        why = f"{error.body.rule} Found: {error.body.found}"[:1_000]
    return ChampionScores(version=champion.version, metrics=metrics, not_comparable=why, may_have_seen_rows=seen)


def _other_question(champion: Model, challenger: Model) -> str | None:
    """Tell in what the two answer different questions."""
    old, new = champion.signature, challenger.signature
    for what, before, now in (
        ("task", old.task, new.task),
        ("target", old.target, new.target),
        ("classes", old.classes, new.classes),
    ):
        if before != now:
            return f"its {what} was {before}, this model's is {now}"
    return None
