"""A run as a value (pure): everything that is known about one request, from its queueing to its end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from actions.contracts.order import Champion, Gate
from actions.contracts.person import Person
from actions.contracts.request import Repository
from actions.contracts.results import Verdict
from actions.contracts.run_id import RunId, number_of
from actions.contracts.scalar import Scalar
from actions.contracts.stage import Stage
from actions.errors import Problem
from actions.tasks.exchange import PublishedResult
from actions.tasks.registry import TrainingRequest
from actions.text.masking import masked
from bot.parsing.repository_config import NotificationsConfig, Promotion, RepositoryConfig
from bot.runs.machine import END, Machine, StateSpec
from bot.runs.machines import MACHINES

MAX_REASON_LENGTH = 2_000
MAX_LOG_LENGTH = 20_000
"""Characters that are kept from the end of a log."""

EndStatus = Literal["passed", "rejected", "failed", "cancelled", "invalid"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Decision(_Value):
    """What a person decided about one attempt of a run; the history keeps it."""

    who: Person
    what: Literal["approve", "reject", "cancel"]
    when: datetime
    attempt: int
    comment: int = Field(
        default=0, description="the id of the comment with the decision, so that it is not taken twice"
    )
    reason: Annotated[str, BeforeValidator(lambda text: masked(text)[:MAX_REASON_LENGTH])] = ""
    overrides: dict[str, Scalar] = Field(default_factory=dict)


class WorkflowDispatch(_Value):
    """A workflow run that the App started for (the rest of) an attempt."""

    attempt: int
    start_at: Stage
    title: str = Field(description="the workflow run's name, by which the App finds it again")
    workflow_run: int | None = Field(default=None, description="None: GitHub's response has not been seen yet")
    url: str = ""
    sent_at: datetime
    champion: Champion | None = Field(
        default=None, description="of the work order; the result must be compared with it"
    )


class StageError(_Value):
    """Why a stage, or a state's own work, failed."""

    stage: str
    step: Annotated[str, BeforeValidator(lambda text: text[:200])] = ""
    problem: Problem | None = None
    log_tail: Annotated[str, BeforeValidator(lambda text: text[-MAX_LOG_LENGTH:])] = ""


class AttemptVerdict(_Value):
    """The verdict of one attempt."""

    attempt: int
    verdict: Verdict


class JudgedAttempt(_Value):
    """What the run returns to if its next attempt cannot begin: the last attempt that was judged."""

    request: TrainingRequest
    seed: int | None
    result: PublishedResult | None
    published_sha: str | None


class Visit(_Value):
    """One stay in one state."""

    state: str
    entered: datetime
    left: datetime


class HeartbeatObservation(_Value):
    """The present stage's latest heartbeat. The runner's clock may be wrong, so the App notes when it saw a new one."""

    at: str = Field(description="the time in the heartbeat, by the runner's clock")
    seen_at: datetime = Field(description="when the App first saw this heartbeat, by its own clock")


class JobObservation(_Value):
    """The status of the present stage's job. GitHub's clock may be wrong, so the App notes when it saw a change."""

    job: int
    running: bool
    since: datetime = Field(description="when the App first saw this status, by its own clock")


class RunConfig(_Value):
    """What a run takes from its repository's configuration; by default the cautious choices."""

    data_roots: tuple[str, ...] = ()
    gate: Gate = Field(default_factory=Gate)
    promotion: Promotion = "approval"
    history_branch: str | None = Field(default=None, description="None: the default branch")
    notifications: NotificationsConfig = Field(default_factory=NotificationsConfig)

    @classmethod
    def of(cls, config: RepositoryConfig) -> RunConfig:
        return cls(
            data_roots=tuple(config.data_roots),
            gate=config.gate,
            promotion=config.promotion,
            history_branch=config.history.branch,
            notifications=config.notifications,
        )


class Run(_Value):
    """One request, processed to completion."""

    kind: str = Field(default="training", description="the kind of work: the name of the run's machine")
    id: RunId
    repository: Repository
    installation: int
    issue: int
    requester: Person
    contributors: tuple[Person, ...] = Field(
        default=(), description="others who wrote or changed the request: they count as requesters"
    )
    edited_by: tuple[Person, ...] = Field(
        default=(), description="who changed the issue's text too late for this run; the next run may train from it"
    )
    request_edited: datetime | None = Field(
        default=None, description="by GitHub's clock, when the issue's text that the request is from was changed last"
    )
    request: TrainingRequest
    created: datetime
    request_comment: int = Field(
        default=0, description="the comment with the command that opened it; 0: the issue itself"
    )
    config: RunConfig = Field(
        default_factory=RunConfig,
        description="as it was when the run was opened; from the first dispatch on, as it was then",
    )
    state: str = Field(default="", validate_default=True, description="empty: the machine's first state")
    entered: datetime
    tries: int = Field(default=0, description="errors during this stay in this state")
    due: datetime | None = Field(
        default=None, description="when to look at the run again without an event; None: never"
    )
    attempt: int = 1
    seed: int | None = Field(default=None, description="the seed that an approval set for the present attempt")
    needs_dispatch: bool = Field(default=False, description="the present stage needs a new workflow run")
    overdue: bool = Field(default=False, description="the App stopped the present stage, which exceeded its time limit")
    observed_job: JobObservation | None = None
    observed_heartbeat: HeartbeatObservation | None = None
    runner_lost: bool = Field(default=False, description="the App stopped the present stage, whose runner is gone")
    question_comment: int = Field(default=0, description="the comment that asks about the present attempt")
    dispatches: tuple[WorkflowDispatch, ...] = ()
    answer: Decision | None = None
    cancel: Decision | None = None
    decisions: tuple[Decision, ...] = ()
    verdicts: tuple[AttemptVerdict, ...] = ()
    judged: JudgedAttempt | None = Field(
        default=None, description="until the present attempt is judged: the one before"
    )
    error: StageError | None = None
    result: PublishedResult | None = None
    published_sha: str | None = None
    version: int | None = None
    promoted: bool = False
    status: EndStatus | None = None
    history_sha: str | None = None
    language: str = Field(default="en", description="the repository's language when the run began")
    notified: tuple[str, ...] = Field(default=(), description="who has been notified during this stay in this state")
    visits: tuple[Visit, ...] = ()
    row_version: int = Field(default=0, description="the database row's version, against lost updates")

    @field_validator("kind")
    @classmethod
    def _check_kind(cls, kind: str) -> str:
        if kind not in MACHINES:
            raise ValueError(f"no machine for {kind!r}")
        return kind

    @field_validator("state")
    @classmethod
    def _check_state(cls, state: str, info: ValidationInfo) -> str:
        """Return the state as a member of its machine's enumeration; without one, the first state."""
        if "kind" not in info.data:  # it was invalid, which pydantic reports
            return state
        machine = MACHINES[info.data["kind"]]
        return machine.states(state) if state else machine.first

    @property
    def machine(self) -> Machine:
        return MACHINES[self.kind]

    @property
    def spec(self) -> StateSpec:
        """What the present state means: its row in the machine's table."""
        return self.machine.spec(self.state)

    @property
    def timeout(self) -> timedelta | None:
        """How long one try of the present state may take."""
        return self.spec.timeout_for(self.request)

    @property
    def ended(self) -> bool:
        return self.state == END

    @property
    def lock_since(self) -> datetime:
        """When a run that has left the queue got its model's lock."""
        taken = [visit.left for visit in self.visits if self.machine.spec(visit.state).waits_for == "lock"]
        return taken[-1] if taken else self.entered

    @property
    def model(self) -> str:
        return self.request.model_name

    @property
    def requesters(self) -> tuple[Person, ...]:
        """Everyone who requested it: under ``approver: another`` none of them may decide."""
        return (self.requester, *self.contributors)

    @property
    def number(self) -> int:
        return number_of(self.id)

    @property
    def training_seed(self) -> int:
        """Attempt n trains with seed + n - 1 on the same split, unless an approval set another seed."""
        return self.request.seed + self.attempt - 1 if self.seed is None else self.seed

    @property
    def attempts_allowed(self) -> int:
        return self.request.max_retries + 1

    @property
    def dispatch(self) -> WorkflowDispatch | None:
        """The latest workflow run of the present attempt, if one was started."""
        latest = self.dispatches[-1] if self.dispatches else None
        return latest if latest is not None and latest.attempt == self.attempt else None

    @property
    def editable(self) -> bool:
        """Whether the request may still be corrected: until its work begins."""
        return self.spec.waits_for == "lock" and not self.dispatches

    def has_decision_from(self, comment: int) -> bool:
        """Tell whether a comment's decision has been taken already."""
        pending = [decision for decision in (self.answer, self.cancel) if decision is not None]
        return any(decision.comment == comment for decision in (*self.decisions, *pending))

    def replace(self, **changes: object) -> Run:
        """Return a validated copy with some fields changed."""
        return Run.model_validate({**dict(self), **changes})
