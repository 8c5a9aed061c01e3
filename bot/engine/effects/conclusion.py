"""How a run's end is shown on GitHub."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Literal

from bot.engine.effects import comment, history, publication, workflow
from bot.engine.effects.context import RunContext
from bot.github import HubError
from bot.messages import run_comments
from bot.runs.run import Run
from bot.runs.view import RunView

log = logging.getLogger(__name__)


async def conclude(context: RunContext, run: Run, *, label: str, reason: Literal["completed", "not_planned"]) -> None:
    """Bring comment, label and check run to their final state, announce how the run ended, close the issue."""
    view = replace(
        comment.view_of(context, run, jobs=await workflow.jobs(context, run)),
        plots=await history.plot_urls(context, run),
        history_url=await history.page_url(context, run),
        registry_url=await history.registry_url(context, run),
    )
    try:
        await comment.write_sticky(context, view)
        await comment.label(context, run, label)
        await context.repository.post_once(run.issue, f"finished-{run.id}", run_comments.finished(view))
    except HubError as error:
        if not comment.is_gone(error):
            raise
        log.warning("run %s: its issue is gone, so its end cannot be announced", run.id)
    try:
        await _show_verdict(context, view)
        await publication.delete_refs(context, run)
    except HubError as error:  # neither may keep an issue open
        log.warning("run %s: check run or clean-up failed: %s", run.id, error)
    try:
        await context.repository.close_issue(run.issue, reason)
    except HubError as error:
        if not comment.is_gone(error):
            raise


async def _show_verdict(context: RunContext, view: RunView) -> None:
    """Show the verdict as a check run on the commit that was trained on."""
    run = view.run
    if run.result is None:
        return
    await context.repository.check_run(
        name="Modelyard verdict",
        head_sha=run.result.git_sha,
        external_id=run.id,
        status="completed",
        conclusion="success" if run.status == "passed" else "failure",
        title=run_comments.headline(view),
        summary=run_comments.sticky(view),
    )
