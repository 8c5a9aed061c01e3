"""The state machine of a run: its table, the run as a value, and the pure step from one state to the next.

Nothing here does I/O. ``bot.engine.states`` holds what each state does and which outcome it saw; ``advance`` decides what
follows. ``modelyard docs state-machine`` draws the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from actions.contracts.request import Repository, TrainingRequest
from actions.contracts.results import PublishedResult, Verdict
from actions.contracts.run_id import RunId, number_of
from actions.contracts.scalar import Scalar
from actions.contracts.stage import Stage
from actions.errors import Problem
from actions.text.masking import masked


class State(StrEnum):
    """Where a run is. The last two are ends."""

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
    END = "End"


Outcome = Literal[
    "ok", "error", "refused", "invalid", "passed", "rejected", "failed", "left", "none", "approve", "reject", "time-out",
    "exhausted", "cancel",
]  # fmt: skip
"""What a state came to. ``error`` is tried again while retries are left; nothing else is (``refused``: the stage itself
said no, with a reason; trying again could not help)."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    does: str
    next: Mapping[Outcome, State]
    time_out: timedelta | None = None
    retries: int = 0
    stage: Stage | None = None
    cancellable: bool = True


def _minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


OPERATOR_TIMEOUT = timedelta(hours=24)
"""How long a question to a person stands."""

S = State
TABLE: Mapping[State, Row] = {
    S.QUEUED: Row("waits for the model's lock", {"ok": S.PREPARE_DATA}),
    S.PREPARE_DATA: Row(
        "prepare stage",
        {"ok": S.TRAIN_MODEL, "invalid": S.INVALID_DATA, "error": S.ERROR_HANDLER, "refused": S.ERROR_HANDLER},
        _minutes(15), retries=3, stage="prepare",
    ),
    S.TRAIN_MODEL: Row(
        "train stage",
        {"ok": S.EVALUATE_MODEL, "error": S.ERROR_HANDLER, "refused": S.ERROR_HANDLER},
        _minutes(60), retries=1, stage="train",
    ),
    S.EVALUATE_MODEL: Row(
        "evaluate stage",
        {"ok": S.JUDGE_RESULTS, "error": S.ERROR_HANDLER, "refused": S.ERROR_HANDLER},
        _minutes(15), retries=3, stage="evaluate",
    ),
    S.JUDGE_RESULTS: Row(
        "threshold, champion",
        {"passed": S.REGISTER_MODEL, "rejected": S.CHECK_RETRY_LIMIT, "failed": S.ROLLBACK_MODEL,
         "error": S.ROLLBACK_MODEL, "refused": S.ROLLBACK_MODEL},
        _minutes(5), stage="judge",
    ),
    S.CHECK_RETRY_LIMIT: Row("choice", {"left": S.NOTIFY_OPERATOR, "none": S.ROLLBACK_MODEL}),
    S.NOTIFY_OPERATOR: Row(
        "notification", {"ok": S.WAIT_FOR_OPERATOR_INPUT, "error": S.WAIT_FOR_OPERATOR_INPUT}, _minutes(5), retries=3
    ),
    S.WAIT_FOR_OPERATOR_INPUT: Row(
        "`/approve`, `/reject`",
        {"approve": S.INCREMENT_RETRY, "reject": S.ROLLBACK_MODEL, "time-out": S.ROLLBACK_MODEL},
        OPERATOR_TIMEOUT,
    ),
    S.INCREMENT_RETRY: Row("counter + 1", {"ok": S.QUEUED}),
    S.REGISTER_MODEL: Row("registry", {"ok": S.WRITE_HISTORY, "error": S.ROLLBACK_MODEL}, _minutes(10), retries=3),
    S.ROLLBACK_MODEL: Row(
        "undoes what this run did to the registry", {"ok": S.WRITE_HISTORY, "error": S.WRITE_HISTORY},
        _minutes(10), retries=3,
    ),
    S.ERROR_HANDLER: Row("keeps a stage's error and log tail", {"ok": S.ROLLBACK_MODEL}),
    S.INVALID_DATA: Row(
        "says what is wrong with the data, clears the run's storage", {"ok": S.END, "error": S.END},
        _minutes(5), retries=3, cancellable=False,
    ),
    S.WRITE_HISTORY: Row(
        "commit", {"passed": S.NOTIFY_SUCCESS, "failed": S.NOTIFY_FAILURE, "exhausted": S.NOTIFY_FAILURE},
        _minutes(5), retries=3, cancellable=False,
    ),
    S.NOTIFY_SUCCESS: Row(
        "notification", {"ok": S.END, "error": S.END}, _minutes(5), retries=3, cancellable=False
    ),
    S.NOTIFY_FAILURE: Row(
        "notification", {"ok": S.END, "error": S.END}, _minutes(5), retries=3, cancellable=False
    ),
}  # fmt: skip
"""The machine. ``/cancel`` leads from every state before WriteHistory to WriteHistory; after it there is nothing left to
cancel."""

RETRY_DELAYS = (timedelta(0), timedelta(seconds=10), timedelta(seconds=30))
"""How long a state waits before its first, second and third retry."""

EndStatus = Literal["passed", "rejected", "failed", "cancelled", "invalid"]


# --- the run as a value ----------------------------------------------------------------------------------------------


MAX_REASON_LENGTH = 2_000
MAX_LOG_LENGTH = 20_000
"""Characters of a log's tail that are kept."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Decision(_Value):
    """What a person decided about a run: bound to one attempt, kept in the history."""

    who: str
    what: Literal["approve", "reject", "cancel"]
    when: datetime
    attempt: int
    comment: int = Field(default=0, description="the id of the comment that said so; a known one is not taken twice")
    reason: Annotated[str, BeforeValidator(lambda text: masked(text)[:MAX_REASON_LENGTH])] = ""
    overrides: dict[str, Scalar] = Field(default_factory=dict)


class WorkflowDispatch(_Value):
    """A workflow run that carries (the rest of) an attempt."""

    attempt: int
    start_at: Stage
    title: str = Field(description="the workflow run's name, by which it is found again")
    workflow_run: int | None = Field(default=None, description="None: sent, its answer not seen yet")
    url: str = ""
    sent_at: datetime


class StageError(_Value):
    """Why a stage ended wrongly."""

    stage: str
    step: Annotated[str, BeforeValidator(lambda text: text[:200])] = ""
    body: Problem | None = None
    log_tail: Annotated[str, BeforeValidator(lambda text: text[-MAX_LOG_LENGTH:])] = ""


class AttemptVerdict(_Value):
    """The verdict of one attempt."""

    attempt: int
    verdict: Verdict


class Visit(_Value):
    """One stay in one state."""

    state: State
    entered: datetime
    left: datetime


class HeartbeatObservation(_Value):
    """The last sign of life that the App has seen of the present stage."""

    at: str = Field(description="when that was, by the runner's clock")
    seen_at: datetime = Field(description="when the App saw it first, by its own")


class JobObservation(_Value):
    """How the App has found the present stage's job, and since when; GitHub's clock may differ from the App's."""

    job: int
    running: bool
    since: datetime = Field(description="when the App saw it so first, by its own clock")


class Run(_Value):
    """One request carried to its end."""

    id: RunId
    repository: Repository
    installation: int
    issue: int
    requester: str
    request: TrainingRequest
    created: datetime
    request_comment: int = Field(default=0, description="the comment whose command opened it; 0: the issue itself did")
    state: State = State.QUEUED
    entered: datetime
    tries: int = Field(default=0, description="errors seen in this stay in this state")
    due: datetime | None = Field(default=None, description="when to look at it again by itself; None: never")
    attempt: int = 1
    seed: int | None = Field(default=None, description="what an approval set for the present attempt's training")
    needs_dispatch: bool = Field(default=False, description="a workflow run has to be sent for the present stage")
    overdue: bool = Field(default=False, description="the App has stopped the present stage beyond its time-out")
    observed_job: JobObservation | None = None
    observed_heartbeat: HeartbeatObservation | None = None
    runner_lost: bool = Field(default=False, description="the App has stopped the present stage, as its runner is gone")
    question_comment: int = Field(default=0, description="the comment that asks about the present attempt")
    dispatches: tuple[WorkflowDispatch, ...] = ()
    answer: Decision | None = None
    cancel: Decision | None = None
    decisions: tuple[Decision, ...] = ()
    verdicts: tuple[AttemptVerdict, ...] = ()
    error: StageError | None = None
    result: PublishedResult | None = None
    published_sha: str | None = None
    version: int | None = None
    promoted: bool = False
    status: EndStatus | None = None
    history_sha: str | None = None
    language: str = Field(default="en", description="the repository's language when the run began")
    notified: tuple[str, ...] = Field(default=(), description="who has been told in this stay in this state")
    visits: tuple[Visit, ...] = ()
    row_version: int = Field(default=0, description="the store's, against lost updates")

    @property
    def lock_since(self) -> datetime:
        """Since when a run that has left the queue has its model's lock."""
        taken = [visit.left for visit in self.visits if visit.state is State.QUEUED]
        return taken[-1] if taken else self.entered

    @property
    def model(self) -> str:
        return self.request.model_name

    @property
    def number(self) -> int:
        return number_of(self.id)

    @property
    def training_seed(self) -> int:
        """Attempt n trains with seed + n - 1, on the same split, unless an approval set a seed."""
        return self.request.seed + self.attempt - 1 if self.seed is None else self.seed

    @property
    def attempts_allowed(self) -> int:
        return self.request.max_retries + 1

    @property
    def dispatch(self) -> WorkflowDispatch | None:
        """The workflow run of the present attempt, if one was sent."""
        latest = self.dispatches[-1] if self.dispatches else None
        return latest if latest is not None and latest.attempt == self.attempt else None

    @property
    def editable(self) -> bool:
        """Tell whether the request may still be corrected: until the work begins."""
        return self.state is State.QUEUED and not self.dispatches

    def has_decision_from(self, comment: int) -> bool:
        """Tell whether a comment's decision was taken already."""
        taken = (*self.decisions, *(one for one in (self.answer, self.cancel) if one is not None))
        return any(one.comment == comment for one in taken)

    @property
    def ended(self) -> bool:
        return self.state is State.END

    def replace(self, **changes: object) -> Run:
        """Return a copy with some fields changed (validated)."""
        return Run.model_validate({**dict(self), **changes})


# --- the step --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StepResult:
    """What a state's function saw: an outcome, or None to be looked at again after ``again`` (or at the next event)."""

    run: Run
    outcome: Outcome | None = None
    again: timedelta | None = None
    """With an ``error``: how long to wait at least before the next try."""


_AT_FIRST: Mapping[str, object] = {
    "overdue": False,
    "runner_lost": False,
    "observed_heartbeat": None,
    "observed_job": None,
}
"""What the App knows of a stage that it has not looked at yet."""


def time_out_of(run: Run) -> timedelta | None:
    """Return the present state's time-out; that of training is the request's own."""
    if run.state is State.TRAIN_MODEL:
        return timedelta(minutes=run.request.timeout_minutes)
    return TABLE[run.state].time_out


def advance(step: StepResult, now: datetime, stretch: float = 1.0) -> Run:
    """Return the run as it is after a step; every waiting time is multiplied by ``stretch``.

    An ``error`` stays in the state while the table grants retries. A cancelled run goes to WriteHistory, whatever its
    state came to.
    """
    run = step.run
    if step.outcome is None:
        return run.replace(due=None if step.again is None else now + step.again * stretch)
    row = TABLE[run.state]
    if step.outcome == "cancel":
        if not row.cancellable:
            raise ValueError(f"{run.state} cannot be cancelled")
        return _enter(run.replace(status="cancelled", cancel=None), State.WRITE_HISTORY, now)
    if step.outcome == "error" and run.tries < row.retries:
        delay = max(RETRY_DELAYS[min(run.tries, len(RETRY_DELAYS) - 1)], step.again or timedelta(0))
        again = run.replace(tries=run.tries + 1, due=now + delay * stretch, needs_dispatch=row.stage is not None)
        return again.replace(**_AT_FIRST)
    outcome: Outcome = step.outcome
    if outcome == "error" and "error" not in row.next:
        outcome = "exhausted"
    if outcome not in row.next:
        raise ValueError(f"{run.state} has no edge for {outcome!r}")
    return _enter(run, row.next[outcome], now)


def _enter(run: Run, state: State, now: datetime) -> Run:
    visit = Visit(state=run.state, entered=run.entered, left=now)
    due = None if state is State.END else now
    send = state is State.PREPARE_DATA
    return run.replace(
        state=state,
        entered=now,
        tries=0,
        due=due,
        needs_dispatch=send,
        notified=(),
        visits=(*run.visits, visit),
        **_AT_FIRST,
    )


# --- what people decide ----------------------------------------------------------------------------------------------

_ANSWERABLE = (
    State.JUDGE_RESULTS, State.CHECK_RETRY_LIMIT, State.NOTIFY_OPERATOR, State.WAIT_FOR_OPERATOR_INPUT,
)  # fmt: skip
"""Where an answer is taken. People see the verdict on GitHub before they are asked: what they say then is kept."""


def can_take(run: Run, decision: Decision) -> bool:
    """Tell whether a decision about this attempt still changes anything."""
    if decision.what == "cancel":
        return not run.ended and TABLE[run.state].cancellable
    is_first = run.answer is None or run.answer.attempt != run.attempt
    return run.state in _ANSWERABLE and run.attempt == decision.attempt and is_first


def with_decision(run: Run, decision: Decision) -> Run:
    """Return the run with a decision noted, to be looked at now; unchanged where it changes nothing any more."""
    if not can_take(run, decision):
        return run
    changed = {"cancel": decision} if decision.what == "cancel" else {"answer": decision}
    return run.replace(due=decision.when, **changed)


# --- the drawing -----------------------------------------------------------------------------------------------------


def mermaid() -> str:
    """Return the machine as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.QUEUED}"]
    for state, row in TABLE.items():
        lines.append(f"    {state} : {row.does}")
        by_target: dict[State, list[str]] = {}
        for outcome, target in row.next.items():
            by_target.setdefault(target, []).append(outcome)
        for target, outcomes in by_target.items():
            goal = "[*]" if target is State.END else str(target)
            label = "" if outcomes == ["ok"] else f": {' or '.join(outcomes)}"
            lines.append(f"    {state} --> {goal}{label}")
        if row.retries:
            lines.append(f"    {state} --> {state}: error, {row.retries} retries")
        if row.cancellable:
            lines.append(f"    {state} --> {State.WRITE_HISTORY}: cancel")
    return "\n".join(lines) + "\n"
