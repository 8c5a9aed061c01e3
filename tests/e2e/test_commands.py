"""Every command over HTTP, by people of every permission: who may what, what it does, and that it is done once."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import tempfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from actions.context import Context
from actions.errors import InvalidInput
from actions.history_management.record import RunRecord
from actions.model_registry import model_file
from actions.operation import Result, find_operation
from actions.storage.folder import open_storage
from bot.events.commands import COMMANDS
from bot.parsing.form import form_body
from bot.runs.machines.training import State
from tests.support.loop import Loop
from tests.support.results import MODEL_SHA256
from tests.support.runs import a_request
from tests.support.scripted_runs import Script

PEOPLE = {"outsider": "none", "reader": "read", "writer": "write", "maintainer": "maintain", "owner": "admin"}
_NUMBERS = itertools.count(990_000_001)
LEVELS = ["none", "read", "triage", "write", "maintain", "admin"]


def answered(loop: Loop, issue: int, text: str, by: str = "owner") -> str:
    """Say something and return what the App answers in a comment of its own."""
    comment = said_by_an_outsider(loop, issue, text) if by == "outsider" else loop.say(issue, text, by)
    marker = f"<!-- modelyard:reply-{comment} -->"
    found: list[str] = loop.until(
        lambda: [each for each in loop.comments(issue) if each.startswith(marker)], f"an answer to {text}"
    )
    return found[0].removeprefix(marker)


def said_by_an_outsider(loop: Loop, issue: int, text: str) -> int:
    """Bring the App the comment of somebody who cannot see the repository (any more); return its id."""
    comment = next(_NUMBERS)
    payload = {
        "action": "created",
        "comment": {"id": comment, "body": text, "created_at": "2026-11-24T12:00:00Z"},
        "issue": {"number": issue, "labels": [{"name": "mlops:train"}]},
        "repository": {"full_name": loop.name},
        "installation": {"id": loop.ready.installation_id},
        "sender": {"login": "outsider", "type": "User"},
    }
    assert loop.deliver("issue_comment", payload) == httpx.codes.ACCEPTED
    return comment


def taken(loop: Loop, issue: int, text: str, by: str = "owner") -> None:
    """Say something and wait for the reaction that says it was taken."""
    path = f"/issues/comments/{loop.say(issue, text, by)}/reactions"
    with loop.person("owner") as client:
        loop.until(lambda: client.get(path, params={"content": "+1"}).json(), f"a reaction to {text}")


def passed(loop: Loop, model: str) -> int:
    loop.values[:] = [0.97]
    issue = loop.open(model_name=model)
    assert loop.until_ended(issue).status == "passed"
    return issue


def registry(loop: Loop, model: str) -> model_file.ModelFile:
    return model_file.parse(loop.file(model_file.path_of(model)) or "")


def record(loop: Loop, issue: int) -> RunRecord:
    return RunRecord.model_validate_json(loop.file(f"training_history/{loop.run(issue).id}.json") or "")


CONFIG = ".github/modelyard.yml"


@contextlib.contextmanager
def configured(loop: Loop, more: str) -> Iterator[None]:
    """Change the repository's configuration on its default branch, as a merged pull request would; then change it back."""
    before = loop.file(CONFIG) or ""
    kept = re.sub(r"(?m)^(?:approver: .*|gate:\n  alpha: .*\n  margin: .*)\n", "", before)
    commit(loop, CONFIG, kept + more)
    try:
        yield
    finally:
        commit(loop, CONFIG, before)


def commit(loop: Loop, path: str, text: str) -> None:
    git = loop.hub.git(loop.ready.repository)
    blob = git.text("hash-object", "-w", "--stdin", data=text.encode())
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        git.run("read-tree", "main", environment=index)
        git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", environment=index)
        tree = git.text("write-tree", environment=index)
    of = {"NAME": "owner", "EMAIL": "owner@example.org"}
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in of.items()}
    sha = git.text("commit-tree", tree, "-p", "main", "-m", "Change it", environment=who)
    git.run("update-ref", "refs/heads/main", sha)


# --- who may what --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ended(running: Loop) -> int:
    running.reset()
    return passed(running, "who-may-what")


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_for_those_who_have_its_permission(loop: Loop, ended: int, name: str, who: str) -> None:
    before = loop.head(), loop.run(ended)
    allowed = LEVELS.index(PEOPLE[who]) >= LEVELS.index(COMMANDS[name].permission)
    if allowed and name == "train":
        return  # it would train: see below

    answer = answered(loop, ended, f"/{name} maybe" if name == "compare" else f"/{name}", by=who)

    refused = "Nothing was changed." in answer and "you have" in answer
    assert refused is not allowed
    if not allowed:
        assert f"`{COMMANDS[name].permission}`" in answer
        assert f"`{PEOPLE[who]}`" in answer
        assert (loop.head(), loop.run(ended)) == before


def test_a_commands_configured_permission_applies_and_help_shows_it(loop: Loop, ended: int) -> None:
    with configured(loop, "commands:\n  status: {users: [owner], permission: admin}\n  history: admin\n"):
        assert "`admin` or `owner`" in answered(loop, ended, "/status", by="writer")
        assert "`admin`" in answered(loop, ended, "/history", by="writer")
        assert loop.run(ended).id in answered(loop, ended, "/status", by="owner")
        assert re.search(r"`/history` \|.*\| `admin` \|", answered(loop, ended, "/help", by="reader"))


def test_a_member_of_a_named_team_may(loop: Loop, ended: int) -> None:
    def a_member(request: httpx.Request, _: httpx.Response | None) -> httpx.Response:
        return httpx.Response(200, json={"state": "active", "role": "member", "url": str(request.url)}, request=request)

    with configured(loop, "commands:\n  status: {teams: [ml-leads]}\n"):
        assert "`team ml-leads`" in answered(loop, ended, "/status", by="reader")
        loop.network.add("GET", r"/orgs/owner/teams/ml-leads/memberships/reader$", a_member)
        assert loop.run(ended).id in answered(loop, ended, "/status", by="reader")


def test_while_the_configuration_is_broken_people_may_only_look_and_stop(loop: Loop, ended: int, waiting: int) -> None:
    with configured(loop, "commands: {aprove: read}\n"):
        before = loop.head()
        for command in ("/promote", "/unlock", "/retry", "/run list_model_versions name=x", "/approve"):
            assert "is invalid" in answered(loop, ended, command), command
        assert "you have `write`" in answered(loop, ended, "/promote", by="writer")
        assert loop.run(ended).id in answered(loop, ended, "/status", by="reader")
        assert "has no effect" in answered(loop, ended, "/cancel")
        assert "is invalid" in answered(loop, waiting, "/approve")
        assert loop.run(waiting).decisions == ()
        assert loop.head() == before
        loop.say(waiting, "/cancel")
        assert loop.until_ended(waiting).status == "cancelled"


# --- promoting and rolling back ------------------------------------------------------------------------------------------


def test_promote_makes_the_runs_version_the_champion_and_records_who_and_why(loop: Loop, model: str) -> None:
    issue = passed(loop, model)
    assert "champion" not in registry(loop, model).aliases

    answer = answered(loop, issue, "/promote better on *last week's* data")

    assert registry(loop, model).aliases["champion"] == 1
    (decision,) = record(loop, issue).decisions
    assert (decision.who.login, decision.what, decision.reason) == ("owner", "promote", "better on *last week's* data")
    page = loop.file(f"training_history/{loop.run(issue).id}.md") or ""
    assert "promote" in page
    assert registry(loop, model).version(1).sha256 in answer
    assert "already" in answered(loop, issue, "/promote")
    assert len(record(loop, issue).decisions) == 1


def test_a_promotion_that_is_handled_twice_happens_once(loop: Loop, model: str) -> None:
    issue = passed(loop, model)
    comment = loop.say(issue, "/promote", "owner")
    loop.until(lambda: registry(loop, model).aliases.get("champion") == 1, "it is the champion")
    loop.until(lambda: not loop.store.inbox.entries("new"), "everything was read")
    head, said = loop.head(), loop.comments(issue)

    loop.store.inbox.add(loop.delivery_of(comment, body="/promote"))
    loop.until(lambda: not loop.store.inbox.entries("new"), "it was read once more")

    assert (loop.head(), loop.comments(issue)) == (head, said)


def test_rollback_goes_back_to_the_version_before_or_to_a_named_one(loop: Loop, model: str) -> None:
    issues = [passed(loop, model) for _ in range(3)]
    for issue in issues:
        answered(loop, issue, "/promote")
    assert (registry(loop, model).aliases["champion"], registry(loop, model).aliases["previous"]) == (3, 2)

    answered(loop, issues[2], "/rollback too many false alarms")
    assert registry(loop, model).aliases["champion"] == 2
    assert record(loop, issues[1]).decisions[-1].reason == "too many false alarms"
    assert "alias previous" in answered(loop, issues[2], "/rollback")

    answered(loop, issues[2], "/rollback 1")
    assert registry(loop, model).aliases["champion"] == 1


def test_a_version_in_other_words_moves_nothing_and_is_answered_with_the_syntax(loop: Loop, model: str) -> None:
    issues = [passed(loop, model) for _ in range(2)]
    answered(loop, issues[0], "/promote")
    answered(loop, issues[1], "/promote")
    for line in ("/rollback to 2", "/promote version=1", f"/promote {model}@1", "/rollback HEAD~1", "/promote 1st"):
        assert "Without it, the reason must be several words" in answered(loop, issues[1], line)
    assert registry(loop, model).aliases["champion"] == 2


def test_a_version_that_does_not_exist_is_reported(loop: Loop, model: str) -> None:
    issue = passed(loop, model)
    assert "no version 7" in answered(loop, issue, "/promote 7")
    assert "must be in production" in answered(loop, issue, "/rollback")


def test_an_artifact_that_the_run_did_not_make_is_never_promoted(loop: Loop, model: str) -> None:
    issue = passed(loop, model)
    path = model_file.path_of(model)
    text = loop.file(path) or ""
    commit(loop, path, text.replace(registry(loop, model).version(1).sha256, "e" * 64))

    answer = answered(loop, issue, "/promote")

    assert "`artifact_differs`" in answer
    assert "champion" not in registry(loop, model).aliases


def test_a_model_that_did_not_pass_is_never_promoted_whatever_the_registry_says(loop: Loop, model: str) -> None:
    passing = passed(loop, model)
    loop.values[:] = [0.5]
    failing = loop.open(model_name=model, max_retries=0)
    rejected = loop.until_ended(failing)
    result = record(loop, failing).result
    assert (rejected.status, result is not None) == ("rejected", True)
    path, first = model_file.path_of(model), registry(loop, model).version(1)
    forged, _ = model_file.register(
        (loop.file(path) or "").encode(), name=model, run=rejected.id, attempt=1, uri=result.model.uri if result else "",
        sha256=result.model.sha256 if result else "", created=first.created,
    )  # fmt: skip
    commit(loop, path, forged)

    answer = answered(loop, passing, "/promote 2")

    assert "`artifact_differs`" in answer
    assert "the status rejected" in answer
    assert "champion" not in registry(loop, model).aliases


def test_a_late_command_does_not_affect_a_run_requested_after_it(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model, max_retries=0)
    first = loop.until_ended(issue)
    late = loop.say(issue, "Let us see.")  # older than the run to come
    loop.script(train=Script(hang=True))
    loop.say(issue, "/retry")
    loop.until(lambda: loop.run(issue).id != first.id and loop.run(issue).state is State.TRAIN_MODEL, "it trains anew")

    loop.store.inbox.add(loop.delivery_of(late, body="/cancel"))

    marker = f"<!-- modelyard:reply-{late} -->"
    loop.until(lambda: any("`about_an_earlier_run`" in text for text in loop.comments(issue) if marker in text))
    assert loop.run(issue).cancel is None
    loop.script()
    loop.say(issue, "/cancel")
    loop.until_ended(issue)


def test_the_requester_may_not_decide_if_another_approver_is_required(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5, 0.97]
    with configured(loop, "approver: another\n"):
        issue = loop.open(model_name=model, by="maintainer")
        loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)
        assert "`another_person_needed`" in answered(loop, issue, "/approve", by="maintainer")
        taken(loop, issue, "/approve", by="owner")
        assert loop.until_ended(issue).status == "passed"
        assert "`another_person_needed`" in answered(loop, issue, "/promote", by="maintainer")
        assert "champion" not in registry(loop, model).aliases
        answered(loop, issue, "/promote", by="owner")
        assert registry(loop, model).aliases["champion"] == 1


@contextlib.contextmanager
def renamed(loop: Loop, **logins: str) -> Iterator[None]:
    """Give accounts other logins for a while; ``loop`` knows them by their own logins all the time."""
    accounts = {own: loop.hub.user(own) for own in logins}
    try:
        for own, account in accounts.items():
            assert account is not None
            loop.hub.users.update(account.id, login=logins[own])
        yield
    finally:
        for own, account in accounts.items():
            assert account is not None
            loop.hub.users.update(account.id, login=own)


def test_a_requester_who_renames_their_account_is_still_the_requester(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    with configured(loop, "approver: another\n"):
        issue = loop.open(model_name=model, by="maintainer")
        loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)
        with renamed(loop, maintainer="another-login"):
            assert "`another_person_needed`" in answered(loop, issue, "/approve", by="maintainer")
        with renamed(loop, maintainer="another-login", writer="maintainer"):
            taken(loop, issue, "/reject", by="writer")
        assert loop.until_ended(issue).status == "rejected"
    ids = {login: loop.hub.person(login).account.id for login in ("maintainer", "writer")}
    kept = record(loop, issue)
    assert (kept.requester.login, kept.requester.id) == ("maintainer", ids["maintainer"])
    assert [(decision.who.login, decision.who.id) for decision in kept.decisions] == [("maintainer", ids["writer"])]


def test_an_account_that_took_a_login_lends_no_permission_to_the_account_that_had_it(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)
    before, reader = loop.say(issue, "a comment", by="reader"), loop.hub.person("reader").account
    late = json.loads(loop.delivery_of(before, body="/reject").payload)
    late["sender"]["login"] = "writer"
    assert late["sender"]["id"] == reader.id
    assert loop.deliver("issue_comment", late) == httpx.codes.ACCEPTED
    marker = f"<!-- modelyard:reply-{before} -->"
    loop.until(lambda: [text for text in loop.comments(issue) if text.startswith(marker)], "the command is refused")
    assert loop.run(issue).state is State.WAIT_FOR_OPERATOR_INPUT
    taken(loop, issue, "/reject", by="writer")
    loop.until_ended(issue)


def test_who_edits_a_queued_request_of_another_person_may_not_decide_about_it_either(loop: Loop, model: str) -> None:
    loop.script(train=Script(hang=True))
    first = loop.open(model_name=model)
    loop.until_state(first, State.TRAIN_MODEL)
    with configured(loop, "approver: another\n"):
        issue = loop.open(model_name=model, by="maintainer")
        loop.until_label(issue, "mlops:queued")
        loop.edit(issue, form_body(a_request(model_name=model, threshold=0.6)), by="owner")
        loop.until(lambda: loop.run(issue).request.threshold == 0.6, "the request is changed")
        loop.values[:] = [0.5]
        loop.script()
        loop.say(first, "/cancel")
        loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)

        for requester in ("owner", "maintainer"):
            assert "maintainer and owner requested" in answered(loop, issue, "/approve", by=requester)
        assert "maintainer, owner" in loop.comments(issue)[0]
        taken(loop, issue, "/reject", by="writer")
        loop.until_ended(issue)
    assert [each.login for each in record(loop, issue).requesters] == ["maintainer", "owner"]
    assert "maintainer, owner" in (loop.file(f"training_history/{loop.run(issue).id}.md") or "")


def test_who_changes_a_setting_in_an_approval_has_requested_that_attempt_and_may_not_promote_it(
    loop: Loop, model: str
) -> None:
    loop.values[:] = [0.5, 0.97]
    with configured(loop, "approver: another\n"):
        issue = loop.open(model_name=model, by="maintainer")
        loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)
        taken(loop, issue, "/approve seed=7", by="owner")
        assert loop.until_ended(issue).status == "passed"
        for requester in ("owner", "maintainer"):
            assert "maintainer and owner requested" in answered(loop, issue, "/promote", by=requester)
    assert "champion" not in registry(loop, model).aliases
    assert [each.login for each in record(loop, issue).requesters] == ["maintainer", "owner"]


def test_who_edits_an_ended_issue_has_requested_what_train_reads_from_it(loop: Loop, model: str) -> None:
    issue = passed(loop, model)
    loop.edit(issue, form_body(a_request(model_name=model, threshold=0.01)), by="maintainer")
    loop.until(lambda: [each.login for each in loop.run(issue).edited_by] == ["maintainer"], "the edit is noted")
    first = loop.run(issue).id
    taken(loop, issue, "/train", by="owner")
    again = loop.until(lambda: loop.run(issue).id != first and loop.run(issue).ended and loop.run(issue))
    assert [each.login for each in again.requesters] == ["owner", "writer", "maintainer"]


def test_register_restores_what_the_registry_has_lost(loop: Loop, model: str) -> None:
    issue = passed(loop, model)
    kept = registry(loop, model)
    commit(loop, model_file.path_of(model), f"name: {model}\n")

    answered(loop, issue, "/register")

    assert registry(loop, model).versions == kept.versions
    assert "version 1" in answered(loop, issue, "/register")


# --- training anew -------------------------------------------------------------------------------------------------------


def test_retry_opens_a_failed_issue_again_with_what_was_changed(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model, max_retries=0)
    first = loop.until_ended(issue)
    assert first.status == "rejected"
    loop.values[:] = [0.97]

    taken(loop, issue, "/retry n_estimators=500 more trees", by="writer")
    again = loop.until(lambda: loop.run(issue).id != first.id and loop.run(issue).ended and loop.run(issue))

    assert (again.status, again.request.hyperparameters["n_estimators"], again.requester.login) == (
        "passed",
        500,
        "writer",
    )
    loop.until(lambda: loop.issue(issue)["state_reason"] == "completed", "the issue is closed as completed")
    assert "has no effect" in answered(loop, issue, "/retry")


def test_train_starts_a_run_on_an_issue_without_a_label(loop: Loop, model: str) -> None:
    with loop.person("reader") as client:
        body = form_body(a_request(model_name=model))
        issue = client.post("/issues", json={"title": "Train", "body": body}).raise_for_status().json()["number"]

    taken(loop, issue, "/train", by="writer")

    run = loop.until(lambda: loop.has_run(issue) and loop.run(issue).ended and loop.run(issue))
    assert run.status == "passed"
    taken(loop, issue, "/train the data has grown", by="writer")
    loop.until(lambda: loop.run(issue).id != run.id and loop.run(issue).ended, "it was trained anew")


def test_train_and_retry_do_nothing_while_a_run_is_open(loop: Loop, model: str) -> None:
    loop.script(train=Script(hang=True))
    issue = loop.open(model_name=model)
    run = loop.until_state(issue, State.TRAIN_MODEL)
    for command in ("/train", "/retry"):
        assert "has no effect" in answered(loop, issue, command, by="writer")
    assert loop.run(issue).id == run.id
    loop.say(issue, "/cancel")
    loop.until_ended(issue)


# --- looking -------------------------------------------------------------------------------------------------------------


def test_plan_shows_what_would_run_and_how_long_it_usually_takes(loop: Loop, model: str) -> None:
    with loop.person("reader") as client:
        body = form_body(a_request(model_name=model))
        issue = client.post("/issues", json={"title": "Plan", "body": body}).raise_for_status().json()["number"]
    answer = answered(loop, issue, "/plan", by="reader")
    assert "No time estimate yet" in answer
    assert f"`{model}`" in answer
    assert not loop.has_run(issue)

    passed(loop, model)

    answer = answered(loop, issue, "/plan", by="reader")
    assert "1 finished run of this model on `self-hosted`" in answer
    assert "| train |" in answer


def test_history_lists_only_the_runs_of_the_model(loop: Loop, model: str, ended: int) -> None:
    issue = passed(loop, model)
    answer = answered(loop, issue, "/history", by="reader")
    assert loop.run(issue).id in answer
    assert loop.run(ended).id not in answer


def test_unlock_releases_the_model_for_the_waiting_run(loop: Loop, model: str) -> None:
    loop.script(train=Script(hang=True))
    first = loop.open(model_name=model)
    loop.until_state(first, State.TRAIN_MODEL)
    second = loop.open(model_name=model)
    loop.until_label(second, "mlops:queued")

    answer = answered(loop, second, "/unlock its runner is gone")

    assert loop.run(first).id in answer
    loop.until_state(second, State.TRAIN_MODEL)
    for issue in (first, second):
        loop.say(issue, "/cancel")
        loop.until_ended(issue)
    assert "nothing to release" in answered(loop, second, "/unlock")


def test_an_old_unlock_whose_answer_was_deleted_releases_no_later_lock(loop: Loop, model: str) -> None:
    loop.script(train=Script(hang=True))
    first = loop.open(model_name=model)
    loop.until_state(first, State.TRAIN_MODEL)
    second = loop.open(model_name=model)
    loop.until_label(second, "mlops:queued")
    command = loop.say(second, "/unlock its runner is gone", "owner")
    run = loop.until_state(second, State.TRAIN_MODEL)
    marker = f"<!-- modelyard:reply-{command} -->"
    with loop.person("owner") as client:
        answers = loop.until(
            lambda: [each for each in client.get(f"/issues/{second}/comments").json() if marker in each["body"]]
        )
        client.delete(f"/issues/comments/{answers[0]['id']}").raise_for_status()

    again = loop.delivery_of(command, body="/unlock its runner is gone")
    loop.store.inbox.add(again)  # as the reconciler would: received now, written then

    loop.until(lambda: again.id in {each.id for each in loop.store.inbox.entries("done")}, "it is handled again")
    assert loop.store.locks.owner(loop.name, model) == run.id
    for issue in (first, second):
        loop.say(issue, "/cancel")
        loop.until_ended(issue)


# --- measuring -----------------------------------------------------------------------------------------------------------


def sent(loop: Loop, issue: int, line: str, by: str = "owner") -> tuple[str, dict[str, Any], str]:
    """Say something that is sent to a runner; return the operation, its arguments, and what the App says."""
    comment = loop.say(issue, line, by)
    (work,) = loop.until(
        lambda: [each for each in loop.hub.runs.runs.find() if each.title.endswith(f" for comment {comment}")],
        "it was sent",
    )
    loop.until(lambda: any(f"/actions/runs/{work.id}" in text for text in loop.comments(issue)), "it is told")
    answer = next(text for text in loop.comments(issue) if f"/actions/runs/{work.id}" in text)
    return work.inputs["operation"], json.loads(work.inputs["arguments"]), answer


def test_compare_scores_both_models_on_the_newer_ones_rows_with_the_repositorys_gate(loop: Loop, model: str) -> None:
    first, second = passed(loop, model), passed(loop, model)
    runs = [loop.run(issue).id for issue in (first, second)]
    uris = [f"models/{run}/1/model.skops" for run in runs]
    with configured(loop, "gate: {alpha: 0.1, margin: 0.03}\n"):
        for names in ("1 candidate", "candidate v1", f"{runs[0]} 2", f"{runs[1]} {runs[0]}"):
            operation, arguments, answer = sent(loop, first, f"/compare {names}", "writer")
            assert operation == "compare_models"
            assert arguments == {
                "challenger": uris[1], "challenger_sha256": MODEL_SHA256, "champion": uris[0], "champion_sha256": MODEL_SHA256,
                "metric": loop.run(first).request.metric, "alpha": 0.1, "margin": 0.03,
            }  # fmt: skip
            assert "the newer of the two" in answer


def test_the_repositorys_gate_is_part_of_the_work_order(loop: Loop, model: str) -> None:
    with configured(loop, "gate: {alpha: 0.1, margin: 0.03}\n"):
        run = loop.run(passed(loop, model))
    (order,) = (
        json.loads(work.inputs["order"]) for work in loop.hub.runs.runs.find() if work.inputs.get("run") == run.id
    )
    assert order["gate"] == {"alpha": 0.1, "margin": 0.03}


def test_models_that_cannot_be_compared_are_reported_on_the_issue(loop: Loop, model: str) -> None:
    issue = passed(loop, model)
    before = len(loop.hub.runs.runs.find())
    for names, reason in (
        ("1 candidate", "same_model"), ("1 7", "version_not_found"), ("champion 1", "alias_not_found"),
        ("train-20200101-001 1", "no_record"),
    ):  # fmt: skip
        assert f"`{reason}`" in answered(loop, issue, f"/compare {names}")
    assert len(loop.hub.runs.runs.find()) == before


def test_evaluate_scores_the_runs_own_model_on_its_test_rows(loop: Loop, ended: int) -> None:
    operation, arguments, _ = sent(loop, ended, "/evaluate", "writer")
    run = loop.run(ended)
    assert operation == "evaluate_classifier"
    assert arguments == {"model": f"models/{run.id}/1/model.skops", "sha256": MODEL_SHA256}


def test_a_run_without_a_model_is_not_evaluated(loop: Loop, model: str) -> None:
    loop.script(train=Script(hang=True))
    issue = loop.open(model_name=model)
    loop.until_state(issue, State.TRAIN_MODEL)
    assert "`no_model`" in answered(loop, issue, "/evaluate")
    loop.say(issue, "/cancel")
    loop.until_ended(issue)


# --- reminders and checks ------------------------------------------------------------------------------------------------


def test_people_are_reminded_once_before_a_question_lapses(loop: Loop, model: str) -> None:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    run = loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)
    reminder = f"<!-- modelyard:expiring-{run.id}-1 -->"

    loop.jump(hours=19)
    loop.until(lambda: not [each for each in loop.store.runs.open_runs() if each.due and each.due < loop.clock()])
    assert not any(text.startswith(reminder) for text in loop.comments(issue))

    loop.jump(hours=2)
    loop.until(lambda: any(text.startswith(reminder) for text in loop.comments(issue)), "people are reminded")
    loop.jump(hours=4)
    assert loop.until_ended(issue).status == "rejected"
    assert sum(text.startswith(reminder) for text in loop.comments(issue)) == 1


def checks(loop: Loop, sha: str) -> dict[str, str]:
    with loop.person("owner") as client:
        found = client.get(f"/commits/{sha}/check-runs").raise_for_status().json()["check_runs"]
    return {each["name"]: each["conclusion"] for each in found}


def push(loop: Loop, branch: str, path: str, text: str) -> str:
    """Commit a file to a branch, a new one at first, through the API, as in a browser; return the commit."""
    with loop.person("owner") as client:
        there = client.get(f"/git/ref/heads/{branch}")
        found = there if there.is_success else client.get("/git/ref/heads/main").raise_for_status()
        sha = found.json()["object"]["sha"]
        blob = client.post("/git/blobs", json={"content": text, "encoding": "utf-8"}).raise_for_status().json()["sha"]
        entry = {"path": path, "mode": "100644", "type": "blob", "sha": blob}
        tree = client.post("/git/trees", json={"base_tree": sha, "tree": [entry]}).raise_for_status().json()["sha"]
        body = {"message": "Change it", "tree": tree, "parents": [sha]}
        commit = client.post("/git/commits", json=body).raise_for_status().json()["sha"]
        if there.is_success:
            client.patch(f"/git/refs/heads/{branch}", json={"sha": commit}).raise_for_status()
        else:
            client.post("/git/refs", json={"ref": f"refs/heads/{branch}", "sha": commit}).raise_for_status()
    return str(commit)


def test_a_pushed_configuration_gets_a_check(loop: Loop, model: str) -> None:
    wrong = push(loop, f"{model}-1", CONFIG, "promtion: auto\n")
    right = push(loop, f"{model}-2", CONFIG, "promotion: auto\n")
    loop.until(lambda: checks(loop, wrong) == {"Modelyard configuration": "failure"}, "the wrong one is found")
    loop.until(lambda: checks(loop, right) == {"Modelyard configuration": "success"}, "the right one is found right")


def test_a_pull_request_that_edits_the_registry_is_checked(loop: Loop, model: str) -> None:
    passed(loop, model)
    path = model_file.path_of(model)
    text = loop.file(path) or ""
    forged = text.replace(registry(loop, model).version(1).sha256, "e" * 64)
    wrong = push(loop, f"{model}-1", path, forged)
    right = push(loop, f"{model}-2", path, model_file.set_alias(text, "champion", 1))
    loop.until(lambda: checks(loop, wrong) == {"Modelyard registry": "failure"}, "the wrong one is found")
    loop.until(lambda: checks(loop, right) == {"Modelyard registry": "success"}, "the right one is found right")

    later = push(loop, f"{model}-1", "README.md", "Nothing to see here.\n")
    loop.until(lambda: checks(loop, later) == {"Modelyard registry": "failure"}, "another commit does not hide it")
    passed(loop, model)
    last = push(loop, f"{model}-2", "README.md", "The default branch has gone on meanwhile.\n")
    loop.until(lambda: checks(loop, last) == {"Modelyard registry": "success"}, "what is new there is not missed here")


# --- operations ----------------------------------------------------------------------------------------------------------


def test_an_operation_that_reads_answers_at_once(loop: Loop, model: str) -> None:
    issue = passed(loop, model)
    answer = answered(loop, issue, f"/run get_model_version name={model} version=candidate")
    assert f'"run": "{loop.run(issue).id}"' in answer
    assert "`model_not_found`" in answered(loop, issue, "/run list_model_versions name=nothing")
    assert "`unknown_argument`" in answered(loop, issue, f"/run list_model_versions nam={model}")
    assert "Did you mean list_model_versions" in answered(loop, issue, "/run list_model_version")


@pytest.mark.parametrize("name", ["set_model_alias", "rollback_model", "register_model", "get_training_metrics"])
def test_an_operation_that_changes_something_or_reads_the_shared_storage_is_refused(
    loop: Loop, ended: int, name: str
) -> None:
    before = loop.head()
    assert "`not_by_run`" in answered(loop, ended, f"/run {name}")
    assert loop.head() == before


def test_an_operation_that_computes_is_sent_to_a_runner_once(loop: Loop, ended: int) -> None:
    comment = loop.say(ended, "/run load_dataset data=sklearn://iris", "writer")
    loop.until(lambda: any("was started on a runner" in text for text in loop.comments(ended)), "it was sent")
    loop.store.inbox.add(loop.delivery_of(comment, body="/run load_dataset data=sklearn://iris"))
    loop.until(lambda: not loop.store.inbox.entries("new"), "it was read once more")

    works = [work for work in loop.hub.runs.runs.find() if work.title == f"load_dataset for comment {comment}"]
    assert [work.inputs["arguments"] for work in works] == ['{"data": "sklearn://iris"}']


def test_an_operation_on_a_runner_reaches_nothing_of_another_repository(loop: Loop, ended: int) -> None:
    """What was sent is carried out as the runner would, so that a path that only looks harmless counts as well."""
    other, own = loop.storage / "another/repository/x.csv", loop.storage / loop.name / "x.csv"
    for file in (other, own):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a\n1\n", encoding="utf-8")

    def loaded(uri: str) -> Result:
        comment = loop.say(ended, f"/run load_dataset data={uri}", "writer")
        title = f"load_dataset for comment {comment}"
        (work,) = loop.until(lambda: [run for run in loop.hub.runs.runs.find() if run.title == title], "it was sent")
        context = Context(storage=open_storage(work.inputs["storage_root"]))
        return find_operation("load_dataset").call(json.loads(work.inputs["arguments"]), context)

    assert loaded(f"{loop.name}/x.csv").model_dump()["rows"] == 1
    way_out = "../../another/repository/x.csv"
    for uri in (
        "another/repository/x.csv",
        way_out,
        f"{loop.name}/{way_out}",
        f"{loop.name}/{loop.name}/{way_out}",
        str(other),
    ):
        with pytest.raises(InvalidInput) as refused:
            loaded(uri)
        assert refused.value.problem.reason in {"data_not_found", "data_outside_roots"}
    assert "Did you mean data?" in answered(loop, ended, "/run load_dataset dataa=x", by="writer")
