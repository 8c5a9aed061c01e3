"""A repository's labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from runners.local.hub.errors import validation_failed
from runners.local.hub.permissions import Actor
from runners.local.hub.records import Issue, Label, Repository
from runners.local.hub.rest.shapes import Json, node_id

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

COLOR = re.compile(r"[0-9a-fA-F]{6}")
MAX_NAME = 50
MAX_DESCRIPTION = 100


def find(hub: Hub, repository: Repository, name: str) -> Label | None:
    """Return the label with this name, ignoring case."""
    return hub.labels.first(repository_id=repository.id, key=name.lower())


def of_issue(hub: Hub, issue: Issue) -> list[Label]:
    """Return an issue's labels that still exist."""
    return [label for label in map(hub.labels.get, issue.label_ids) if label is not None]


def present(hub: Hub, repository: Repository, names: Sequence[str]) -> list[Label]:
    """Return those of the labels with these names that the repository has."""
    return [label for label in (find(hub, repository, name) for name in names) if label is not None]


def ensure(hub: Hub, actor: Actor, repository: Repository, names: Sequence[str]) -> list[Label]:
    """Return the labels with these names, without duplicates; unknown ones are created."""
    found = {name.lower(): find(hub, repository, name) or create(hub, actor, repository, name) for name in names}
    return list(found.values())


def create(
    hub: Hub, actor: Actor, repository: Repository, name: str, color: str = "ededed", description: str | None = None
) -> Label:
    """Create a label; 422 if the name is taken or a value is invalid."""
    _check(name, color, description)
    with hub.store.transaction():
        if find(hub, repository, name):
            raise validation_failed("Label", "name", "already_exists")
        label = hub.labels.add(
            Label(
                repository_id=repository.id, key=name.lower(), name=name, color=color.lower(), description=description
            )
        )
        _tell(hub, actor, repository, label, "created")
    return label


def edit(
    hub: Hub, actor: Actor, repository: Repository, label: Label, name: str, color: str, description: str | None
) -> Label:
    """Change a label."""
    _check(name, color, description)
    with hub.store.transaction():
        other = find(hub, repository, name)
        if other is not None and other.id != label.id:
            raise validation_failed("Label", "name", "already_exists")
        label = hub.labels.update(label.id, key=name.lower(), name=name, color=color.lower(), description=description)
        _tell(hub, actor, repository, label, "edited")
    return label


def delete(hub: Hub, actor: Actor, repository: Repository, label: Label) -> None:
    """Remove a label from the repository and from its issues."""
    with hub.store.transaction():
        hub.labels.delete(label.id)
        for issue in hub.issues.find(repository_id=repository.id):
            if label.id in issue.label_ids:
                hub.issues.update(issue.id, label_ids=[item for item in issue.label_ids if item != label.id])
        _tell(hub, actor, repository, label, "deleted")


def shape(hub: Hub, label: Label) -> Json:
    """Return a label's JSON."""
    repository = hub.repositories.need(label.repository_id)
    return {
        **label.pick("id", "name", "color", "description"),
        "node_id": node_id("Label", label.id),
        "url": f"{hub.api_url}/repos/{repository.full_name}/labels/{quote(label.name, safe='')}",
        "default": False,
    }


def _check(name: str, color: str, description: str | None) -> None:
    if not name.strip() or len(name) > MAX_NAME:
        raise validation_failed("Label", "name", "invalid" if name.strip() else "missing_field")
    if not COLOR.fullmatch(color):
        raise validation_failed("Label", "color")
    if description is not None and len(description) > MAX_DESCRIPTION:
        raise validation_failed(
            "Label", "description", "custom", f"description is too long (maximum is {MAX_DESCRIPTION} characters)"
        )


def _tell(hub: Hub, actor: Actor, repository: Repository, label: Label, action: str) -> None:
    hub.events.emit("label", actor, action=action, repository=repository, label=shape(hub, label))
