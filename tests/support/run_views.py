"""Runs in every state, as the comments show them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from actions.contracts.results import ComparisonFigures, DataFacts, EnvironmentFacts, ModelFacts, SearchFacts, Verdict
from actions.errors import Problem
from actions.tasks.exchange import PublishedResult
from actions.tasks.registry import TrainingRequest, parse_request
from bot.runs.machines.training import State
from bot.runs.run import AttemptVerdict, Decision, Run, StageError, Visit, WorkflowDispatch
from bot.runs.view import RunView, StageLine, Unclaimed

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RUN_ID = "train-20261122-001"


def a_request(**changes: Any) -> TrainingRequest:
    values = {
        "model_name": "breast-cancer",
        "task": "classification",
        "algorithm": "xgboost",
        "data": "sklearn://breast_cancer",
        "target": "target",
        "metric": "accuracy",
        "threshold": 0.95,
        "hyperparameters": {"n_estimators": 200},
    }
    return parse_request({**values, **changes})


def a_verdict(status: str = "passed", **changes: Any) -> Verdict:
    explanation = {
        "passed": "accuracy 0.9649 reaches the threshold 0.95.",
        "rejected": "accuracy 0.9123 is below the threshold 0.95.",
        "failed": "accuracy could not be computed: the test rows hold one class.",
    }[status]
    values = {
        "status": status,
        "reason": "threshold_met" if status == "passed" else "below_threshold",
        "explanation": explanation,
        "metric": "accuracy",
        "value": {"passed": 0.9649, "rejected": 0.9123}.get(status),
        "threshold": 0.95,
    }
    return Verdict.model_validate({**values, **changes})


def a_result(verdict: Verdict, attempt: int = 1, **changes: Any) -> PublishedResult:
    values: dict[str, Any] = {
        "run": RUN_ID,
        "attempt": attempt,
        "repository": "owner/models",
        "issue": 7,
        "model_name": "breast-cancer",
        "request": a_request(),
        "training_seed": 42,
        "git_sha": "a" * 40,
        "modelyard_sha": "b" * 40,
        "data": DataFacts(
            uri="sklearn://breast_cancer", sha256="c" * 64, rows=569, columns=31,
            train_rows=398, validation_rows=57, test_rows=114,
        ),
        "model": ModelFacts(uri="owner/models/models/x/1/model.skops", sha256="d" * 64, size_bytes=1_000),
        "metrics": {"accuracy": verdict.value, "f1": 0.97, "log_loss": 0.0001234, "roc_auc": None},
        "verdict": verdict,
        "environment": EnvironmentFacts(python="3.11.2", platform="Linux", lock_sha256=None, packages={}),
        "durations": {"train": 3.2},
        "plots": ["roc.png"],
    }  # fmt: skip
    return PublishedResult.model_validate({**values, **changes})


def a_search(**changes: Any) -> SearchFacts:
    values: dict[str, Any] = {
        "metric": "accuracy", "value": 0.9784, "baseline_score": 0.9614, "folds": 5, "completed": 31, "pruned": 18, "failed": 1,
        "stopped_by": "trials", "seconds": 74.2, "hyperparameters": {"n_estimators": 200, "max_depth": 4},
        "importances": {"max_depth": 1.0},
    }  # fmt: skip
    return SearchFacts.model_validate({**values, **changes})


def a_comparison(outcome: str = "too_close_to_tell", **changes: Any) -> ComparisonFigures:
    values: dict[str, Any] = {
        "outcome": outcome, "alpha": 0.05, "margin": 0.02, "allowed": 0.02, "difference": -0.0088,
        "low": -0.0265, "high": 0.0089, "rows": 114, "resamples": 2_000,
        "regressions": [{"column": "city", "value": "<b>@all</b> | x", "rows": 31, "difference": -0.1234}],
    }  # fmt: skip
    return ComparisonFigures.model_validate({**values, **changes})


def a_run(state: State = State.TRAIN_MODEL, **changes: Any) -> Run:
    dispatch = WorkflowDispatch(
        title="train-20261122-001 attempt 1 dispatch 1",
        attempt=1,
        start_at="prepare",
        workflow_run=5,
        url="https://github.com/owner/models/actions/runs/5",
        sent_at=NOON,
    )
    values: dict[str, Any] = {
        "id": RUN_ID,
        "repository": "owner/models",
        "installation": 1,
        "issue": 7,
        "requester": "writer",
        "request": a_request(),
        "created": NOON,
        "state": state,
        "entered": NOON,
        "dispatches": (dispatch,),
    }
    return Run.model_validate({**values, **changes})


def a_decision(what: str = "approve", **changes: Any) -> Decision:
    values = {"who": "owner", "what": what, "when": NOON, "attempt": 1, "reason": "more trees may help"}
    return Decision.model_validate({**values, **changes})


def a_view(run: Run, **changes: Any) -> RunView:
    return RunView(run=run, updated=NOON, **changes)


STAGES = (
    StageLine("prepare", "done", 1.62),
    StageLine("train", "running", 75, "fitting 200 trees", 40),
    StageLine("evaluate"),
    StageLine("judge"),
    StageLine("publish"),
)
ALL_DONE = tuple(StageLine(stage.name, "done", 2.0) for stage in STAGES)
ERROR = Problem(
    kind="invalid_input", reason="target_missing", rule="The target column has to be in the data.",
    found="Columns: a, b.", next_step="Name one of them in the form.", field="target",
)  # fmt: skip


def every_view() -> dict[str, RunView]:
    """Return one view for each situation that a person can see."""
    passed, rejected, failed = a_verdict(), a_verdict("rejected"), a_verdict("failed")
    unclear = a_verdict(
        "rejected",
        value=0.9561,
        reason="too_close_to_tell",
        champion_value=0.9649,
        champion_version=2,
        explanation="accuracy is 0.9561; the champion, version 2, has 0.9649 on the same rows. Too close to tell.",
        comparison=a_comparison(),
    )
    asked = Visit(state=State.WAIT_FOR_OPERATOR_INPUT, entered=NOON, left=NOON)

    def judged(verdict: Verdict, state: State, status: str | None = None, **changes: Any) -> Run:
        return a_run(
            state,
            verdicts=(AttemptVerdict(attempt=1, verdict=verdict),),
            result=a_result(verdict),
            status=status,
            **changes,
        )

    crash = StageError(stage="train", step="Run train", log_tail="Traceback\nMemoryError")
    return {
        "queued": a_view(a_run(State.QUEUED, dispatches=())),
        "behind another": a_view(a_run(State.QUEUED, dispatches=()), ahead=a_run(State.TRAIN_MODEL, id="train-20261122-000")),
        "training": a_view(a_run(), stages=STAGES, progress={"loss": 0.31}),
        "unclaimed": a_view(a_run(), stages=STAGES, unclaimed=Unclaimed(("self-hosted", "gpu"), "none")),
        "busy": a_view(a_run(), stages=STAGES, unclaimed=Unclaimed(("gpu",), "busy")),
        "asking": a_view(
            judged(rejected, State.WAIT_FOR_OPERATOR_INPUT), stages=ALL_DONE, waiting_until=NOON + timedelta(hours=24)
        ),
        "too close": a_view(
            judged(unclear, State.WAIT_FOR_OPERATOR_INPUT), stages=ALL_DONE, waiting_until=NOON + timedelta(hours=24)
        ),
        "again": a_view(
            a_run(
                State.TRAIN_MODEL, attempt=2, verdicts=(AttemptVerdict(attempt=1, verdict=rejected),),
                decisions=(a_decision(overrides={"n_estimators": 500}),),
            ),
            stages=STAGES,
        ),
        "passed": a_view(
            judged(passed, State.END, "passed", version=3, history_sha="e" * 40), stages=ALL_DONE,
            plots=(("roc.png", "https://github.com/owner/models/raw/x/roc.png"),),
            history_url="https://github.com/owner/models/blob/main/training_history/x.md",
        ),
        "searching": a_view(
            a_run(request=a_request(search_trials=50, search_minutes=20)),
            stages=(StageLine("train", "running", 75, "trial", 24, 190.0, 12, 50),),
            progress={"best_accuracy": 0.9784, "accuracy_baseline": 0.9614, "trials_pruned": 3},
        ),
        "searched": a_view(
            a_run(
                State.END, status="passed", version=3, history_sha="e" * 40, verdicts=(AttemptVerdict(attempt=1, verdict=passed),),
                request=a_request(search_trials=50), result=a_result(passed, search=a_search()),
            ),
            stages=ALL_DONE,
        ),
        "promoted": a_view(
            a_run(
                State.END, status="passed", version=3, promoted=True, history_sha="e" * 40, verdicts=(AttemptVerdict(attempt=1, verdict=passed),),
                result=a_result(
                    a_verdict(champion_value=0.95, champion_version=2, champion_may_have_seen_rows=True),
                    champion_metrics={"accuracy": 0.95, "f1": 0.94},
                ),
            ),
            stages=ALL_DONE,
        ),
        "registering": a_view(judged(passed, State.REGISTER_MODEL, "passed"), stages=ALL_DONE),
        "not registered": a_view(judged(passed, State.END, "passed", version=3), stages=ALL_DONE),
        "turned down": a_view(judged(rejected, State.END, "rejected", decisions=(a_decision("reject"),)), stages=ALL_DONE),
        "lapsed": a_view(judged(rejected, State.END, "rejected", visits=(asked,)), stages=ALL_DONE),
        "crashed": a_view(a_run(State.END, status="failed", error=crash), stages=STAGES),
        "refused": a_view(
            a_run(State.END, status="failed", error=StageError(stage="prepare", step="Run prepare", problem=ERROR))
        ),
        "not judged": a_view(judged(failed, State.END, "failed"), stages=ALL_DONE),
        "stopping": a_view(a_run(cancel=a_decision("cancel")), stages=STAGES),
        "cancelled": a_view(a_run(State.END, status="cancelled", decisions=(a_decision("cancel", reason=""),))),
        "invalid": a_view(a_run(State.INVALID_DATA, error=StageError(stage="prepare", problem=ERROR))),
    }  # fmt: skip
