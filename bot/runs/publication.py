"""What a job published, validated as untrusted input before it reaches registry and history."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

from pydantic import ValidationError

from actions.contracts.order import Gate
from actions.contracts.png import is_png
from actions.contracts.results import ComparisonFigures, Published
from actions.errors import InvalidInput
from actions.ml_evaluation.non_inferiority import decide
from actions.stages.judge import judged
from actions.tasks.exchange import PublishedResult
from actions.tasks.results import ChampionScores
from bot.github import PublishedCommit
from bot.runs.run import Run

MAX_COMMIT_BYTES = 10 * 1024 * 1024
MAX_RESULT_BYTES = 1024 * 1024
MAX_FILES = 31
_PLOT = re.compile(r"plots/([a-z0-9][a-z0-9_-]{0,80}\.png)")

_TOLERANCE = 1e-9
"""For figures that the job and the App compute by themselves."""

ReadBlob = Callable[[str, int], Awaitable[bytes]]


def check_ref(run: Run, published: Published, present: str | None) -> None:
    """Raise InvalidInput unless the publish stage reported the run's own ref and the commit that it points to."""
    if published.ref != f"refs/modelyard/{run.id}/{run.attempt}":
        _refuse("The ref must belong to the run and attempt.", published.ref)
    if present != published.sha:
        _refuse(
            "The ref must point to the commit that the publish stage reported.", f"{present} instead of {published.sha}"
        )


async def checked(run: Run, commit: PublishedCommit, head_sha: str, read_blob: ReadBlob) -> PublishedResult:
    """Return the result in a published commit.

    Parameters
    ----------
    run
        The run that it must belong to.
    commit
        The commit's files and parents.
    head_sha
        The commit that the workflow run ran on, according to GitHub.
    read_blob
        Reads a blob by its SHA, up to a number of bytes.

    Raises
    ------
    InvalidInput
        ``published_refused``, with the check that failed.
    """
    if commit.parents or commit.others:
        _refuse("The commit must have no parent and contain only plain files.", "parents, links or submodules")
    sizes = [size for _, size in commit.files.values()]
    if len(sizes) > MAX_FILES or sum(sizes) > MAX_COMMIT_BYTES:
        _refuse(
            f"The commit must have at most {MAX_FILES} files of {MAX_COMMIT_BYTES // 1024**2} MB in total.",
            f"{len(sizes)} files of {sum(sizes)} bytes",
        )
    plots = plot_names(commit)
    unexpected = set(commit.files) - {"result.json"} - {f"plots/{name}" for name in plots}
    if unexpected or "result.json" not in commit.files:
        _refuse("The files must be result.json and plots/*.png.", ", ".join(sorted(unexpected)[:5]) or "no result.json")
    sha, size = commit.files["result.json"]
    if size > MAX_RESULT_BYTES:
        _refuse("result.json must not exceed 1 MB.", f"{size} bytes")
    result = _checked_result(run, head_sha, await read_blob(sha, MAX_RESULT_BYTES), plots)
    for name in plots:
        if not is_png(await read_blob(commit.files[f"plots/{name}"][0], MAX_COMMIT_BYTES)):
            _refuse("Plots must be PNG images.", f"plots/{name}, which is not")
    return result


def plot_names(commit: PublishedCommit) -> list[str]:
    """Return the file names of the plots in a published commit, sorted."""
    return sorted(match[1] for path in commit.files if (match := _PLOT.fullmatch(path)))


def _checked_result(run: Run, head_sha: str, text: bytes, plots: list[str]) -> PublishedResult:
    try:
        result = PublishedResult.model_validate_json(text)
        # What is stored must be readable again: otherwise nothing could ever be done with this run.
        PublishedResult.model_validate_json(result.model_dump_json())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        _refuse("result.json must match the schema of PublishedResult.", f"{first['loc']}: {first['msg']}")
    claims = {
        "run": (result.run, run.id),
        "attempt": (result.attempt, run.attempt),
        "repository": (result.repository, run.repository),
        "issue": (result.issue, run.issue),
        "model_name": (result.model_name, run.model),
        "request": (result.request, run.request),
        "training_seed": (result.training_seed, run.training_seed),
        "git_sha": (result.git_sha, head_sha),
        "plots": (sorted(result.plots), plots),
        "metric": (result.verdict.metric, run.request.metric),
        "threshold": (result.verdict.threshold, run.request.threshold),
    }
    for name, (claimed, known) in claims.items():
        if claimed != known:
            _refuse(f"{name} must be that of the run.", f"{claimed!r} instead of {known!r}"[:500])
    prefix = f"{run.repository}/models/{run.id}/"
    if not result.model.uri.startswith(prefix) or ".." in result.model.uri.split("/"):
        _refuse("The model file must be in the run's own folder.", result.model.uri)
    _check_verdict(run, result)
    return result


def _check_verdict(run: Run, result: PublishedResult) -> None:
    """Judge the published figures again, by the threshold of the request and the champion and gate of the App's order.

    A job can lie about its figures, but not about what follows from them.
    """
    if run.dispatch is None:
        _refuse("The attempt must have been dispatched.", "no workflow run")
    champion, comparison = run.dispatch.champion, result.verdict.comparison
    scores = None
    if champion is not None:
        scores = ChampionScores(version=champion.version, metrics=result.champion_metrics, comparison=comparison)
    elif result.champion_metrics is not None or comparison is not None:
        _refuse("A model must be compared with the champion of the order only.", "the order names no champion")
    if comparison is not None:
        _check_comparison(run, run.config.gate, comparison, result.champion_metrics or {})
    judgement = judged(run.request, result.metrics, scores)
    for name in ("status", "reason", "value", "champion_version", "champion_value", "comparison"):
        claimed, known = getattr(result.verdict, name), getattr(judgement, name)
        if claimed != known:
            _refuse(
                f"The verdict's {name} must follow from the figures and the order.", f"{claimed} instead of {known}"
            )


def _check_comparison(
    run: Run, gate: Gate, comparison: ComparisonFigures, champion_metrics: Mapping[str, float | None]
) -> None:
    """Check that a comparison used the order's gate, and that its outcome follows from its bounds."""
    champion = champion_metrics.get(run.request.metric)
    if champion is None:
        _refuse("A comparison must state the champion's value.", f"no {run.request.metric} of the champion")
    allowed = gate.allowed(run.request.judged_metric, champion)
    claims = {
        "alpha": (comparison.alpha, gate.alpha),
        "margin": (comparison.margin, gate.margin),
        "allowed": (comparison.allowed, allowed),
    }
    for name, (claimed, known) in claims.items():
        if not math.isclose(claimed, known, abs_tol=_TOLERANCE):
            _refuse(f"The comparison's {name} must follow from the order's gate.", f"{claimed} instead of {known}")
    outcome = decide(comparison.low, comparison.high, comparison.allowed)
    if comparison.outcome != outcome:
        found = f"{comparison.outcome} instead of {outcome}: {comparison.low} to {comparison.high}, allowed {allowed}"
        _refuse("The comparison's outcome must follow from its bounds and the margin.", found)


def _refuse(rule: str, found: str) -> NoReturn:
    raise InvalidInput(
        "published_refused",
        rule=rule,
        found=found[:500],
        next_step="Find out what else can write to refs/modelyard/ or to the storage root.",
    )
