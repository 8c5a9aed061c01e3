"""A training job that an attacker controls: it publishes what it likes, and writes what it likes into storage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actions.model_registry import model_file
from actions.tasks.exchange import WorkOrder
from tests.support.loop import Loop, answered
from tests.support.results import MODEL_BYTES, PNG, a_result
from tests.support.scripted_runs import Script, area, publishes

Lie = Callable[[Any], None]


@pytest.fixture
def champion(loop: Loop, model: str) -> None:
    """Bring a first version of the model into production."""
    issue = loop.open(model_name=model)
    assert loop.until_ended(issue).status == "passed"
    answered(loop, issue, "/promote", by="owner")


def compromised(lie: Lie, plot: bytes = PNG, left: bytes = MODEL_BYTES) -> Script:
    """Return a publish job that changes the result, the plot or the model file as the attacker wishes."""

    def publish(work: Any, job: Any) -> None:
        result = a_result(WorkOrder.model_validate_json(work.inputs["order"]), git_sha=work.sha)
        lie(result)
        folder = area(work, "models")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.skops").write_bytes(left)
        publishes(lambda _: result, {"roc_curve.png": plot})(work, job)

    return Script(do=publish)


def tells_the_truth(_: Any) -> None:
    """Change nothing."""


def leaves_the_champion_out(result: Any) -> None:
    result["champion_metrics"] = None
    result["verdict"] |= {"champion_version": None, "champion_value": None, "comparison": None}


def compares_with_an_easier_champion(result: Any) -> None:
    result["verdict"]["champion_version"] = 7


def allows_more_than_the_gate(result: Any) -> None:
    result["verdict"]["comparison"] |= {"allowed": 0.5, "low": -0.4}


def widens_the_margin(result: Any) -> None:
    result["verdict"]["comparison"] |= {"margin": 0.5, "allowed": 0.5, "low": -0.4}


def takes_more_risk(result: Any) -> None:
    result["verdict"]["comparison"] |= {"alpha": 0.5}


def hides_that_it_is_worse(result: Any) -> None:
    result["verdict"]["comparison"] |= {"low": -0.4, "high": -0.3}


def passes_below_the_threshold(result: Any) -> None:
    metric = result["verdict"]["metric"]
    result["metrics"][metric] = result["verdict"]["value"] = 0.1


@pytest.mark.parametrize(
    ("reason", "job"),
    [
        ("published_refused", compromised(leaves_the_champion_out)),
        ("published_refused", compromised(compares_with_an_easier_champion)),
        ("published_refused", compromised(allows_more_than_the_gate)),
        ("published_refused", compromised(widens_the_margin)),
        ("published_refused", compromised(takes_more_risk)),
        ("published_refused", compromised(hides_that_it_is_worse)),
        ("published_refused", compromised(passes_below_the_threshold)),
        ("published_refused", compromised(tells_the_truth, plot=PNG[:8] + b"<script>alert(1)</script>")),
        ("artifact_changed", compromised(tells_the_truth, left=MODEL_BYTES[::-1])),
    ],
    ids=[
        "no champion", "another champion", "more allowed", "wider margin", "more risk", "worse", "below the threshold",
        "a plot of HTML", "another model file",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("champion")
def test_a_compromised_job_can_lie_about_its_own_figures_and_nothing_else(
    loop: Loop, model: str, reason: str, job: Script
) -> None:
    before = model_file.parse(loop.file(model_file.path_of(model)) or "")
    loop.script(publish=job)
    issue = loop.open(model_name=model, max_retries=0)

    assert loop.until_ended(issue).status == "failed"

    assert f"`{reason}`" in loop.comments(issue)[0]
    assert model_file.parse(loop.file(model_file.path_of(model)) or "") == before
