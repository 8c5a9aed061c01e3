"""Notifications outside GitHub."""

from __future__ import annotations

import functools
import logging
from dataclasses import replace
from datetime import timedelta

from actions.contracts.channels import ChannelName, Event
from actions.errors import OperationError
from actions.notification.templates import MAX_TEMPLATE, path_of
from bot import kill_points
from bot.engine.effects import comment, history
from bot.engine.effects.context import RunContext
from bot.messages import notifications
from bot.runs.run import Run

log = logging.getLogger(__name__)

MAX_TEMPLATE_BYTES = 4 * MAX_TEMPLATE
"""Bytes that are read of a repository's own template. The template itself reports what exceeds its limit."""


async def notify(context: RunContext, run: Run, event: Event) -> tuple[Run, timedelta | None]:
    """Notify the channels that want the event and have not had it yet.

    Returns
    -------
    tuple
        The run with the channels that have been notified, and how long to wait before trying the others again; None if
        all are done.
    """
    config = run.config.notifications
    if not any(event in channel.events for channel in (config.slack, config.email) if channel is not None):
        return run, None
    view = replace(comment.view_of(context, run), history_url=await history.page_url(context, run))
    notice = notifications.notice_of(view, event, (await context.info()).html_url)

    async def own_template(channel: ChannelName) -> bytes | None:
        path = path_of(event, channel, notice.language)
        try:
            return await context.repository.file(path, max_bytes=MAX_TEMPLATE_BYTES)
        except OperationError as error:
            log.warning("run %s: %s cannot be read: %s", run.id, path, error)
            return None

    sent = await notifications.notify(run, notice, config, context.settings.channels, own_template)
    if sent.done != run.notified:
        kill_points.hit(f"{run.state}.notified")
        # Stored immediately, whatever else changed meanwhile: nobody is notified twice because an answer to the
        # question arrived while another channel was slow.
        run = await context.change(run, functools.partial(_with_notified, before=run, notified=sent.done))
    return run, sent.delay


def give_up(run: Run, event: Event) -> None:
    """Log that a channel could not be notified despite all retries."""
    log.error("run %s: some channels outside GitHub could not be notified: %s", run.id, event)


def _with_notified(run: Run, before: Run, notified: tuple[str, ...]) -> Run:
    """Note who was notified, and what the state did before that: its question at the issue, how the run ended."""
    if run.ended:  # meanwhile, because the App was removed
        return run
    return run.replace(notified=notified, question_comment=before.question_comment, status=before.status)
