"""The history of a run in its repository, and the pages that show it."""

from __future__ import annotations

from collections.abc import Mapping

from actions.history_management.change import FOLDER, history_change
from actions.model_registry import model_file
from bot.engine.effects.context import RunContext
from bot.runs.history import INDEX
from bot.runs.record import record_of
from bot.runs.run import Run


async def commit(context: RunContext, run: Run) -> str:
    """Commit the run's Markdown, lineage and plots, the index and the registry together; return the commit's SHA."""
    history = history_change(record_of(run, (await context.info()).html_url))
    return await context.repository.commit_files(
        await context.history_branch(run),
        history.message,
        history.files,
        reads=[INDEX, model_file.path_of(run.model)],
        blobs=await _plots(context, run, history.plots),
    )


async def page_url(context: RunContext, run: Run) -> str:
    """Return the URL of the run's history page; empty before the commit."""
    return f"{await _blob_url(context, run)}/{FOLDER}/{run.id}.md" if run.history_sha else ""


async def registry_url(context: RunContext, run: Run) -> str:
    """Return the URL of the model's registry file; empty unless the run has registered a version."""
    return f"{await _blob_url(context, run)}/{model_file.path_of(run.model)}" if run.history_sha and run.version else ""


async def plot_urls(context: RunContext, run: Run) -> tuple[tuple[str, str], ...]:
    """Return file name and URL of each plot in the history."""
    if not run.result or not run.history_sha:
        return ()
    folder = f"{(await context.info()).html_url}/raw/{run.history_sha}/{FOLDER}/{run.id}"
    return tuple((name, f"{folder}/{name}") for name in run.result.plots)


async def _blob_url(context: RunContext, run: Run) -> str:
    return f"{(await context.info()).html_url}/blob/{await context.history_branch(run)}"


async def _plots(context: RunContext, run: Run, paths: Mapping[str, str]) -> dict[str, str]:
    """Return the blob of each plot's path. Git has the blobs already, in the published commit."""
    if run.published_sha is None or not paths:
        return {}
    files = (await context.repository.published_commit(run.published_sha)).files
    return {path: files[f"plots/{name}"][0] for name, path in paths.items()}
