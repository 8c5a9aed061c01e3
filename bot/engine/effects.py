"""What a state may do to the world, for one run: GitHub by the gateway, the store, the shared storage.

Each effect may be repeated after a crash and then finds what it did before.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Literal

from anyio import to_thread

from actions.context import Reader
from actions.contracts.channels import ChannelName, Event
from actions.contracts.request import Champion, WorkOrder
from actions.contracts.results import Heartbeat, Progress, PublishedResult
from actions.contracts.stage import Stage
from actions.errors import OperationError
from actions.history_management.change import FOLDER, history_change
from actions.history_management.record import utc
from actions.model_registry import model_file
from actions.notification.templates import LONGEST_TEMPLATE, path_of
from actions.storage.folder import Storage
from bot import kill_points
from bot.database.store import Store
from bot.engine import artifacts as run_storage
from bot.github import HubError, Job, RepoInfo, Repository
from bot.messages import comments
from bot.messages.notifications import notice_of, tell
from bot.parsing.repository_config import ConfigError, RepositoryConfig, read_config
from bot.runs import job_status as stage_watch
from bot.runs.labels import STATE_LABELS, state_label
from bot.runs.machines.training import OPERATOR_TIMEOUT
from bot.runs.progress import stage_lines
from bot.runs.publication import check_ref, checked
from bot.runs.record import record_of
from bot.runs.run import Run, WorkflowDispatch
from bot.runs.snapshot import MAX_SNAPSHOT_LENGTH, snapshot
from bot.runs.view import RunView, Unclaimed
from bot.settings import Settings

log = logging.getLogger(__name__)

TRAIN_WORKFLOW = "modelyard-train.yml"
INDEX = f"{FOLDER}/index.md"
LOG_LINES = 30
MAX_TEMPLATE_BYTES = 4 * LONGEST_TEMPLATE
"""Bytes of a repository's own template that are read; what is too long for a template is said by it."""
JUST_ENTERED = timedelta(seconds=2)
"""What a state shows first is always shown."""
RESERVED_WRITES = 5
"""Progress is shown only while so many writes are free: the writes that matter come first."""


class Effects:
    """The world as one run's states see it."""

    def __init__(
        self,
        run: Run,
        repository: Repository,
        store: Store,
        storage: Storage,
        settings: Settings,
        clock: Callable[[], datetime],
    ) -> None:
        self.run = run
        """The run as it was stored last, by these effects too."""
        self._repository = repository
        self._store = store
        self._storage = storage
        self._settings = settings
        self._info: RepoInfo | None = None
        self._config: RepositoryConfig | None = None
        self.now = clock

    async def info(self) -> RepoInfo:
        """Return the repository's facts, read once for each look at the run."""
        if self._info is None:
            self._info = await self._repository.info()
        return self._info

    async def config(self) -> RepositoryConfig:
        """Return what the repository's owners have decided, read once for each look at the run."""
        if self._config is None:
            self._config = await read_config(self._repository)
        return self._config

    def scaled(self, limit: timedelta | None) -> timedelta:
        """Return a time-out as this deployment stretches it."""
        if limit is None:
            raise ValueError("this state has no time-out")
        return limit * self._settings.time_factor

    def stayed(self, run: Run) -> timedelta:
        """Return how long the run has been in its state, as the table counts it."""
        return (self.now() - run.entered) / self._settings.time_factor

    # --- lock --------------------------------------------------------------------------------------------------------

    async def take_lock(self, run: Run) -> str:
        return await to_thread.run_sync(self._store.locks.take, run)

    async def run_of(self, run_id: str) -> Run:
        """Return another run of the same repository."""
        return await to_thread.run_sync(self._store.runs.get, self.run.repository, run_id)

    async def release_lock(self, run: Run) -> None:
        await to_thread.run_sync(self._store.locks.release, run)

    # --- workflow runs -----------------------------------------------------------------------------------------------

    async def send(self, run: Run, start_at: Stage) -> Run:
        """Dispatch the rest of the attempt and remember the workflow run.

        That it will be sent is remembered first, in the comment too. So after a crash, and only then, one is looked for
        before another is sent.
        """
        pending = run.dispatch
        sent_before = pending is not None and pending.workflow_run is None
        if pending is None or not sent_before:
            number = len(run.dispatches) + 1
            title = f"{run.id} attempt {run.attempt} dispatch {number}"
            pending = WorkflowDispatch(attempt=run.attempt, start_at=start_at, title=title, sent_at=self.now())
            run = run.replace(dispatches=(*run.dispatches, pending))
            await self.show(run)
            run = self.run = await to_thread.run_sync(self._store.runs.save, run)
        info = await self.info()
        inputs = await self._inputs(run, start_at)
        try:
            workflow_run = await self._repository.dispatch(
                TRAIN_WORKFLOW, info.default_branch, inputs, find_by=pending.title, sent_before=sent_before
            )
        except HubError as error:
            if not error.unknown:  # certainly not sent: nothing to look for
                self.run = await to_thread.run_sync(self._store.runs.change, run, _without_pending)
            raise
        url = f"{info.html_url}/actions/runs/{workflow_run}"
        sent = pending.model_copy(update={"workflow_run": workflow_run, "url": url})
        # At once, whatever else has changed in the run meanwhile: a command must find the workflow run that it stops.
        run = self.run = await to_thread.run_sync(
            self._store.runs.change, run, functools.partial(_with_sent, sent=sent)
        )
        await self.label(run, "running")
        return run

    async def _inputs(self, run: Run, start_at: Stage) -> dict[str, str]:
        config = await self.config()
        order = WorkOrder(
            run=run.id,
            attempt=run.attempt,
            repository=run.repository,
            issue=run.issue,
            request=run.request,
            training_seed=run.training_seed,
            storage_root=str(self._storage.root),
            data_roots=tuple(config.data_roots),
            champion=await self._champion(run),
            gate=config.gate,
        )
        return {
            "run": run.id,
            "attempt": str(run.attempt),
            "start_at": start_at,
            "order": as_input(order),
            "dispatch": str(len(run.dispatches)),
            "runs_on": json.dumps([run.request.runner]),
            "train_timeout_minutes": str(run.request.timeout_minutes),
        }

    async def jobs(self, run: Run) -> list[Job]:
        """Return the jobs of the attempt's workflow run; none where GitHub does not know it any more."""
        sent = run.dispatch
        if sent is None or sent.workflow_run is None:
            return []
        try:
            return await self._repository.jobs(sent.workflow_run)
        except HubError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return []

    async def workflow_ended(self, run: Run) -> bool:
        """Tell whether the attempt's workflow run is over, or gone."""
        sent = run.dispatch
        if sent is None or sent.workflow_run is None:
            return False
        try:
            return (await self._repository.workflow_run(sent.workflow_run)).status == "completed"
        except HubError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return True

    async def _head_sha(self, run: Run) -> str:
        """Return the commit that the attempt's workflow run runs on, as GitHub says it."""
        sent = run.dispatch
        if sent is None or sent.workflow_run is None:
            return ""
        return (await self._repository.workflow_run(sent.workflow_run)).head_sha

    async def stop(self, run: Run, *, force: bool = False) -> None:
        """Cancel the attempt's workflow run, if one is under way, even one whose answer was never seen."""
        sent = run.dispatch
        if sent is None:
            return
        found = [sent.workflow_run] if sent.workflow_run is not None else []
        if not found:
            found = [each.id for each in await self._repository.find_workflow_runs(sent.title, TRAIN_WORKFLOW)]
        for workflow_run in found:
            await self._repository.cancel_workflow_run(workflow_run, force=force)

    async def why_unclaimed(self, job: Job) -> Unclaimed:
        """Ask which runners there are for a job that none has taken."""
        return stage_watch.unclaimed(job.labels, await self._repository.runners())

    async def log_tail(self, job: Job | None) -> str:
        """Return a job's last lines; nothing where GitHub has no log of it."""
        if job is None:
            return ""
        try:
            return await self._repository.job_log_tail(job.id, LOG_LINES)
        except HubError as error:
            if error.transient:
                raise
            return ""

    # --- storage: what runners wrote there is untrusted --------------------------------------------------------------

    async def progress(self, run: Run, stage: Stage) -> Progress | None:
        return await to_thread.run_sync(run_storage.progress_of, self._storage, run, stage)

    async def heartbeat(self, run: Run, stage: Stage) -> Heartbeat | None:
        return await to_thread.run_sync(run_storage.heartbeat_of, self._storage, run, stage)

    async def accept(self, run: Run) -> tuple[str, PublishedResult]:
        """Return the published commit's SHA and result, if it is what publish reported and stands every check."""
        published = await to_thread.run_sync(run_storage.published_by, self._storage, run)
        check_ref(run, published, await self._repository.resolve_ref(published.ref))
        commit = await self._repository.published_commit(published.sha)
        result = await checked(run, commit, await self._head_sha(run), self._repository.blob)
        return published.sha, result

    async def check_artifact(self, run: Run) -> None:
        await to_thread.run_sync(run_storage.check_artifact, self._storage, _published(run).model)

    async def clear_storage(self, run: Run) -> None:
        await to_thread.run_sync(run_storage.clear, self._storage, run)

    # --- registry and history ----------------------------------------------------------------------------------------

    async def _registry_text(self, run: Run) -> str | None:
        content = await self._repository.file(model_file.path_of(run.model), await self._branch())
        return None if content is None else content.decode("utf-8")

    async def _branch(self) -> str:
        config = await self.config()
        return config.history.branch or (await self.info()).default_branch

    async def _champion(self, run: Run) -> Champion | None:
        text = await self._registry_text(run)
        return None if text is None else model_file.champion(text)

    async def next_version(self, run: Run) -> tuple[int, bool]:
        """Return the version that the run's model will be, and whether it becomes the champion at once."""
        result = _published(run)
        _, version = model_file.register(
            await self._registry_text(run),
            name=run.model,
            run=run.id,
            attempt=run.attempt,
            uri=result.model.uri,
            sha256=result.model.sha256,
            data_sha256=result.data.sha256,
            algorithm=run.request.algorithm,
            created=utc(self.now()),
        )
        return version, (await self.config()).promotion == "auto"

    async def withdraw(self, run: Run) -> None:
        """Undo what this run did to the registry, and nothing else.

        Registry and history are one commit, so there is something to undo only where that commit came through and the
        run did not learn of it.
        """
        text = await self._registry_text(run)
        if text is None or model_file.withdraw(text, run.id) == text:
            return
        path = model_file.path_of(run.model)

        def change(read: Reader) -> dict[str, bytes | None]:
            present = read(path)
            return {} if present is None else {path: model_file.withdraw(present, run.id).encode()}

        message = f"Withdraw {run.model} of {run.id} [skip ci]"
        await self._repository.commit_files(await self._branch(), message, change, reads=[path])

    async def commit_history(self, run: Run) -> str:
        """Commit Markdown, lineage, plots, index and registry at once."""
        history = history_change(record_of(run, (await self.info()).html_url))
        return await self._repository.commit_files(
            await self._branch(),
            history.message,
            history.files,
            reads=[INDEX, model_file.path_of(run.model)],
            blobs=await self._plots(run, history.plots),
        )

    async def _forget_published(self, run: Run) -> None:
        """Delete the refs of what was published; what is kept of it stands in the history."""
        for attempt in range(1, run.attempt + 1):
            await self._repository.delete_ref(f"refs/modelyard/{run.id}/{attempt}")

    async def _plots(self, run: Run, paths: Mapping[str, str]) -> dict[str, str]:
        """Return the blob of each plot's path: git has them already, in the published commit."""
        if run.published_sha is None or not paths:
            return {}
        files = (await self._repository.published_commit(run.published_sha)).files
        return {path: files[f"plots/{name}"][0] for name, path in paths.items()}

    # --- what people see ---------------------------------------------------------------------------------------------

    async def show(
        self,
        run: Run,
        *,
        jobs: Sequence[Job] = (),
        behind: Run | None = None,
        unclaimed: Unclaimed | None = None,
        may_fail: bool = False,
    ) -> None:
        """Bring the run's one comment up to date; mere progress stands back while writes are scarce.

        Where the issue is gone there is nobody to show anything to: that ends the run elsewhere, as a cancelled one.
        """
        progress = None
        stage = run.spec.stage
        if jobs and stage is not None:
            if self.stayed(run) > JUST_ENTERED and await self._repository.spare() < RESERVED_WRITES:
                return
            progress = await self.progress(run, stage)
        view = self._view(run, jobs=jobs, progress=progress, behind=behind, unclaimed=unclaimed)
        try:
            await self._upsert_sticky(run, comments.sticky(view, limit=comments.LIMIT - MAX_SNAPSHOT_LENGTH))
        except HubError as error:
            # Nor does a comment that GitHub refuses keep the history from being written.
            if error.transient or not (_is_gone(error) or may_fail):
                raise
            log.warning("run %s: its comment cannot be written: %s", run.id, error)

    async def _upsert_sticky(self, run: Run, text: str) -> None:
        """Write the run's one comment, and into it what the run can be carried on from without the database."""
        line = snapshot(run, self._settings.webhook_secret.get_secret_value().encode())
        await self._repository.upsert_comment(run.issue, sticky_marker(run), f"{text}\n\n{line}")

    def _view(
        self,
        run: Run,
        *,
        jobs: Sequence[Job] = (),
        progress: Progress | None = None,
        behind: Run | None = None,
        unclaimed: Unclaimed | None = None,
        plots: Sequence[tuple[str, str]] = (),
        history_url: str = "",
        registry_url: str = "",
    ) -> RunView:
        sent = run.dispatch if jobs or run.spec.stage else None
        return RunView(
            run,
            updated=self.now(),
            stages=stage_lines(jobs, sent.start_at, progress, self.now()) if sent is not None else (),
            progress=progress.metrics if progress is not None else {},
            ahead=behind,
            unclaimed=unclaimed,
            waiting_until=run.entered + self.scaled(OPERATOR_TIMEOUT) if run.spec.asks_operator else None,
            plots=tuple(plots),
            history_url=history_url,
            registry_url=registry_url,
        )

    async def ask(self, run: Run) -> int:
        """Ask whether to train again, in a comment of its own, since an edited one notifies nobody; return its id."""
        text = comments.decision_needed(self._view(run))
        return (await self._repository.post_once(run.issue, f"question-{run.id}-{run.attempt}", text)).id

    async def remind(self, run: Run) -> None:
        """Remind people, once an attempt, that the question is about to lapse."""
        await self._repository.post_once(
            run.issue, f"expiring-{run.id}-{run.attempt}", comments.expiring(self._view(run))
        )

    async def tell(self, run: Run, event: Event) -> tuple[Run, timedelta | None]:
        """Tell the channels outside of GitHub; return the run that remembers it, and how long to leave the others alone.

        It is remembered at once, whatever else has changed in the run meanwhile: nobody is told again because an answer
        came while another channel was slow.
        """
        try:
            config = (await self.config()).notifications
        except (ConfigError, HubError) as error:
            if isinstance(error, HubError) and error.transient:
                raise
            log.warning("run %s: nobody outside of GitHub is told: %s", run.id, error)
            return run, None
        if not any(wanted and event in wanted.events for wanted in (config.slack, config.email)):
            return run, None
        view = self._view(run, history_url=await self._history_url(run))
        notice = notice_of(view, event, (await self.info()).html_url)

        async def own_template(channel: ChannelName) -> bytes | None:
            path = path_of(event, channel, notice.language)
            try:
                return await self._repository.file(path, max_bytes=MAX_TEMPLATE_BYTES)
            except OperationError as error:
                log.warning("run %s: %s cannot be read: %s", run.id, path, error)
                return None

        told = await tell(run, notice, config, self._settings.channels, own_template)
        if told.done != run.notified:
            kill_points.hit(f"{run.state}.notified")
            remembered = functools.partial(_with_told, before=run, told=told.done)
            run = self.run = await to_thread.run_sync(self._store.runs.change, run, remembered)
        return run, told.rest

    def give_up_telling(self, run: Run, event: Event) -> None:
        """Say in the log that a channel was not told, however often it was tried."""
        log.error("run %s: not everybody outside of GitHub could be told: %s", run.id, event)

    async def _history_url(self, run: Run) -> str:
        """Return the page of the run's history, once it is there."""
        if not run.history_sha:
            return ""
        return f"{(await self.info()).html_url}/blob/{await self._branch()}/{FOLDER}/{run.id}.md"

    async def say_invalid(self, run: Run) -> None:
        """Say what is wrong with the data; editing the issue starts again."""
        error = run.error.body if run.error is not None else None
        if error is None:
            raise ValueError("invalid data without an error")
        await self._upsert_sticky(run, comments.invalid_data(error, run.id, run.language))
        await self.label(run, "invalid")

    async def conclude(self, run: Run, *, label: str, reason: Literal["completed", "not_planned"]) -> None:
        """Bring comment, check run and label to their last state, say how it ended, close the issue."""
        info = await self.info()
        raw = f"{info.html_url}/raw/{run.history_sha}/{FOLDER}/{run.id}"
        plots = [(name, f"{raw}/{name}") for name in run.result.plots] if run.result and run.history_sha else []
        history_url = await self._history_url(run)
        registry = f"{info.html_url}/blob/{await self._branch()}/{model_file.path_of(run.model)}"
        registry_url = registry if run.history_sha and run.version else ""
        jobs = await self.jobs(run)
        view = self._view(run, jobs=jobs, plots=plots, history_url=history_url, registry_url=registry_url)
        try:
            await self._upsert_sticky(run, comments.sticky(view, limit=comments.LIMIT - MAX_SNAPSHOT_LENGTH))
            await self.label(run, label)
            await self._repository.post_once(run.issue, f"finished-{run.id}", comments.finished(view))
        except HubError as error:
            if not _is_gone(error):
                raise
            log.warning("run %s: its issue is gone, so nobody is told how it ended", run.id)
        try:
            await self._verdict_check(run, view)
            await self._forget_published(run)
        except HubError as error:  # neither may keep an issue open
            log.warning("run %s: check run or clean-up failed: %s", run.id, error)
        try:
            await self._repository.close_issue(run.issue, reason)
        except HubError as error:
            if not _is_gone(error):
                raise

    async def _verdict_check(self, run: Run, view: RunView) -> None:
        """Show the verdict as a check of the commit that was trained on."""
        if run.result is None:
            return
        await self._repository.check_run(
            name="Modelyard verdict",
            head_sha=run.result.git_sha,
            external_id=run.id,
            status="completed",
            conclusion="success" if run.status == "passed" else "failure",
            title=comments.headline(view),
            summary=comments.sticky(view),
        )

    async def label(self, run: Run, state: str) -> None:
        await self._repository.set_state_label(run.issue, state_label(state), STATE_LABELS)


def _is_gone(error: HubError) -> bool:
    return error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


def _with_sent(run: Run, sent: WorkflowDispatch) -> Run:
    return run.replace(needs_dispatch=False, dispatches=(*run.dispatches[:-1], sent))


def _with_told(run: Run, before: Run, told: tuple[str, ...]) -> Run:
    """Note who was told, with what the state had done before: the question at the issue, how the run ended."""
    if run.ended:  # by the removal of the App, meanwhile
        return run
    return run.replace(notified=told, question_comment=before.question_comment, status=before.status)


def _without_pending(run: Run) -> Run:
    return run.replace(dispatches=tuple(sent for sent in run.dispatches if sent.workflow_run is not None))


def _published(run: Run) -> PublishedResult:
    if run.result is None:
        raise ValueError("nothing was published")
    return run.result


def sticky_marker(run: Run) -> str:
    """Return the name by which the run's one comment is found again."""
    return f"run-{run.id}"


def as_input(order: WorkOrder) -> str:
    """Write a work order so that no layer of GitHub Actions expands anything in it: no dollar sign is left."""
    return order.model_dump_json().replace("$", "\\u0024")
