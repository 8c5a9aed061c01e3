"""What the hub stores. Times are GitHub's text form (``2026-11-22T09:00:00Z``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

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
class User(Record):
    """A person (``User``) or an App's or the runner's acting account (``Bot``). Logins are compared without case."""

    TABLE: ClassVar[str] = "user"
    INDEXED: ClassVar[tuple[str, ...]] = ("key",)
    FIRST_ID: ClassVar[int] = 101

    login: str
    type: Literal["User", "Bot"] = "User"
    name: str | None = None
    created_at: str = field(default_factory=now)

    @property
    def key(self) -> str:
        return self.login.lower()


@dataclass(frozen=True, kw_only=True)
class App(Record):
    """A GitHub App with its webhook."""

    TABLE: ClassVar[str] = "app"
    INDEXED: ClassVar[tuple[str, ...]] = ("slug",)
    FIRST_ID: ClassVar[int] = 2_001

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
class Repository(Record):
    """A repository; its git data is the bare repository ``repositories/OWNER/NAME.git``.

    Names are compared ignoring case.
    """

    TABLE: ClassVar[str] = "repository"
    INDEXED: ClassVar[tuple[str, ...]] = ("key",)
    FIRST_ID: ClassVar[int] = 30_001

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
class Collaborator(Record):
    """The role of a person in a repository."""

    TABLE: ClassVar[str] = "collaborator"
    INDEXED: ClassVar[tuple[str, ...]] = ("repository_id", "user_id")

    repository_id: int
    user_id: int
    role: Role


@dataclass(frozen=True, kw_only=True)
class Installation(Record):
    """An App installed on the repositories of one account."""

    TABLE: ClassVar[str] = "installation"
    INDEXED: ClassVar[tuple[str, ...]] = ("app_id", "account_id")
    FIRST_ID: ClassVar[int] = 400_001

    app_id: int
    account_id: int
    repository_ids: list[int] = field(default_factory=list)
    permissions: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    suspended_at: str | None = None
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class Token(Record):
    """A credential; only its digest is kept. ``permissions`` and ``repository_ids`` bound installation and job tokens."""

    TABLE: ClassVar[str] = "token"
    INDEXED: ClassVar[tuple[str, ...]] = ("digest", "run_id")

    digest: str
    kind: TokenKind
    user_id: int
    installation_id: int | None = None
    run_id: int | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    repository_ids: list[int] = field(default_factory=list)
    expires_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Label(Record):
    """A label of a repository. ``key`` is its name in lower case: names are compared without case."""

    TABLE: ClassVar[str] = "label"
    INDEXED: ClassVar[tuple[str, ...]] = ("repository_id", "key")
    FIRST_ID: ClassVar[int] = 6_001

    repository_id: int
    key: str
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class Issue(Record):
    """An issue; ``label_ids`` are in the order in which they were added."""

    TABLE: ClassVar[str] = "issue"
    INDEXED: ClassVar[tuple[str, ...]] = ("repository_id", "number", "state")
    FIRST_ID: ClassVar[int] = 500_001

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
class Comment(Record):
    """A comment on an issue."""

    TABLE: ClassVar[str] = "comment"
    INDEXED: ClassVar[tuple[str, ...]] = ("repository_id", "issue_id")
    FIRST_ID: ClassVar[int] = 7_000_001

    repository_id: int
    issue_id: int
    user_id: int
    body: str
    app_id: int | None = None
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class Reaction(Record):
    """A reaction to a comment."""

    TABLE: ClassVar[str] = "reaction"
    INDEXED: ClassVar[tuple[str, ...]] = ("comment_id", "user_id", "content")
    FIRST_ID: ClassVar[int] = 80_001

    comment_id: int
    user_id: int
    content: str
    created_at: str = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class CheckRun(Record):
    """A check run; only the App that created it may change it."""

    TABLE: ClassVar[str] = "check_run"
    INDEXED: ClassVar[tuple[str, ...]] = ("repository_id", "head_sha")
    FIRST_ID: ClassVar[int] = 90_001

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
class Delivery(Record):
    """One attempt to deliver a webhook; a redelivery is a new record with the same ``guid``."""

    TABLE: ClassVar[str] = "delivery"
    INDEXED: ClassVar[tuple[str, ...]] = ("app_id", "guid", "state", "repository_id")
    FIRST_ID: ClassVar[int] = 12_000_001

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
