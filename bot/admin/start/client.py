"""What ``modelyard start`` does on GitHub with a person's token: opens the issue, then follows its run."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from actions.errors import NotAllowed
from bot.github import Comment, HubError, Issue, Repository
from bot.github.issues import MARKER_START
from bot.parsing.issue_templates import REQUEST_LABEL
from bot.parsing.origin_marker import KEY_LIFETIME
from bot.runs.labels import STATE_LABELS, state_label

EXIT_CODES = {state_label("passed"): 0, **{state_label(state): 1 for state in ("failed", "cancelled", "invalid")}}
"""The command's exit code, by the label that ends a run."""
_FRESH = timedelta(hours=1)
"""How far back to look for an issue with a random key: only its own, if the response was lost; clocks may differ."""
SILENT_SECONDS = 120.0
"""After this silence of the App, the user is informed."""
MAX_OUTAGE_SECONDS = 900.0


async def open_issue(repository: Repository, title: str, body: str, key: str, *, fresh: bool) -> Issue:
    """Open an issue that requests a training run, or return the one that was opened with the same key.

    Parameters
    ----------
    repository
        The repository, opened with the requester's token.
    title, body
        The issue.
    key
        Identifies the request.
    fresh
        Whether the key is random, so that no earlier issue can have it.
    """
    if (await repository.info()).can_push is False:
        raise NotAllowed(
            "permission_missing",
            rule=f"Requesting a training run requires write permission on {repository.name}.",
            found="the token's owner has less",
            next_step="Ask an administrator for the permission, or someone who has it to make the request.",
        )
    marker = f"start:{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:32]}"
    since = datetime.now(UTC) - (_FRESH if fresh else KEY_LIFETIME)
    return await repository.open_once(marker, marker, since, title=title, body=body, labels=[REQUEST_LABEL])


async def follow(repository: Repository, number: int, say: Callable[[str], None], poll_seconds: float) -> int:
    """Report the progress of an issue's run until the run has ended; return the exit code."""
    headline, started, reached, silent = "", time.monotonic(), time.monotonic(), False
    while True:
        try:
            issue, comments = await repository.issue(number), await repository.comments(number)
        except HubError as error:
            if not error.transient or time.monotonic() - reached > MAX_OUTAGE_SECONDS:
                raise
            await asyncio.sleep(poll_seconds)
            continue
        reached = time.monotonic()
        newest = _headline(comments)
        if newest and newest != headline:
            say(newest)
            headline = newest
        exit_codes = [code for label, code in EXIT_CODES.items() if label in issue.labels]
        if exit_codes:
            return max(exit_codes)
        if issue.state == "closed" and not _has_run(issue):
            say("The issue was closed before a run started.")
            return 1
        if not headline and not silent and reached - started > SILENT_SECONDS:
            say("Modelyard has not responded yet. Is the App installed on this repository, and is it running?")
            silent = True
        await asyncio.sleep(poll_seconds)


def _has_run(issue: Issue) -> bool:
    return not set(STATE_LABELS).isdisjoint(issue.labels)


def _headline(comments: list[Comment]) -> str:
    """Return the first line of the App's progress comment or, until there is one, of its latest reply."""
    replies = [
        comment.body for comment in comments if comment.author_type == "Bot" and comment.body.startswith(MARKER_START)
    ]
    progress = [body for body in replies if body.startswith(f"{MARKER_START}run-")]
    lines = [line for body in (progress or replies)[-1:] for line in body.splitlines()[1:] if line.strip()]
    return lines[0].lstrip("# ").replace("`", "") if lines else ""
