"""A repository's configuration: careful by default, and every mistake named with its cure."""

from __future__ import annotations

import pytest

from bot.config import SIZE_LIMIT, ConfigError, NotificationsConfig, RepositoryConfig, parse_config, render_config


def test_an_empty_file_means_the_careful_defaults() -> None:
    config = parse_config("")
    assert config == RepositoryConfig()
    assert (config.promotion, config.public_repository, config.data_roots) == ("approval", False, [])
    assert (config.runners, config.history.branch) == (["self-hosted"], None)


def test_everything_can_be_said() -> None:
    config = parse_config(
        "data_roots: [/srv/data]\nrunners:\n  - gpu\n  - '8'\npromotion: auto\nhistory:\n  branch: models/history\n"
        "public_repository: true\nlanguage: en\n"
    )
    assert config.data_roots == ["/srv/data"]
    assert config.runners == ["gpu", "8"]
    assert config.history.branch == "models/history"
    assert config.public_repository is True


def test_both_channels_are_told_everything_unless_events_are_named() -> None:
    assert parse_config("").notifications == NotificationsConfig()
    config = parse_config(
        "language: ja\nnotifications:\n  slack: {channel: '#models'}\n"
        "  email: {to: [team@example.org, a.b+c@mail.example.org], events: [failure]}\n"
    )
    slack, email = config.notifications.slack, config.notifications.email
    assert config.language == "ja"
    assert slack is not None
    assert (slack.channel, slack.events) == ("#models", ["waiting", "success", "failure"])
    assert email is not None
    assert (email.to, email.events) == (["team@example.org", "a.b+c@mail.example.org"], ["failure"])


def test_the_example_that_init_writes_can_be_used_as_it_is() -> None:
    lines = render_config([], "approval").split("\n")
    start = lines.index("# notifications:")
    example = [line.removeprefix("# ") for line in lines[start:] if line.startswith("# ")][:7]
    notifications = parse_config("\n".join(example)).notifications
    assert notifications.slack is not None
    assert notifications.email is not None


def test_what_init_writes_is_what_it_says() -> None:
    assert parse_config(render_config([], "approval")) == RepositoryConfig()


@pytest.mark.parametrize(
    ("text", "reason", "field", "next_step"),
    [
        ("promtion: auto", "config_unknown_key", "promtion", "Did you mean promotion?"),
        ("history: {brnch: x}", "config_unknown_key", "history.brnch", "Did you mean branch?"),
        ("zzz: 1", "config_unknown_key", "zzz", "Known keys: data_roots, history"),
        ("promotion: now", "config_invalid", "promotion", "Correct it in .github/modelyard.yml"),
        ("public_repository: yes", "config_invalid", "public_repository", "Correct it"),
        ("data_roots: [../x]", "config_invalid", "data_roots.0", "Correct it"),
        ("data_roots: [/]", "config_invalid", "data_roots.0", "Correct it"),
        ("data_roots: [/srv/../etc]", "config_invalid", "data_roots.0", "Correct it"),
        ("runners: []", "config_invalid", "runners", "Correct it"),
        ("runners: ['a b']", "config_invalid", "runners.0", "Correct it"),
        ("history: {branch: a..b}", "config_invalid", "history.branch", "Correct it"),
        ("history: {branch: '-x'}", "config_invalid", "history.branch", "Correct it"),
        ("language: tlh", "config_invalid", "language", "Correct it"),
        ("notifications: {slak: {}}", "config_unknown_key", "notifications.slak", "Did you mean slack?"),
        (
            "notifications: {slack: {chanel: C012345678}}",
            "config_unknown_key",
            "notifications.slack.chanel",
            "Did you mean channel?",
        ),
        ("notifications: {slack: {channel: models}}", "config_invalid", "notifications.slack.channel", "Correct it"),
        ("notifications:\n  slack:\n    channel: #models", "config_invalid", "notifications.slack.channel", "Correct"),
        (
            "notifications: {slack: {channel: '#a', events: [failed]}}",
            "config_invalid",
            "notifications.slack.events.0",
            "Correct it",
        ),
        ("notifications: {slack: {channel: '#a', events: []}}", "config_invalid", "notifications.slack.events", "Cor"),
        (
            "notifications: {slack: {channel: '#a', token: x}}",
            "config_unknown_key",
            "notifications.slack.token",
            "Known",
        ),
        ("notifications: {email: {to: []}}", "config_invalid", "notifications.email.to", "Correct it"),
        (
            'notifications: {email: {to: ["a@b.c\\nBcc: d@e.f"]}}',
            "config_invalid",
            "notifications.email.to.0",
            "Correct",
        ),
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
