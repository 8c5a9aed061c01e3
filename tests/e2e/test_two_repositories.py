"""One App, two repositories: what is wrong in one of them never stops the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.cli import main
from bot.parsing.repository_config import CONFIG_PATH
from tests.support.loop import SOURCE, Loop
from tests.support.repositories import git
from tests.support.runs import a_request


@pytest.fixture
def second(loop: Loop) -> Loop:
    """Return the same loop, seen from an empty second repository that the App was just installed on."""
    name = "owner/second"
    repository = loop.hub.repository(name) or loop.hub.create_repository(name)
    loop.hub.set_role(repository, "writer", "write")
    loop.hub.install(loop.ready.app, repository)
    return replace(loop, ready=replace(loop.ready, repository=repository))


def checkout(loop: Loop, folder: Path) -> Path:
    """Clone a repository over HTTP, as its owner."""
    address = loop.hub.base_url.replace("://", f"://owner:{loop.ready.tokens['owner']}@")
    git(folder, "clone", "--quiet", f"{address}/{loop.name}.git", loop.name.rpartition("/")[2])
    return folder / loop.name.rpartition("/")[2]


def pushed(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Configure")
    git(folder, "push", "--quiet", "origin", "HEAD:main")


def test_an_empty_repository_is_set_up_by_init_and_trains_while_the_first_one_is_broken(
    loop: Loop, second: Loop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = loop.hub.repository(SOURCE)
    assert source is not None
    sha = loop.hub.git(source).head("main")
    folder = checkout(second, tmp_path)
    assert main(["init", "--source", f"{SOURCE}@{sha}", "--directory", str(folder)]) == 0
    assert "written" in capsys.readouterr().out
    pushed(folder)
    first = checkout(loop, tmp_path)
    (first / CONFIG_PATH).write_text("promotion: [", encoding="utf-8")
    pushed(first)

    broken, right = loop.open(model_name="broken"), second.open(model_name="right")
    loop.until_label(broken, "mlops:invalid")
    assert "`.github/modelyard.yml` is invalid" in loop.comments(broken)[0]
    run = second.until_ended(right)
    assert (run.repository, run.status, second.labels(right)) == ("owner/second", "passed", {"mlops:passed"})
    assert run.id in str(second.file("training_history/models/right.yaml"))

    request = a_request(model_name="dispatched").model_dump(exclude_defaults=True)
    for one in (loop, second):
        with one.person("writer") as client:
            content = {"event_type": "modelyard-train", "client_payload": request}
            client.post("/dispatches", json=content).raise_for_status()
    told, dispatched = broken + 1, right + 1
    loop.until(lambda: loop.hub.issues.first(repository_id=loop.ready.repository.id, number=told), "an issue")
    second.until(lambda: second.has_run(dispatched), "a run")
    assert second.until_ended(dispatched).status == "passed"
    loop.until_label(told, "mlops:invalid")
    assert not loop.has_run(told)
    assert len(loop.jobs.works) == 2
