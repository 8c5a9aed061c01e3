"""What a job published, validated as untrusted input before it reaches registry and history."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import NoReturn

from pydantic import ValidationError

from actions.contracts.results import Published
from actions.errors import InvalidInput
from actions.tasks.exchange import PublishedResult
from bot.github import PublishedCommit
from bot.runs.run import Run

MAX_COMMIT_BYTES = 10 * 1024 * 1024
MAX_RESULT_BYTES = 1024 * 1024
MAX_FILES = 31
_PLOT = re.compile(r"plots/([a-z0-9][a-z0-9_-]{0,80}\.png)")

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
    return _checked_result(run, head_sha, await read_blob(sha, MAX_RESULT_BYTES), plots)


def plot_names(commit: PublishedCommit) -> list[str]:
    """Return the file names of the plots in a published commit, sorted."""
    return sorted(match[1] for path in commit.files if (match := _PLOT.fullmatch(path)))


def _checked_result(run: Run, head_sha: str, text: bytes, plots: list[str]) -> PublishedResult:
    try:
        result = PublishedResult.model_validate_json(text)
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
    verdict = result.verdict
    if verdict.status == "passed":
        value = verdict.value
        if value is None or not run.request.judged_metric.meets(value, verdict.threshold):
            _refuse("A model that passed must meet the threshold.", f"{verdict.metric} {value}")
        if result.metrics.get(verdict.metric) != value:
            _refuse("The verdict's value must be that of the metrics.", f"{verdict.metric} {value}")
        compared = verdict.comparison
        if verdict.champion_version is not None and (compared is None or not compared.is_accepted):
            found = (
                "no comparison" if compared is None else f"{compared.outcome}, {compared.low} of -{compared.allowed}"
            )
            _refuse("A model that passed must not be worse than the champion by more than the margin.", found)
    return result


def _refuse(rule: str, found: str) -> NoReturn:
    raise InvalidInput(
        "published_refused",
        rule=rule,
        found=found[:500],
        next_step="Find out what else can write to refs/modelyard/ or to the storage root.",
    )
