"""A run tells Slack and people by mail, at least once each; a channel that fails never keeps it from its end."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from actions.contracts.channels import ChannelName
from actions.notification.templates import built_in_template, path_of
from bot.runs.machines.training import State
from bot.settings import Settings
from runners.local.hub.services import installations
from tests.support.channels import (
    BROKEN,
    LIMITED,
    TOKEN,
    LocalMail,
    LocalSlack,
    body_of,
    local_mail,
    local_slack,
    refused,
)
from tests.support.loop import Loop, loop_of_processes, running_loop
from tests.support.scripted_runs import Script, writes

S = State
CONFIG = ".github/modelyard.yml"
TEAM, BOSS = "team@example.org", "boss@example.org"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LocalSlack, LocalMail]]:
    with local_slack() as slack, local_mail() as mail:
        yield slack, mail


@pytest.fixture(scope="module")
def told_loop(servers: tuple[LocalSlack, LocalMail], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    slack, mail = servers
    given: dict[str, Any] = {
        "slack_token": TOKEN,
        "slack_api_url": slack.url,
        "smtp_url": mail.url,
        "mail_from": "modelyard@example.org",
        "notify_timeout_seconds": 1,
        "time_factor": 0.1,
    }
    with running_loop(tmp_path_factory.mktemp("told"), **given) as loop:
        yield loop


@pytest.fixture
def loop(told_loop: Loop, servers: tuple[LocalSlack, LocalMail]) -> Loop:
    for server in servers:
        server.reset()
    told_loop.reset()
    return told_loop


@pytest.fixture
def slack(servers: tuple[LocalSlack, LocalMail]) -> LocalSlack:
    return servers[0]


@pytest.fixture
def mail(servers: tuple[LocalSlack, LocalMail]) -> LocalMail:
    return servers[1]


@pytest.fixture
def as_before(loop: Loop) -> Iterator[None]:
    """Leave the built-in words to the tests that follow: the hub deletes no files."""
    yield
    for channel in get_args(ChannelName):
        loop.write(path_of("success", channel, "en"), built_in_template(channel))


def configure(loop: Loop, *, language: str = "en", **notifications: Any) -> None:
    both = {"slack": {"channel": "#models"}, "email": {"to": [TEAM, BOSS]}}
    loop.write(CONFIG, json.dumps({"notifications": notifications or both, "language": language}))


def text_of(posted: dict[str, Any]) -> str:
    return json.dumps(posted["blocks"], ensure_ascii=False)


def subjects(mail: LocalMail) -> list[str]:
    return [str(message["Subject"]) for _, message in mail.taken]


def test_both_channels_notify_of_waiting_and_failure(loop: Loop, slack: LocalSlack, mail: LocalMail) -> None:
    configure(loop)
    loop.values[:] = [0.5]
    issue = loop.open(max_retries=1)
    loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
    page = f"{loop.hub.base_url}/{loop.name}/issues/{issue}"
    run = loop.run(issue)
    (posted,) = slack.posted
    assert posted["channel"] == "#models"
    assert posted["blocks"][0]["text"]["text"] == "✋ Rejected: breast-cancer is not good enough. Train it again?"
    assert "accuracy: 0.5000 (threshold: at least 0.9)" in text_of(posted)
    assert f"<{page}|Issue>" in text_of(posted)
    assert f"{run.id} · {loop.name}#{issue}" in text_of(posted)
    ((recipients, message),) = mail.taken
    assert recipients == [TEAM, BOSS]
    assert message["Subject"] == f"[{loop.name}] ✋ Rejected: breast-cancer is not good enough. Train it again?"
    assert page in body_of(message)
    assert run.id in body_of(message)
    assert run.id in body_of(message, "html")
    loop.say(issue, "/reject the data is <!channel> stale")
    run = loop.until_ended(issue)
    assert run.notified == ()
    assert len(slack.posted) == 2
    assert "writer decided against a retry. Reason: the data is &lt;!channel&gt; stale" in text_of(slack.posted[1])
    assert f"training_history/{run.id}.md|History of this run>" in text_of(slack.posted[1])
    assert subjects(mail)[1] == f"[{loop.name}] ❌ Rejected: breast-cancer is not good enough"


def test_success_is_notified_after_the_comment_and_in_the_repositorys_language(
    loop: Loop, slack: LocalSlack, mail: LocalMail
) -> None:
    configure(loop, language="ja")
    issue = loop.open()
    run = loop.until_ended(issue)
    assert run.status == "passed"
    assert run.language == "ja"
    assert "✅ 合格: breast-cancer のバージョン" in text_of(slack.posted[0])
    assert "本番環境のモデルは変わっていません" in body_of(mail.taken[0][1])
    sticky, finished = loop.comments(issue)
    assert sticky.split("\n")[1].startswith("### ✅ 合格: `breast-cancer` のバージョン")
    assert "この実行の履歴" in finished
    loop.say(issue, "/status")
    assert "試行 1 / 3" in loop.until(lambda: loop.comments(issue)[2:], "the answer")[0]
    closed = loop.issue(issue)
    assert closed["state"] == "closed"


def test_a_failed_stage_is_notified_with_its_cause(loop: Loop, slack: LocalSlack, mail: LocalMail) -> None:
    configure(loop, slack={"channel": "C0123456789", "events": ["failure"]})
    loop.script(train=Script(outcome="failure", log=("MemoryError: <b>",)))
    loop.until_ended(loop.open())
    (posted,) = slack.posted
    assert posted["channel"] == "C0123456789"
    assert posted["blocks"][0]["text"]["text"] == "❌ Failed in the train stage"
    assert "Found: MemoryError: &lt;b&gt;" in text_of(posted)
    assert mail.taken == []


def test_a_run_that_ended_while_a_channel_was_slow_stays_ended(
    loop: Loop, slack: LocalSlack, caplog: pytest.LogCaptureFixture
) -> None:
    configure(loop)
    loop.values[:] = [0.5]
    slack.hangs.clear()
    issue = loop.open(max_retries=1)
    loop.until(lambda: slack.asked, "Slack hangs")
    installation = loop.hub.installations.first(app_id=loop.ready.app.id)
    assert installation is not None
    installations.take_away(loop.hub, installation, loop.ready.repository)
    ended = loop.until_ended(issue)
    slack.hangs.set()
    loop.hub.install(loop.ready.app, loop.ready.repository)
    loop.values.clear()
    next_one = loop.until_ended(loop.open())
    assert (next_one.status, ended.status) == ("passed", "cancelled")
    assert (loop.run(issue).status, loop.run(issue).visits) == (ended.status, ended.visits)
    assert "a task of the worker failed" not in caplog.text


def test_invalid_data_is_notified_once_as_a_failure(
    loop: Loop, slack: LocalSlack, mail: LocalMail, caplog: pytest.LogCaptureFixture
) -> None:
    configure(loop)
    slack.always = BROKEN
    error = {
        "kind": "invalid_input",
        "reason": "target_missing",
        "rule": "R.",
        "found": "No such column.",
        "next_step": "N.",
    }
    progress = {"stage": "prepare", "step": "failed", "updated": "2026-11-22T12:00:00Z", "error": error}
    loop.script(prepare=Script(outcome="failure", do=writes("processed", {"progress.json": progress})))
    run = loop.until_ended(loop.open())
    assert run.status == "invalid"
    assert subjects(mail) == [f"[{loop.name}] ⚠️ Invalid request for breast-cancer"]
    assert "Found: No such column." in body_of(mail.taken[0][1])
    assert len(slack.asked) == 1
    assert "some channels outside GitHub could not be notified" in caplog.text


@pytest.mark.slow
def test_a_channel_is_left_alone_for_minutes_and_an_answer_does_not_wait_for_it(loop: Loop, slack: LocalSlack) -> None:
    configure(loop, slack={"channel": "#models"})
    slack.always = BROKEN
    loop.values[:] = [0.5]
    issue = loop.open(max_retries=1)
    loop.until(lambda: slack.asked and loop.run(issue).tries == 1, "Slack has failed once")
    first = loop.run(issue)
    loop.until(lambda: loop.run(issue).tries == 2, "Slack has failed twice")
    second = loop.run(issue)
    assert first.due is not None
    assert second.due is not None
    assert second.due - first.due > 0.1 * timedelta(minutes=5)
    loop.say(issue, "/reject")
    loop.until(lambda: S.WAIT_FOR_OPERATOR_INPUT in loop.states(issue), "the answer is taken")
    assert len(slack.asked) == 3
    assert loop.until_ended(issue).status == "rejected"


def test_only_the_configured_events_are_notified(loop: Loop, slack: LocalSlack, mail: LocalMail) -> None:
    configure(loop, slack={"channel": "#a", "events": ["waiting"]}, email={"to": [TEAM], "events": ["failure"]})
    assert loop.until_ended(loop.open()).status == "passed"
    assert (slack.asked, mail.taken) == ([], [])


def test_a_failed_channel_is_retried_and_no_one_else_is_notified_twice(
    loop: Loop, slack: LocalSlack, mail: LocalMail
) -> None:
    configure(loop)
    slack.plans[:] = [LIMITED, BROKEN]
    mail.refuses = {BOSS: "450 4.2.1 later"}
    issue = loop.open()
    loop.until(lambda: len(slack.asked) == 2, "Slack was asked again")
    mail.refuses = {}
    run = loop.until_ended(issue)
    assert run.status == "passed"
    assert len(slack.posted) == 1
    assert sorted(mail.recipients) == [BOSS, TEAM]
    assert len({message["Message-ID"] for _, message in mail.taken}) == 1
    assert len(loop.comments(issue)) == 2


def test_an_answer_while_another_channel_is_slow_notifies_no_one_twice(
    loop: Loop, slack: LocalSlack, mail: LocalMail
) -> None:
    configure(loop)
    loop.values[:] = [0.5]
    slack.hangs.clear()
    issue = loop.open(max_retries=1)
    loop.until(lambda: slack.asked and mail.taken, "the mail is there and Slack hangs")
    loop.say(issue, "/reject")
    loop.until(lambda: loop.run(issue).answer, "the answer was taken")
    slack.hangs.set()
    run = loop.until_ended(issue)
    assert run.status == "rejected"
    assert [len(recipients) for recipients, _ in mail.taken] == [2, 2]
    assert len({message["Message-ID"] for _, message in mail.taken}) == 2
    assert len(loop.comments(issue)) == 3


def test_a_broken_channel_affects_neither_the_other_one_nor_the_run(
    loop: Loop, slack: LocalSlack, mail: LocalMail, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr("bot.messages.notifications.email.compose_mail", breaks)
    configure(loop)
    run = loop.until_ended(loop.open())
    assert (run.status, run.error) == ("passed", None)
    assert len(slack.posted) == 1
    assert mail.taken == []
    assert "a channel failed unexpectedly" in caplog.text


@pytest.mark.parametrize(
    "plan",
    [
        LIMITED,
        pytest.param(BROKEN, marks=pytest.mark.slow),
        refused("channel_not_found"),
    ],
    ids=["limited", "broken", "unknown"],
)
def test_a_channel_that_always_fails_is_abandoned_and_the_run_ends_normally(
    loop: Loop, slack: LocalSlack, mail: LocalMail, plan: Any, caplog: pytest.LogCaptureFixture
) -> None:
    configure(loop)
    slack.always = plan
    mail.replies[:] = ["554 5.7.1 spam"] * 9
    loop.values[:] = [0.5]
    issue = loop.open(max_retries=1)
    with caplog.at_level(logging.WARNING):
        loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
        assert len(slack.asked) == (1 if plan == refused("channel_not_found") else 4)
        assert loop.labels(issue) == {"mlops:waiting"}
        loop.say(issue, "/reject")
        run = loop.until_ended(issue)
    assert (run.status, run.error, loop.issue(issue)["state"]) == ("rejected", None, "closed")
    assert len(loop.comments(issue)) == 3
    given_up = "some channels outside GitHub could not be notified" in caplog.text
    assert given_up is (plan != refused("channel_not_found"))
    assert "cannot notify email" in caplog.text  # the mail, in any case
    assert TOKEN not in caplog.text


def test_a_channel_that_hangs_delays_the_run_by_no_more_than_its_time_outs(
    loop: Loop, slack: LocalSlack, mail: LocalMail
) -> None:
    configure(loop)
    slack.hangs.clear()
    issue = loop.open()
    loop.until(lambda: len(slack.asked) == 2, "Slack was asked again")
    slack.hangs.set()
    assert loop.until_ended(issue).status == "passed"
    assert len(slack.asked) <= 4
    assert sorted(mail.recipients) == [BOSS, TEAM]


def test_a_repository_may_use_its_own_words_and_a_broken_template_falls_back_and_says_so(
    loop: Loop, slack: LocalSlack, mail: LocalMail, as_before: None
) -> None:
    configure(loop)
    folder = ".github/modelyard/notifications/en"
    loop.write(f"{folder}/success.slack.j2", "Ours: {{ model }}\n<!here> {{ requester }}")
    loop.write(f"{folder}/success.email.j2", "{{ 'x' * 999999999 }}")
    loop.until_ended(loop.open())
    assert slack.posted[0]["blocks"][0]["text"]["text"] == "Ours: breast-cancer"
    assert slack.posted[0]["blocks"][1]["text"]["text"] == "<!here> writer"
    text = body_of(mail.taken[0][1])
    assert "is registered as a candidate" in subjects(mail)[0]
    assert "The repository's own template was not used." in text
    assert f"{folder}/success.email.j2" in text


def test_without_access_to_a_channel_the_app_is_ready_and_says_so_once_a_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running_loop(tmp_path) as loop, caplog.at_level(logging.WARNING):
        configure(loop)
        loop.values[:] = [0.5]
        issue = loop.open(max_retries=1)
        loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
        loop.say(issue, "/reject")
        loop.until_ended(issue)
        ready = httpx.get(loop.ready.app.webhook_url.replace("/webhook", "/readyz"), timeout=20)
        assert ready.status_code == httpx.codes.OK
        for channel in ("slack", "email"):
            assert caplog.text.count(f"nobody is notified by {channel}") == 1
        assert not any("slack" in text.lower() for text in loop.comments(issue))


@pytest.mark.slow
def test_no_one_is_left_out_although_the_app_dies_before_it_records_whom_it_notified(tmp_path: Path) -> None:
    with local_slack() as slack, local_mail() as mail, loop_of_processes(tmp_path) as (loop, start):
        configure(loop)
        more = {
            "slack_token": TOKEN, "slack_api_url": slack.url, "smtp_url": mail.url, "mail_from": "m@example.org",
            "time_factor": "0.1",
        }  # fmt: skip
        process = start(**more, kill_at=f"{S.NOTIFY_SUCCESS}.notified:{tmp_path}")
        issue = loop.open()
        process.wait(60)
        run = loop.run(issue)
        start(**more)
        loop.until_ended(issue)
    assert len(slack.posted) == 2
    assert all(run.id in text_of(posted) for posted in slack.posted)
    assert len({message["Message-ID"] for _, message in mail.taken}) == 1
    assert mail.recipients == [TEAM, BOSS] * 2
    assert TOKEN not in (tmp_path / "app.log").read_text(encoding="utf-8")


def test_the_settings_of_the_channels_are_secrets_where_they_are() -> None:
    assert {"slack_token", "smtp_url"} <= {
        name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
    }
