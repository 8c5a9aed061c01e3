"""The configuration breaks, or GitHub refuses a write, while a run is on its way: nothing that passed is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from actions.model_registry import model_file
from bot.parsing.repository_config import CONFIG_PATH
from bot.runs.machines.training import State
from tests.support.loop import Loop
from tests.support.scripted_runs import Script
from tests.support.unreliable import answering

TYPO = "promtion: auto\n"


@pytest.fixture
def configuration(loop: Loop) -> Iterator[str]:
    """Return the repository's configuration, and bring it back after the test."""
    before = loop.file(CONFIG_PATH) or ""
    yield before
    loop.write(CONFIG_PATH, before)


@pytest.mark.usefixtures("configuration")
def test_a_typo_that_is_merged_while_a_run_trains_does_not_lose_its_model(loop: Loop, model: str) -> None:
    loop.script(train=Script(do=lambda *_: loop.write(CONFIG_PATH, TYPO)))

    issue = loop.open(model_name=model)

    run = loop.until_ended(issue)
    assert (run.status, loop.labels(issue), loop.issue(issue)["state"]) == ("passed", {"mlops:passed"}, "closed")
    assert model_file.parse((loop.file(model_file.path_of(model)) or "").encode()).version(1).run == run.id
    assert loop.file(f"training_history/{run.id}.md")


def test_a_champion_that_people_chose_while_a_run_trained_is_not_replaced_without_a_comparison(
    loop: Loop, model: str, configuration: str
) -> None:
    path = model_file.path_of(model)
    assert loop.until_ended(loop.open(model_name=model)).version == 1
    loop.write(CONFIG_PATH, configuration.replace("promotion: approval", "promotion: auto"))
    loop.script(
        train=Script(do=lambda *_: loop.write(path, model_file.set_alias(loop.file(path) or "", "champion", 1)))
    )

    issue = loop.open(model_name=model)

    run = loop.until_ended(issue)
    assert (run.status, run.version, run.promoted) == ("passed", 2, False)
    assert model_file.parse(loop.file(path) or "").aliases == {"candidate": 2, "champion": 1}
    assert "Nothing has changed in production" in loop.comments(issue)[-1]


@pytest.mark.usefixtures("configuration")
def test_a_run_that_is_cancelled_while_the_configuration_is_broken_is_closed_and_recorded(
    loop: Loop, waiting: int
) -> None:
    loop.write(CONFIG_PATH, TYPO)

    loop.say(waiting, "/cancel")

    run = loop.until_ended(waiting)
    assert (loop.labels(waiting), loop.issue(waiting)["state"]) == ({"mlops:cancelled"}, "closed")
    assert loop.file(f"training_history/{run.id}.md")


def test_a_run_waits_at_its_dispatch_until_the_configuration_is_fixed_and_says_so(
    loop: Loop, model: str, configuration: str
) -> None:
    loop.script(train=Script(hang=True))
    first = loop.open(model_name=model)
    loop.until(loop.jobs.hanging.is_set, "the first run trains")
    issue = loop.open(model_name=model)
    loop.until_label(issue, "mlops:queued")
    loop.write(CONFIG_PATH, TYPO)
    loop.script()

    loop.say(first, "/cancel")

    loop.until(lambda: "promtion" in "".join(loop.comments(issue)), "the broken configuration is reported")
    assert loop.run(issue).state == State.PREPARE_DATA
    assert not loop.run(issue).dispatches

    loop.write(CONFIG_PATH, configuration)

    assert loop.until_ended(issue).status == "passed"
    assert not [comment for comment in loop.comments(issue) if "promtion" in comment]


def test_why_github_refuses_the_history_is_shown_on_the_issue(loop: Loop, model: str) -> None:
    refused = answering(422, {"message": "The history is frozen until Monday"})
    loop.network.add("POST", r"/git/commits$", refused, times=100)
    issue = loop.open(model_name=model)

    assert loop.until_ended(issue).status == "failed"
    assert "The history is frozen until Monday" in loop.comments(issue)[-1]
    assert loop.labels(issue) == {"mlops:failed"}
