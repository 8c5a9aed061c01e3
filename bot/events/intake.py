"""Handles webhook deliveries that were stored in the inbox.

News of a workflow run is not among them: it takes effect when it is stored. A delivery may be handled twice, because the
App may crash in between, so every handler checks what has been done before it acts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime

from bot.database.store import Store
from bot.events import handlers
from bot.events.commands import COMMANDS
from bot.events.repository_identity import is_current
from bot.events.router import Event
from bot.events.services import Services, TriggerObserver
from bot.github import GitHub, HubError
from bot.messages import notices
from bot.observability import log_context
from bot.parsing.repository_config import language_of
from bot.settings import Settings
from bot.webhooks.delivery import Delivery

log = logging.getLogger(__name__)


class Intake:
    """Handles deliveries, one at a time for each repository."""

    def __init__(
        self,
        store: Store,
        github: GitHub,
        settings: Settings,
        clock: Callable[[], datetime],
        count_trigger: TriggerObserver = lambda *_: None,
    ) -> None:
        self._services = Services(store, github, settings, clock, COMMANDS, count_trigger)

    async def handle(self, delivery: Delivery) -> None:
        """Call the handlers of a delivery's event."""
        payload = json.loads(delivery.payload)
        log_context.about_issue(delivery.repository, (payload.get("issue") or {}).get("number"))
        event = Event(delivery, payload, self._services)
        if await is_current(event):
            await handlers.router.dispatch(event)

    async def report_dead_letter(self, delivery: Delivery) -> None:
        """Report at the issue that one of its events could not be handled."""
        issue = json.loads(delivery.payload).get("issue")
        number = issue.get("number") if isinstance(issue, dict) else None
        if not isinstance(number, int) or not delivery.repository:
            return
        repository = self._services.github.repository(delivery.repository, delivery.installation)
        try:
            language = await language_of(repository)
            await repository.post_once(number, f"dead-{delivery.id}", notices.internal_trouble(delivery.id, language))
        except HubError:
            log.warning("delivery %s is a dead letter, and the issue could not be notified", delivery.id)
