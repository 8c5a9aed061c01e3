"""A repository, what people may do in it, and what the hub says of itself."""

# ruff: noqa: D103 - a handler is named after what its route does

from __future__ import annotations

import json
from typing import Any

from runners.local.hub.errors import ApiError, invalid_request, not_found
from runners.local.hub.permissions import ROLES, role_of
from runners.local.hub.records import Repository, Role, User
from runners.local.hub.rest import shapes
from runners.local.hub.rest.framework import Answer, Call, Routes

routes = Routes()
MAX_EVENT_TYPE = 100
MAX_PROPERTIES = 10
MAX_PAYLOAD = 64 * 1024


@routes.get("/repos/{owner}/{repo}", needs="metadata:read")
def get_repository(call: Call) -> Any:
    shape = shapes.repository(call.hub, call.repository) | {"network_count": 0, "subscribers_count": 0}
    if call.actor.kind == "person":
        shape["permissions"] = role_flags(role_of(call.hub, call.actor.user, call.repository))
    return shape


@routes.get("/repos/{owner}/{repo}/collaborators/{username}/permission", needs="metadata:read")
def get_permission(call: Call) -> Any:
    user = call.hub.user(call.path["username"])
    if user is None:
        raise not_found()
    role = role_of(call.hub, user, call.repository)
    return {"permission": coarse(role), "role_name": role, "user": _with_role(call, user)}


@routes.get("/orgs/{org}/teams/{team_slug}/memberships/{username}")
def get_team_membership(_: Call) -> Answer:
    """Say no: the accounts here are people's, who have no teams."""
    raise not_found()


@routes.post("/repos/{owner}/{repo}/dispatches", needs="contents:write", body="event_type client_payload")
def create_repository_dispatch(call: Call) -> Answer:
    """Tell the Apps of something that happened elsewhere. Workflows that wait for it are not started here."""
    event_type, content = call.text("event_type"), call.json.get("client_payload")
    if not 1 <= len(event_type) <= MAX_EVENT_TYPE:
        raise invalid_request(f"For 'properties/event_type', it has not 1 to {MAX_EVENT_TYPE} characters.")
    if content is not None and not isinstance(content, dict):
        raise invalid_request(f"For 'properties/client_payload', {json.dumps(content)[:100]} is not an object.")
    if content is not None and len(content) > MAX_PROPERTIES:
        raise invalid_request(f"No more than {MAX_PROPERTIES} properties are allowed; {len(content)} were supplied.")
    if len(json.dumps(content)) > MAX_PAYLOAD:
        raise ApiError(422, "client_payload is too large.")
    parts = {"branch": call.repository.default_branch, "client_payload": content}
    with call.hub.store.transaction():
        call.hub.events.emit("repository_dispatch", call.actor, action=event_type, repository=call.repository, **parts)
    return Answer(status=204)


@routes.get("/user")
def get_user(call: Call) -> Any:
    if call.actor.kind == "anonymous":
        raise ApiError(401, "Requires authentication")
    if call.actor.kind != "person":
        raise ApiError(403, "Resource not accessible by integration")
    return shapes.public_user(call.hub, call.actor.account)


@routes.get("/meta")
def get_meta(call: Call) -> Any:
    release = call.hub.config.edition.release
    return {"verifiable_password_authentication": False} | ({"installed_version": release} if release else {})


def coarse(role: Role) -> str:
    """Return the role as the older permission: none, read, write, admin."""
    return {"triage": "read", "maintain": "write"}.get(role, role)


def role_flags(role: Role) -> dict[str, bool]:
    """Return what a role includes, as GitHub names it."""
    names: dict[str, Role] = {
        "pull": "read",
        "triage": "triage",
        "push": "write",
        "maintain": "maintain",
        "admin": "admin",
    }
    return {name: ROLES.index(role) >= ROLES.index(least) for name, least in names.items()}


def _with_role(call: Call, user: User) -> dict[str, Any]:
    repository: Repository = call.repository
    role = role_of(call.hub, user, repository)
    return {**shapes.user(call.hub, user), "permissions": role_flags(role), "role_name": role}
