"""What a lost database held is found again on GitHub: the runs in their comments, the numbers wherever runs left them.

A snapshot may be older than what happened since. That does no harm: each step of a run looks before it writes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from anyio import to_thread

from actions.contracts.run_id import RUN_ID, number_of
from bot.database.store import Store
from bot.engine.effects.workflow import TRAIN_WORKFLOW
from bot.github import Comment, Identity, Repository
from bot.parsing.repository_config import ConfigError, read_config
from bot.runs.drift import unanswered_commands
from bot.runs.history import INDEX
from bot.runs.labels import REQUEST_LABEL, state_label
from bot.runs.run import Run
from bot.runs.snapshot import read_snapshot
from bot.settings import Settings
from bot.webhooks import synthetic

log = logging.getLogger(__name__)

WORKFLOW_RUN_HISTORY = timedelta(days=30)
"""Workflow runs of so many days are looked through for the highest number; older ones are in the history."""

_STICKY = re.compile(rf"<!-- modelyard:run-({RUN_ID}) -->")
_ANY_ID = re.compile(rf"\b{RUN_ID}\b")


class Recovery:
    """Finds runs that the database does not know.

    Parameters
    ----------
    store, settings
        The database, the App's settings.
    clock
        Says what time it is (UTC).
    """

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._secret = settings.webhook_secret.get_secret_value().encode()
        self._clock = clock

    async def run_of(self, repository: Repository, issue: int) -> Run | None:
        """Return the issue's latest run, out of its comment where the database has none."""
        known = await to_thread.run_sync(self._store.runs.of_issue, repository.name, issue)
        if known is not None:
            return known
        comments, who = await repository.comments(issue), await repository.who()
        found = self._latest(comments, who, repository.name, issue)
        if found is None:
            return None
        below = await repository.issue(issue)
        if found.editable and state_label("invalid") in below.labels:
            return None  # its request was withdrawn from the queue: an edit made it wrong
        await self.count_on(repository)
        if await to_thread.run_sync(self._store.runs.restore, found.replace(due=self._clock())):
            log.warning("run %s was not in the database; it goes on from its comment, in %s", found.id, found.state)
            # What the snapshot knows nothing of is read again, even what was obeyed once.
            for comment in unanswered_commands(found, comments, who):
                again = synthetic.for_comment(repository.name, found.installation, below, comment, self._clock())
                await to_thread.run_sync(self._store.inbox.add, again)
        return await to_thread.run_sync(self._store.runs.of_issue, repository.name, issue)

    def _latest(self, comments: Sequence[Comment], who: Identity, repository: str, issue: int) -> Run | None:
        marked = [
            (number_of(marker[1]), marker[1], comment)
            for comment in comments
            if who.wrote(comment) and (marker := _STICKY.match(comment.body))
        ]
        if not marked:
            return None
        _, run_id, comment = max(marked, key=lambda found: found[0])
        return read_snapshot(comment.body, repository, issue, run_id, self._secret)

    async def count_on(self, repository: Repository) -> None:
        """See to it that no run gets a number that another one has had, even if the database knows of none."""
        if await to_thread.run_sync(self._store.runs.has_counter, repository.name):
            return
        texts = [(await repository.file(INDEX, await self._branch(repository)) or b"").decode(errors="replace")]
        began = self._clock() - WORKFLOW_RUN_HISTORY
        texts += [
            run.display_title for run in await repository.find_workflow_runs("train", TRAIN_WORKFLOW, since=began)
        ]
        who = await repository.who()
        for issue in await repository.issues(labels=[REQUEST_LABEL]):
            own = [comment for comment in await repository.comments(issue.number) if who.wrote(comment)]
            texts += [comment.body.partition("\n")[0] for comment in own]
        highest = max((number_of(found[0]) for text in texts for found in _ANY_ID.finditer(text)), default=0)
        await to_thread.run_sync(self._store.runs.start_counter, repository.name, highest)

    async def _branch(self, repository: Repository) -> str | None:
        """Return the branch of the history; None for the default branch."""
        try:
            return (await read_config(repository)).history.branch
        except ConfigError:
            return None
