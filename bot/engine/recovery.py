"""Restores from GitHub what a lost database held: runs from their comments, run numbers from wherever runs left them.

A snapshot may be older than what happened after it. That does no harm: a restored run repeats those steps, and each of them
looks for what was done already before it writes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from anyio import to_thread

from actions.contracts.run_id import RUN_ID, number_of
from bot.database.store import Store
from bot.github import Comment, Identity, Repository
from bot.github.issues import MARKER_START
from bot.parsing.issue_templates import REQUEST_LABEL
from bot.parsing.repository_config import ConfigError, read_config
from bot.runs.drift import unanswered_commands
from bot.runs.history import INDEX
from bot.runs.labels import state_label
from bot.runs.run import Run
from bot.runs.snapshot import read_snapshot
from bot.runs.workflow_names import TRAIN_WORKFLOW
from bot.settings import Settings
from bot.webhooks import synthetic

log = logging.getLogger(__name__)

WORKFLOW_RUN_HISTORY = timedelta(days=30)
"""How far back workflow runs are searched for the highest run number. Runs that are older are in the history."""

_STICKY = re.compile(rf"{MARKER_START}run-({RUN_ID}) -->")
_ANY_ID = re.compile(rf"\b{RUN_ID}\b")


class Recovery:
    """Restores runs that the database does not know.

    Parameters
    ----------
    store, settings
        The database, the App's settings.
    clock
        Returns the time (UTC).
    """

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._secret = settings.webhook_secret.get_secret_value().encode()
        self._clock = clock

    async def run_of(self, repository: Repository, issue: int) -> Run | None:
        """Return the issue's latest run; restore it from its comment if the database has none."""
        known = await to_thread.run_sync(self._store.runs.of_issue, repository.name, issue)
        if known is not None:
            return known
        comments, who = await repository.comments(issue), await repository.who()
        run = self._latest(comments, who, repository.name, issue)
        if run is None:
            return None
        source = await repository.issue(issue)
        if run.editable and state_label("invalid") in source.labels:
            return None  # an edit made the request invalid while it was queued, so the run had ended
        # A new run must not get the number of an earlier one, which the database has lost as well.
        await self.start_numbering(repository)
        if await to_thread.run_sync(self._store.runs.restore, run.replace(due=self._clock())):
            log.warning("run %s was not in the database; it continues from its comment, in %s", run.id, run.state)
            # Commands that came after the snapshot are read again, even those that had been carried out: the run in the
            # snapshot does not know of them.
            for comment in unanswered_commands(run, comments, who):
                delivery = synthetic.for_comment(repository.name, run.installation, source, comment, self._clock())
                await to_thread.run_sync(self._store.inbox.add, delivery)
        return await to_thread.run_sync(self._store.runs.of_issue, repository.name, issue)

    def _latest(self, comments: Sequence[Comment], who: Identity, repository: str, issue: int) -> Run | None:
        marked = [
            (number_of(marker[1]), marker[1], comment)
            for comment in comments
            if who.wrote(comment) and (marker := _STICKY.match(comment.body))
        ]
        if not marked:
            return None
        _, run_id, comment = max(marked, key=lambda numbered: numbered[0])
        return read_snapshot(comment.body, repository, issue, run_id, self._secret)

    async def start_numbering(self, repository: Repository) -> None:
        """Make sure that no run gets the number of an earlier one, even if the database knows none.

        Ended runs are in the history, running ones have titled workflow runs, and queued ones have a comment: together,
        these show the highest number used.
        """
        if await to_thread.run_sync(self._store.runs.has_counter, repository.name):
            return
        texts = [(await repository.file(INDEX, await self._branch(repository)) or b"").decode(errors="replace")]
        since = self._clock() - WORKFLOW_RUN_HISTORY
        texts += [
            run.display_title for run in await repository.find_workflow_runs("train", TRAIN_WORKFLOW, since=since)
        ]
        who = await repository.who()
        for issue in await repository.issues(labels=[REQUEST_LABEL]):
            own = [comment for comment in await repository.comments(issue.number) if who.wrote(comment)]
            texts += [comment.body.partition("\n")[0] for comment in own]
        highest = max((number_of(run_id[0]) for text in texts for run_id in _ANY_ID.finditer(text)), default=0)
        await to_thread.run_sync(self._store.runs.start_counter, repository.name, highest)

    async def _branch(self, repository: Repository) -> str | None:
        """Return the history's branch; None for the default branch."""
        try:
            return (await read_config(repository)).history.branch
        except ConfigError:
            return None
