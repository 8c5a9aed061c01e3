"""Comments on issues: slash commands."""

from __future__ import annotations

import logging
from datetime import datetime

from anyio import to_thread

from bot.events.command_context import CommandInvocation
from bot.events.command_dispatcher import answer_command, answer_unknown
from bot.events.router import Event, router
from bot.events.trigger_sources import has_request_label
from bot.github import HubError, Repository
from bot.observability import log_context
from bot.parsing.command import ParsedCommand, UnknownCommand, parse_command
from bot.parsing.form import parse_form
from bot.runs.reactions import READ, TAKEN
from bot.runs.run import Run

log = logging.getLogger(__name__)


@router.on("issue_comment", "created")
async def handle_command(event: Event) -> None:
    """Carry out the command in a comment and reply."""
    if not event.is_from_person or "pull_request" in event.payload["issue"]:
        return
    parsed = parse_command(str(event.payload["comment"]["body"] or ""), event.services.commands)
    if parsed is None:
        return
    repository, issue = event.repository, event.issue_number
    run = await to_thread.run_sync(event.services.store.runs.of_issue, repository.name, issue)
    if run is None and not _is_ours(event):
        return
    run = run or await event.services.recovery.run_of(repository, issue)
    log_context.about_run(run)
    comment = int(event.payload["comment"]["id"])
    if isinstance(parsed, UnknownCommand):
        reply = await answer_unknown(parsed, event.sender, repository)
        if not reply:
            return
    else:
        reply = await _answer(event, parsed, comment, run)
    if reply:
        await repository.post_once(issue, f"reply-{comment}", reply)
    else:
        await repository.react(comment, TAKEN)


async def _answer(event: Event, parsed: ParsedCommand, comment: int, run: Run | None) -> str:
    is_repeat = not await _acknowledge(event.repository, comment)
    invocation = CommandInvocation(
        parsed=parsed,
        user=event.sender,
        comment=comment,
        written=datetime.fromisoformat(event.payload["comment"]["created_at"]),
        received=event.delivery.received_at,
        installation=event.delivery.installation or 0,
        is_repeat=is_repeat,
        issue_body=event.issue_body,
    )
    return await answer_command(invocation, event.repository, event.issue_number, run, event.services)


async def _acknowledge(repository: Repository, comment: int) -> bool:
    """React at once, because some replies take a while; return whether the reaction is new. A failure does not matter."""
    try:
        return await repository.react(comment, READ)
    except HubError as error:
        log.warning("no reaction to comment %d: %s", comment, error)
        return False


def _is_ours(event: Event) -> bool:
    """Return whether an issue without a run is about training: other Apps may have commands of the same names."""
    return has_request_label(event) or not parse_form(str(event.payload["issue"].get("body") or "")).not_a_form
