"""Every operation has an example in its docstring, and what examples say is so: theirs and those of other functions."""

from __future__ import annotations

import doctest
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from actions.operation import Operation, operations
from tests.support.channels import TOKEN, local_mail, local_slack
from tests.support.local_hub import running_hub
from tests.support.repositories import repository

ROOT = Path(__file__).parents[2]
KNOWN = operations("bot.operations")
SLOW = {"evaluate_classifier", "generate_evaluation_report", "tune_hyperparameters"}
"""Those whose examples train and draw for more than a few seconds."""


def modules_with_examples() -> list[str]:
    """Return the modules of the three packages that hold an example."""
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("actions", "bot", "runners")
        for path in sorted((ROOT / package).rglob("*.py"))
        if ">>> " in path.read_text(encoding="utf-8")
    ]


def examples_of(operation: Operation) -> list[doctest.DocTest]:
    module = sys.modules[operation.function.__module__]
    found = doctest.DocTestFinder(recurse=False).find(operation.function, operation.name, globs=vars(module).copy())
    return [each for each in found if each.examples]


def run(test: doctest.DocTest) -> None:
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE, verbose=False)
    failed = runner.run(test, out=told.append).failed
    assert not failed, "".join(told)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Give a checkout as the current folder and, to the operations of a toolset that need it, a hub or channels."""
    monkeypatch.chdir(repository(tmp_path / "checkout"))

    def give(toolset: str) -> None:
        if toolset == "github_integration":
            hub = stack.enter_context(running_hub(tmp_path / "hub"))
            hub.person("writer").post("/repos/owner/demo/issues", json={"title": "Flowers"}).raise_for_status()
            monkeypatch.setenv("MODELYARD_GITHUB_API_URL", hub.api_url)
            monkeypatch.setenv("MODELYARD_GITHUB_TOKEN", hub.ready.tokens["writer"])
        if toolset == "notification":
            monkeypatch.setenv("MODELYARD_SLACK_TOKEN", TOKEN)
            monkeypatch.setenv("MODELYARD_SLACK_API_URL", stack.enter_context(local_slack()).url)
            monkeypatch.setenv("MODELYARD_SMTP_URL", stack.enter_context(local_mail()).url)
            monkeypatch.setenv("MODELYARD_MAIL_FROM", "modelyard@example.org")

    with ExitStack() as stack:
        yield give


@pytest.mark.parametrize("operation", KNOWN.values(), ids=KNOWN)
def test_every_operation_has_an_example(operation: Operation) -> None:
    assert examples_of(operation)


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(operation, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name, operation in KNOWN.items()
    ],
)
def test_an_operations_example_holds(operation: Operation, world: Callable[[str], None]) -> None:
    world(operation.toolset)
    for example in examples_of(operation):
        run(example)


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_other_functions_hold(name: str, world: Callable[[str], None]) -> None:
    found = doctest.DocTestFinder().find(importlib.import_module(name))
    for example in found:
        if example.examples and example.name.rpartition(".")[2] not in KNOWN:
            run(example)
