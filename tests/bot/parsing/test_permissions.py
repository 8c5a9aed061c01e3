"""Who may say which command: GitHub's permissions, or what the repository's configuration says instead."""

from __future__ import annotations

import pytest

from bot.events.commands import COMMANDS
from bot.parsing.command import PERMISSIONS, Permission
from bot.parsing.permissions import REQUEST_PERMISSION, has_at_least, is_allowed, required_grants
from bot.parsing.repository_config import CommandRule

EXPECTED = {
    "read": {"status", "plan", "history", "help"},
    "triage": set(),
    "write": {"approve", "reject", "cancel", "train", "retry", "evaluate", "compare", "run"},
    "maintain": {"promote", "rollback", "register", "unlock"},
    "admin": set(),
}


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_each_permission_allows_its_commands_and_those_of_the_lower_ones(permission: str) -> None:
    allowed = {name for name, command in COMMANDS.items() if is_allowed(command, "octocat", permission)}
    lower = PERMISSIONS[: PERMISSIONS.index(permission) + 1]
    assert allowed == set().union(*(EXPECTED.get(one, set()) for one in lower))


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("permission", ["", "custom-role", "owner"])
def test_an_unknown_permission_allows_nothing(name: str, permission: str) -> None:
    assert not is_allowed(COMMANDS[name], "octocat", permission)


def test_a_rule_replaces_the_usual_permission() -> None:
    rule = CommandRule(permission="admin")
    assert [one for one in PERMISSIONS if is_allowed(COMMANDS["approve"], "octocat", one, rule)] == ["admin"]
    assert required_grants(COMMANDS["approve"], rule) == ["admin"]


@pytest.mark.parametrize("permission", [None, "none"])
def test_named_people_may_use_a_command_whatever_their_permission_and_no_one_else(
    permission: Permission | None,
) -> None:
    rule = CommandRule(permission=permission, users=["Octocat"], teams=["ml-leads"])
    assert is_allowed(COMMANDS["promote"], "octocat", "read", rule)
    assert [one for one in PERMISSIONS if is_allowed(COMMANDS["promote"], "other", one, rule)] == []
    assert required_grants(COMMANDS["promote"], rule) == ["Octocat", "team ml-leads"]


def test_who_may_request_training_is_whoever_may_write() -> None:
    assert [one for one in PERMISSIONS if has_at_least(one, REQUEST_PERMISSION)] == ["write", "maintain", "admin"]
