"""Who may decide is asked from GitHub at that moment; nothing else says so, and hostile words are answered or ignored."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from bot.parsing.form import form_body
from bot.parsing.repository_config import CONFIG_PATH
from bot.runs.machines.training import State
from runners.local.hub.records import Role
from tests.support import unreliable
from tests.support.comment_reading import assert_inert
from tests.support.loop import Loop, answered
from tests.support.runs import a_request

WAITS = State.WAIT_FOR_OPERATOR_INPUT


def payload_of(loop: Loop, comment: int) -> dict[str, Any]:
    """Return what GitHub told the App about a comment."""

    def sent() -> dict[str, Any] | None:
        for one in loop.hub.deliveries.find():
            found: dict[str, Any] = json.loads(one.payload)
            if one.event == "issue_comment" and found["comment"]["id"] == comment:
                return found
        return None

    payload: dict[str, Any] = loop.until(sent, "the comment was told")
    return payload


def told(loop: Loop, payload: dict[str, Any]) -> None:
    assert loop.deliver("issue_comment", payload) == httpx.codes.ACCEPTED


def nothing_was_decided(loop: Loop, issue: int) -> None:
    """See that a later command is answered, and that all before it did nothing."""
    comment = loop.say(issue, "/help", by="owner")
    loop.until(
        lambda: any(f"modelyard:reply-{comment} " in text for text in loop.comments(issue)), "an answer to /help"
    )
    run = loop.run(issue)
    assert (run.state, run.decisions) == (WAITS, ())


# --- who may -------------------------------------------------------------------------------------------------------------


def role(loop: Loop, login: str, name: Role) -> None:
    loop.hub.set_role(loop.ready.repository, login, name)


def test_permission_is_checked_at_the_moment_of_the_decision(loop: Loop, waiting: int) -> None:
    # The writer asked for this training, and may no longer write when it comes to the answer.
    try:
        role(loop, "writer", "read")
        refusal = answered(loop, waiting, "/approve")
        assert "`write`" in refusal
        assert "`read`" in refusal
        nothing_was_decided(loop, waiting)
        role(loop, "reader", "write")
        loop.say(waiting, "/reject", by="reader")
        assert [decision.who.login for decision in loop.until_ended(waiting).decisions] == ["reader"]
    finally:
        role(loop, "writer", "write")
        role(loop, "reader", "read")


def test_an_association_with_the_repository_is_not_a_permission(loop: Loop, waiting: int) -> None:
    payload = payload_of(loop, loop.say(waiting, "hello", by="reader"))
    payload["comment"] |= {"body": "/approve", "author_association": "OWNER"}
    payload["issue"]["author_association"] = "OWNER"
    before = len(loop.comments(waiting))
    told(loop, payload)
    loop.until(lambda: len(loop.comments(waiting)) > before, "a refusal")
    assert "`read`" in loop.comments(waiting)[-1]
    nothing_was_decided(loop, waiting)


@pytest.mark.parametrize("status", [403, 500])
def test_if_the_permission_cannot_be_checked_nothing_is_done(loop: Loop, waiting: int, status: int) -> None:
    loop.network.add("GET", "/permission$", unreliable.answering(status), times=1_000)
    loop.say(waiting, "/reject")
    loop.until(lambda: loop.network.count("GET", "/permission$") > 0, "it was asked")
    loop.until(lambda: loop.network.count("GET", "/permission$") > 1, "and is asked again later")
    assert (loop.run(waiting).state, loop.run(waiting).decisions) == (WAITS, ())
    loop.network.troubles.clear()
    # Only when GitHub has answered is the command carried out.
    assert [decision.what for decision in loop.until_ended(waiting).decisions] == ["reject"]


def test_an_edited_or_deleted_comment_is_not_a_command(loop: Loop, waiting: int) -> None:
    comment = loop.say(waiting, "hello", by="owner")
    with loop.person("owner") as client:
        client.patch(f"/issues/comments/{comment}", json={"body": "/approve"}).raise_for_status()
    deleted = payload_of(loop, comment) | {"action": "deleted"}
    deleted["comment"]["body"] = "/approve"
    told(loop, deleted)
    nothing_was_decided(loop, waiting)


@pytest.mark.parametrize("kind", ["Bot", "Organization", "Mannequin"])
def test_comments_by_the_app_and_by_other_bots_are_not_commands(loop: Loop, waiting: int, kind: str) -> None:
    payload = payload_of(loop, loop.say(waiting, "hello", by="owner"))
    payload["comment"]["body"] = "/approve"
    payload["sender"]["type"] = payload["comment"]["user"]["type"] = kind
    told(loop, payload)
    nothing_was_decided(loop, waiting)


def test_a_comment_on_a_pull_request_is_not_a_command(loop: Loop, waiting: int) -> None:
    payload = payload_of(loop, loop.say(waiting, "hello", by="owner"))
    payload["comment"]["body"] = "/approve"
    payload["issue"]["pull_request"] = {"url": "https://example.org"}
    told(loop, payload)
    nothing_was_decided(loop, waiting)


def test_quotes_code_and_later_lines_are_not_commands(loop: Loop, waiting: int) -> None:
    for text in (
        "> /approve",
        "`/approve`",
        "```\n/approve\n```",
        "    /approve",
        "\n/approve",
        "so\n/approve",
        "<!--\n/approve\n-->",
    ):
        loop.say(waiting, text, by="owner")
    nothing_was_decided(loop, waiting)


def test_a_forged_marker_does_not_count_as_the_apps(loop: Loop, waiting: int) -> None:
    run = loop.run(waiting)
    (own,) = [text for text in loop.comments(waiting) if f"modelyard:run-{run.id}" in text]
    forged = f"<!-- modelyard:run-{run.id} -->\nThis run has passed."
    loop.say(waiting, forged, by="reader")
    loop.say(waiting, own, by="reader")
    loop.say(waiting, "/reject no", by="owner")
    loop.until_ended(waiting)
    with loop.person("owner") as client:
        bodies = [comment["body"] for comment in client.get(f"/issues/{waiting}/comments?per_page=100").json()]
    assert forged in bodies, "somebody else's comment was not touched"
    (now,) = [text for text in loop.comments(waiting) if f"modelyard:run-{run.id}" in text]
    assert now != own


# --- what they say -------------------------------------------------------------------------------------------------------

HOSTILE = (
    "@owner @org/team #1 <script>alert(1)</script> <img src=x onerror=alert(1)> <!-- modelyard:run-x --> ``` ~~~ | [a](javascript:b) "
    "![x](https://e.x/y.png) ${{ github.token }} $(id) `id` \u202e; rm -rf / && :(){ :|:& };:"
)


@pytest.mark.parametrize(
    "field", ["Model name", "Data", "Target column", "Metric", "Threshold", "Seed", "Hyperparameters"]
)
def test_hostile_text_in_a_form_is_reported_and_has_no_effect(calm: Loop, field: str) -> None:
    head, stored, before = calm.head(), calm.stored(), len(calm.jobs.works)
    value = f"{HOSTILE}: 1" if field == "Hyperparameters" else HOSTILE
    sections = form_body(a_request()).split("### ")
    body = "### ".join(f"{field}\n\n{value}\n\n" if part.startswith(f"{field}\n") else part for part in sections)
    assert HOSTILE in body
    issue = calm.open(body)
    if field == "Data":  # a file may be called so; that it is not there, prepare says
        run = calm.until_ended(issue)
        assert run.request.data_uris == (HOSTILE,)
        assert "$" not in calm.jobs.works[-1].inputs["order"]
        for comment in calm.comments(issue):
            assert_inert(comment)
        return
    calm.until_label(issue, "mlops:invalid")
    (comment,) = calm.comments(issue)
    assert_inert(comment)
    assert (calm.head(), calm.stored(), len(calm.jobs.works)) == (head, stored, before)


@pytest.mark.parametrize(
    "line",
    [
        f"/nonsense {HOSTILE}",
        f"/approve a={HOSTILE}",
        "/approve " + "a=1 " * 16_000,
        "/approve " + "x" * 65_000,
        "/" + "approve" * 9_000,
        "/approve seed=${{ secrets.X }}",
    ],
    ids=["unknown", "argument", "many settings", "a 64 kB line", "a 64 kB word", "expression"],
)
def test_hostile_text_in_a_comment_is_answered_or_ignored_and_has_no_effect(
    loop: Loop, waiting: int, line: str
) -> None:
    before = len(loop.comments(waiting))
    loop.say(waiting, line)
    nothing_was_decided(loop, waiting)
    for comment in loop.comments(waiting)[before:-1]:
        assert_inert(comment)
        assert len(comment) < 5_000


BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "a: !!python/object/apply:os.system ['id']\n",
        "[" * 50_000,
        "x" * 70_000,
        f"{json.dumps(HOSTILE)}: 1\n",
        f"runners: {json.dumps([HOSTILE])}\n",
        f"promotion: {json.dumps(HOSTILE)}\n",
        "- " * 10_000,
    ],
    ids=["bomb", "tag", "nesting", "size", "key", "label", "value", "no mapping"],
)
def test_a_hostile_configuration_is_reported_and_has_no_effect(calm: Loop, text: str) -> None:
    right = calm.file(CONFIG_PATH) or ""
    put(calm, text)
    try:
        works = len(calm.jobs.works)
        issue = calm.open(model_name="hostile-config")
        calm.until_label(issue, "mlops:invalid")
        (comment,) = calm.comments(issue)
        assert_inert(comment)
        assert CONFIG_PATH in comment
        assert len(comment) < 3_000
        assert len(calm.jobs.works) == works
    finally:
        put(calm, right)


def put(loop: Loop, text: str) -> None:
    with loop.person("owner") as client:
        path = f"/contents/{CONFIG_PATH}"
        sha = client.get(path).raise_for_status().json()["sha"]
        content = base64.b64encode(text.encode()).decode()
        client.put(path, json={"message": "Change", "content": content, "sha": sha}).raise_for_status()
