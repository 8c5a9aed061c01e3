"""What the hub stores. Times are GitHub's text form (``2026-11-22T09:00:00Z``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from runners.local.hub.store import Record

Role = Literal["none", "read", "triage", "write", "maintain", "admin"]
TokenKind = Literal["personal", "installation", "job"]


def now() -> str:
    """Return the current time in GitHub's format."""
    return later(0)


def later(seconds: float) -> str:
    """Return the time in that many seconds in GitHub's format."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, kw_only=True)
class User(Record, table="user", indexed=("key",), first_id=101):
    """A person (``User``) or an App's or the runner's acting account (``Bot``). Logins are compared without case."""

    login: str
    type: Literal["User", "Bot"] = "User"
    name: str | None = None
    created_at: str = field(default_factory=now)

    @property
    def key(self) -> str:
        return self.login.lower()


@dataclass(frozen=True, kw_only=True)
class App(Record, table="app", indexed=("slug",), first_id=2_001):
    """A GitHub App with its webhook."""

    slug: str
    name: str
    owner_id: int
    bot_id: int
    public_key: str
    webhook_url: str
    webhook_secret: str
    permissions: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    created_at: str = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class Repository(Record, table="repository", indexed=("key",), first_id=30_001):
    """A repository; its git data is the bare repository ``repositories/OWNER/NAME.git``.

    Names are compared ignoring case.
    """

    full_name: str
    owner_id: int
    private: bool = True
    default_branch: str = "main"
    description: str | None = None
    created_at: str = field(default_factory=now)
    pushed_at: str = field(default_factory=now)

    @property
    def key(self) -> str:
        return self.full_name.lower()

    @property
    def owner(self) -> str:
        return self.full_name.split("/")[0]

    @property
    def name(self) -> str:
        return self.full_name.split("/")[1]


@dataclass(frozen=True, kw_only=True)
class Collaborator(Record, table="collaborator", indexed=("repository_id", "user_id")):
    """The role of a person in a repository."""

    repository_id: int
    user_id: int
    role: Role


@dataclass(frozen=True, kw_only=True)
class Installation(Record, table="installation", indexed=("app_id", "account_id"), first_id=400_001):
    """An App installed on the repositories of one account."""

    app_id: int
    account_id: int
    repository_ids: list[int] = field(default_factory=list)
    permissions: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    suspended_at: str | None = None
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class Token(Record, table="token", indexed=("digest", "run_id")):
    """A credential; only its digest is kept. ``permissions`` and ``repository_ids`` bound installation and job tokens."""

    digest: str
    kind: TokenKind
    user_id: int
    installation_id: int | None = None
    run_id: int | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    repository_ids: list[int] = field(default_factory=list)
    expires_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Label(Record, table="label", indexed=("repository_id", "key"), first_id=6_001):
    """A label of a repository. ``key`` is its name in lower case: names are compared without case."""

    repository_id: int
    key: str
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class Issue(Record, table="issue", indexed=("repository_id", "state", "number"), first_id=500_001):
    """An issue; ``label_ids`` are in the order in which they were added."""

    repository_id: int
    number: int
    user_id: int
    title: str
    body: str | None = None
    state: Literal["open", "closed"] = "open"
    state_reason: str | None = None
    label_ids: list[int] = field(default_factory=list)
    app_id: int | None = None
    closed_by_id: int | None = None
    closed_at: str | None = None
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class Comment(Record, table="comment", indexed=("repository_id", "issue_id"), first_id=7_000_001):
    """A comment on an issue."""

    repository_id: int
    issue_id: int
    user_id: int
    body: str
    app_id: int | None = None
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class Reaction(Record, table="reaction", indexed=("content", "user_id", "comment_id"), first_id=80_001):
    """A reaction to a comment."""

    comment_id: int
    user_id: int
    content: str
    created_at: str = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class CheckRun(Record, table="check_run", indexed=("repository_id", "head_sha"), first_id=90_001):
    """A check run; only the App that created it may change it."""

    repository_id: int
    head_sha: str
    name: str
    app_id: int | None
    """None if created with a job's token."""
    status: str = "queued"
    conclusion: str | None = None
    details_url: str | None = None
    external_id: str = ""
    started_at: str | None = None
    completed_at: str | None = None
    output: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Delivery(Record, table="delivery", indexed=("app_id", "guid", "repository_id", "state"), first_id=12_000_001):
    """One attempt to deliver a webhook; a redelivery is a new record with the same ``guid``."""

    app_id: int
    guid: str
    event: str
    action: str | None = None
    state: Literal["pending", "done"] = "pending"
    redelivery: bool = False
    installation_id: int | None = None
    repository_id: int | None = None
    url: str = ""
    request_headers: dict[str, str] = field(default_factory=dict)
    payload: str = "{}"
    """The exact body that is sent and signed (UTF-8)."""
    status: str = "pending"
    status_code: int = 0
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""
    duration: float = 0.0
    created_at: str = field(default_factory=now)
    delivered_at: str = field(default_factory=now)
