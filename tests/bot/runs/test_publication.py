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
from bot.runs.publication import MAX_COMMIT_BYTES, check_ref, checked
from tests.support.results import a_result
from tests.support.runs import a_run, an_order

SHA = "1" * 40
RUN = a_run()
REF = f"refs/modelyard/{RUN.id}/1"

Files = dict[str, tuple[str, int]]


def files(**more: tuple[str, int]) -> Files:
    return {"result.json": ("a" * 40, 2_000), "plots/roc_curve.png": ("b" * 40, 30_000), **more}


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
    "how",
    [
        lambda: check(ref="refs/modelyard/train-20261122-002/1"),
        lambda: check(present=None),
        lambda: check(present="2" * 40),
        lambda: check(parents=("3" * 40,)),
        lambda: check(others=("plots/link.png",)),
        lambda: check(holds={"plots/roc_curve.png": ("b" * 40, 1)}),
        lambda: check(holds=files() | {".github/workflows/x.yml": ("c" * 40, 10)}),
        lambda: check(holds=files() | {"plots/../../x.png": ("c" * 40, 10)}),
        lambda: check(holds=files() | {"plots/big.png": ("c" * 40, MAX_COMMIT_BYTES)}),
        lambda: check(holds=files() | {f"plots/p{n}.png": ("c" * 40, 1) for n in range(40)}),
        lambda: check(holds=files() | {"result.json": ("a" * 40, 2_000_000)}),
        lambda: check(b"{"),
        lambda: check(b"[]"),
        lambda: check(b'{"run": NaN}'),
    ],
)
def test_a_commit_with_unexpected_content_is_refused(how: Callable[[], Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        how()
    assert refused.value.body.reason == "published_refused"


@pytest.mark.parametrize(
    "lie",
    [
        {"run": "train-20261122-002"},
        {"attempt": 2},
        {"repository": "owner/other"},
        {"issue": 9},
        {"git_sha": "b" * 40},
        {"model_name": "other"},
        {"plots": ["other.png"]},
        {"surprise": 1},
        {"model": {"uri": "owner/other/models/x/1/model.skops", "sha256": "a" * 64, "size_bytes": 10}},
        {"model": {"uri": f"owner/demo/models/{RUN.id}/../../x", "sha256": "a" * 64, "size_bytes": 10}},
        {"metrics": {"accuracy": 0.1}},
    ],
)
def test_a_result_that_is_not_about_the_run_is_refused(lie: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        check({**a_result(an_order(RUN)), **lie})


@pytest.mark.parametrize("change", [{"value": 0.2}, {"value": None}, {"threshold": 0.1}, {"metric": "f1"}])
def test_a_verdict_that_contradicts_the_request_is_refused(change: dict[str, Any]) -> None:
    result = a_result(an_order(RUN))
    result["verdict"] |= change
    with pytest.raises(InvalidInput):
        check(result)


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
    assert "must not be worse than the champion" in refused.value.body.rule


COMPARISON: dict[str, Any] = {
    "outcome": "accepted", "alpha": 0.05, "margin": 0.02, "allowed": 0.02, "difference": 0.01, "low": -0.01, "high": 0.03,
    "rows": 114, "resamples": 2_000,
}  # fmt: skip
