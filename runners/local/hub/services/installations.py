"""What an account's owner can do with an App: add repositories, remove them, suspend it, uninstall it.

Each emits an event to the App, as on GitHub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runners.local.hub.records import App, Installation, Repository, now
from runners.local.hub.rest import shapes

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub


def add(hub: Hub, app: App, repository: Repository) -> Installation:
    """Install an App on a repository of its owner's account, or add the repository to its installation."""
    with hub.store.transaction():
        found = hub.installations.first(app_id=app.id, account_id=repository.owner_id)
        if found is None:
            found = hub.installations.add(
                Installation(
                    app_id=app.id,
                    account_id=repository.owner_id,
                    repository_ids=[repository.id],
                    permissions=app.permissions,
                    events=app.events,
                )
            )
            _tell(hub, found, "installation", "created", repositories=[repository])
        else:
            chosen = list(dict.fromkeys([*found.repository_ids, repository.id]))
            found = hub.installations.update(found.id, repository_ids=chosen, updated_at=now())
            _tell(hub, found, "installation_repositories", "added", repositories_added=[repository])
    return found


def take_away(hub: Hub, installation: Installation, repository: Repository) -> Installation:
    """Remove a repository from an installation."""
    with hub.store.transaction():
        kept = [number for number in hub.installations.need(installation.id).repository_ids if number != repository.id]
        found = hub.installations.update(installation.id, repository_ids=kept, updated_at=now())
        _tell(hub, found, "installation_repositories", "removed", repositories_removed=[repository])
    return found


def remove(hub: Hub, installation: Installation) -> None:
    """Uninstall the App; its tokens become invalid."""
    with hub.store.transaction():
        _tell(hub, installation, "installation", "deleted", repositories=_repositories(hub, installation))
        hub.installations.delete(installation.id)


def suspend(hub: Hub, installation: Installation) -> Installation:
    """Suspend the App's access to the account's repositories."""
    with hub.store.transaction():
        found = hub.installations.update(installation.id, suspended_at=now(), updated_at=now())
        _tell(hub, found, "installation", "suspend", repositories=_repositories(hub, found))
    return found


def unsuspend(hub: Hub, installation: Installation) -> Installation:
    """Unsuspend the App."""
    with hub.store.transaction():
        found = hub.installations.update(installation.id, suspended_at=None, updated_at=now())
        _tell(hub, found, "installation", "unsuspend", repositories=_repositories(hub, found))
    return found


def accept_permissions(hub: Hub, installation: Installation) -> Installation:
    """Accept the permissions that the App currently requests."""
    app = hub.apps.need(installation.app_id)
    with hub.store.transaction():
        found = hub.installations.update(
            installation.id, permissions=app.permissions, events=app.events, updated_at=now()
        )
        _tell(hub, found, "installation", "new_permissions_accepted", repositories=_repositories(hub, found))
    return found


def _repositories(hub: Hub, installation: Installation) -> list[Repository]:
    return [hub.repositories.need(number) for number in installation.repository_ids]


def _tell(hub: Hub, installation: Installation, event: str, action: str, **lists: list[Repository]) -> None:
    payload: dict[str, Any] = {
        "action": action,
        "installation": shapes.installation(hub, installation),
        **{name: [_brief(hub, each) for each in repositories] for name, repositories in lists.items()},
        "sender": shapes.user(hub, hub.users.need(installation.account_id)),
    }
    if event == "installation_repositories":
        both = {"repositories_added": [], "repositories_removed": [], "repository_selection": "selected"}
        payload = {**both, "requester": None, **payload}
    hub.webhooks.tell(hub.apps.need(installation.app_id), event, payload, installation)


def _brief(hub: Hub, repository: Repository) -> dict[str, Any]:
    shape = shapes.minimal_repository(hub, repository)
    return {name: shape[name] for name in ("id", "node_id", "name", "full_name", "private")}
