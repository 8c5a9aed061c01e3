"""What a job published, checked as untrusted input: only what stands every check reaches registry and history."""

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
    """Raise InvalidInput unless the publish stage reported the run's own ref, and the commit that it names now."""
    if published.ref != f"refs/modelyard/{run.id}/{run.attempt}":
        _refuse("The ref is that of the run and attempt.", published.ref)
    if present != published.sha:
        _refuse("The ref names the commit that publish reported.", f"{present} instead of {published.sha}")


async def checked(run: Run, commit: PublishedCommit, head_sha: str, read_blob: ReadBlob) -> PublishedResult:
    """Return the result in a published commit.

    Parameters
    ----------
    run
        The run that it has to belong to.
    commit
        The commit's files and parents.
    head_sha
        The commit that the workflow run ran on, as GitHub says it.
    read_blob
        Reads a blob by its SHA, at most so many bytes.

    Raises
    ------
    InvalidInput
        With reason ``published_refused`` and the check that failed.
    """
    if commit.parents or commit.others:
        _refuse("The commit has no parent and holds plain files alone.", "parents, links or submodules")
    sizes = [size for _, size in commit.files.values()]
    if len(sizes) > MAX_FILES or sum(sizes) > MAX_COMMIT_BYTES:
        _refuse("At most 31 files of 10 MB in all.", f"{len(sizes)} files of {sum(sizes)} bytes")
    plots = plot_names(commit)
    strangers = set(commit.files) - {"result.json"} - {f"plots/{name}" for name in plots}
    if strangers or "result.json" not in commit.files:
        _refuse("The files are result.json and plots/*.png.", ", ".join(sorted(strangers)[:5]) or "no result.json")
    sha, size = commit.files["result.json"]
    if size > MAX_RESULT_BYTES:
        _refuse("result.json has at most 1 MB.", f"{size} bytes")
    return _checked_result(run, head_sha, await read_blob(sha, MAX_RESULT_BYTES), plots)


def plot_names(commit: PublishedCommit) -> list[str]:
    """Return the names of the plots in a published commit, sorted."""
    return sorted(match[1] for path in commit.files if (match := _PLOT.fullmatch(path)))


def _checked_result(run: Run, head_sha: str, text: bytes, plots: list[str]) -> PublishedResult:
    try:
        result = PublishedResult.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        _refuse("result.json has the form of PublishedResult.", f"{first['loc']}: {first['msg']}")
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
            _refuse(f"{name} is that of the run.", f"{claimed!r} instead of {known!r}"[:500])
    prefix = f"{run.repository}/models/{run.id}/"
    if not result.model.uri.startswith(prefix) or ".." in result.model.uri.split("/"):
        _refuse("The model file lies in the run's own folder.", result.model.uri)
    verdict = result.verdict
    if verdict.status == "passed":
        value = verdict.value
        if value is None or not run.request.judged_metric.meets(value, verdict.threshold):
            _refuse("A model that passed meets the threshold.", f"{verdict.metric} {value}")
        if result.metrics.get(verdict.metric) != value:
            _refuse("The verdict is about the metrics beside it.", f"{verdict.metric} {value}")
        compared = verdict.comparison
        if verdict.champion_version is not None and (compared is None or not compared.is_accepted):
            found = (
                "no comparison" if compared is None else f"{compared.outcome}, {compared.low} of -{compared.allowed}"
            )
            _refuse("A model that passed is no worse than the champion beyond the margin.", found)
    return result


def _refuse(rule: str, found: str) -> NoReturn:
    raise InvalidInput(
        "published_refused",
        rule=rule,
        found=found[:500],
        next_step="Look at what else may write to refs/modelyard/ or to the storage root.",
    )
