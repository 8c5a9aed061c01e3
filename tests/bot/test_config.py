"""A repository's configuration: careful by default, and every mistake named with its cure."""

from __future__ import annotations

import pytest

from bot.config import SIZE_LIMIT, CommandRule, ConfigError, RepositoryConfig, parse_config, render_config


def test_an_empty_file_means_the_careful_defaults() -> None:
    config = parse_config("")
    assert config == RepositoryConfig()
    assert (config.promotion, config.public_repository, config.data_roots) == ("approval", False, [])
    assert (config.runners, config.history.branch) == (["self-hosted"], None)


def test_everything_can_be_said() -> None:
    config = parse_config(
        "data_roots: [/srv/data]\nrunners:\n  - gpu\n  - '8'\npromotion: auto\nhistory:\n  branch: models/history\n"
        "public_repository: true\nlanguage: en\napprover: another\n"
        "commands:\n  approve: maintain\n  promote: {permission: admin, users: [octocat], teams: [ml-leads]}\n  cancel: {users: [octocat]}\n"
    )
    assert config.data_roots == ["/srv/data"]
    assert config.runners == ["gpu", "8"]
    assert config.history.branch == "models/history"
    assert config.public_repository is True
    assert config.approver == "another"
    assert config.commands["approve"] == CommandRule(permission="maintain")
    assert config.commands["promote"] == CommandRule(permission="admin", users=["octocat"], teams=["ml-leads"])
    assert config.commands["cancel"].permission is None


def test_what_init_writes_is_what_it_says() -> None:
    assert parse_config(render_config([], "approval")) == RepositoryConfig()


@pytest.mark.parametrize(
    ("text", "reason", "field", "next_step"),
    [
        ("promtion: auto", "config_unknown_key", "promtion", "Did you mean promotion?"),
        ("history: {brnch: x}", "config_unknown_key", "history.brnch", "Did you mean branch?"),
        ("zzz: 1", "config_unknown_key", "zzz", "Known keys: approver, commands, data_roots, history"),
        ("promotion: now", "config_invalid", "promotion", "Correct it in .github/modelyard.yml"),
        ("public_repository: yes", "config_invalid", "public_repository", "Correct it"),
        ("data_roots: [../x]", "config_invalid", "data_roots.0", "Correct it"),
        ("data_roots: [/]", "config_invalid", "data_roots.0", "Correct it"),
        ("data_roots: [/srv/../etc]", "config_invalid", "data_roots.0", "Correct it"),
        ("runners: []", "config_invalid", "runners", "Correct it"),
        ("runners: ['a b']", "config_invalid", "runners.0", "Correct it"),
        ("commands: {aprove: write}", "config_invalid", "commands.aprove.[key]", "Correct it"),
        ("commands: {approve: owner}", "config_invalid", "commands.approve.permission", "Correct it"),
        ("commands: {approve: none}", "config_invalid", "commands.approve", "Correct it"),
        ("commands: {approve: {users: []}}", "config_invalid", "commands.approve", "Correct it"),
        ("commands: {approve: {users: ['a b']}}", "config_invalid", "commands.approve.users.0", "Correct it"),
        ("commands: {approve: {teams: ['../x']}}", "config_invalid", "commands.approve.teams.0", "Correct it"),
        ("approver: nobody", "config_invalid", "approver", "Correct it"),
        ("history: {branch: a..b}", "config_invalid", "history.branch", "Correct it"),
        ("history: {branch: '-x'}", "config_invalid", "history.branch", "Correct it"),
        ("- promotion", "config_invalid", ".github/modelyard.yml", "Correct it"),
        ("a: &x 1\nb: *x", "config_unreadable", ".github/modelyard.yml", "Correct the file."),
        ("#" * (SIZE_LIMIT + 1), "config_unreadable", ".github/modelyard.yml", "Correct the file."),
    ],
)
def test_a_mistake_is_named_with_its_cure(text: str, reason: str, field: str, next_step: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(text)
    body = error.value.body
    assert (body.reason, body.field) == (reason, field)
    assert body.next_step.startswith(next_step)
