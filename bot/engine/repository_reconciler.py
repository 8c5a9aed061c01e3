"""Compares the runs of one repository with what GitHub shows, and corrects the differences."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

from anyio import to_thread

from actions.errors import OperationError
from bot.database.store import Store
from bot.engine.effects.comment import sticky_marker
from bot.engine.recovery import Recovery
from bot.github import HubError, Issue, Repository
from bot.github.issues import carries
from bot.parsing.issue_templates import REQUEST_LABEL
from bot.parsing.repository_config import has_config
from bot.runs import drift
from bot.runs.decisions import with_decision
from bot.runs.labels import STATE_LABELS, definitions
from bot.runs.reactions import TAKEN
from bot.runs.run import Run
from bot.runs.workflow_names import TRAIN_WORKFLOW
from bot.settings import Settings
from bot.webhooks import synthetic
from bot.webhooks.delivery import Delivery

log = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=10)
"""How far a round looks back before the last one for changed issues."""
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class RepositoryReconciler:
    """Reconciles one repository's runs with GitHub's issues, comments and workflow runs.

    Parameters
    ----------
    repository, installation
        The repository, and the App's installation on it.
    store, settings
        The database, the App's settings.
    clock
        Returns the time (UTC).
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

    async def reconcile(self, since: datetime | None) -> None:
        """Run one round. Issues without a run are looked at only if they have changed since the last round."""
        # Listed before the runs are read. The other way round, the workflow run of a run that begins in between would
        # seem to belong to nobody, and be cancelled.
        if await has_config(self._repository):
            await self._repository.ensure_labels(definitions(), again=True)
        under_way = await self._repository.workflow_runs_under_way(TRAIN_WORKFLOW)
        await self._read_requests(since)
        runs = await to_thread.run_sync(self._store.runs.open_runs, self._name)
        who = await self._repository.who()
        for unowned in drift.unowned(under_way, runs, who):
            if self._is_settled(unowned.created_at):
                log.warning(
                    "workflow run %d (%s) belongs to no open run and is cancelled", unowned.id, unowned.display_title
                )
                await self._repository.cancel_workflow_run(unowned.id)
        for run in runs:
            try:
                await self._reconcile_run(run)
            except OperationError as error:
                log.warning("run %s could not be reconciled; the next round includes it: %s", run.id, error)

    async def _reconcile_run(self, run: Run) -> None:
        if run.entered > self._clock():  # the clock went back, so the run's timer would be late
            await to_thread.run_sync(self._store.runs.wake, run)
        issue = await self._issue(run)
        withdrawn = drift.withdrawal(run, issue, self._clock())
        if withdrawn is not None:
            await to_thread.run_sync(self._store.runs.change, run, lambda stored: with_decision(stored, withdrawn))
        if issue is None:
            return
        await self._set_label(run, issue)
        await self._reconcile_comments(run, issue)

    async def _issue(self, run: Run) -> Issue | None:
        """Return the run's issue; None if it was deleted."""
        try:
            return await self._repository.issue(run.issue)
        except HubError as error:
            if error.status not in _GONE:
                raise
            return None

    async def _set_label(self, run: Run, issue: Issue) -> None:
        """Set the state's label if it is missing or wrong.

        The run may advance and set its own label meanwhile. It is therefore read again after each write, until the label
        written is that of its present state.
        """
        present = set(issue.labels) & set(STATE_LABELS)
        label = drift.expected_label(run)
        while label is not None and present != {label}:
            await self._repository.set_state_label(run.issue, label, STATE_LABELS)
            present = {label}
            stored = await to_thread.run_sync(self._store.runs.get, run.repository, run.id)
            label = drift.expected_label(stored)

    async def _reconcile_comments(self, run: Run, issue: Issue) -> None:
        comments, who = await self._repository.comments(run.issue), await self._repository.who()
        if not any(who.wrote(comment) and carries(comment, sticky_marker(run)) for comment in comments):
            self._repository.forget_comments(run.issue)
            await to_thread.run_sync(self._store.runs.wake, run)
        for comment in drift.unanswered_commands(run, comments, who):
            if self._is_settled(comment.created_at) and not await self._repository.has_reacted(comment.id, TAKEN):
                await self._store_delivery(
                    synthetic.for_comment(self._name, self._installation, issue, comment, self._clock())
                )

    async def _read_requests(self, since: datetime | None) -> None:
        """Restore runs that the database has lost, and read requests whose event never arrived."""
        issues = await self._repository.issues(labels=[REQUEST_LABEL], since=since - OVERLAP if since else None)
        known = await to_thread.run_sync(self._store.runs.issues, self._name)
        for issue in issues:
            if issue.number not in known and await self._recovery.run_of(self._repository, issue.number) is not None:
                known.add(issue.number)
        for issue in drift.unread_requests(issues, known):
            if self._is_settled(issue.updated_at):
                await self._store_delivery(synthetic.for_issue(self._name, self._installation, issue, self._clock()))

    def _is_settled(self, when: datetime | None) -> bool:
        return drift.is_settled(when, self._clock(), self._stretch)

    async def _store_delivery(self, delivery: Delivery) -> None:
        if await to_thread.run_sync(self._store.inbox.add, delivery):
            log.info("%s: its event never arrived, so it is handled now", delivery.id)
