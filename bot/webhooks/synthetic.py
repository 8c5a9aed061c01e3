"""Deliveries that the App makes itself, for what GitHub shows but never told it (pure).

They go through the inbox like any other. Their ids follow from what they are about, so each is taken in once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.github import Comment, Issue
from bot.webhooks.delivery import Delivery


def for_issue(repository: str, installation: int, issue: Issue, now: datetime) -> Delivery:
    """Return the news that an issue asks for training; who asks is its author, as nobody says who set the label."""
    changed = f"{issue.updated_at:%Y%m%d%H%M%S}" if issue.updated_at else ""
    payload = {"issue": _issue(issue), "sender": {"login": issue.author, "type": issue.author_type}}
    name = f"issue-{repository}-{issue.number}-{changed}"
    return _delivery(name, "issues", "labeled", repository, installation, payload, now)


def for_comment(repository: str, installation: int, issue: Issue, comment: Comment, now: datetime) -> Delivery:
    """Return the news that somebody wrote a comment."""
    written = comment.created_at.isoformat() if comment.created_at else now.isoformat()
    payload = {
        "issue": _issue(issue),
        "comment": {"id": comment.id, "body": comment.body, "created_at": written},
        "sender": {"login": comment.author, "type": comment.author_type},
    }
    return _delivery(f"comment-{comment.id}", "issue_comment", "created", repository, installation, payload, now)


SLOT = "modelyard_schedule"
"""The name of an event that only the App itself makes: a schedule's slot has come."""


def for_slot(repository: str, installation: int, schedule: str, slot: datetime, now: datetime) -> Delivery:
    """Return the news that a schedule's slot has come."""
    name = f"slot-{repository}-{schedule}-{slot:%Y%m%d%H%M%S}"
    payload = {"schedule": schedule, "slot": slot.isoformat()}
    return _delivery(name, SLOT, "due", repository, installation, payload, now)


def _issue(issue: Issue) -> dict[str, Any]:
    return {"number": issue.number, "labels": [{"name": name} for name in issue.labels]}


def _delivery(
    name: str,
    event: str,
    action: str,
    repository: str,
    installation: int,
    payload: Mapping[str, Any],
    now: datetime,
) -> Delivery:
    text = json.dumps({**payload, "action": action}).encode()
    return Delivery(name, event, action, repository, installation, text, now)
