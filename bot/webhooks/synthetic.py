"""Synthetic deliveries: created by the App for events that GitHub never delivered, but whose result it shows (pure).

They go through the inbox like any other delivery. Their ids are derived from their subject, so each is stored once. The
parts of an id are separated by a colon, which none of them can contain: otherwise two subjects could have the same id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.github import Comment, Issue
from bot.webhooks.delivery import Delivery


def for_issue(repository: str, installation: int, issue: Issue, now: datetime) -> Delivery:
    """Return the event that an issue requests training. Its author is the requester: nothing shows who set the label."""
    changed = f"{issue.updated_at:%Y%m%d%H%M%S}" if issue.updated_at else ""
    payload = {"issue": _issue(issue), "sender": _sender(issue)}
    name = f"issue:{repository}:{issue.number}:{changed}"
    return _delivery(name, "issues", "labeled", repository, installation, payload, now)


def for_comment(repository: str, installation: int, issue: Issue, comment: Comment, now: datetime) -> Delivery:
    """Return the event that a comment was written."""
    written = comment.created_at.isoformat() if comment.created_at else now.isoformat()
    payload = {
        "issue": _issue(issue),
        "comment": {"id": comment.id, "body": comment.body, "created_at": written},
        "sender": _sender(comment),
    }
    return _delivery(f"comment:{comment.id}", "issue_comment", "created", repository, installation, payload, now)


SCHEDULE_EVENT = "modelyard_schedule"
"""An event that only the App creates: a schedule's slot has come."""


def for_slot(repository: str, installation: int, schedule: str, slot: datetime, now: datetime) -> Delivery:
    """Return the event that a schedule's slot has come."""
    name = f"slot:{repository}:{schedule}:{slot:%Y%m%d%H%M%S}"
    payload = {"schedule": schedule, "slot": slot.isoformat()}
    return _delivery(name, SCHEDULE_EVENT, "due", repository, installation, payload, now)


def _sender(written: Issue | Comment) -> dict[str, Any]:
    return {"login": written.author, "id": written.author_id, "type": written.author_type}


def _issue(issue: Issue) -> dict[str, Any]:
    updated = {"updated_at": issue.updated_at.isoformat()} if issue.updated_at else {}
    labels = [{"name": name} for name in issue.labels]
    return {"number": issue.number, "body": issue.body, "labels": labels, **updated}


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
