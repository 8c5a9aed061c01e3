"""The comments and the label on a run's issue."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus

from actions.contracts.results import Progress
from bot.engine.effects import storage
from bot.engine.effects.context import RunContext
from bot.github import HubError, Job
from bot.messages import markup, notices, run_comments
from bot.runs.labels import STATE_LABELS, state_label
from bot.runs.machines.training import OPERATOR_TIMEOUT
from bot.runs.progress import stage_lines
from bot.runs.run import Run
from bot.runs.snapshot import MAX_SNAPSHOT_LENGTH, snapshot
from bot.runs.view import RunView, Unclaimed

log = logging.getLogger(__name__)

ALWAYS_SHOWN = timedelta(seconds=2)
"""Progress during a state's first moments is shown even if writes are scarce."""
RESERVED_WRITES = 5
"""Progress is shown only while more writes than this are left: the writes that matter come first."""


async def show(
    context: RunContext,
    run: Run,
    *,
    jobs: Sequence[Job] = (),
    behind: Run | None = None,
    unclaimed: Unclaimed | None = None,
    may_fail: bool = False,
) -> None:
    """Bring the run's sticky comment up to date.

    Mere progress is skipped while writes are scarce. If the issue is gone, nobody can be shown anything; the
    reconciler cancels such a run.

    Parameters
    ----------
    may_fail
        Whether the run goes on even if GitHub refuses the comment.
    """
    progress, stage = None, run.spec.stage
    if jobs and stage is not None:
        if context.stayed(run) > ALWAYS_SHOWN and await context.repository.spare() < RESERVED_WRITES:
            return
        with contextlib.suppress(OSError):  # the comment then does without
            progress = await storage.progress(context, run, stage)
    view = view_of(context, run, jobs=jobs, progress=progress, behind=behind, unclaimed=unclaimed)
    try:
        await write_sticky(context, view)
    except HubError as error:
        if error.transient or not (is_gone(error) or may_fail):
            raise
        log.warning("run %s: its comment cannot be written: %s", run.id, error)


def view_of(
    context: RunContext,
    run: Run,
    *,
    jobs: Sequence[Job] = (),
    progress: Progress | None = None,
    behind: Run | None = None,
    unclaimed: Unclaimed | None = None,
) -> RunView:
    """Return the run as its comment shows it."""
    sent = run.dispatch if jobs or run.spec.stage else None
    return RunView(
        run,
        updated=context.now(),
        stages=stage_lines(jobs, sent.start_at, progress, context.now()) if sent is not None else (),
        progress=progress.metrics if progress is not None else {},
        ahead=behind,
        unclaimed=unclaimed,
        waiting_until=run.entered + context.scaled(OPERATOR_TIMEOUT) if run.spec.asks_operator else None,
    )


async def write_sticky(context: RunContext, view: RunView) -> None:
    """Write the run's sticky comment."""
    await _upsert(context, view.run, run_comments.sticky(view, limit=markup.MAX_LENGTH - MAX_SNAPSHOT_LENGTH))


async def ask(context: RunContext, run: Run) -> int:
    """Ask whether to train again; return the comment's id.

    The question is a new comment, since GitHub notifies nobody of an edited one.
    """
    text = run_comments.decision_needed(view_of(context, run))
    return (await context.repository.post_once(run.issue, f"question-{run.id}-{_question(run)}", text)).id


async def remind(context: RunContext, run: Run) -> None:
    """Remind people, once per question, that it is about to expire."""
    text = run_comments.expiring(view_of(context, run))
    await context.repository.post_once(run.issue, f"expiring-{run.id}-{_question(run)}", text)


async def report_invalid_data(context: RunContext, run: Run) -> None:
    """Explain what is wrong with the data; editing the issue starts again."""
    problem = run.error.problem if run.error is not None else None
    if problem is None:
        raise ValueError("invalid data without an error")
    await _upsert(context, run, notices.invalid_data(problem, run.id, run.language))
    await label(context, run, "invalid")


async def label(context: RunContext, run: Run, state: str) -> None:
    """Set the issue's state label."""
    await context.repository.set_state_label(run.issue, state_label(state), STATE_LABELS)


def _question(run: Run) -> int:
    """Return the question's number: it is asked again about the same attempt if the next one cannot begin."""
    return len(run.decisions) + 1


def is_gone(error: HubError) -> bool:
    """Tell whether an error means that the issue was deleted."""
    return error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


def sticky_marker(run: Run) -> str:
    """Return the marker by which the run's sticky comment is found."""
    return f"run-{run.id}"


async def _upsert(context: RunContext, run: Run, text: str) -> None:
    """Write the sticky comment, with a snapshot from which an App that lost its database can restore the run."""
    line = snapshot(run, context.settings.webhook_secret.get_secret_value().encode())
    await context.repository.upsert_comment(run.issue, sticky_marker(run), f"{text}\n\n{line}")
