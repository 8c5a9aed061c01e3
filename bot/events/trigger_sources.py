"""Sources of training requests other than the form: the App opens an issue for each, and the run starts from the issue.

A handler may run twice for one delivery, so an issue is looked for by its marker before it is opened.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from actions.contracts.person import Person
from bot.events.router import Event
from bot.github import Issue
from bot.parsing.form import looks_like_form
from bot.parsing.issue_templates import REQUEST_LABEL
from bot.parsing.origin_marker import KEY_LIFETIME, Origin, read_origin
from bot.runs.labels import state_label

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Requester:
    """Who requests training.

    Attributes
    ----------
    person
        A person, or the App itself for a schedule.
    is_preapproved
        Whether to skip the permission check: people who can change the default branch have approved the schedule.
    """

    person: Person
    is_preapproved: bool = False


def has_request_label(event: Event) -> bool:
    """Return whether the issue in an event's payload has the label that requests training."""
    return any(label.get("name") == REQUEST_LABEL for label in event.payload["issue"].get("labels") or [])


def is_form_without_label(event: Event) -> bool:
    """Return whether a form was sent while its label did not exist: GitHub then opens the issue without the label."""
    is_unlabelled = event.delivery.action == "opened" and not has_request_label(event)
    return is_unlabelled and looks_like_form(event.issue_body or "")


async def is_request_event(event: Event) -> bool:
    """Return whether an issue event may request training, before anything about the issue is read."""
    action = event.delivery.action
    label = (event.payload.get("label") or {}).get("name", REQUEST_LABEL)
    if action == "labeled" and label != REQUEST_LABEL:
        return False  # setting another label requests nothing
    if event.is_from_person:
        return True
    return action in ("opened", "labeled") and event.payload["sender"].get("login") == await _app_login(event)


async def requester_of(event: Event, issue: Issue) -> Requester | None:
    """Return who requests training by an issue, or None if the App acted on an issue that it did not open."""
    if event.is_from_person:
        return Requester(event.sender)
    app = await _app_login(event)
    if issue.author != app:
        return None
    origin = read_origin(issue.body, event.repository.name, event.services.secret)
    if origin is None:
        return None
    return Requester(origin.requester or Person(login=app), is_preapproved=origin.requester is None)


async def open_issue(event: Event, origin: Origin, title: str, text: str, since: datetime) -> None:
    """Open the issue of a request, unless one that was updated after ``since`` has the same origin."""
    marker = origin.marker(event.repository.name, event.services.secret)
    issue = await event.repository.open_once(
        marker, origin.prefix, since, title=title, body=text, labels=[REQUEST_LABEL]
    )
    log.info("issue %d was opened for a request by %s", issue.number, origin.source)
    event.services.count_trigger(origin.source, "opened")


async def report_problem(event: Event, key: str, *, title: str, text: str) -> Issue:
    """Open an issue about a request that cannot be read; the same key opens none again for a while."""
    marker = f"wrong:{key}"
    since = event.services.clock() - KEY_LIFETIME
    labels = [state_label("invalid")]
    return await event.repository.open_once(marker, marker, since, title=title, body=text, labels=labels)


async def _app_login(event: Event) -> str:
    return (await event.repository.who()).login
