"""How a repository's runs can differ from what GitHub shows, and what to correct (pure)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from actions.contracts.person import Person
from actions.contracts.run_id import RUN_ID
from bot.github import Comment, Identity, Issue, WorkflowRun
from bot.github.issues import carries
from bot.parsing.command import is_command
from bot.parsing.issue_templates import REQUEST_LABEL
from bot.runs.decisions import can_take
from bot.runs.labels import state_label
from bot.runs.run import Decision, Run

SETTLE_TIME = timedelta(minutes=1)
"""Anything younger is left to its event, which may still be on its way."""

_TITLE = re.compile(rf"{RUN_ID} attempt [0-9]+ dispatch [0-9]+")


def expected_label(run: Run) -> str | None:
    """Return the state label that the run's issue must carry; None if the next step will set it."""
    if run.spec.asks_operator:
        return state_label("waiting")
    if run.spec.is_over and run.status is not None:
        return state_label("failed" if run.status == "rejected" else run.status)
    if run.spec.stage is not None:
        return state_label("running") if run.dispatch is not None and not run.needs_dispatch else None
    return None


def withdrawal(run: Run, issue: Issue | None, now: datetime) -> Decision | None:
    """Return the decision to cancel that a closed, deleted or moved (None) issue implies, if the run can still be cancelled."""
    if run.cancel is not None or (issue is not None and issue.state == "open"):
        return None
    who, reason = ("", "the issue was deleted or moved") if issue is None else (issue.closed_by, "the issue was closed")
    decision = Decision(who=Person(login=who or "someone"), what="cancel", when=now, attempt=run.attempt, reason=reason)
    return decision if can_take(run, decision) else None


def is_settled(when: datetime | None, now: datetime, stretch: float = 1.0) -> bool:
    """Tell whether something is so old that its event must have arrived and been handled."""
    return when is None or when <= now - SETTLE_TIME * stretch


def unanswered_commands(run: Run, comments: Sequence[Comment], who: Identity) -> list[Comment]:
    """Return people's commands about the run that the App has neither carried out nor answered, the oldest first.

    An edited comment does not count as a command, since GitHub does not say who wrote its present text.
    """
    own = [comment for comment in comments if who.wrote(comment)]
    return [
        comment
        for comment in comments
        if comment.author_type == "User"
        and comment.created_at is not None
        and comment.created_at >= run.created.replace(microsecond=0)  # GitHub's times are whole seconds
        and comment.updated_at == comment.created_at
        and is_command(comment.body)
        and not run.has_decision_from(comment.id)
        and not any(carries(answer, f"reply-{comment.id}") for answer in own)
    ]


def unowned(under_way: Iterable[WorkflowRun], runs: Collection[Run], who: Identity) -> list[WorkflowRun]:
    """Return the workflow runs that the App started for runs that have ended, or that it does not know."""
    owned = {sent.title for run in runs for sent in run.dispatches}
    return [
        workflow_run
        for workflow_run in under_way
        if _TITLE.fullmatch(workflow_run.display_title)
        and workflow_run.actor == who.login
        and workflow_run.display_title not in owned
    ]


def unread_requests(issues: Iterable[Issue], known: Collection[int]) -> list[Issue]:
    """Return the issues that request training and have no run. Invalid ones wait until they are edited."""
    return [
        issue
        for issue in issues
        if REQUEST_LABEL in issue.labels and state_label("invalid") not in issue.labels and issue.number not in known
    ]
