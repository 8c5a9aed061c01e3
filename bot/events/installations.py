"""What becomes of the App's installations: labels where it is let in, ended runs where it is shut out, waiting meanwhile.

Events may come late and in any order, so what holds now is asked from GitHub before a run is ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from anyio import to_thread

from bot.database.store import Store
from bot.github import GitHub, HubError
from bot.runs.advance import end
from bot.runs.labels import MAX_LABEL_SECONDS, definitions
from bot.runs.run import Decision, Run
from bot.webhooks.delivery import Delivery

log = logging.getLogger(__name__)

EVENTS = frozenset({"installation", "installation_repositories"})


class Installations:
    """Follows the events ``installation`` and ``installation_repositories``.

    Parameters
    ----------
    store, github
        The database, the gateway.
    clock
        Says what time it is (UTC).
    """

    def __init__(self, store: Store, github: GitHub, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._github = github
        self._clock = clock

    async def follow(self, delivery: Delivery, payload: Mapping[str, Any]) -> None:
        """Do what an event of an installation asks for; unknown actions ask for nothing."""
        installation, action = delivery.installation, delivery.action
        if installation is None:
            return
        if action in ("created", "added"):
            listed = payload.get("repositories" if action == "created" else "repositories_added")
            await self._let_in(installation, _names(listed))
        elif action in ("unsuspend", "new_permissions_accepted"):
            await self._let_in(installation, await self._github.installed_repositories(installation))
        elif action == "suspend":
            log.warning("the installation %d is suspended: its runs wait", installation)
        elif action == "deleted":
            runs = await to_thread.run_sync(self._store.runs.open_runs)
            await self._shut_out([run for run in runs if run.installation == installation])
        elif action == "removed":
            for name in _names(payload.get("repositories_removed")):
                await self._shut_out(await to_thread.run_sync(self._store.runs.open_runs, name))

    async def _let_in(self, installation: int, names: Iterable[str]) -> None:
        """Have open runs looked at, as what they waited for may be there, and make the labels.

        The first request to a repository makes them, too: many repositories at once would take minutes.
        """
        until = time.monotonic() + MAX_LABEL_SECONDS
        for name in names:
            for run in await to_thread.run_sync(self._store.runs.open_runs, name):
                await to_thread.run_sync(self._store.runs.wake, run)
            if time.monotonic() > until:
                continue
            try:
                await self._github.repository(name, installation).ensure_labels(definitions())
            except HubError as error:  # an archived one, say
                log.warning("no labels in %s: %s", name, error)

    async def _shut_out(self, runs: Iterable[Run]) -> None:
        """End the runs of repositories that the App may not see any more; nothing can be written there, so nothing is."""
        for run in runs:
            await self.has_moved(run)

    async def has_moved(self, run: Run) -> bool:
        """Check whether the App was removed from a run's repository, or installed again; end or move the run if so."""
        now = await self._github.installation_now(run.repository)
        if now == run.installation:
            return False
        if now is None:
            await to_thread.run_sync(self._end, run)
        else:
            await to_thread.run_sync(self._store.runs.change, run, lambda stored: stored.replace(installation=now))
        return True

    def _end(self, run: Run) -> None:
        ended = self._store.runs.change(run, lambda stored: _cancelled(stored, self._clock()))
        self._store.locks.release(ended)
        log.warning("run %s ended as cancelled: the App was taken from %s", run.id, run.repository)


def _cancelled(run: Run, now: datetime) -> Run:
    if run.ended:
        return run
    reason = "the App was removed from the repository"
    decision = Decision(who="GitHub", what="cancel", when=now, attempt=run.attempt, reason=reason)
    return end(run.replace(decisions=(*run.decisions, decision)), run.status or "cancelled", now)


def _names(listed: object) -> list[str]:
    each = listed if isinstance(listed, list) else []
    return [str(one["full_name"]) for one in each if isinstance(one, dict) and "full_name" in one]
