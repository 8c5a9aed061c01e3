"""What the App reads from GitHub's responses: small types that tolerate missing and new fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal

Permission = Literal["admin", "maintain", "write", "triage", "read", "none"]
Json = Mapping[str, Any]


@dataclass(frozen=True)
class RepoInfo:
    """A repository."""

    id: int
    full_name: str
    default_branch: str
    private: bool
    html_url: str
    archived: bool = False
    can_push: bool | None = None
    """Whether the one who asks has write permission; None if GitHub does not say."""

    @classmethod
    def of(cls, data: Json) -> RepoInfo:
        return cls(
            id=integer(data, "id"),
            full_name=text(data, "full_name"),
            default_branch=text(data, "default_branch") or "main",
            # Unknown counts as public: public repositories are refused by default.
            private=data.get("private") is True,
            html_url=text(data, "html_url"),
            archived=data.get("archived") is True,
            can_push=part(data, "permissions").get("push") is True if "permissions" in data else None,
        )


@dataclass(frozen=True)
class Issue:
    """An issue (or a pull request, which GitHub shows as one)."""

    number: int
    title: str
    body: str
    state: str
    state_reason: str | None
    labels: tuple[str, ...]
    author: str
    author_type: str
    html_url: str
    created_at: datetime | None
    updated_at: datetime | None
    is_pull_request: bool = False
    closed_by: str = ""

    @classmethod
    def of(cls, data: Json) -> Issue:
        user = part(data, "user")
        return cls(
            number=integer(data, "number"),
            title=text(data, "title"),
            body=text(data, "body"),
            state=text(data, "state"),
            state_reason=optional(data, "state_reason"),
            labels=tuple(label if isinstance(label, str) else text(label, "name") for label in items(data, "labels")),
            author=text(user, "login"),
            author_type=text(user, "type"),
            html_url=text(data, "html_url"),
            created_at=moment(data, "created_at"),
            updated_at=moment(data, "updated_at"),
            is_pull_request="pull_request" in data,
            closed_by=text(part(data, "closed_by"), "login"),
        )


@dataclass(frozen=True)
class Comment:
    """A comment on an issue."""

    id: int
    body: str
    author: str
    author_type: str
    html_url: str
    created_at: datetime | None
    updated_at: datetime | None
    app_id: int | None = None

    @classmethod
    def of(cls, data: Json) -> Comment:
        user = part(data, "user")
        app = part(data, "performed_via_github_app")
        return cls(
            id=integer(data, "id"),
            body=text(data, "body"),
            author=text(user, "login"),
            author_type=text(user, "type"),
            html_url=text(data, "html_url"),
            created_at=moment(data, "created_at"),
            updated_at=moment(data, "updated_at"),
            app_id=integer(app, "id") if app else None,
        )


@dataclass(frozen=True)
class Step:
    """A step of a job."""

    number: int
    name: str
    status: str
    conclusion: str | None
    started_at: datetime | None
    completed_at: datetime | None

    @classmethod
    def of(cls, data: Json) -> Step:
        return cls(
            number=integer(data, "number"),
            name=text(data, "name"),
            status=text(data, "status"),
            conclusion=optional(data, "conclusion"),
            started_at=moment(data, "started_at"),
            completed_at=moment(data, "completed_at"),
        )


@dataclass(frozen=True)
class Job:
    """A job of a workflow run.

    Attributes
    ----------
    name
        The last part of the full name: ``prepare`` of ``train / prepare``, as a reusable workflow's job is called.
    """

    id: int
    name: str
    full_name: str
    status: str
    conclusion: str | None
    started_at: datetime | None
    completed_at: datetime | None
    html_url: str
    steps: tuple[Step, ...]
    run_id: int = 0
    runner_name: str | None = None
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Json) -> Job:
        full_name = text(data, "name")
        return cls(
            id=integer(data, "id"),
            name=full_name.rpartition(" / ")[2],
            full_name=full_name,
            status=text(data, "status"),
            conclusion=optional(data, "conclusion"),
            started_at=moment(data, "started_at"),
            completed_at=moment(data, "completed_at"),
            html_url=text(data, "html_url"),
            steps=tuple(Step.of(step) for step in items(data, "steps") if isinstance(step, Mapping)),
            run_id=integer(data, "run_id"),
            runner_name=optional(data, "runner_name"),
            labels=tuple(label for label in items(data, "labels") if isinstance(label, str)),
        )


@dataclass(frozen=True)
class Runner:
    """A self-hosted runner of a repository."""

    name: str
    online: bool
    busy: bool
    labels: tuple[str, ...]

    @classmethod
    def of(cls, data: Json) -> Runner:
        return cls(
            name=text(data, "name"),
            online=text(data, "status") == "online",
            busy=data.get("busy") is True,
            labels=tuple(text(label, "name") for label in items(data, "labels") if isinstance(label, Mapping)),
        )


@dataclass(frozen=True)
class WorkflowRun:
    """A run of a workflow."""

    id: int
    name: str
    display_title: str
    event: str
    status: str
    conclusion: str | None
    head_sha: str
    head_branch: str
    path: str
    html_url: str
    actor: str
    run_attempt: int
    created_at: datetime | None
    updated_at: datetime | None

    @classmethod
    def of(cls, data: Json) -> WorkflowRun:
        return cls(
            id=integer(data, "id"),
            name=text(data, "name"),
            display_title=text(data, "display_title"),
            event=text(data, "event"),
            status=text(data, "status"),
            conclusion=optional(data, "conclusion"),
            head_sha=text(data, "head_sha"),
            head_branch=text(data, "head_branch"),
            path=text(data, "path"),
            html_url=text(data, "html_url"),
            actor=text(part(data, "actor"), "login"),
            run_attempt=integer(data, "run_attempt") or 1,
            created_at=moment(data, "created_at"),
            updated_at=moment(data, "updated_at"),
        )


@dataclass(frozen=True)
class SentDelivery:
    """One attempt to deliver a webhook to the App; all attempts of a delivery share its ``guid``."""

    id: int
    guid: str
    event: str
    status_code: int
    delivered_at: datetime | None
    action: str = ""

    @property
    def succeeded(self) -> bool:
        return HTTPStatus.OK <= self.status_code < HTTPStatus.MULTIPLE_CHOICES

    @classmethod
    def of(cls, data: Json) -> SentDelivery:
        return cls(
            id=integer(data, "id"),
            guid=text(data, "guid"),
            event=text(data, "event"),
            status_code=integer(data, "status_code"),
            delivered_at=moment(data, "delivered_at"),
            action=text(data, "action"),
        )


@dataclass(frozen=True)
class LabelDefinition:
    """A label that the App needs; the colour without ``#``."""

    name: str
    color: str
    description: str


@dataclass(frozen=True)
class PublishedCommit:
    """A commit that a job pushed: untrusted, with its files listed but not read.

    Attributes
    ----------
    files
        Each regular file's blob SHA and size in bytes, by path.
    parents
        Its parent commits.
    others
        Paths that are not regular files: symbolic links, submodules.
    """

    sha: str
    files: Mapping[str, tuple[str, int]]
    parents: tuple[str, ...]
    others: tuple[str, ...] = ()


# --- reading JSON in which anything may be missing -------------------------------------------------------------------------------


def decoded(body: bytes) -> Any:
    """Parse JSON; ValueError if it is invalid."""
    return json.loads(body)


def text(data: Json, name: str) -> str:
    """Return a text, or an empty one if there is none."""
    value = data.get(name)
    return value if isinstance(value, str) else ""


def optional(data: Json, name: str) -> str | None:
    """Return a text, or None if there is none."""
    value = data.get(name)
    return value if isinstance(value, str) else None


def integer(data: Json, name: str) -> int:
    """Return a whole number, or 0 if there is none."""
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def part(data: Json, name: str) -> Json:
    """Return an object, or an empty one if there is none."""
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}


def items(data: Json, name: str) -> list[Any]:
    """Return a list, or an empty one if there is none."""
    value = data.get(name)
    return value if isinstance(value, list) else []


def moment(data: Json, name: str) -> datetime | None:
    """Return a time in ISO 8601, which is UTC without an offset."""
    value = data.get(name)
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
