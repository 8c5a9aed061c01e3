"""Who acts, and what they may do where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runners.local.hub.errors import ApiError, not_accessible, not_found
from runners.local.hub.records import App, Installation, Repository, Role, Token, User

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

ActorKind = Literal["anonymous", "person", "app", "installation", "job"]
ROLES: tuple[Role, ...] = ("none", "read", "triage", "write", "maintain", "admin")
LEVELS = ("none", "read", "write", "admin")


@dataclass(frozen=True)
class Actor:
    """The account that a request acts as, and how it authenticated."""

    kind: ActorKind
    user: User | None = None
    app: App | None = None
    installation: Installation | None = None
    token: Token | None = None

    @property
    def account(self) -> User:
        """The acting account; 401 if anonymous."""
        if self.user is None:
            raise ApiError(401, "Requires authentication")
        return self.user


ANONYMOUS = Actor("anonymous")


@dataclass(frozen=True)
class Need:
    """What a route requires: the permission of an App or job, or the role of a person.

    ``Need.of("issues:write", "read")``: anyone who can read a repository may open issues in it.
    """

    permission: str
    level: str
    role: Role

    @classmethod
    def of(cls, permission: str, role: Role | None = None) -> Need:
        name, _, level = permission.partition(":")
        default: Role = "read" if level == "read" else "write"
        return cls(name, level, role or default)


def role_of(hub: Hub, user: User | None, repository: Repository) -> Role:
    """Return a person's role in a repository; everyone can read a public one."""
    least: Role = "none" if repository.private else "read"
    if user is None:
        return least
    if user.id == repository.owner_id:
        return "admin"
    found = hub.collaborators.first(repository_id=repository.id, user_id=user.id)
    return found.role if found else least


def has_role(hub: Hub, user: User | None, repository: Repository, role: Role) -> bool:
    """Tell whether a person has at least this role."""
    return ROLES.index(role_of(hub, user, repository)) >= ROLES.index(role)


def bound(actor: Actor, repository: Repository) -> bool:
    """Tell whether the token of an App or job includes this repository."""
    if actor.token is None:
        return False
    if actor.installation is not None and repository.id not in actor.installation.repository_ids:
        return False
    everywhere = actor.kind == "installation" and not actor.token.repository_ids
    return everywhere or repository.id in actor.token.repository_ids


def sees(hub: Hub, actor: Actor, repository: Repository) -> bool:
    """Tell whether the actor may know that the repository exists."""
    if actor.kind == "person":
        return has_role(hub, actor.user, repository, "read")
    return not repository.private or bound(actor, repository)


def may(hub: Hub, actor: Actor, repository: Repository, need: Need) -> bool:
    """Tell whether the actor meets a requirement in a repository that it can see."""
    if actor.kind in ("person", "anonymous"):
        return has_role(hub, actor.user, repository, need.role)
    if actor.token is None:
        return False
    if need.level == "read" and not repository.private:
        return True
    granted = "read" if need.permission == "metadata" else actor.token.permissions.get(need.permission, "none")
    return bound(actor, repository) and LEVELS.index(granted) >= LEVELS.index(need.level)


def require(hub: Hub, actor: Actor, repository: Repository, need: Need) -> None:
    """Allow the request, or refuse it: 404 if the actor may not see the repository, 403 otherwise."""
    if not sees(hub, actor, repository):
        raise not_found()
    if not may(hub, actor, repository, need):
        if actor.kind == "anonymous":
            raise ApiError(401, "Requires authentication")
        raise not_accessible(actor.kind)
