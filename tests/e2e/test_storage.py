"""What a compromised job leaves in the storage instead of a file hangs neither its own run nor anybody else's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actions.errors import NotAllowed
from actions.storage.folder import REGISTERED_FILE, write_atomically
from tests.support.loop import Loop
from tests.support.scripted_runs import Script, area


def leaves(folder: str, name: str, make: Callable[[Path], object]) -> Script:
    """Return a job that leaves something odd and then takes a while, so that the App looks at it."""

    def do(work: Any, _: Any) -> None:
        path = area(work, folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        make(path)

    return Script(do=do, seconds=1)


def test_the_app_makes_the_folder_of_a_registered_model_write_once(loop: Loop, model: str) -> None:
    run = loop.until_ended(loop.open(model_name=model))
    assert run.result is not None
    file = loop.storage / run.result.model.uri
    assert (file.parent / REGISTERED_FILE).is_file()
    for name in (file.name, "model.json"):
        with pytest.raises(NotAllowed) as refused:
            write_atomically(file.with_name(name), "another model")
        assert refused.value.problem.reason == "registered_file"


def test_odd_files_instead_of_reports_do_not_hang_the_app(loop: Loop, model: str) -> None:
    loop.script(
        prepare=leaves("processed", "progress.json", os.mkfifo),
        train=leaves("models", "heartbeat.json", os.mkfifo),
        evaluate=leaves("evaluations", "progress.json", lambda path: path.symlink_to("/dev/zero")),
    )
    assert loop.until_ended(loop.open(model_name=model)).status == "passed"


def test_a_published_report_that_is_a_fifo_or_a_link_is_not_read(loop: Loop, model: str) -> None:
    def publish(make: Callable[[Path], object]) -> Script:
        def do(work: Any, job: Any) -> None:
            loop.publish(work, job)
            path = area(work, "evaluations") / "published.json"
            path.rename(path.with_name("elsewhere.json"))
            make(path)

        return Script(do=do)

    for make in (os.mkfifo, lambda path: path.symlink_to(path.with_name("elsewhere.json"))):
        loop.script(publish=publish(make))
        run = loop.until_ended(loop.open(model_name=model))
        assert run.error is not None
        assert run.error.problem is not None
        assert (run.status, run.error.problem.reason) == ("failed", "not_published")


def test_a_model_file_that_is_a_link_is_not_registered(loop: Loop, model: str) -> None:
    def publish(work: Any, job: Any) -> None:
        loop.publish(work, job)
        path = area(work, "models") / "model.skops"
        path.rename(path.with_name("elsewhere.skops"))
        path.symlink_to(path.with_name("elsewhere.skops"))

    loop.script(publish=Script(do=publish))

    run = loop.until_ended(loop.open(model_name=model))

    assert (run.status, run.version) == ("failed", None)
    assert "artifact_missing" in str(run.error)
