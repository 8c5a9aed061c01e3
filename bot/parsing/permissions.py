"""Who may use a command: by a permission on the repository, or by name in its configuration (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.parsing.command import PERMISSIONS, Command, Permission

if TYPE_CHECKING:
    from bot.parsing.repository_config import CommandRule

REQUEST_PERMISSION: Permission = "write"
"""The lowest permission that may request training."""


def is_allowed(command: Command, user: str, permission: str, rule: CommandRule | None = None) -> bool:
    """Return whether a user may use a command, leaving teams aside.

    Parameters
    ----------
    command
        Its declaration has the lowest permission, unless there is a rule.
    user
        The login.
    permission
        The user's permission on the repository, as GitHub names it; unknown ones count as none.
    rule
        The repository's own rule for the command.
    """
    if rule is not None and user.lower() in {name.lower() for name in rule.users}:
        return True
    lowest = lowest_permission(command, rule)
    return lowest is not None and has_at_least(permission, lowest)


def lowest_permission(command: Command, rule: CommandRule | None) -> Permission | None:
    """Return the permission that suffices, or None if only the people named in the rule are allowed."""
    lowest = command.permission if rule is None else rule.permission
    return None if lowest == "none" else lowest


def has_at_least(permission: str, lowest: Permission) -> bool:
    """Return whether a permission includes another one."""
    return permission in PERMISSIONS and [*PERMISSIONS].index(permission) >= PERMISSIONS.index(lowest)


def required_grants(command: Command, rule: CommandRule | None) -> list[str]:
    """Return everything that suffices by itself: a permission, users, teams."""
    lowest = lowest_permission(command, rule)
    if rule is None:
        return [str(lowest)]
    return [*([str(lowest)] if lowest else []), *rule.users, *(f"team {team}" for team in rule.teams)]
