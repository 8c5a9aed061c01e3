"""What becomes of runs and labels when the App is installed, suspended and removed, over HTTP with signed webhooks."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator

import pytest

from actions.contracts.person import Person
from bot.parsing.repository_config import CONFIG_PATH
from bot.runs.decisions import with_decision
from bot.runs.labels import definitions
from bot.runs.machines.training import State
from bot.runs.run import Decision
from runners.local.hub.records import Installation, Repository
from runners.local.hub.services import installations
from tests.support.loop import Loop, running_loop
from tests.support.scripted_runs import Script


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    with running_loop(tmp_path_factory.mktemp("installations")) as loop:
        yield loop


@pytest.fixture
def loop(running: Loop) -> Iterator[Loop]:
    running.reset()
    yield running
    found = installation(running)
    if found is None or running.ready.repository.id not in found.repository_ids:
        found = running.hub.install(running.ready.app, running.ready.repository)
    if found.suspended_at:
        installations.unsuspend(running.hub, found)


def installation(loop: Loop) -> Installation | None:
    return loop.hub.installations.first(app_id=loop.ready.app.id, account_id=loop.ready.repository.owner_id)


def present(loop: Loop) -> Installation:
    found = installation(loop)
    assert found is not None
    return found


def labels(loop: Loop, repository: Repository) -> set[str]:
    return {label.name for label in loop.hub.labels.find(repository_id=repository.id)}


def written(loop: Loop, issue: int) -> tuple[object, ...]:
    """Return everything that the App may have written about an issue, without the time that comments carry."""
    return (
        [re.sub("as of [^·]+", "", text) for text in loop.comments(issue)],
        loop.labels(issue),
        loop.issue(issue)["state"],
        loop.head(),
        loop.hub.check_runs.count(),
    )


def waiting_for_a_person(loop: Loop, model: str) -> int:
    loop.values = [0.1]
    issue = loop.open(model_name=model)
    loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)
    loop.until_label(issue, "mlops:waiting")
    return issue


def in_training(loop: Loop, model: str) -> int:
    """Open an issue whose training does not end; return it when the App has written all that it has to say."""
    loop.script(train=Script(hang=True))
    issue = loop.open(model_name=model)
    loop.until(loop.jobs.hanging.is_set)
    loop.until_state(issue, State.TRAIN_MODEL)
    loop.until_label(issue, "mlops:running")
    loop.until(lambda: "running |  | Train |" in loop.comments(issue)[0], "the comment has the job's present step")
    loop.until_idle()
    return issue


def handled(loop: Loop, event: str, action: str, times: int = 1) -> None:
    """Wait until the App has handled that many of an installation's events since the loop began."""
    loop.until(
        lambda: count(loop, event, action) >= times,
        f"{event}.{action} is handled",
    )


def count(loop: Loop, event: str, action: str) -> int:
    return sum((kept.event, kept.action) == (event, action) for kept in loop.store.inbox.entries("done", limit=10_000))


def wait_for_another_try(loop: Loop, issue: int) -> None:
    due = loop.run(issue).due
    loop.until(lambda: loop.run(issue).due != due, "it has tried again")


WANTED = {label.name for label in definitions()}


def configure(loop: Loop, repository: Repository) -> None:
    """Give a repository the configuration that the loop's has."""
    content = base64.b64encode(str(loop.file(CONFIG_PATH)).encode()).decode()
    with loop.person("owner") as client:
        address = f"{loop.hub.api_url}/repos/{repository.full_name}/contents/{CONFIG_PATH}"
        client.put(address, json={"message": "Set up", "content": content}).raise_for_status()


def configured(loop: Loop, name: str) -> Repository:
    repository = loop.hub.create_repository(name)
    loop.hub.set_role(repository, "owner", "admin")
    configure(loop, repository)
    return repository


def test_a_configured_repository_that_is_added_gets_its_labels(loop: Loop) -> None:
    second = configured(loop, "owner/second")
    loop.hub.install(loop.ready.app, second)
    loop.until(lambda: labels(loop, second) >= WANTED, "the labels are there")


def test_a_repository_gets_its_labels_with_its_configuration_and_none_before(loop: Loop) -> None:
    unused = loop.hub.create_repository("owner/unused")
    done = count(loop, "installation_repositories", "added")
    loop.hub.install(loop.ready.app, unused)
    handled(loop, "installation_repositories", "added", done + 1)
    assert labels(loop, unused) == set()
    configure(loop, unused)
    loop.until(lambda: labels(loop, unused) >= WANTED, "the labels are there")


def test_labels_of_repositories_that_come_too_many_at_once_are_left_to_the_reconciler(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.events.handlers.installations.MAX_LABEL_SECONDS", -1.0)
    many = configured(loop, "owner/many")
    done = count(loop, "installation_repositories", "added")
    loop.hub.install(loop.ready.app, many)
    handled(loop, "installation_repositories", "added", done + 1)
    assert not any(label.startswith("mlops:") for label in labels(loop, many))


def test_a_second_account_is_served_beside_the_first(loop: Loop) -> None:
    other = configured(loop, "somebody/models")
    loop.hub.install(loop.ready.app, other)
    loop.until(lambda: labels(loop, other) >= WANTED, "the labels are there")
    assert loop.hub.installations.count(app_id=loop.ready.app.id) == 2


@pytest.mark.parametrize("how", ["the repository is taken away", "the App is uninstalled"])
def test_runs_of_a_removed_repository_end_as_cancelled_and_nothing_more_is_written(
    loop: Loop, model: str, how: str
) -> None:
    asked = waiting_for_a_person(loop, f"a-{model}"[:60])
    training = in_training(loop, f"b-{model}"[:60])
    before = written(loop, asked), written(loop, training)
    if how == "the App is uninstalled":
        installations.remove(loop.hub, present(loop))
    else:
        installations.take_away(loop.hub, present(loop), loop.ready.repository)
    for issue in (asked, training):
        run = loop.until_ended(issue)
        assert run.status == "cancelled"
        assert run.decisions[-1].reason == "the App was removed from the repository"
    assert (written(loop, asked), written(loop, training)) == before
    assert loop.store.runs.open_runs(loop.name) == []
    loop.hub.install(loop.ready.app, loop.ready.repository)
    loop.script()
    loop.values = []
    assert loop.until_ended(loop.open(model_name=f"b-{model}"[:60])).status == "passed"  # the lock is free


def test_a_run_that_finds_the_app_removed_ends_as_cancelled_before_github_s_event_arrives(
    loop: Loop, model: str
) -> None:
    issue = in_training(loop, model)
    before = written(loop, issue)
    loop.hub.installations.delete(present(loop).id)
    run = loop.until_ended(issue)
    assert run.status == "cancelled"
    assert run.decisions[-1].reason == "the App was removed from the repository"
    assert written(loop, issue) == before


def test_an_old_removal_event_ends_nothing_if_the_app_is_installed_again(loop: Loop, model: str) -> None:
    issue = waiting_for_a_person(loop, model)
    listed = [{"full_name": loop.name}]
    payload = {"installation": {"id": present(loop).id}, "repositories_removed": listed, "repositories": listed}
    done = count(loop, "installation_repositories", "removed"), count(loop, "installation", "deleted")
    loop.deliver("installation_repositories", {"action": "removed", **payload})
    loop.deliver("installation", {"action": "deleted", **payload})
    handled(loop, "installation_repositories", "removed", done[0] + 1)
    handled(loop, "installation", "deleted", done[1] + 1)
    assert loop.run(issue).state is State.WAIT_FOR_OPERATOR_INPUT
    loop.say(issue, "/reject")
    assert loop.until_ended(issue).status == "rejected"


def test_a_run_continues_under_the_new_installation_if_the_app_is_reinstalled_at_once(loop: Loop, model: str) -> None:
    issue = waiting_for_a_person(loop, model)
    old = present(loop)
    loop.hub.installations.delete(old.id)  # its event comes last of all
    new = loop.hub.install(loop.ready.app, loop.ready.repository)
    assert new.id != old.id
    loop.deliver("installation", {"action": "deleted", "installation": {"id": old.id}})
    loop.until(lambda: loop.run(issue).installation == new.id, "the run knows its new installation")
    loop.say(issue, "/reject")
    assert loop.until_ended(issue).status == "rejected"


def test_a_run_waits_while_the_app_is_suspended_and_then_continues(loop: Loop, model: str) -> None:
    go_on, trained = threading.Event(), threading.Event()

    def train(*_: object) -> None:
        trained.set()
        go_on.wait(30)

    loop.script(train=Script(do=train))
    issue = loop.open(model_name=model)
    loop.until(trained.is_set)
    loop.until_state(issue, State.TRAIN_MODEL)
    installations.suspend(loop.hub, present(loop))
    go_on.set()
    loop.until(lambda: not loop.hub.runs.runs.find(status="in_progress"), "the jobs are over")
    before = written(loop, issue)
    loop.jump(hours=3)
    tries = loop.network.count("POST", "/access_tokens$") + loop.network.count("GET", "/jobs")
    loop.until(
        lambda: loop.network.count("POST", "/access_tokens$") + loop.network.count("GET", "/jobs") > tries, "it tries"
    )
    assert not loop.run(issue).ended
    assert written(loop, issue) == before
    installations.unsuspend(loop.hub, present(loop))
    assert loop.until_ended(issue).status == "passed"


@pytest.mark.slow
def test_the_last_steps_of_a_run_wait_for_a_suspended_app_as_long_as_it_takes(loop: Loop, model: str) -> None:
    issue = waiting_for_a_person(loop, model)
    installations.suspend(loop.hub, present(loop))
    now = loop.clock()
    no = Decision(who=Person(login="owner"), what="reject", when=now, attempt=1, reason="enough")
    loop.store.runs.change(loop.run(issue), lambda run: with_decision(run, no))
    loop.until_state(issue, State.ROLLBACK_MODEL)
    for _ in range(3):
        loop.jump(hours=3)
        wait_for_another_try(loop, issue)
    assert loop.run(issue).state is State.ROLLBACK_MODEL
    installations.unsuspend(loop.hub, present(loop))
    run = loop.until_ended(issue)
    assert (run.status, run.history_sha is not None) == ("rejected", True)


def test_new_permissions_have_waiting_runs_looked_at_and_labels_made(loop: Loop) -> None:
    third = configured(loop, "owner/third")
    found = loop.hub.installations.update(present(loop).id, repository_ids=[*present(loop).repository_ids, third.id])
    installations.accept_permissions(loop.hub, found)
    loop.until(lambda: labels(loop, third) >= WANTED, "the labels are there")
