"""Slack is told by Block Kit, literally; what it refuses is an error that says whether trying again can help."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from actions.context import Context
from actions.contracts.channels import ChannelError, DeploymentChannels, SlackAccess
from actions.errors import InvalidInput, Unavailable
from actions.notification.notice import StageProblem, example_notice
from actions.notification.slack import SlackMessage, post, to_blocks
from actions.notification.templates import Message, compose, compose_footer
from actions.operation import find_operation
from actions.storage.folder import Storage
from tests.support.channels import BROKEN, LIMITED, TOKEN, LocalSlack, Plan, refused

HOSTILE = "<!channel> <@U1> & <https://e.x|click> @here"


def access(slack: LocalSlack, seconds: float = 5) -> SlackAccess:
    return SlackAccess(TOKEN, slack.url, seconds)


def run_operation(slack: LocalSlack | None, **arguments: Any) -> SlackMessage:
    channels = DeploymentChannels(slack=access(slack) if slack else None)
    found = find_operation("notify_slack").call(arguments, Context(Storage(Path()), channels=channels))
    assert isinstance(found, SlackMessage)
    return found


def test_a_message_has_a_header_its_text_and_the_run_below(slack: LocalSlack) -> None:
    notice = example_notice("success")
    ts = post(access(slack), "#models", compose(notice, "slack"), compose_footer(notice, "slack"))
    assert ts == "1.000100"
    (posted,) = slack.posted
    assert posted["channel"] == "#models"
    assert posted["text"] == f"{notice.headline} ({notice.run} · owner/models#7)"
    header, text, below = posted["blocks"]
    assert header == {"type": "header", "text": {"type": "plain_text", "text": notice.headline, "emoji": False}}
    assert text["text"]["type"] == "mrkdwn"
    assert text["text"]["verbatim"] is True
    assert text["text"]["text"].startswith(
        "accuracy: 0.9649 (threshold: at least 0.95). Champion on the same data: 0.9500\n"
    )
    assert f"<{notice.issue_url}|Issue> · <{notice.history_url}|History of this run>" in text["text"]["text"]
    assert below["elements"][0]["text"] == f"{notice.run} · owner/models#7"
    assert slack.tokens == {f"Bearer {TOKEN}"}


def test_text_by_people_becomes_no_mention_link_or_markup(slack: LocalSlack) -> None:
    problem = StageProblem(stage=HOSTILE, rule=HOSTILE, found=HOSTILE, next_step=HOSTILE)
    hostile = {"headline": HOSTILE, "requester": HOSTILE, "metric": HOSTILE, "decided_by": HOSTILE, "reason": HOSTILE}
    notice = example_notice("failure").model_copy(update={**hostile, "problem": problem, "value": 1.0})
    post(access(slack), "#models", compose(notice, "slack"), compose_footer(notice, "slack", HOSTILE))
    (posted,) = slack.posted
    texts = [posted["text"], posted["blocks"][0]["text"]["text"], posted["blocks"][-1]["elements"][0]["text"]]
    texts += [block["text"]["text"] for block in posted["blocks"][1:-1]]
    for text in texts:
        own = text
        for url in (notice.issue_url, notice.history_url, notice.workflow_url):
            own = own.replace(f"<{url}|", "").replace("Issue>", "").replace("run>", "")
        assert "<" not in own
        assert ">" not in own
        assert "&lt;!channel&gt; &lt;@U1&gt; &amp; " in own
    assert "link_names" not in posted
    assert posted["unfurl_links"] is False


def test_a_long_message_is_cut_into_sections_that_slack_takes_and_never_within_an_escape() -> None:
    made = to_blocks(Message("&amp;" * 100, "\n".join(["&lt;" * 2_000] * 9)), "&gt;" * 2_000)
    assert len(made) <= 7
    assert len(made[0]["text"]["text"]) <= 150
    for text in [made[0]["text"]["text"], *(block["text"]["text"] for block in made[1:-1])]:
        assert len(text) <= 3_000
        assert text.removesuffix("…").endswith(";")


@pytest.mark.parametrize(
    ("plan", "transient", "retry_after", "found"),
    [
        (LIMITED, True, 7, "ratelimited"),
        (BROKEN, True, 0, "HTTP 500"),
        (refused("internal_error"), True, 0, "internal_error"),
        (refused("channel_not_found"), False, 0, "channel_not_found"),
        (refused("invalid_auth"), False, 0, "invalid_auth"),
        ((200, {}, "no JSON"), False, 0, "HTTP 200"),
    ],
    ids=["limited", "broken", "internal", "no channel", "no token", "no JSON"],
)
def test_a_refusal_says_whether_a_retry_can_help(
    slack: LocalSlack, plan: Plan, transient: bool, retry_after: float, found: str
) -> None:
    slack.plans.append(plan)
    with pytest.raises(ChannelError) as error:
        post(access(slack), "#models", Message("title", "text"), "below")
    assert (error.value.transient, error.value.retry_after) == (transient, retry_after)
    assert found in error.value.problem.found
    assert TOKEN not in str(error.value)
    assert slack.asked == ["#models"]


def test_a_slack_call_that_hangs_is_abandoned(slack: LocalSlack) -> None:
    slack.hangs.clear()
    with pytest.raises(ChannelError) as error:
        post(access(slack, seconds=1), "#models", Message("title", "text"), "below")
    assert error.value.transient
    assert error.value.problem.reason == "slack_unreachable"


def test_an_unreachable_slack_is_a_temporary_error() -> None:
    with pytest.raises(ChannelError) as error:
        post(SlackAccess(TOKEN, "http://127.0.0.1:9/api/", 1), "#models", Message("title", "text"), "below")
    assert error.value.transient


def test_the_operation_posts_what_it_is_given_literally(slack: LocalSlack) -> None:
    found = run_operation(slack, channel="#models", title="A <title>", text="one\n<!channel>", about="train-1")
    assert found == SlackMessage(channel="#models", ts="1.000100")
    header, text, below = slack.posted[0]["blocks"]
    assert header["text"]["text"] == "A &lt;title&gt;"
    assert text["text"]["text"] == "one\n&lt;!channel&gt;"
    assert below["elements"][0]["text"] == "train-1"


def test_the_operation_reports_missing_settings() -> None:
    with pytest.raises(Unavailable) as error:
        run_operation(None, channel="#models", title="t", text="t")
    assert "MODELYARD_SLACK_TOKEN" in error.value.problem.next_step


@pytest.mark.parametrize("channel", ["models", "#", "#a b", "@somebody", "<!channel>", "#a\n", "c0123456789", ""])
def test_only_a_channels_name_or_id_is_accepted(slack: LocalSlack, channel: str) -> None:
    with pytest.raises(InvalidInput, match="a channel's id such as"):
        run_operation(slack, channel=channel, title="t", text="t")
    assert not slack.asked


def test_text_by_people_has_no_markup_and_no_emoji(slack: LocalSlack) -> None:
    run_operation(
        slack, channel="#models", title=":fire: *done*", text="*a* _b c_ ~d~ `e` :+1: snake_case 12:30:45 x:y"
    )
    (posted,) = slack.posted
    assert posted["blocks"][0]["text"]["text"] == "\ua789fire: \u2217done\u2217"
    assert (
        posted["blocks"][1]["text"]["text"]
        == "\u2217a\u2217 \u02cdb c\u02cd \u223cd\u223c \u02cbe\u02cb \ua789+1: snake_case 12:30:45 x:y"
    )


def test_an_answer_that_redirects_takes_the_token_nowhere(slack: LocalSlack) -> None:
    seen = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(dict(self.headers))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        slack.plans.append((302, {"Location": f"http://127.0.0.1:{server.server_port}/"}, ""))
        with pytest.raises(ChannelError):
            run_operation(slack, channel="#models", title="t", text="x")
        server.shutdown()
    assert len(seen) == 1
    assert TOKEN not in str(seen)
