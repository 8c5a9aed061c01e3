"""Fills a hub with people, a repository and an App: the same way for a demo, a test and a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actions.github_integration.app_needs import wanted_events, wanted_permissions
from runners.local.hub.records import App, Repository, Role

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

APP_PERMISSIONS = wanted_permissions()
APP_EVENTS = wanted_events()
"""Exactly what the App needs on GitHub."""
ROLES: dict[str, Role] = {"maintainer": "maintain", "writer": "write", "reader": "read", "outsider": "none"}


@dataclass(frozen=True)
class Setup:
    """What to create; existing content is kept, except the App's webhook."""

    repository: str = "owner/demo"
    private: bool = True
    roles: Mapping[str, Role] = field(default_factory=lambda: dict(ROLES))
    """People other than the owner and their roles; ``none`` for an outsider."""
    import_from: Path | None = None
    """A local git repository whose ``HEAD`` becomes the default branch of a new repository."""
    app: str = "modelyard"
    app_permissions: Mapping[str, str] = field(default_factory=lambda: dict(APP_PERMISSIONS))
    app_events: tuple[str, ...] = APP_EVENTS
    webhook_url: str = ""
    webhook_secret: str = ""


@dataclass(frozen=True)
class Ready:
    """What a client needs: the App's id and key, and a token per person."""

    repository: Repository
    app: App
    private_key_path: Path
    installation_id: int
    tokens: Mapping[str, str]

    def json(self, hub: Hub) -> dict[str, Any]:
        """Return the JSON line that the command prints."""
        return {
            "url": hub.base_url,
            "api_url": hub.api_url,
            "repository": self.repository.full_name,
            "app_id": self.app.id,
            "private_key_path": str(self.private_key_path),
            "installation_id": self.installation_id,
            "tokens": dict(self.tokens),
        }


def set_up(hub: Hub, setup: Setup) -> Ready:
    """Create everything; may be called again on the same hub."""
    repository = hub.repository(setup.repository)
    if repository is None:
        repository = hub.create_repository(setup.repository, private=setup.private)
        if setup.import_from is not None:
            hub.import_git(repository, setup.import_from)
        for login, role in setup.roles.items():
            hub.set_role(repository, login, role)
    app, key_path = _app(hub, setup, repository.owner)
    installed = next(
        (item for item in hub.installations.find(app_id=app.id) if repository.id in item.repository_ids), None
    )
    installation = installed or hub.install(app, repository)
    tokens = {login: hub.personal_token(login) for login in (repository.owner, *setup.roles)}
    return Ready(repository, app, key_path, installation.id, tokens)


def _app(hub: Hub, setup: Setup, owner: str) -> tuple[App, Path]:
    key_path = hub.config.root / f"{setup.app}.private-key.pem"
    app = hub.apps.first(slug=setup.app)
    if app is not None:
        return hub.apps.update(app.id, webhook_url=setup.webhook_url, webhook_secret=setup.webhook_secret), key_path
    app, private_key = hub.register_app(
        setup.app,
        owner=owner,
        webhook_url=setup.webhook_url,
        webhook_secret=setup.webhook_secret,
        permissions=dict(setup.app_permissions),
        events=list(setup.app_events),
    )
    key_path.touch(mode=0o600)
    key_path.write_text(private_key or "", encoding="ascii")
    return app, key_path
