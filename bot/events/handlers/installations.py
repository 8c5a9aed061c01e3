"""Installations of the App: labels are made where it is installed and configured, and runs end where it is removed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from anyio import to_thread

from bot.events.installation_changes import follow_installation
from bot.events.router import Event, router
from bot.events.services import Services
from bot.github import HubError
from bot.parsing.repository_config import has_config
from bot.runs.labels import MAX_LABEL_SECONDS, definitions
from bot.runs.run import Run

log = logging.getLogger(__name__)


@router.on("installation", "created", needs_repository=False)
async def installed(event: Event) -> None:
    """Set up all repositories of a new installation."""
    await _set_up(event, _names(event.payload.get("repositories")))


@router.on("installation_repositories", "added", needs_repository=False)
async def repositories_added(event: Event) -> None:
    """Set up the repositories that joined an installation."""
    await _set_up(event, _names(event.payload.get("repositories_added")))


@router.on("installation", "unsuspend", "new_permissions_accepted", needs_repository=False)
async def resumed(event: Event) -> None:
    """Set up an installation that works again."""
    if event.delivery.installation is not None:
        await _set_up(event, await event.services.github.installed_repositories(event.delivery.installation))


@router.on("installation", "suspend", needs_repository=False)
async def suspended(event: Event) -> None:
    """Log that an installation is suspended. Its runs wait."""
    log.warning("the installation %s is suspended: its runs wait", event.delivery.installation)


@router.on("installation", "deleted", needs_repository=False)
async def uninstalled(event: Event) -> None:
    """End the runs of an installation that is gone."""
    if event.delivery.installation is not None:
        runs = await to_thread.run_sync(event.services.store.runs.open_runs)
        await _end_runs([run for run in runs if run.installation == event.delivery.installation], event.services)


@router.on("installation_repositories", "removed", needs_repository=False)
async def repositories_removed(event: Event) -> None:
    """End the runs of repositories that left an installation."""
    for name in _names(event.payload.get("repositories_removed")):
        await _end_runs(await to_thread.run_sync(event.services.store.runs.open_runs, name), event.services)


async def _set_up(event: Event, names: Iterable[str]) -> None:
    """Wake open runs, because what they waited for may have come, and make the labels while there is time.

    They are made only where the repository uses Modelyard. The reconciler makes the others: for many repositories at once
    it would take minutes.
    """
    services, installation = event.services, event.delivery.installation
    if installation is None:
        return
    deadline = time.monotonic() + MAX_LABEL_SECONDS
    for name in names:
        for run in await to_thread.run_sync(services.store.runs.open_runs, name):
            await to_thread.run_sync(services.store.runs.wake, run)
        if time.monotonic() > deadline:
            continue
        try:
            repository = services.github.repository(name, installation)
            if await has_config(repository):
                await repository.ensure_labels(definitions())
        except HubError as error:  # an archived repository, for example
            log.warning("no labels in %s: %s", name, error)


async def _end_runs(runs: Iterable[Run], services: Services) -> None:
    for run in runs:
        await follow_installation(run, services.store, services.github, services.clock)


def _names(repositories: object) -> list[str]:
    listed = repositories if isinstance(repositories, list) else []
    return [str(item["full_name"]) for item in listed if isinstance(item, dict) and "full_name" in item]
