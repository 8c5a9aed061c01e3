"""Schedules: a slot has come, and its request becomes an issue."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from bot.events.router import Event, router
from bot.events.trigger_sources import open_issue, report_problem
from bot.messages import notices
from bot.parsing.form import form_body
from bot.parsing.origin_marker import Origin, digest
from bot.parsing.repository_config import ConfigError, read_config
from bot.runs.labels import definitions
from bot.webhooks.synthetic import SCHEDULE_EVENT

log = logging.getLogger(__name__)

MAX_CLOCK_SKEW = timedelta(days=1)
"""How much GitHub's clock may differ from the App's, when the issue of a slot is looked for."""


@router.on(SCHEDULE_EVENT)
async def open_scheduled_issue(event: Event) -> None:
    """Open the issue of a schedule's slot, with the request that the default branch has now."""
    name, slot = str(event.payload["schedule"]), datetime.fromisoformat(event.payload["slot"])
    try:
        config = await read_config(event.repository, event.services.commands)
    except ConfigError as error:
        await _report_invalid_config(event, error)
        return
    schedule = next((schedule for schedule in config.schedules if schedule.name == name), None)
    if schedule is None:
        log.info("%s: the schedule has been removed", event.delivery.id)
        event.services.count_trigger("schedule", "removed")
        return
    text = notices.request_by_schedule(name, schedule.cron, slot, form_body(schedule.request))
    title = f"Train: {schedule.request.model_name} ({name}, {slot:%Y-%m-%d %H:%M} UTC)"
    await event.repository.ensure_labels(definitions())
    origin = Origin("schedule", digest(name, event.payload["slot"]))
    await open_issue(event, origin, title, text, slot - MAX_CLOCK_SKEW)


async def _report_invalid_config(event: Event, error: ConfigError) -> None:
    await event.repository.ensure_labels(definitions())
    await report_problem(
        event,
        f"schedule:{digest(error.problem.reason, error.problem.field or '', error.problem.found)}",
        title="Schedules cannot be read",
        text=notices.schedules_broken(error.problem),
    )
    event.services.count_trigger("schedule", "config_broken")
