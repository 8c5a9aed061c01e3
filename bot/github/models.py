"""What the App reads from GitHub's responses: small types that tolerate missing and new fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal, Self

Permission = Literal["admin", "maintain", "write", "triage", "read", "none"]
Json = Mapping[str, Any]


@dataclass(frozen=True)
class _FromJson:
    """A part of a response: fields are read by their names and types, unless ``of`` reads them otherwise."""

    @classmethod
    def of(cls, data: Json) -> Self:
        return cls._read(data)

    @classmethod
    def _read(cls, data: Json, **otherwise: Any) -> Self:
        others = {field.name: field.type for field in fields(cls) if field.name not in otherwise}
        return cls(**{name: _READERS[str(kind)](data, name) for name, kind in others.items()}, **otherwise)


@dataclass(frozen=True)
class RepoInfo(_FromJson):
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
    def of(cls, data: Json) -> Self:
        return cls._read(
            data,
            default_branch=text(data, "default_branch") or "main",
            # Unknown counts as public: public repositories are refused by default.
            private=data.get("private") is True,
            archived=data.get("archived") is True,
            can_push=part(data, "permissions").get("push") is True if "permissions" in data else None,
        )


@dataclass(frozen=True)
class Issue(_FromJson):
    """An issue (or a pull request, which GitHub shows as one)."""

    number: int
    title: str
    body: str
    state: str
    state_reason: str | None
    labels: tuple[str, ...]
    author: str
    author_id: int
    author_type: str
    html_url: str
    created_at: datetime | None
    updated_at: datetime | None
    is_pull_request: bool = False
    closed_by: str = ""

    @classmethod
    def of(cls, data: Json) -> Self:
        user = part(data, "user")
        return cls._read(
            data,
            labels=tuple(label if isinstance(label, str) else text(label, "name") for label in items(data, "labels")),
            author=text(user, "login"),
            author_id=integer(user, "id"),
            author_type=text(user, "type"),
            is_pull_request="pull_request" in data,
            closed_by=text(part(data, "closed_by"), "login"),
        )


@dataclass(frozen=True)
class Comment(_FromJson):
    """A comment on an issue."""

    id: int
    body: str
    author: str
    author_id: int
    author_type: str
    html_url: str
    created_at: datetime | None
    updated_at: datetime | None
    app_id: int | None = None

    @classmethod
    def of(cls, data: Json) -> Self:
        user = part(data, "user")
        app = part(data, "performed_via_github_app")
        return cls._read(
            data,
            author=text(user, "login"),
            author_id=integer(user, "id"),
            author_type=text(user, "type"),
            app_id=integer(app, "id") if app else None,
        )


@dataclass(frozen=True)
class Step(_FromJson):
    """A step of a job."""

    number: int
    name: str
    status: str
    conclusion: str | None
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True)
class Job(_FromJson):
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
    def of(cls, data: Json) -> Self:
        full_name = text(data, "name")
        return cls._read(
            data,
            name=full_name.rpartition(" / ")[2],
            full_name=full_name,
            steps=tuple(Step.of(step) for step in items(data, "steps") if isinstance(step, Mapping)),
            labels=tuple(label for label in items(data, "labels") if isinstance(label, str)),
        )


@dataclass(frozen=True)
class Runner(_FromJson):
    """A self-hosted runner of a repository."""

    name: str
    online: bool
    busy: bool
    labels: tuple[str, ...]

    @classmethod
    def of(cls, data: Json) -> Self:
        return cls._read(
            data,
            online=text(data, "status") == "online",
            busy=data.get("busy") is True,
            labels=tuple(text(label, "name") for label in items(data, "labels") if isinstance(label, Mapping)),
        )


@dataclass(frozen=True)
class WorkflowRun(_FromJson):
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
    def of(cls, data: Json) -> Self:
        return cls._read(
            data,
            actor=text(part(data, "actor"), "login"),
            run_attempt=integer(data, "run_attempt") or 1,
        )


@dataclass(frozen=True)
class SentDelivery(_FromJson):
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


_READERS = {"str": text, "str | None": optional, "int": integer, "datetime | None": moment}
"""By the type that a field is annotated with."""
