"""What the effects for one run share while a state works on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from anyio import to_thread

from actions.storage.folder import Storage
from bot.database.store import Store
from bot.engine.looks import Looks
from bot.github import RepoInfo, Repository
from bot.runs.run import Run
from bot.settings import Settings


@dataclass
class RunContext:
    """One look at one run.

    Attributes
    ----------
    run
        The run as it was stored last, by an effect too: if a state fails, its error is noted in this one.
    repository, store, storage, settings
        The run's repository on GitHub, the App's database, the storage shared with runners, the App's settings.
    looks
        How files in the storage are looked at.
    now
        Returns the time (UTC).
    """

    run: Run
    repository: Repository
    store: Store
    storage: Storage
    settings: Settings
    looks: Looks
    now: Callable[[], datetime]
    _info: RepoInfo | None = field(default=None, init=False)

    async def info(self) -> RepoInfo:
        """Return the repository's facts, read once per look at the run."""
        if self._info is None:
            self._info = await self.repository.info()
        return self._info

    async def history_branch(self, run: Run) -> str:
        """Return the branch with registry and history."""
        return run.config.history_branch or (await self.info()).default_branch

    def scaled(self, limit: timedelta | None) -> timedelta:
        """Return a time limit multiplied by this deployment's time factor."""
        if limit is None:
            raise ValueError("this state has no time limit")
        return limit * self.settings.time_factor

    def stayed(self, run: Run) -> timedelta:
        """Return how long the run has been in its state, divided by the time factor, to compare with the table."""
        return (self.now() - run.entered) / self.settings.time_factor

    async def save(self, run: Run) -> Run:
        """Store the run in the middle of a state's work; see ``RunStore.save``."""
        self.run = await to_thread.run_sync(self.store.runs.save, run)
        return self.run

    async def change(self, run: Run, change: Callable[[Run], Run]) -> Run:
        """Apply a change to the stored run, whatever else has changed in it meanwhile; see ``RunStore.change``."""
        self.run = await to_thread.run_sync(self.store.runs.change, run, change)
        return self.run
