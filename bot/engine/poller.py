"""``modelyard serve --poll``: webhooks are fetched from GitHub's list of them, for an App that GitHub cannot reach.

GitHub keeps a delivery that found nobody for three days. What is fetched is taken in as if it had been received: the inbox
knows each delivery by its id.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from anyio import to_thread

from actions.errors import OperationError
from bot.clock import utc_now
from bot.database.store import Store
from bot.github import GitHub, SentDelivery
from bot.webhooks import delivery
from bot.webhooks.delivery import Delivery, RefusedDelivery
from bot.webhooks.redelivery import RETENTION, to_fetch

log = logging.getLogger(__name__)

EVERY = 3.0
"""Seconds between two looks at the list."""
OVERLAP = timedelta(minutes=10)
"""A look goes back so much before the last one: a delivery is listed when its attempt is over, not when it began."""


class Poller:
    """Fetches what GitHub could not deliver.

    Parameters
    ----------
    store, github
        The database, the gateway.
    wake
        Set when something was stored.
    clock
        Says what time it is (UTC); tests hand in their own.
    """

    def __init__(
        self, store: Store, github: GitHub, wake: asyncio.Event, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._store = store
        self._github = github
        self._wake = wake
        self._clock = clock
        self._since = clock() - RETENTION
        self._tag = ""
        self._refused: set[str] = set()

    async def run(self) -> None:
        """Look, and look again, until cancelled."""
        while True:
            try:
                await self.look()
            except OperationError as error:
                log.warning("webhooks could not be fetched, and are with the next look: %s", error)
            except Exception:
                # The outermost edge: the database does not answer, say; the next look makes up for this one.
                log.exception("fetching webhooks broke, and is tried again in %.0f s", EVERY)
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Take in what has been listed since the last look."""
        tag = await self._github.deliveries_tag(self._tag)
        if tag and tag == self._tag:
            return
        began = self._clock()
        listed = await self._github.deliveries(self._since)
        arrived = await to_thread.run_sync(self._store.inbox.known, {attempt.guid for attempt in listed})
        for attempt in to_fetch(listed, arrived | self._refused):
            await self._take(attempt)
        # Only now: where one of them could not be fetched, all of it is done again.
        self._since, self._tag = began - OVERLAP, tag

    async def _take(self, attempt: SentDelivery) -> None:
        try:
            found = await self._fetch(attempt)
        except RefusedDelivery as refused:
            log.warning("webhook %s cannot be used: %s", attempt.guid, refused.reason)
            self._refused.add(attempt.guid)
            return
        if not delivery.is_used(found):
            self._refused.add(attempt.guid)
            return
        if await to_thread.run_sync(self._store.inbox.add, found):
            log.info("webhook %s %s.%s fetched", found.id, found.event, found.action)
            self._wake.set()

    async def _fetch(self, attempt: SentDelivery) -> Delivery:
        # Not signed, and it need not be: it comes from GitHub itself, under the App's own key.
        delivery.check_headers(attempt.event, attempt.guid)
        payload = await self._github.delivered_payload(attempt.id)
        return delivery.read(attempt.guid, attempt.event, json.dumps(payload).encode(), self._clock())
