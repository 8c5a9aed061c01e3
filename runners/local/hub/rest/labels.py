"""A repository's labels."""

# ruff: noqa: D103 - a handler is named after what its route does

from __future__ import annotations

from typing import Any

from runners.local.hub.errors import not_found
from runners.local.hub.records import Label
from runners.local.hub.rest.framework import Answer, Call, Routes
from runners.local.hub.services import labels

routes = Routes()
LABEL = "/repos/{owner}/{repo}/labels/{name:path}"


@routes.get("/repos/{owner}/{repo}/labels", needs="issues:read")
def list_labels(call: Call) -> Answer:
    found = call.hub.labels.find(repository_id=call.repository.id)
    return call.paged(found, lambda label: labels.shape(call.hub, label))


@routes.post("/repos/{owner}/{repo}/labels", needs="issues:write", body="name color description")
def create_label(call: Call) -> Answer:
    label = labels.create(
        call.hub,
        call.actor,
        call.repository,
        call.text("name"),
        call.text("color", "ededed").removeprefix("#"),
        call.text("description", "") or None,
    )
    shape = labels.shape(call.hub, label)
    return Answer(shape, 201, {"Location": shape["url"]})


@routes.get(LABEL, needs="issues:read")
def get_label(call: Call) -> Any:
    return labels.shape(call.hub, _label(call))


@routes.patch(LABEL, needs="issues:write", body="new_name color description")
def update_label(call: Call) -> Any:
    label = _label(call)
    changed = labels.edit(
        call.hub,
        call.actor,
        call.repository,
        label,
        call.text("new_name", label.name),
        call.text("color", label.color).removeprefix("#"),
        call.text("description", label.description or "") or None,
    )
    return labels.shape(call.hub, changed)


@routes.delete(LABEL, needs="issues:write")
def delete_label(call: Call) -> Answer:
    labels.delete(call.hub, call.actor, call.repository, _label(call))
    return Answer(status=204)


def _label(call: Call) -> Label:
    found = labels.find(call.hub, call.repository, call.path["name"])
    if found is None:
        raise not_found()
    return found
