"""A repository's configuration: careful by default, and every mistake named with its cure."""

from __future__ import annotations

import contextlib
import subprocess
from itertools import product
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actions.contracts.order import Gate
from bot.admin.init import render_config
from bot.events.commands import COMMANDS
from bot.parsing.repository_config import (
    MAX_BYTES,
    CommandRule,
    ConfigError,
    NotificationsConfig,
    RepositoryConfig,
    parse_config,
)
from tests.support.work import work


def test_an_empty_file_means_the_safe_defaults() -> None:
    config = parse_config("")
    assert config == RepositoryConfig()
    assert (config.promotion, config.public_repository, config.data_roots) == ("approval", False, [])
    assert (config.runners, config.history.branch) == (["self-hosted"], None)


def test_every_setting_can_be_given() -> None:
    config = parse_config(
        "data_roots: [/srv/data, S3://bucket/tables/]\nrunners:\n  - gpu\n  - '8'\npromotion: auto\nhistory:\n  branch: models/history\n"
        "public_repository: true\nlanguage: en\napprover: another\n"
        "commands:\n  approve: maintain\n  promote: {permission: admin, users: [octocat], teams: [ml-leads]}\n  cancel: {users: [octocat]}\n"
    )
    assert config.data_roots == ["/srv/data", "s3://bucket/tables"]
    assert config.runners == ["gpu", "8"]
    assert config.history.branch == "models/history"
    assert config.public_repository is True
    assert config.approver == "another"
    assert config.commands["approve"] == CommandRule(permission="maintain")
    assert config.commands["promote"] == CommandRule(permission="admin", users=["octocat"], teams=["ml-leads"])
    assert config.commands["cancel"].permission is None


def test_the_gate_is_careful_unless_its_numbers_are_given() -> None:
    assert parse_config("").gate == Gate(alpha=0.05, margin=0.02)
    assert parse_config("gate: {alpha: 0.1, margin: 0}").gate == Gate(alpha=0.1, margin=0)
    assert parse_config("gate: {margin: 0.01}").gate == Gate(alpha=0.05, margin=0.01)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("gate: {alpha: 0}", "gate.alpha"), ("gate: {alpha: 0.6}", "gate.alpha"), ("gate: {alpha: nan}", "gate.alpha"),
        ("gate: {margin: -0.1}", "gate.margin"), ("gate: {margin: 2}", "gate.margin"), ("gate: {margin: wide}", "gate.margin"),
        ("gate: strict", "gate"), ("gate: {alfa: 0.1}", "gate.alfa"),
    ],
)  # fmt: skip
def test_a_meaningless_gate_is_refused(text: str, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    assert caught.value.problem.field == field


def test_both_channels_get_every_event_unless_events_are_listed() -> None:
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


def test_the_configuration_of_init_means_what_it_says() -> None:
    assert parse_config(render_config([], "approval")) == RepositoryConfig()


@pytest.mark.parametrize(
    ("text", "reason", "field", "next_step"),
    [
        ("promtion: auto", "config_unknown_key", "promtion", "Did you mean promotion?"),
        ("history: {brnch: x}", "config_unknown_key", "history.brnch", "Did you mean branch?"),
        ("zzz: 1", "config_unknown_key", "zzz", "Known keys: approver, commands, data_roots, gate"),
        ("promotion: now", "config_invalid", "promotion", "Correct it in .github/modelyard.yml"),
        ("public_repository: yes", "config_invalid", "public_repository", "Correct it"),
        ("data_roots: [../x]", "config_invalid", "data_roots.0", "Correct it"),
        ("data_roots: ['s3://']", "config_invalid", "data_roots.0", "Correct it"),
        ("data_roots: ['s3://bucket/../x']", "config_invalid", "data_roots.0", "Correct it"),
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
        ('history: {branch: "main\\n"}', "config_invalid", "history.branch", "Correct it"),
        ('commands: {approve: {users: ["owner\\n"]}}', "config_invalid", "commands.approve.users.0", "Correct it"),
        ('runners: ["gpu\\n"]', "config_invalid", "runners.0", "Correct it"),
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
        ("#" * (MAX_BYTES + 1), "config_unreadable", ".github/modelyard.yml", "Correct the file."),
    ],
)
def test_a_mistake_is_reported_with_a_fix(text: str, reason: str, field: str, next_step: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(text, COMMANDS)
    problem = error.value.problem
    assert (problem.reason, problem.field) == (reason, field)
    assert problem.next_step.startswith(next_step)


def test_the_history_s_branch_is_one_that_git_accepts() -> None:
    names = {"".join(parts) for parts in product(["a", "/", ".", ".lock", "-"], repeat=3)}
    for name in sorted(names):
        asked = subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False)
        is_valid = asked.returncode == 0
        try:
            parse_config(f"history: {{branch: '{name}'}}")
        except ConfigError:
            assert not is_valid or name.startswith((".", "/", "-")), name
        else:
            assert is_valid, name


@pytest.mark.parametrize("name", ["HEAD", "refs/heads/main", "refs/x", "a" * 40, "a b", "a~1", "@", "a@{1}", "a\\x7f"])
def test_a_branch_that_git_or_github_would_take_for_something_else_is_refused(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(f'history: {{branch: "{name}"}}')
    assert "git accepts" in error.value.problem.rule


# --- schedules -----------------------------------------------------------------------------------------------------------

SCHEDULE = """\
schedules:
  - name: nightly
    cron: "30 2 * * *"
    request:
      model_name: breast-cancer
      task: classification
      algorithm: random_forest
      data: sklearn://breast_cancer
      target: target
      metric: accuracy
      threshold: 0.95
      hyperparameters: {n_estimators: 200, criterion: gini}
"""


def test_a_schedule_is_read_with_a_typed_request() -> None:
    [schedule] = parse_config(SCHEDULE).schedules
    assert (schedule.name, schedule.cron, schedule.request.threshold) == ("nightly", "30 2 * * *", 0.95)
    assert schedule.request.hyperparameters == {"n_estimators": 200, "criterion": "gini"}


def test_the_example_that_init_writes_is_right_once_it_is_taken_out_of_its_comment() -> None:
    text = render_config([], "approval")
    example = text[text.index("# schedules:") :].replace("# ", "")
    assert [one.name for one in parse_config(example).schedules] == ["nightly"]


@pytest.mark.parametrize(
    ("right", "wrong", "field", "told"),
    [
        ("30 2 * * *", "30 2 * *", "schedules.0.cron", "five fields"),
        ("30 2 * * *", "@daily", "schedules.0.cron", "five fields"),
        ("30 2 * * *", "0 30 2 * * *", "schedules.0.cron", "five fields"),
        ("30 2 * * *", "61 2 * * *", "schedules.0.cron", "minute"),
        ("30 2 * * *", "0 0 30 2 *", "schedules.0.cron", "cron expression"),
        ("30 2 * * *", "*/14 * * * *", "schedules.0.cron", "every 15 minutes"),
        ("30 2 * * *", "0,50 0,23 * * *", "schedules.0.cron", "every 15 minutes"),
        ("name: nightly", "name: A b", "schedules.0.name", "pattern"),
        ("threshold: 0.95", "threshold: high", "schedules.0.request", "Threshold"),
        ("threshold: 0.95", "thresold: 0.95", "schedules.0.request", "Did you mean threshold?"),
        ("      target: target\n", "", "schedules.0.request", "Target column"),
        ("n_estimators: 200", "n_estimators: [1]", "schedules.0.request", "Hyperparameters"),
    ],
)
def test_a_mistake_in_a_schedule_is_reported(right: str, wrong: str, field: str, told: str) -> None:
    assert right in SCHEDULE
    with pytest.raises(ConfigError) as error:
        parse_config(SCHEDULE.replace(right, wrong))
    assert (error.value.problem.field, error.value.problem.reason) == (field, "config_invalid")
    assert told in error.value.problem.rule


def test_an_unknown_key_of_a_schedule_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(SCHEDULE.replace("    cron:", "    crn:"))
    assert error.value.problem.reason in ("config_unknown_key", "config_invalid")
    assert "schedules.0" in str(error.value.problem.field)


def test_two_schedules_with_the_same_name_are_refused() -> None:
    with pytest.raises(ConfigError) as error:
        parse_config(SCHEDULE + SCHEDULE.partition("schedules:\n")[2])
    assert (error.value.problem.field, "a unique name for each schedule" in error.value.problem.rule) == (
        "schedules",
        True,
    )


@pytest.mark.parametrize(
    "cron", ["*/15 * * * *", "0 0 29 2 *", "0 3 L * *", "0,15,30,45 0-23 * * 1-5", " 5  4 * * sun "]
)
def test_expressions_that_fire_rarely_enough_are_accepted(cron: str) -> None:
    [schedule] = parse_config(SCHEDULE.replace("30 2 * * *", cron)).schedules
    assert schedule.cron == " ".join(cron.split())


# --- any text ------------------------------------------------------------------------------------------------------------

LINES = st.sampled_from(
    ["data_roots:", "  - /srv", "runners: [a, b]", "promotion: auto", "history:", "  branch: x", "language: en", "a: &a 1",
     "b: *a", "!!python/object:x 1", "- " * 30, "{", "[", "? x", "--- ", "...", "public_repository: yes", '"', "'", "|"]
)  # fmt: skip


@given(st.lists(LINES | st.text(max_size=20), max_size=20).map("\n".join))
@example("\ud800")
@example("runners: [\x00]")
@example("1e999: .nan")
@example("history: [branch]")
def test_any_text_is_read_or_refused_with_a_complete_problem(text: str) -> None:
    try:
        config = parse_config(text.encode("utf-8", "surrogatepass"))
    except ConfigError as error:
        problem = error.problem
        assert all((problem.rule, problem.found, problem.next_step, problem.field))
        assert len(problem.found) < 1_000
        f"{problem.rule}{problem.found}{problem.next_step}{problem.field}".encode()
    else:
        assert isinstance(config, RepositoryConfig)


WORST = {
    "unknown keys": "k{0}: 1\n",
    "one key": "runners: [a]\n",
    "labels": "{0},",
    "dashes": "- ",
    "brackets": "[",
    "anchors": "a{0}: &a{0} 1\n",
    "quotes": '\\"',
    "comments": "# \n",
    "letters": "a",
}


def text_of(kind: str, times: int) -> str:
    start = {"labels": "runners: [", "quotes": 'runners: "'}.get(kind, "")
    return start + "".join(WORST[kind].format(number) for number in range(times))


def refused(text: str) -> None:
    with pytest.raises(ConfigError) if text.strip("# \n") else contextlib.nullcontext():
        parse_config(text)


@pytest.mark.parametrize("kind", WORST)
def test_twice_the_text_takes_at_most_twice_the_work(kind: str) -> None:
    assert work(refused, text_of(kind, 600)) < 2.3 * work(refused, text_of(kind, 300)) + 500


@pytest.mark.parametrize("kind", WORST)
def test_the_longest_configuration_is_read_at_once(kind: str) -> None:
    text = text_of(kind, MAX_BYTES)[:MAX_BYTES]
    began = process_time()
    refused(text)
    assert process_time() - began < 0.5
