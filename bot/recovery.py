"""What a lost database held is found again on GitHub: the runs in their comments, the numbers wherever runs left them.

A snapshot may be older than what happened since. That does no harm: each step of a run looks before it writes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from anyio import to_thread

from bot import stand_in
from bot.drift import unanswered_commands
from bot.effects import INDEX, TRAIN_WORKFLOW
from bot.github import Comment, Identity, Repository
from bot.labels import ASKS
from bot.pipeline import Run
from bot.run_snapshot import read_snapshot
from bot.settings import Settings
from bot.store import Store

log = logging.getLogger(__name__)

TITLES_FROM = timedelta(days=30)
"""Workflow runs of so many days are looked through for the highest number; older ones are in the history."""

_STICKY = re.compile(r"<!-- modelyard:run-(train-[0-9]{8}-([0-9]{3,9})) -->")
_RUN_ID = re.compile(r"\btrain-[0-9]{8}-([0-9]{3,9})\b")


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
        known = await to_thread.run_sync(self._store.run_of_issue, repository.name, issue)
        if known is not None:
            return known
        comments, who = await repository.comments(issue), await repository.who()
        found = self._latest(comments, who, repository.name, issue)
        if found is None:
            return None
        await self.count_on(repository)
        if await to_thread.run_sync(self._store.restore, found.but(due=self._clock())):
            log.warning("run %s was not in the database; it goes on from its comment, in %s", found.id, found.state)
            await self._hear_again(repository, found, comments, who)
        return await to_thread.run_sync(self._store.run_of_issue, repository.name, issue)

    def _latest(self, comments: Sequence[Comment], who: Identity, repository: str, issue: int) -> Run | None:
        marked = [
            (int(marker[2]), marker[1], comment)
            for comment in comments
            if who.wrote(comment) and (marker := _STICKY.match(comment.body))
        ]
        if not marked:
            return None
        _, run_id, comment = max(marked, key=lambda found: found[0])
        return read_snapshot(comment.body, repository, issue, run_id, self._secret)

    async def _hear_again(self, repository: Repository, run: Run, comments: Sequence[Comment], who: Identity) -> None:
        """Have the commands read again that the snapshot knows nothing of, even those that were obeyed once."""
        issue = await repository.issue(run.issue)
        for comment in unanswered_commands(run, comments, who):
            again = stand_in.for_comment(repository.name, run.installation, issue, comment, self._clock())
            await to_thread.run_sync(self._store.take_in, again)

    async def count_on(self, repository: Repository) -> None:
        """See to it that no run gets a number that another one has had, even if the database knows of none."""
        if await to_thread.run_sync(self._store.counts, repository.name):
            return
        texts = [(await repository.file(INDEX) or b"").decode(errors="replace")]
        began = self._clock() - TITLES_FROM
        texts += [
            run.display_title for run in await repository.find_workflow_runs("train", TRAIN_WORKFLOW, since=began)
        ]
        who = await repository.who()
        for issue in await repository.issues(labels=[ASKS]):
            own = [comment for comment in await repository.comments(issue.number) if who.wrote(comment)]
            texts += [comment.body.partition("\n")[0] for comment in own]
        highest = max((int(found[1]) for text in texts for found in _RUN_ID.finditer(text)), default=0)
        await to_thread.run_sync(self._store.count_from, repository.name, highest)
