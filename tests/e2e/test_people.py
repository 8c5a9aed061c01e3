"""What people say at an issue, who may say it, and what they are answered."""

from __future__ import annotations

import json

import httpx
import pytest

from actions.tasks.registry import TrainingRequest
from bot.parsing.form import form_body
from bot.runs.machines.training import State
from tests.support.loop import Loop, answered
from tests.support.runs import a_request
from tests.support.scripted_runs import Script
from tests.support.unreliable import away

# --- the issue itself ----------------------------------------------------------------------------------------------------


def test_closing_the_issue_stops_its_run_at_once(loop: Loop, waiting: int) -> None:
    with loop.person("owner") as client:
        client.patch(f"/issues/{waiting}", json={"state": "closed"}).raise_for_status()
    run = loop.until_ended(waiting)
    assert [(one.who.login, one.reason) for one in run.decisions] == [("owner", "the issue was closed")]
    assert (run.status, loop.labels(waiting)) == ("cancelled", {"mlops:cancelled"})


def test_moving_the_issue_to_another_repository_stops_its_run(loop: Loop, waiting: int) -> None:
    payload = {
        "action": "transferred",
        "issue": {"number": waiting, "state": "open"},
        "repository": {"full_name": loop.name},
        "installation": {"id": loop.ready.installation_id},
        "sender": {"login": "owner", "type": "User"},
    }
    # GitHub answers questions about the old issue with the new one, which is open.
    assert loop.deliver("issues", payload) == httpx.codes.ACCEPTED
    run = loop.until_ended(waiting)
    assert [one.reason for one in run.decisions] == ["the issue was deleted or moved"]


# --- commands ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["/approve", "/reject", "/cancel"])
def test_a_reader_may_not_use_a_command_and_sees_the_required_permission(
    loop: Loop, waiting: int, command: str
) -> None:
    answer = answered(loop, waiting, command, by="reader")
    assert "`write`" in answer
    assert "`read`" in answer
    assert loop.run(waiting).state is State.WAIT_FOR_OPERATOR_INPUT


def test_help_lists_every_command(loop: Loop, waiting: int) -> None:
    answer = answered(loop, waiting, "/help")
    for command in ("/approve", "/reject", "/cancel", "/status", "/help"):
        assert command in answer


def test_status_says_where_the_run_is(loop: Loop, waiting: int) -> None:
    answer = answered(loop, waiting, "/status")
    assert loop.run(waiting).id in answer
    assert "Rejected" in answer


def test_an_unknown_command_is_answered_with_the_nearest(loop: Loop, waiting: int) -> None:
    assert "/approve" in answered(loop, waiting, "/aprove")


def test_a_wrong_argument_is_reported_and_nothing_is_done(loop: Loop, waiting: int) -> None:
    assert "timeout_minutes" in answered(loop, waiting, "/approve timeout_minutes=soon")
    assert loop.run(waiting).state is State.WAIT_FOR_OPERATOR_INPUT


def test_only_the_first_line_of_a_comment_is_a_command(loop: Loop, waiting: int) -> None:
    for text in ("Please\n/approve", "> /approve", "```\n/approve\n```", "/etc/passwd is a path", "no command"):
        loop.say(waiting, text)
    assert "/approve" in answered(loop, waiting, "/help")
    assert loop.run(waiting).state is State.WAIT_FOR_OPERATOR_INPUT


def reactions(loop: Loop, comment: int) -> list[str]:
    with loop.person("owner") as client:
        found = client.get(f"/issues/comments/{comment}/reactions").raise_for_status().json()
    return [reaction["content"] for reaction in found]


def test_a_command_gets_a_reaction_on_receipt_and_another_when_accepted(loop: Loop, waiting: int) -> None:
    asking = loop.say(waiting, "/help")
    taking = loop.say(waiting, "/reject")
    loop.until_ended(waiting)
    loop.until(lambda: reactions(loop, taking) == ["eyes", "+1"])
    assert reactions(loop, asking) == ["eyes"]


def test_approve_while_nothing_waits_is_answered(loop: Loop) -> None:
    loop.script(train=Script(hang=True))
    issue = loop.open(model_name="nothing-waits")
    loop.until_state(issue, State.TRAIN_MODEL)
    answer = answered(loop, issue, "/approve")
    assert "nothing" in answer.lower() or "not wait" in answer.lower()
    loop.say(issue, "/cancel")
    loop.until_ended(issue)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/approve max_depht=3", "Did you mean max\\_depth?"),
        ("/approve min_impurity_decrease=0,1 slower learning", "decimal point"),
        ("/approve max_depth=\u201c3\u201d", "Quotes must be straight"),
        ("/approve max_depth=deep", "must be a number"),
    ],
)
def test_a_mistake_in_an_approval_is_answered_and_the_question_stays_open(
    loop: Loop, waiting: int, line: str, says: str
) -> None:
    answer = answered(loop, waiting, line)
    assert says.replace("\\", "") in answer.replace("\\", "")
    assert (loop.run(waiting).state, loop.run(waiting).answer) == (State.WAIT_FOR_OPERATOR_INPUT, None)


def test_a_command_at_an_issue_without_a_request_is_left_alone(loop: Loop) -> None:
    with loop.person("writer") as client:
        plain = client.post("/issues", json={"title": "A question", "body": "How?"}).json()["number"]
    loop.say(plain, "/status")
    other = loop.open("no form", by="writer")
    loop.until_label(other, "mlops:invalid")
    assert loop.comments(plain) == []


# --- requests ------------------------------------------------------------------------------------------------------------


def test_a_reader_may_not_request_a_training(loop: Loop) -> None:
    issue = loop.open(by="reader", model_name="by-reader")
    # The owner's label makes the request the owner's: what somebody else wrote was looked at by somebody who may.
    assert loop.until_ended(issue).requester.login == "owner"


def test_an_issue_that_a_reader_labels_is_refused(loop: Loop) -> None:
    with loop.person("reader") as client:
        number = client.post(
            "/issues", json={"title": "Train", "body": form_body(a_request(model_name="x")), "labels": ["mlops:train"]}
        ).json()["number"]
    assert loop.labels(number) == set()
    assert loop.comments(number) == []


WRONG: list[tuple[str, str, tuple[str, ...]]] = [
    ("### Threshold\n\n0.9", "### Threshold\n\n1.5", ("Threshold", "1.5", "between 0 and 1")),
    ("### Threshold\n\n0.9", "### Threshold\n\nhigh", ("Threshold", "high", "0.95")),
    ("sklearn://breast_cancer", "sklearn://brest_cancer", ("Data", "brest_cancer", "sklearn://breast_cancer")),
    ("### Metric\n\naccuracy", "### Metric\n\nrmse", ("Metric", "rmse", "classification")),
    ("### Target column\n\n", "### Target colum\n\n", ("Target colum", "Target column")),
    ("### Algorithm\n\nrandom_forest\n\n", "", ("Algorithm",)),
    ("### Split\n\nauto", "### Split\n\ntime", ("Split column", "must name a split column")),
    ("### Runner label\n\nself-hosted", "### Runner label\n\nbig-gpu", ("Runner label", "big-gpu", "self-hosted")),
    ("sklearn://breast_cancer", "file:///etc/passwd", ("Data", "file:")),
    ("sklearn://breast_cancer", "../../other/secret.csv", ("Data", "..")),
]


@pytest.mark.parametrize(("right", "wrong", "told"), WRONG)
def test_a_wrong_form_is_reported_by_field_and_leaves_nothing(
    calm: Loop, right: str, wrong: str, told: tuple[str, ...]
) -> None:
    head, stored = calm.head(), calm.stored()
    body = form_body(a_request())
    assert right in body
    issue = calm.open(body.replace(right, wrong))
    calm.until_label(issue, "mlops:invalid")
    comment = calm.comments(issue)[0]
    for word in told:
        assert word in comment
    assert (calm.head(), calm.stored()) == (head, stored)
    assert not calm.has_run(issue)


def test_a_label_without_a_form_is_reported_and_a_corrected_issue_runs(loop: Loop) -> None:
    issue = loop.open("Please train something nice.")
    loop.until_label(issue, "mlops:invalid")
    assert "form" in loop.comments(issue)[0]
    loop.edit(issue, form_body(a_request(model_name="corrected")))
    assert loop.until_ended(issue).status == "passed"
    assert loop.labels(issue) == {"mlops:passed"}
    assert "The problem reported here is fixed." in loop.comments(issue)[0]


def test_a_request_can_be_corrected_while_it_queues(loop: Loop) -> None:
    loop.script(train=Script(hang=True))
    first = loop.open(model_name="queue")
    loop.until(loop.jobs.hanging.is_set)
    second = loop.open(model_name="queue")
    loop.until_label(second, "mlops:queued")
    changed: TrainingRequest = a_request(model_name="queue", seed=5)
    loop.edit(second, form_body(changed))
    loop.until(lambda: loop.run(second).request == changed)
    loop.script()
    loop.say(first, "/cancel")
    loop.until_ended(first)
    loop.until_ended(second)
    assert json.loads(loop.jobs.works[-1].inputs["order"])["request"]["seed"] == 5


def test_a_request_is_frozen_once_work_has_begun_and_an_edit_is_answered_so(loop: Loop) -> None:
    loop.script(train=Script(hang=True))
    issue = loop.open(model_name="frozen")
    loop.until_state(issue, State.TRAIN_MODEL)
    before = loop.run(issue).request
    loop.edit(issue, form_body(a_request(model_name="frozen", seed=9)))
    loop.until(lambda: len(loop.comments(issue)) > 1)
    assert loop.run(issue).request == before
    loop.say(issue, "/cancel")
    loop.until_ended(issue)


@pytest.mark.slow
def test_a_request_stays_frozen_while_its_next_attempt_queues(loop: Loop) -> None:
    loop.values[:] = [0.5, 0.95]
    issue = loop.open(model_name="still-frozen")
    loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)
    loop.script(train=Script(hang=True))
    other = loop.open(model_name="still-frozen")
    loop.until(loop.jobs.hanging.is_set)
    loop.say(issue, "/approve")
    loop.until_label(issue, "mlops:queued")
    loop.edit(issue, form_body(a_request(model_name="still-frozen", threshold=0.1)))
    loop.until(lambda: any("frozen" in text for text in loop.comments(issue)))
    loop.edit(issue, "no form any more")
    loop.script()
    loop.say(other, "/cancel")
    loop.until_ended(other)
    run = loop.until_ended(issue)
    assert (run.status, run.request.threshold) == ("passed", 0.9)


def test_a_command_that_is_handled_twice_takes_effect_once(loop: Loop, waiting: int) -> None:
    loop.network.add("POST", "/reactions", away, times=8)
    before = len(loop.comments(waiting))
    comment = loop.say(waiting, "/reject")
    loop.until_ended(waiting)
    loop.until(lambda: reactions(loop, comment)[-1:] == ["+1"])
    assert not [text for text in loop.comments(waiting)[before:] if "nothing" in text.lower() and "/reject" in text]


def test_a_public_repository_is_refused_by_default(loop: Loop) -> None:
    loop.hub.repositories.update(loop.ready.repository.id, private=False)
    try:
        issue = loop.open(model_name="public")
        loop.until_label(issue, "mlops:invalid")
        assert "public" in loop.comments(issue)[0]
    finally:
        loop.hub.repositories.update(loop.ready.repository.id, private=True)


def test_text_that_github_would_expand_is_passed_on_unchanged(loop: Loop) -> None:
    notes = "${{ github.token }} $(id) `id` \"; id; ' \\ \u2028 <!-- modelyard:run-x -->\n@owner"
    issue = loop.open(model_name="hostile", notes=notes)
    run = loop.until_ended(issue)
    sent = loop.jobs.works[-1].inputs["order"]
    assert "$" not in sent
    assert json.loads(sent)["request"]["notes"] == notes
    history = str(loop.file(f"training_history/{run.id}.md"))
    assert "<!-- modelyard" not in history
    assert "${{ github.token }}" in history
