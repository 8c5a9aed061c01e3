"""An event of a run, as plain values that templates may use (values only)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from actions.contracts.channels import Event, Language
from actions.contracts.request import Repository
from actions.contracts.run_id import RunId
from actions.errors import Problem

MAX_METRICS = 20
Text = Annotated[str, StringConstraints(max_length=2_000)]
Address = Annotated[str, StringConstraints(max_length=1_000, pattern=r"^(https?://[^\s<>|\"]*)?$")]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MetricLine(_Value):
    """One metric's value, and the champion's."""

    name: Text
    value: float | None
    champion: float | None = None


class StageProblem(Problem):
    """Why a run failed; all but the stage may be unknown."""

    stage: Text
    kind: str = ""
    reason: str = ""
    rule: Text = ""
    found: Text = ""
    next_step: Text = ""


class Notice(_Value):
    """An event that channels are notified about. Its texts are untrusted: each channel escapes them.

    `list_templates` shows the fields' descriptions.
    """

    event: Event = Field(description="waiting, success or failure")
    language: Language = Field(default="en", description="the repository's language")
    run: RunId = Field(description="the run's id")
    repository: Repository = Field(description="owner/name")
    issue: int = Field(ge=1, description="the issue's number")
    model: Text = Field(description="the model's name")
    headline: Text = Field(description="one line with the run's status, in the repository's language")
    status: Literal["", "passed", "rejected", "failed", "cancelled", "invalid"] = Field(
        default="", description="how the run ended; empty while it waits for an answer"
    )
    attempt: int = Field(default=1, ge=1, description="the current attempt")
    attempts_allowed: int = Field(default=1, ge=1, description="the number of attempts that the request allows")
    requester: Text = Field(description="who requested the training run")
    decided_by: Text = Field(default="", description="who cancelled the run or decided against a retry")
    reason: Text = Field(default="", description="the reason they gave")
    metric: Text = Field(default="", description="the metric that the verdict is about")
    value: float | None = Field(default=None, description="the metric's value")
    threshold: float | None = Field(default=None, description="the threshold")
    at_most: bool = Field(default=False, description="whether the metric passes at or below the threshold")
    champion: float | None = Field(default=None, description="the champion's value on the same rows")
    metrics: tuple[MetricLine, ...] = Field(
        default=(), max_length=MAX_METRICS, description="all metrics, for a loop: name, value, champion"
    )
    version: int | None = Field(default=None, description="the version in the registry")
    promoted: bool = Field(default=False, description="whether the version is now the champion")
    problem: StageProblem | None = Field(default=None, description="what went wrong: stage, rule, found, next_step")
    waiting_until: datetime | None = Field(default=None, description="when the question to the operator expires")
    issue_url: Address = Field(default="", description="the issue's page")
    history_url: Address = Field(default="", description="the page with the run's history")
    workflow_url: Address = Field(default="", description="the page of the workflow run")

    @property
    def links(self) -> tuple[str, ...]:
        """The pages that a message may link to."""
        return tuple(url for url in (self.issue_url, self.history_url, self.workflow_url) if url)

    @property
    def key(self) -> str:
        """An id that is the same if the notification is sent again; runs are numbered within their repository."""
        return f"{self.repository}#{self.run}.{self.event}.{self.attempt}"


def example_notice(event: Event, language: Language = "en") -> Notice:
    """Return a notice for trying out a template."""
    headlines = {
        "waiting": {
            "en": "✋ Rejected: breast-cancer is not good enough. Train it again?",
            "ja": "✋ 不合格: breast-cancer は基準に届きませんでした。もう一度学習しますか？",  # noqa: RUF001 - Japanese
        },
        "success": {
            "en": "✅ Passed: breast-cancer version 3 is registered as a candidate",
            "ja": "✅ 合格: breast-cancer のバージョン 3 を候補として登録しました",
        },
        "failure": {
            "en": "❌ Failed in the train stage",
            "ja": "❌ train ステージで失敗しました",
        },
    }
    page = "https://github.com/owner/models"
    figures = {"waiting": 0.9123, "success": 0.9649, "failure": None}
    return Notice(
        event=event,
        language=language,
        run="train-20261122-001",
        repository="owner/models",
        issue=7,
        model="breast-cancer",
        headline=headlines[event][language],
        status={"waiting": "", "success": "passed", "failure": "failed"}[event],
        attempts_allowed=3,
        requester="writer",
        metric="accuracy",
        value=figures[event],
        threshold=0.95,
        champion=0.95 if event == "success" else None,
        metrics=() if event == "failure" else (MetricLine(name="accuracy", value=figures[event], champion=0.95),),
        version=3 if event == "success" else None,
        problem=StageProblem(stage="train", found="MemoryError") if event == "failure" else None,
        waiting_until=datetime(2026, 11, 23, 12, tzinfo=UTC) if event == "waiting" else None,
        issue_url=f"{page}/issues/7",
        history_url="" if event == "waiting" else f"{page}/blob/main/training_history/train-20261122-001.md",
        workflow_url=f"{page}/actions/runs/5",
    )
