"""What a job published is untrusted: everything except a result of exactly this run is refused."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actions.contracts.order import Champion, Gate
from actions.contracts.results import Published
from actions.errors import InvalidInput
from actions.tasks.exchange import PublishedResult
from bot.github import PublishedCommit
from bot.runs.publication import check_ref, checked
from bot.runs.run import Run, RunConfig, WorkflowDispatch
from tests.support.results import PNG, a_result
from tests.support.runs import NOON, a_request, a_run, an_order

SHA = "1" * 40
MEBIBYTE = 1024**2
CHAMPION = Champion(version=2, run="train-20261121-001", uri="owner/demo/models/x/1/model.skops", sha256="a" * 64)


def dispatched(champion: Champion | None = None, gate: Gate | None = None) -> Run:
    """Return a run whose attempt was dispatched with this champion and gate."""
    sent = WorkflowDispatch(attempt=1, start_at="prepare", title="train", sent_at=NOON, champion=champion)
    return a_run(dispatches=(sent,), config=RunConfig(gate=gate or Gate()))


RUN = dispatched()
COMPARED = dispatched(champion=CHAMPION)
REF = f"refs/modelyard/{RUN.id}/1"

Files = dict[str, tuple[str, int]]


def files(**more: tuple[str, int]) -> Files:
    return {"result.json": ("a" * 40, 2_000), "plots/roc_curve.png": ("b" * 40, 30_000), **more}


def a_model(uri: str) -> dict[str, Any]:
    return {"uri": uri, "sha256": "a" * 64, "size_bytes": 10}


def check(
    result: dict[str, Any] | bytes | None = None, *, ref: str = REF, present: str | None = SHA,
    holds: Files | None = None, parents: tuple[str, ...] = (), others: tuple[str, ...] = (), run: Run = RUN,
    plot: bytes = PNG,
) -> PublishedResult:  # fmt: skip
    content = result if isinstance(result, bytes) else json.dumps(result or a_result(an_order(run))).encode()

    async def read_blob(sha: str, most: int) -> bytes:
        blob = content if sha == "a" * 40 else plot
        assert len(sha) == 40
        assert len(blob) <= most
        return blob

    commit = PublishedCommit(SHA, files() if holds is None else holds, parents, others)
    check_ref(run, Published(ref=ref, sha=SHA), present)
    return asyncio.run(checked(run, commit, "c" * 40, read_blob))


def refusal(result: dict[str, Any] | None = None, **how: Any) -> str:
    """Return the rule by which something published is refused."""
    with pytest.raises(InvalidInput) as refused:
        check(result, **how)
    assert refused.value.problem.reason == "published_refused"
    return refused.value.problem.rule


def test_what_the_run_itself_published_is_accepted() -> None:
    assert check().verdict.status == "passed"


@pytest.mark.parametrize(
    ("rule", "how"),
    [
        ("belong to the run and attempt", lambda: check(ref="refs/modelyard/train-20261122-002/1")),
        ("belong to the run and attempt", lambda: check(ref=f"refs/modelyard/{RUN.id}/2")),
        ("point to the commit", lambda: check(present=None)),
        ("point to the commit", lambda: check(present="2" * 40)),
        ("no parent", lambda: check(parents=("3" * 40,))),
        ("only plain files", lambda: check(others=("plots/link.png",))),
        ("result.json and plots", lambda: check(holds={"plots/roc_curve.png": ("b" * 40, 1)})),
        ("result.json and plots", lambda: check(holds=files() | {".github/workflows/x.yml": ("c" * 40, 10)})),
        ("result.json and plots", lambda: check(holds=files() | {"plots/../../x.png": ("c" * 40, 10)})),
        (
            "31 files of 10 MB in total",
            lambda: check(holds=files() | {"plots/big.png": ("c" * 40, 10 * MEBIBYTE - 31_999)}),
        ),
        ("at most 31 files", lambda: check(holds=files() | {f"plots/p{n}.png": ("c" * 40, 1) for n in range(30)})),
        ("not exceed 1 MB", lambda: check(holds=files() | {"result.json": ("a" * 40, MEBIBYTE + 1)})),
        ("schema", lambda: check(b"{")),
        ("schema", lambda: check(b"[]")),
        ("schema", lambda: check(b'{"run": NaN}')),
    ],
)
def test_a_commit_with_unexpected_content_is_refused_for_that_reason(rule: str, how: Callable[[], Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        how()
    assert refused.value.problem.reason == "published_refused"
    assert rule in refused.value.problem.rule


def test_a_commit_at_each_limit_is_accepted() -> None:
    plots = {f"plots/p{n}.png": ("c" * 40, 1) for n in range(29)}
    claimed = sorted(["roc_curve.png", *(path.removeprefix("plots/") for path in plots)])
    result = a_result(an_order(RUN)) | {"plots": claimed}
    largest = 10 * MEBIBYTE - MEBIBYTE - len(plots)
    sizes = {"result.json": ("a" * 40, MEBIBYTE), "plots/roc_curve.png": ("b" * 40, largest)}
    assert check(result, holds=sizes | plots).plots == claimed


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        ("run must be", {"run": "train-20261122-002"}),
        ("attempt must be", {"attempt": 2}),
        ("repository must be", {"repository": "owner/other"}),
        ("issue must be", {"issue": 9}),
        ("git_sha must be", {"git_sha": "b" * 40}),
        ("model_name must be", {"model_name": "other"}),
        ("request must be", {"request": a_request(notes="another").model_dump(mode="json")}),
        ("plots must be", {"plots": ["other.png"]}),
        ("schema", {"surprise": 1}),
        ("own folder", {"model": a_model("owner/other/models/x/1/model.skops")}),
        ("own folder", {"model": a_model("owner/demo/models/train-20261122-002/1/model.skops")}),
        ("own folder", {"model": a_model(f"owner/demo/models/{RUN.id}0/1/model.skops")}),
        ("own folder", {"model": a_model(f"owner/demo/models/{RUN.id}/../../x")}),
        ("training_seed must be", {"training_seed": 43}),
        ("verdict's status must follow", {"metrics": {"accuracy": 0.1}}),
        ("champion of the order only", {"champion_metrics": {"accuracy": 0.1}}),
    ],
)
def test_a_result_that_is_not_about_the_run_is_refused_for_that_reason(rule: str, lie: dict[str, Any]) -> None:
    assert rule in refusal({**a_result(an_order(RUN)), **lie})


def a_full_result() -> Any:
    """Return a result with a figure in every place where one can be."""
    verdict_of = {
        "outcome": "accepted", "alpha": 0.05, "margin": 0.02, "allowed": 0.02, "difference": 0.01, "low": 0.0, "high": 0.02,
        "rows": 114, "resamples": 2000,
        "regressions": [{"column": "a", "value": "b", "rows": 5, "difference": -0.1}],
    }  # fmt: skip
    result = a_result(an_order(RUN))
    result |= {
        "intervals": {"accuracy": [0.9, 0.97]},
        "champion_metrics": {"accuracy": 0.94},
        "details": {"classes": 2.5},
        "search": {
            "metric": "accuracy", "value": 0.95, "baseline_score": 0.9, "completed": 5, "pruned": 0, "failed": 0,
            "stopped_by": "trials", "seconds": 1.5, "hyperparameters": {"rate": 0.1}, "importances": {"rate": 1.0},
        },
    }  # fmt: skip
    result["verdict"] |= {"champion_value": 0.94, "champion_version": 1, "comparison": verdict_of}
    return result


def figures(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return where a JSON value has figures."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from figures(item, (*place, key))
    if isinstance(value, float):
        yield place


@pytest.mark.parametrize("figure", [math.inf, -math.inf, math.nan], ids=str)
@pytest.mark.parametrize("place", list(figures(a_full_result())), ids=lambda place: ".".join(map(str, place)))
def test_a_figure_that_is_not_finite_is_refused_wherever_it_is(place: tuple[str | int, ...], figure: float) -> None:
    result = a_full_result()
    holder = result
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = figure
    with pytest.raises(InvalidInput) as refused:
        check(result)
    assert "schema" in refused.value.problem.rule


def counts(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return where a result holds a count that only its job knows."""
    known = {"attempt", "issue", "training_seed", "champion_version", "request", "details", "hyperparameters"}
    for key, item in value.items():
        if key in known:
            continue
        if isinstance(item, dict):
            yield from counts(item, (*place, key))
        if isinstance(item, int) and not isinstance(item, bool):
            yield (*place, key)


@pytest.mark.parametrize("place", list(counts(a_full_result())), ids=lambda place: ".".join(map(str, place)))
def test_a_count_that_is_too_large_to_calculate_with_is_refused_wherever_it_is(place: tuple[str, ...]) -> None:
    result = a_full_result()
    result["search"]["folds"] = 3
    holder = result
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = 10**400
    with pytest.raises(InvalidInput) as refused:
        check(result)
    assert "schema" in refused.value.problem.rule


def test_a_full_result_comes_back_from_the_database_as_it_was() -> None:
    run = RUN.replace(result=PublishedResult.model_validate(a_full_result()))
    assert type(run).model_validate_json(run.model_dump_json()) == run


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        ("verdict's status must follow", {"value": 0.2}),
        ("verdict's status must follow", {"value": None}),
        ("verdict's status must follow", {"status": "rejected"}),
        ("verdict's reason must follow", {"reason": "below_threshold"}),
        ("verdict's champion_version must follow", {"champion_version": 1}),
        ("verdict's champion_value must follow", {"champion_value": 0.1}),
        ("threshold must be", {"threshold": 0.1}),
        ("metric must be", {"metric": "f1"}),
    ],
)
def test_a_verdict_that_contradicts_the_request_is_refused_for_that_reason(rule: str, lie: dict[str, Any]) -> None:
    result = a_result(an_order(RUN))
    result["verdict"] |= lie
    result["metrics"] = {"accuracy": result["verdict"]["value"], "f1": 0.95}
    assert rule in refusal(result)


def test_a_verdict_must_be_about_the_figures_that_were_published() -> None:
    result = a_result(an_order(RUN))
    result["metrics"] = {"accuracy": 0.96}
    assert "verdict's value must follow" in refusal(result)


def test_a_rejected_model_need_not_meet_the_threshold() -> None:
    assert check(a_result(an_order(RUN), value=0.2)).verdict.status == "rejected"


def against_the_champion(run: Run = COMPARED, **comparison: Any) -> dict[str, Any]:
    order = an_order(run).model_copy(update={"champion": CHAMPION})
    result: dict[str, Any] = a_result(order)
    result["verdict"]["comparison"] |= comparison
    return result


def test_a_model_that_is_no_worse_than_the_champion_of_the_order_passes() -> None:
    assert check(against_the_champion(), run=COMPARED).verdict.champion_version == CHAMPION.version


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        ("outcome must follow from its bounds", {"low": -0.03}),
        ("outcome must follow from its bounds", {"low": None}),
        ("outcome must follow from its bounds", {"outcome": "too_close_to_tell"}),
        ("allowed must follow from the order's gate", {"allowed": 0.3, "low": -0.03}),
        ("margin must follow from the order's gate", {"margin": 0.3, "allowed": 0.3, "low": -0.03}),
        ("alpha must follow from the order's gate", {"alpha": 0.5}),
        ("verdict's status must follow", {"outcome": "too_close_to_tell", "low": -0.03}),
        ("verdict's status must follow", {"outcome": "rejected", "low": -0.05, "high": -0.03}),
    ],
)
def test_a_comparison_that_does_not_follow_from_the_gate_and_its_bounds_is_refused(
    rule: str, lie: dict[str, Any]
) -> None:
    assert rule in refusal(against_the_champion(**lie), run=COMPARED)


def test_the_champion_of_the_order_cannot_be_left_out_or_replaced() -> None:
    assert "status must follow" in refusal(a_result(an_order(COMPARED)), run=COMPARED)
    result = against_the_champion()
    result["verdict"]["champion_version"] = 1
    assert "champion_version must follow" in refusal(result, run=COMPARED)
    result = against_the_champion()
    result["champion_metrics"] = {"accuracy": 0.5}
    assert "champion_value must follow" in refusal(result, run=COMPARED)
    result["champion_metrics"] = None
    assert "must state the champion's value" in refusal(result, run=COMPARED)


def test_the_margin_is_that_of_the_gate_when_the_run_was_dispatched() -> None:
    lax = dispatched(champion=CHAMPION, gate=Gate(margin=0.3))
    wide = against_the_champion(margin=0.3, allowed=0.3, low=-0.2)
    assert check(wide, run=lax).verdict.status == "passed"
    assert "follow from the order's gate" in refusal(wide, run=COMPARED)


def test_an_attempt_that_was_never_dispatched_has_published_nothing() -> None:
    assert "must have been dispatched" in refusal(run=a_run())


@pytest.mark.parametrize(
    "plot",
    [
        b"",
        b"<svg/>",
        PNG[:8],
        PNG[:-1],
        PNG + b"<script>",
        PNG[:8] + b"<html>",
        PNG.replace(b"IHDR", b"IHDr"),
        PNG[:33],
    ],
)
def test_a_plot_that_is_not_exactly_one_png_image_is_refused(plot: bytes) -> None:
    assert "Plots must be PNG images" in refusal(plot=plot)
