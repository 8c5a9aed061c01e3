"""A repository, what people may do in it, and what the hub says of itself."""

# ruff: noqa: D103 - a handler is named after what its route does

from __future__ import annotations

from typing import Any

from runners.local.hub import shapes
from runners.local.hub.access import ROLES, role_of
from runners.local.hub.api import Call, Routes
from runners.local.hub.errors import ApiError, not_found
from runners.local.hub.records import Repository, Role, User

routes = Routes()


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


@routes.get("/user")
def get_user(call: Call) -> Any:
    if call.actor.kind == "anonymous":
        raise ApiError(401, "Requires authentication")
    if call.actor.kind != "person":
        raise ApiError(403, "Resource not accessible by integration")
    return shapes.public_user(call.hub, call.actor.account)


@routes.get("/meta")
def get_meta(_: Call) -> Any:
    return {"verifiable_password_authentication": False, "installed_version": "3.20.0"}


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
