"""Accepting what an attempt published."""

from __future__ import annotations

from actions.tasks.exchange import PublishedResult
from bot.engine.effects import storage, workflow
from bot.engine.effects.context import RunContext
from bot.runs.publication import check_ref, checked
from bot.runs.run import Run


async def accept(context: RunContext, run: Run) -> tuple[str, PublishedResult]:
    """Return the published commit's SHA and result, if it is what the publish stage reported and passes all checks."""
    report = await storage.published(context, run)
    check_ref(run, report, await context.repository.resolve_ref(report.ref))
    commit = await context.repository.published_commit(report.sha)
    result = await checked(run, commit, await workflow.head_sha(context, run), context.repository.blob)
    return report.sha, result


async def delete_refs(context: RunContext, run: Run) -> None:
    """Delete the refs that the run's attempts published: the history has everything that is kept of them."""
    for attempt in range(1, run.attempt + 1):
        await context.repository.delete_ref(f"refs/modelyard/{run.id}/{attempt}")
