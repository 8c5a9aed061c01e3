"""The machine of a training run: queue, stages, verdict, a person's decision, registry, history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from bot.runs.machine import END, Machine, StateSpec, TimedRequest


class State(StrEnum):
    """Where a training run is."""

    QUEUED = "Queued"
    PREPARE_DATA = "PrepareData"
    TRAIN_MODEL = "TrainModel"
    EVALUATE_MODEL = "EvaluateModel"
    JUDGE_RESULTS = "JudgeResults"
    CHECK_RETRY_LIMIT = "CheckRetryLimit"
    NOTIFY_OPERATOR = "NotifyOperator"
    WAIT_FOR_OPERATOR_INPUT = "WaitForOperatorInput"
    INCREMENT_RETRY = "IncrementRetry"
    REGISTER_MODEL = "RegisterModel"
    ROLLBACK_MODEL = "RollbackModel"
    ERROR_HANDLER = "ErrorHandler"
    INVALID_DATA = "InvalidData"
    WRITE_HISTORY = "WriteHistory"
    NOTIFY_SUCCESS = "NotifySuccess"
    NOTIFY_FAILURE = "NotifyFailure"
    END = END


OPERATOR_TIMEOUT = timedelta(hours=24)
"""How long a question to a person stays open."""


def _minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


def _training_timeout(request: TimedRequest) -> timedelta:
    return _minutes(request.timeout_minutes)


S = State
_TABLE: Mapping[StrEnum, StateSpec] = {
    S.QUEUED: StateSpec("waits for the model's lock", {"ok": S.PREPARE_DATA}, "queued", waits_for="lock"),
    S.PREPARE_DATA: StateSpec(
        "prepare stage",
        {"ok": S.TRAIN_MODEL, "invalid": S.INVALID_DATA, "unusable": S.NOTIFY_OPERATOR, "error": S.ERROR_HANDLER,
         "refused": S.ERROR_HANDLER},
        "preparing", _minutes(15), retries=3, stages=("prepare",), dispatches=True,
    ),
    S.TRAIN_MODEL: StateSpec(
        "train stage",
        {"ok": S.EVALUATE_MODEL, "error": S.ERROR_HANDLER, "refused": S.ERROR_HANDLER},
        "training", _training_timeout, retries=1, stages=("train",),
    ),
    S.EVALUATE_MODEL: StateSpec(
        "evaluate stage",
        {"ok": S.JUDGE_RESULTS, "error": S.ERROR_HANDLER, "refused": S.ERROR_HANDLER},
        "evaluating", _minutes(15), retries=3, stages=("evaluate",),
    ),
    S.JUDGE_RESULTS: StateSpec(
        "threshold, champion",
        {"passed": S.REGISTER_MODEL, "rejected": S.CHECK_RETRY_LIMIT, "failed": S.ROLLBACK_MODEL,
         "error": S.ROLLBACK_MODEL, "refused": S.ROLLBACK_MODEL},
        "judging", _minutes(5), stages=("judge", "publish"), answerable=True,
    ),
    S.CHECK_RETRY_LIMIT: StateSpec(
        "choice", {"left": S.NOTIFY_OPERATOR, "none": S.ROLLBACK_MODEL}, "asking", answerable=True
    ),
    S.NOTIFY_OPERATOR: StateSpec(
        "notification", {"ok": S.WAIT_FOR_OPERATOR_INPUT, "error": S.WAIT_FOR_OPERATOR_INPUT},
        "asking", _minutes(5), retries=3, answerable=True, asks_operator=True, notifies="waiting",
    ),
    S.WAIT_FOR_OPERATOR_INPUT: StateSpec(
        "`/approve`, `/reject`",
        {"approve": S.INCREMENT_RETRY, "reject": S.ROLLBACK_MODEL, "time-out": S.ROLLBACK_MODEL},
        "asking", OPERATOR_TIMEOUT, answerable=True, asks_operator=True, waits_for="answer",
    ),
    S.INCREMENT_RETRY: StateSpec("counter + 1", {"ok": S.QUEUED}, "retrying"),
    S.REGISTER_MODEL: StateSpec(
        "registry", {"ok": S.WRITE_HISTORY, "error": S.ROLLBACK_MODEL}, "finishing", _minutes(10), retries=3
    ),
    S.ROLLBACK_MODEL: StateSpec(
        "undoes what this run did to the registry", {"ok": S.WRITE_HISTORY, "error": S.WRITE_HISTORY},
        "finishing", _minutes(10), retries=3,
    ),
    S.ERROR_HANDLER: StateSpec("keeps a stage's error and log tail", {"ok": S.ROLLBACK_MODEL}, "failing"),
    S.INVALID_DATA: StateSpec(
        "reports what is wrong with the data, clears the run's storage", {"ok": S.END, "error": S.END},
        "invalid", _minutes(5), retries=3, cancellable=False, notifies="failure",
    ),
    S.WRITE_HISTORY: StateSpec(
        "commit", {"passed": S.NOTIFY_SUCCESS, "failed": S.NOTIFY_FAILURE, "exhausted": S.NOTIFY_FAILURE},
        "finishing", _minutes(5), retries=3, cancellable=False,
    ),
    S.NOTIFY_SUCCESS: StateSpec(
        "notification", {"ok": S.END, "error": S.END},
        "over", _minutes(5), retries=3, cancellable=False, notifies="success",
    ),
    S.NOTIFY_FAILURE: StateSpec(
        "notification", {"ok": S.END, "error": S.END},
        "over", _minutes(5), retries=3, cancellable=False, notifies="failure",
    ),
}  # fmt: skip

MACHINE = Machine("training", State, first=State.QUEUED, cancelled=State.WRITE_HISTORY, table=_TABLE)
