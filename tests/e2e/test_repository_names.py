"""A repository is known by its id: another one under its name inherits nothing, and a new name loses nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.database.repositories import name_of_replaced
from bot.runs.machines.training import State
from runners.local.hub.records import Repository
from tests.support.loop import Loop, answered

NAME = "owner/renewed"


@pytest.fixture
def renewed(loop: Loop) -> Iterator[Loop]:
    yield created(loop)
    found = loop.hub.repository(NAME)
    if found is not None:
        deleted(loop, found)


def created(loop: Loop) -> Loop:
    """Return the same loop, seen from a new repository with the first one's content."""
    repository = loop.hub.create_repository(NAME)
    loop.hub.set_role(repository, "writer", "write")
    loop.hub.import_git(repository, loop.hub.git(loop.ready.repository).path, "main")
    loop.hub.install(loop.ready.app, repository)
    return replace(loop, ready=replace(loop.ready, repository=repository))


def deleted(loop: Loop, repository: Repository) -> None:
    """Delete a repository as its owner; GitHub sends the App no event that it could rely on."""
    with loop.hub.store.transaction():
        found = loop.hub.installations.first(app_id=loop.ready.app.id, account_id=repository.owner_id)
        assert found is not None
        kept = [number for number in found.repository_ids if number != repository.id]
        loop.hub.installations.update(found.id, repository_ids=kept)
        loop.hub.repositories.delete(repository.id)
    shutil.rmtree(Path(loop.hub.git(repository).path))


def waiting_run(loop: Loop, model: str) -> int:
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)
    loop.until_idle()
    return issue


def test_a_repository_created_again_under_its_old_name_inherits_no_run(
    loop: Loop, renewed: Loop, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    issue = waiting_run(renewed, model)
    old, old_id = renewed.run(issue), renewed.ready.repository.id
    aside = loop.storage / name_of_replaced(NAME, old_id)
    secret = loop.storage / NAME / "datasets" / "secret.csv"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text("a,b\n1,2\n", encoding="utf-8")
    deleted(loop, renewed.ready.repository)
    again = created(loop)

    with again.person("writer") as client:
        client.post("/issues", json={"title": "A question", "body": "How does this work?"}).raise_for_status()
    again.say(issue, "/approve")
    again.until_idle()
    assert not again.has_run(issue)
    assert again.comments(issue) == []
    kept = loop.store.runs.get(name_of_replaced(NAME, old_id), old.id)
    assert (kept.status, kept.state) == ("cancelled", State.END)
    assert kept.decisions[-1].reason == f"{NAME} was deleted, and another repository has its name"
    assert f"{NAME} is now repository {again.ready.repository.id}" in caplog.text

    assert not (loop.storage / NAME).exists()
    assert (aside / "datasets" / "secret.csv").is_file(), "the storage is kept where no repository reaches it"
    with again.person("writer") as client:
        found = [each for each in client.get("/issues").json() if "another repository" in each["title"]]
    assert [each["user"]["type"] for each in found] == ["Bot"], "reported once"
    assert name_of_replaced(NAME, old_id) in found[0]["body"]

    again.values.clear()
    run = again.until_ended(again.open(model_name=model))
    assert run.status == "passed", "the old run's lock is gone"
    assert run.id != old.id, "the folders of the old run in the storage are not used again"


def test_a_renamed_repository_keeps_its_runs_and_cancels_the_open_ones(loop: Loop, renewed: Loop, model: str) -> None:
    issue = waiting_run(renewed, model)
    repository = renewed.ready.repository
    path = Path(loop.hub.git(repository).path)
    changed = loop.hub.repositories.update(repository.id, full_name="owner/new-name")
    path.rename(path.with_name("new-name.git"))
    moved = replace(renewed, ready=replace(renewed.ready, repository=changed))

    assert answered(moved, issue, "/status")
    run = moved.until_ended(issue)
    assert (run.status, run.repository) == ("cancelled", "owner/new-name")
    assert "the repository was renamed to owner/new-name" in moved.comments(issue)[0]
    assert moved.file(f"training_history/{run.id}.md") is not None
    deleted(loop, changed)
