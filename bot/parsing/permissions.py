"""Who may say which command: a permission on the repository, or being named in the repository's configuration (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.parsing.command import PERMISSIONS, Command, Permission

if TYPE_CHECKING:
    from bot.parsing.repository_config import CommandRule

LEAST_TO_ASK: Permission = "write"
"""The permission that asking for a training takes."""


def may(command: Command, who: str, permission: str, rule: CommandRule | None = None) -> bool:
    """Tell whether somebody may say a command, as far as teams do not matter.

    Parameters
    ----------
    command
        Its declaration names the least permission, unless there is a rule.
    who
        The login.
    permission
        Their permission on the repository, as GitHub says it; an unknown one is none.
    rule
        What the repository's configuration says of the command.
    """
    if rule is not None and who.lower() in {user.lower() for user in rule.users}:
        return True
    least = least_permission(command, rule)
    return least is not None and reaches(permission, least)


def least_permission(command: Command, rule: CommandRule | None) -> Permission | None:
    """Return the permission that is enough; None where only those named may."""
    least = command.permission if rule is None else rule.permission
    return None if least == "none" else least


def reaches(permission: str, least: Permission) -> bool:
    """Tell whether a permission is at least another."""
    return permission in PERMISSIONS and [*PERMISSIONS].index(permission) >= PERMISSIONS.index(least)


def needs(command: Command, rule: CommandRule | None) -> list[str]:
    """Return what would be enough, each part for itself: a permission, users, teams."""
    least = least_permission(command, rule)
    if rule is None:
        return [str(least)]
    return [*([str(least)] if least else []), *rule.users, *(f"team {team}" for team in rule.teams)]
