"""The hub: its store, its services, and its set-up from a program."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runners.local.hub import records
from runners.local.hub.actions.runs import Runs
from runners.local.hub.auth import Authentication, new_key_pair
from runners.local.hub.editions import GITHUB_COM, Edition
from runners.local.hub.events import Events
from runners.local.hub.faults import Faults
from runners.local.hub.git.repository import GitRepository
from runners.local.hub.permissions import Actor
from runners.local.hub.rate_limit import RateCounter
from runners.local.hub.services.app_registration import Registrations
from runners.local.hub.services.webhooks import Webhooks
from runners.local.hub.store import Store, Table

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
JOB_ACCOUNT = "github-actions[bot]"


@dataclass(frozen=True)
class HubConfig:
    """Where the hub keeps its state and how it is reached."""

    root: Path
    base_url: str
    webhooks_enabled: bool = True
    edition: Edition = GITHUB_COM


class Service(Protocol):
    """Something that runs while the hub serves."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Hub:
    """A GitHub for one machine. All state is under ``config.root``; reopening the folder restores it."""

    def __init__(self, config: HubConfig) -> None:
        self.config = config
        self.store = Store(config.root / "hub.sqlite3")
        # Created here, in one thread: creating a table on first use could deadlock with a transaction that waits for it.
        self.users: Table[records.User] = self.store.table(records.User)
        self.apps: Table[records.App] = self.store.table(records.App)
        self.repositories: Table[records.Repository] = self.store.table(records.Repository)
        self.collaborators: Table[records.Collaborator] = self.store.table(records.Collaborator)
        self.installations: Table[records.Installation] = self.store.table(records.Installation)
        self.tokens: Table[records.Token] = self.store.table(records.Token)
        self.labels: Table[records.Label] = self.store.table(records.Label)
        self.issues: Table[records.Issue] = self.store.table(records.Issue)
        self.comments: Table[records.Comment] = self.store.table(records.Comment)
        self.reactions: Table[records.Reaction] = self.store.table(records.Reaction)
        self.check_runs: Table[records.CheckRun] = self.store.table(records.CheckRun)
        self.deliveries: Table[records.Delivery] = self.store.table(records.Delivery)
        self.auth = Authentication(self)
        self.rate = RateCounter()
        self.faults = Faults()
        self.events = Events(self)
        self.registrations = Registrations(self)
        self.webhooks = Webhooks(self)
        self.runs = Runs(self)
        """Workflow runs and the runners that execute them."""
        self.services: list[Service] = [self.webhooks]
        """Started and stopped with the server, in this order; mounted modules append their own."""

    @classmethod
    def open(cls, root: Path, base_url: str, *, webhooks_enabled: bool = True, edition: Edition = GITHUB_COM) -> Hub:
        """Open the hub of a folder, new or used before."""
        return cls(HubConfig(root, base_url.rstrip("/"), webhooks_enabled, edition))

    def close(self) -> None:
        self.store.close()

    # --- addresses ---------------------------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``: pages and git."""
        return self.config.base_url

    @property
    def api_url(self) -> str:
        """The REST API's root."""
        return f"{self.config.base_url}/api/v3"

    # --- looking up --------------------------------------------------------------------------------------------------

    def user(self, login: str) -> records.User | None:
        """Return the account with this login, ignoring case."""
        return self.users.first(key=login.lower())

    def repository(self, full_name: str) -> records.Repository | None:
        """Return the repository ``OWNER/NAME``, ignoring case."""
        return self.repositories.first(key=full_name.lower())

    def git(self, repository: records.Repository) -> GitRepository:
        """Return a repository's git data."""
        return GitRepository(self.config.root / "repositories" / f"{repository.full_name}.git")

    def person(self, login: str) -> Actor:
        """Return the actor for a person in the browser; KeyError if there is no such person."""
        user = self.user(login)
        if user is None:
            raise KeyError(login)
        return Actor("person", user)

    # --- setting up --------------------------------------------------------------------------------------------------

    def add_person(self, login: str, *, name: str | None = None) -> records.User:
        """Return the person with this login; add it if missing."""
        return self._account(login, name, bot=False)

    def personal_token(self, login: str) -> str:
        """Return a new personal token of a person."""
        return self.auth.issue_personal_token(self.person(login).account)

    def create_repository(
        self, full_name: str, *, private: bool = True, default_branch: str = "main", description: str | None = None
    ) -> records.Repository:
        """Create an empty repository ``OWNER/NAME``; its owner is added as a person if missing."""
        owner, _, name = full_name.partition("/")
        if not NAME.fullmatch(owner) or not NAME.fullmatch(name) or name.endswith(".git"):
            raise ValueError(f"not a repository's name: {full_name!r}")
        with self.store.transaction():
            if self.repository(full_name):
                raise ValueError(f"repository {full_name} exists already")
            repository = self.repositories.add(
                records.Repository(
                    full_name=full_name,
                    owner_id=self.add_person(owner).id,
                    private=private,
                    default_branch=default_branch,
                    description=description,
                )
            )
            self.git(repository).create(default_branch)
        return repository

    def import_git(self, repository: records.Repository, source: Path, ref: str = "HEAD") -> str:
        """Set the default branch to ``ref`` of a local git repository; return the commit's SHA."""
        return self.git(repository).import_from(source, ref, repository.default_branch)

    def set_role(self, repository: records.Repository, login: str, role: records.Role) -> None:
        """Add a collaborator, change the role, or remove it (``none``)."""
        user = self.add_person(login)
        with self.store.transaction():
            found = self.collaborators.first(repository_id=repository.id, user_id=user.id)
            if found is not None:
                self.collaborators.delete(found.id)
            if role != "none":
                self.collaborators.add(records.Collaborator(repository_id=repository.id, user_id=user.id, role=role))

    def register_app(
        self,
        slug: str,
        *,
        owner: str,
        webhook_url: str,
        webhook_secret: str,
        permissions: dict[str, str],
        events: list[str],
        public_key: str | None = None,
        name: str | None = None,
    ) -> tuple[records.App, str | None]:
        """Register a GitHub App; without a public key, create a pair and return its private key (PEM) once."""
        private_key = None
        if public_key is None:
            private_key, public_key = new_key_pair()
        with self.store.transaction():
            if self.apps.first(slug=slug):
                raise ValueError(f"an App {slug} exists already")
            app = self.apps.add(
                records.App(
                    slug=slug,
                    name=name or slug,
                    owner_id=self.add_person(owner).id,
                    bot_id=self._account(f"{slug}[bot]", None, bot=True).id,
                    public_key=public_key,
                    webhook_url=webhook_url,
                    webhook_secret=webhook_secret,
                    permissions={**permissions, "metadata": "read"},
                    events=events,
                )
            )
            self.webhooks.ping(app)
        return app, private_key

    def install(self, app: records.App, repository: records.Repository) -> records.Installation:
        """Install an App on a repository of its owner's account (an installation covers the account's chosen ones)."""
        from runners.local.hub.services import installations

        return installations.add(self, app, repository)

    def job_account(self) -> records.User:
        """Return the account that jobs act as."""
        return self._account(JOB_ACCOUNT, None, bot=True)

    def _account(self, login: str, name: str | None, *, bot: bool) -> records.User:
        with self.store.transaction():
            found = self.user(login)
            return found or self.users.add(records.User(login=login, name=name, type="Bot" if bot else "User"))
