"""What the end-to-end tests run in: hub and App with scripted jobs for a module, or a whole Modelyard for a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.runs.machines.training import State
from tests.support.loop import Loop, running_loop
from tests.support.real_loop import RealLoop, environments, real_loop


@pytest.fixture(scope="session")
def runner_environments() -> Iterator[Path]:
    """Let jobs find their environment complete: none is installed in a test."""
    folder = environments()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODELYARD_ENVIRONMENTS", str(folder))
        yield folder


@pytest.fixture(scope="session")
def real(runner_environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLoop]:
    with real_loop(tmp_path_factory.mktemp("real")) as loop:
        yield loop


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    with running_loop(tmp_path_factory.mktemp("loop")) as loop:
        yield loop


@pytest.fixture
def loop(running: Loop) -> Loop:
    running.reset()
    return running


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """Give a loop for tests that look for anything left behind: no run of another test is still going in it."""
    with running_loop(tmp_path_factory.mktemp("calm")) as loop:
        yield loop


@pytest.fixture
def model(request: pytest.FixtureRequest) -> str:
    """Return a model's name that no other test uses."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower())[-60:].strip("-")


@pytest.fixture
def waiting(loop: Loop, model: str) -> Iterator[int]:
    """Return an issue whose run waits for an answer."""
    loop.values[:] = [0.5]
    issue = loop.open(model_name=model)
    loop.until_state(issue, State.WAIT_FOR_OPERATOR_INPUT)
    yield issue
    if not loop.run(issue).ended:
        loop.say(issue, "/reject", by="owner")
        loop.until_ended(issue)
