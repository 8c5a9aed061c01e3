"""Compares the runs of one repository with what GitHub shows of them, and puts right what differs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

from anyio import to_thread

from actions.errors import OperationError
from bot.database.store import Store
from bot.engine.effects.comment import sticky_marker
from bot.engine.effects.workflow import TRAIN_WORKFLOW
from bot.engine.recovery import Recovery
from bot.github import HubError, Issue, Repository
from bot.github.issues import carries
from bot.runs import drift
from bot.runs.decisions import with_decision
from bot.runs.labels import REQUEST_LABEL, STATE_LABELS
from bot.runs.reactions import TAKEN
from bot.runs.run import Run
from bot.settings import Settings
from bot.webhooks import synthetic
from bot.webhooks.delivery import Delivery

log = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=10)
"""A look at changed issues goes back so much before the last one."""
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class Comparison:
    """One repository's runs beside GitHub's issues, comments and workflow runs.

    Parameters
    ----------
    repository, installation
        The repository, and the App's installation on it.
    store, settings
        The database, the App's settings.
    clock
        Says what time it is (UTC).
    """

    def __init__(
        self,
        repository: Repository,
        installation: int,
        *,
        store: Store,
        settings: Settings,
        clock: Callable[[], datetime],
    ) -> None:
        self._name = repository.name
        self._installation = installation
        self._repository = repository
        self._store = store
        self._recovery = Recovery(store, settings, clock)
        self._stretch = settings.time_factor
        self._clock = clock

    async def look(self, since: datetime | None) -> None:
        """Look at everything once; at issues without a run only where they have changed since then."""
        # Before the runs are read: one that begins in between owns nothing that is listed here.
        under_way = await self._repository.workflow_runs_under_way(TRAIN_WORKFLOW)
        await self._read_requests(since)
        runs = await to_thread.run_sync(self._store.runs.open_runs, self._name)
        who = await self._repository.who()
        for unowned in drift.unowned(under_way, runs, who):
            if self._is_settled(unowned.created_at):
                log.warning("workflow run %d (%s) is nobody's and is cancelled", unowned.id, unowned.display_title)
                await self._repository.cancel_workflow_run(unowned.id)
        for run in runs:
            try:
                await self._compare(run)
            except OperationError as error:
                log.warning("run %s could not be compared with GitHub, and is with the next look: %s", run.id, error)

    async def _compare(self, run: Run) -> None:
        if run.entered > self._clock():  # the clock has gone back: its timer would come too late
            await to_thread.run_sync(self._store.runs.wake, run)
        issue = await self._issue(run)
        withdrawn = drift.withdrawal(run, issue, self._clock())
        if withdrawn is not None:
            await to_thread.run_sync(self._store.runs.change, run, lambda now: with_decision(now, withdrawn))
        if issue is None:
            return
        await self._set_label(run, issue)
        await self._look_at_comments(run, issue)

    async def _issue(self, run: Run) -> Issue | None:
        """Return the run's issue; None where it was deleted."""
        try:
            return await self._repository.issue(run.issue)
        except HubError as error:
            if error.status not in _GONE:
                raise
            return None

    async def _set_label(self, run: Run, issue: Issue) -> None:
        """Set the state's label where it is missing or wrong, until the run has not gone on meanwhile."""
        present = set(issue.labels) & set(STATE_LABELS)
        label = drift.expected_label(run)
        while label is not None and present != {label}:
            await self._repository.set_state_label(run.issue, label, STATE_LABELS)
            present = {label}
            now = await to_thread.run_sync(self._store.runs.get, run.repository, run.id)
            label = drift.expected_label(now)

    async def _look_at_comments(self, run: Run, issue: Issue) -> None:
        comments, who = await self._repository.comments(run.issue), await self._repository.who()
        if not any(who.wrote(comment) and carries(comment, sticky_marker(run)) for comment in comments):
            self._repository.forget_comments(run.issue)
            await to_thread.run_sync(self._store.runs.wake, run)
        for comment in drift.unanswered_commands(run, comments, who):
            if self._is_settled(comment.created_at) and not await self._repository.has_reacted(comment.id, TAKEN):
                await self._take_in(
                    synthetic.for_comment(self._name, self._installation, issue, comment, self._clock())
                )

    async def _read_requests(self, since: datetime | None) -> None:
        """Go on with the runs that the database has lost, and read the requests that were never told."""
        issues = await self._repository.issues(labels=[REQUEST_LABEL], since=since - OVERLAP if since else None)
        known = await to_thread.run_sync(self._store.runs.issues, self._name)
        for issue in issues:
            if issue.number not in known and await self._recovery.run_of(self._repository, issue.number) is not None:
                known.add(issue.number)
        for issue in drift.unread_requests(issues, known):
            if self._is_settled(issue.updated_at):
                await self._take_in(synthetic.for_issue(self._name, self._installation, issue, self._clock()))

    def _is_settled(self, when: datetime | None) -> bool:
        return drift.is_settled(when, self._clock(), self._stretch)

    async def _take_in(self, delivery: Delivery) -> None:
        if await to_thread.run_sync(self._store.inbox.add, delivery):
            log.info("%s was never told, and is handled now", delivery.id)
