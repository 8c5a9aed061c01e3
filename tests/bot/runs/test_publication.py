"""What a job published is untrusted: everything except a result of exactly this run is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from actions.contracts.results import Published
from actions.errors import InvalidInput
from bot.github import PublishedCommit
from bot.runs.publication import MAX_COMMIT_BYTES, MAX_RESULT_BYTES, check_ref, checked
from tests.support.results import a_result
from tests.support.runs import a_request, a_run, an_order

SHA = "1" * 40
RUN = a_run()
REF = f"refs/modelyard/{RUN.id}/1"

Files = dict[str, tuple[str, int]]


def files(**more: tuple[str, int]) -> Files:
    return {"result.json": ("a" * 40, 2_000), "plots/roc_curve.png": ("b" * 40, 30_000), **more}


def a_model(uri: str) -> dict[str, Any]:
    return {"uri": uri, "sha256": "a" * 64, "size_bytes": 10}


def check(
    result: dict[str, Any] | bytes | None = None, *, ref: str = REF, present: str | None = SHA,
    holds: Files | None = None, parents: tuple[str, ...] = (), others: tuple[str, ...] = (),
) -> Any:  # fmt: skip
    content = result if isinstance(result, bytes) else json.dumps(result or a_result(an_order(RUN))).encode()

    async def read_blob(sha: str, most: int) -> bytes:
        assert sha == "a" * 40
        assert len(content) <= most
        return content

    commit = PublishedCommit(SHA, files() if holds is None else holds, parents, others)
    check_ref(RUN, Published(ref=ref, sha=SHA), present)
    return asyncio.run(checked(RUN, commit, "c" * 40, read_blob))


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
        ("in total", lambda: check(holds=files() | {"plots/big.png": ("c" * 40, MAX_COMMIT_BYTES)})),
        ("at most 31 files", lambda: check(holds=files() | {f"plots/p{n}.png": ("c" * 40, 1) for n in range(30)})),
        ("not exceed 1 MB", lambda: check(holds=files() | {"result.json": ("a" * 40, MAX_RESULT_BYTES + 1)})),
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
    largest = MAX_COMMIT_BYTES - MAX_RESULT_BYTES - len(plots)
    sizes = {"result.json": ("a" * 40, MAX_RESULT_BYTES), "plots/roc_curve.png": ("b" * 40, largest)}
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
        ("that of the metrics", {"metrics": {"accuracy": 0.1}}),
    ],
)
def test_a_result_that_is_not_about_the_run_is_refused_for_that_reason(rule: str, lie: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        check({**a_result(an_order(RUN)), **lie})
    assert rule in refused.value.problem.rule


@pytest.mark.parametrize(
    ("rule", "lie"),
    [
        ("meet the threshold", {"value": 0.2}),
        ("meet the threshold", {"value": None}),
        ("threshold must be", {"threshold": 0.1}),
        ("metric must be", {"metric": "f1"}),
    ],
)
def test_a_verdict_that_contradicts_the_request_is_refused_for_that_reason(rule: str, lie: dict[str, Any]) -> None:
    result = a_result(an_order(RUN))
    result["verdict"] |= lie
    result["metrics"] = {"accuracy": result["verdict"]["value"], "f1": 0.95}
    with pytest.raises(InvalidInput) as refused:
        check(result)
    assert rule in refused.value.problem.rule


def test_a_rejected_model_need_not_meet_the_threshold() -> None:
    assert check(a_result(an_order(RUN), value=0.2)).verdict.status == "rejected"


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        ({}, True),
        ({"outcome": "too_close_to_tell", "low": -0.03}, False),
        ({"outcome": "accepted", "low": -0.03}, False),
        ({"outcome": "accepted", "low": None}, False),
        (None, False),
    ],
)
def test_a_model_passes_against_a_champion_only_if_it_is_shown_to_be_no_worse(
    change: dict[str, Any] | None, accepted: bool
) -> None:
    result = a_result(an_order(RUN))
    comparison = None if change is None else COMPARISON | change
    result["verdict"] |= {"champion_version": 2, "champion_value": 0.94, "comparison": comparison}
    if accepted:
        assert check(result).verdict.comparison is not None
        return
    with pytest.raises(InvalidInput) as refused:
        check(result)
    assert "must not be worse than the champion" in refused.value.problem.rule


COMPARISON: dict[str, Any] = {
    "outcome": "accepted", "alpha": 0.05, "margin": 0.02, "allowed": 0.02, "difference": 0.01, "low": -0.01, "high": 0.03,
    "rows": 114, "resamples": 2_000,
}  # fmt: skip
