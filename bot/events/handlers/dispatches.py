"""``repository_dispatch``: a training request that a program sends."""

from __future__ import annotations

import logging

from bot.events.router import Event, router
from bot.events.trigger_sources import open_issue, report_problem
from bot.messages import notices
from bot.parsing.dispatch_payload import Dispatch, read_dispatch
from bot.parsing.form import form_body
from bot.parsing.origin_marker import KEY_LIFETIME, Origin, digest
from bot.parsing.permissions import REQUEST_PERMISSION, has_at_least
from bot.runs.labels import definitions

log = logging.getLogger(__name__)


@router.on("repository_dispatch")
async def open_requested_issue(event: Event) -> None:
    """Open the issue that a dispatch requests. If the request is invalid, open one that says why, and close it."""
    delivery, count = event.delivery, event.services.count_trigger
    if not event.is_from_person:
        # A workflow's own token, for example: nobody would answer for the use of the runner.
        log.warning("dispatch %s refused: %s is not a person", delivery.id, event.sender.login)
        count("dispatch", "refused_bot")
        return
    permission = await event.repository.permission(event.sender)
    if not has_at_least(permission, REQUEST_PERMISSION):
        log.warning("dispatch %s refused: %s has the permission %s", delivery.id, event.sender.login, permission)
        count("dispatch", "refused_permission")
        return
    await event.repository.ensure_labels(definitions())
    dispatch = read_dispatch(event.payload.get("client_payload"), delivery.id)
    if dispatch.request is None:
        await _refuse(event, dispatch)
        return
    text = notices.request_by_dispatch(event.sender.login, dispatch.key, form_body(dispatch.request))
    # Each sender's keys are their own: nobody can take another's beforehand.
    origin = Origin("dispatch", digest(dispatch.key, str(event.sender.id)), event.sender)
    since = event.services.clock() - KEY_LIFETIME
    await open_issue(event, origin, f"Train: {dispatch.request.model_name}", text, since)


async def _refuse(event: Event, dispatch: Dispatch) -> None:
    log.warning("dispatch %.50r by %s has %d problems", dispatch.key, event.sender.login, len(dispatch.wrong))
    issue = await report_problem(
        event,
        f"dispatch:{digest(dispatch.key, dispatch.content)}",
        title="Invalid dispatch",
        text=notices.invalid_dispatch(event.sender.login, dispatch.key, dispatch.wrong),
    )
    await event.repository.close_issue(issue.number, "not_planned")
    event.services.count_trigger("dispatch", "invalid")
