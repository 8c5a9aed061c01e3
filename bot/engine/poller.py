"""``modelyard serve --poll``: fetches webhooks from GitHub's list of deliveries, for an App that GitHub cannot reach.

GitHub keeps deliveries for three days. A fetched delivery is stored like a received one: the inbox recognises each by its id,
so fetching one again does no harm.
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

INTERVAL = 3.0
"""Seconds between two requests for the list."""
OVERLAP = timedelta(minutes=10)
"""How far each request goes back before the last one: deliveries are listed by their start, but only once they have ended."""


class Poller:
    """Fetches the deliveries that GitHub could not make.

    Parameters
    ----------
    store, github
        The database, the gateway.
    wake
        Set when something was stored.
    clock
        Returns the time (UTC).
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
        """Fetch again and again until cancelled."""
        while True:
            try:
                await self.fetch()
            except OperationError as error:
                log.warning("webhooks could not be fetched; the next attempt includes them: %s", error)
            except Exception:
                # The outermost edge: the database may be unavailable, say. The next attempt makes up for this one.
                log.exception("fetching webhooks failed unexpectedly; next attempt in %.0f s", INTERVAL)
            await asyncio.sleep(INTERVAL)

    async def fetch(self) -> None:
        """Store what has been listed since the last time."""
        tag = await self._github.deliveries_tag(self._tag)
        if tag and tag == self._tag:
            return
        began = self._clock()
        listed = await self._github.deliveries(self._since)
        arrived = await to_thread.run_sync(self._store.inbox.known, {attempt.guid for attempt in listed})
        for attempt in to_fetch(listed, arrived | self._refused):
            await self._fetch(attempt)
        # Only now: if one of them could not be fetched, all are listed again.
        self._since, self._tag = began - OVERLAP, tag

    async def _fetch(self, attempt: SentDelivery) -> None:
        try:
            fetched = await self._read(attempt)
        except RefusedDelivery as refused:
            log.warning("webhook %s cannot be used: %s", attempt.guid, refused.reason)
            self._refused.add(attempt.guid)
            return
        if not delivery.is_used(fetched):
            self._refused.add(attempt.guid)
            return
        if await to_thread.run_sync(self._store.inbox.add, fetched):
            log.info("webhook %s %s.%s fetched", fetched.id, fetched.event, fetched.action)
            self._wake.set()

    async def _read(self, attempt: SentDelivery) -> Delivery:
        # It has no signature and needs none: it comes from GitHub itself, authenticated by the App's own key.
        delivery.check_headers(attempt.event, attempt.guid)
        payload = await self._github.delivered_payload(attempt.id)
        return delivery.read(attempt.guid, attempt.event, json.dumps(payload).encode(), self._clock())
