"""Evaluate a model of tables: on the test rows, and against the champion if there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actions.contracts.order import Champion
from actions.contracts.results import ComparisonFigures, Regression
from actions.data_preparation.sources import storage_path
from actions.data_preparation.tables import frame_of
from actions.errors import OperationError
from actions.ml_evaluation.evaluate import learning_curves
from actions.ml_evaluation.save import save_evaluation
from actions.ml_evaluation.update_card import update_card
from actions.models.comparison import Comparison
from actions.models.saved_model import Model, open_model
from actions.tasks.results import ChampionScores
from actions.tasks.tabular.request import TabularRequest
from actions.tasks.tabular.results import PreparedTables, TabularEvaluation, TrainedPipeline
from actions.tasks.task import StageWork

if TYPE_CHECKING:
    import pandas as pd

Metrics = dict[str, float | None]

_MAX_REGRESSIONS, _MAX_LABEL = 10, 80


def evaluate(work: StageWork[TabularRequest], data: PreparedTables, trained: TrainedPipeline) -> TabularEvaluation:
    """Evaluate on the test rows; write figures and plots, and update the model's card."""
    from actions.ml_evaluation.evaluation import evaluate_model

    request, context = work.request, work.context
    context.report("opening the model")
    path = context.storage.path(trained.model.uri)
    model = open_model(path, trained.model.sha256)
    rows = frame_of(data.test.uri, context)
    context.report(f"evaluating on {len(rows)} rows")
    evaluation = evaluate_model(model, rows, learning_curves(path))
    champion = comparison = None
    if work.order.champion is not None:
        context.report("comparing with the champion on the same rows")
        champion, comparison = _against(work.order.champion, work, model, evaluation.metrics, rows, data)
    context.report("drawing plots")
    saved = save_evaluation(evaluation, work.folder, context, comparison)
    update_card(path, request.model_name, request.notes, evaluation, request.data)
    return TabularEvaluation(
        uri=saved.uri,
        sha256=saved.sha256,
        rows=evaluation.rows,
        metrics=evaluation.metrics,
        intervals={name: (found.low, found.high) for name, found in evaluation.intervals.items()},
        plots=saved.plots,
        champion=champion,
    )


def _against(
    champion: Champion,
    work: StageWork[TabularRequest],
    challenger: Model,
    evaluated: Metrics,
    rows: pd.DataFrame,
    data: PreparedTables,
) -> tuple[ChampionScores, Comparison | None]:
    """Compare with the champion. What keeps it from being scored is recorded, for judge to weigh."""
    from actions.ml_evaluation.paired_bootstrap import compare, incompatibility
    from actions.ml_evaluation.predictions import predictions_of
    from actions.ml_evaluation.slices import default_columns

    metric, gate = work.request.metric, work.order.gate
    may_have_seen = True
    metrics: Metrics | None = None
    comparison = None
    try:
        model = open_model(storage_path(champion.uri, work.context, "champion"), champion.sha256)
        same_rows = model.signature.training_rows_sha256 == challenger.signature.training_rows_sha256
        may_have_seen = not (same_rows and champion.data_sha256 == data.data.sha256)
        not_comparable = incompatibility(model, challenger)
        if not_comparable is None:
            metrics = predictions_of(model, rows).scores()
            if metrics.get(metric) is not None and evaluated.get(metric) is not None:
                comparison = compare(challenger, model, rows, metric, gate, default_columns(challenger, rows))
    except OperationError as error:
        not_comparable = f"{error.problem.rule} Found: {error.problem.found}"[:1_000]
    scores = champion_scores(
        champion.version, metrics, comparison, not_comparable=not_comparable, may_have_seen_rows=may_have_seen
    )
    return scores, comparison


def champion_scores(
    version: int,
    metrics: Metrics | None,
    comparison: Comparison | None,
    *,
    not_comparable: str | None = None,
    may_have_seen_rows: bool = False,
) -> ChampionScores:
    """Return what judge and the history need of a comparison."""
    worse = len(comparison.regressions) if comparison else 0
    return ChampionScores(
        version=version,
        metrics=metrics,
        comparison=_figures(comparison) if comparison else None,
        explanation=comparison.explanation if comparison else "",
        remark=f"It is worse on {worse} of {len(comparison.slices)} slices." if comparison and worse else "",
        not_comparable=not_comparable,
        may_have_seen_rows=may_have_seen_rows,
    )


def _figures(comparison: Comparison) -> ComparisonFigures:
    regressions = [
        Regression(
            column=slice_.column[:_MAX_LABEL],
            value=slice_.value[:_MAX_LABEL],
            rows=slice_.rows,
            difference=slice_.difference or 0.0,
        )
        for slice_ in comparison.regressions[:_MAX_REGRESSIONS]
    ]
    return ComparisonFigures(
        outcome=comparison.verdict,
        alpha=comparison.alpha,
        margin=comparison.margin,
        allowed=comparison.allowed,
        difference=comparison.compared.difference or 0.0,
        low=comparison.compared.low,
        high=comparison.compared.high,
        rows=comparison.rows,
        resamples=comparison.resamples,
        regressions=regressions,
    )
