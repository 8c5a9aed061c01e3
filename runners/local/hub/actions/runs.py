"""Workflow runs, from dispatch through the queue to their end."""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runners.local.act.executor import ActExecutor
from runners.local.act.interface import Conclusion, ExecutionError, Executor, Work
from runners.local.act.workflow_plan import WorkflowError
from runners.local.hub.actions import report as runs_report
from runners.local.hub.actions import workflows
from runners.local.hub.actions.records import Runner, Workflow, WorkflowJob, WorkflowRun
from runners.local.hub.actions.report import RunReport
from runners.local.hub.permissions import Actor
from runners.local.hub.records import Repository, now
from runners.local.hub.rest import shapes

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

LOG = logging.getLogger(__name__)
STOP_SECONDS = 30.0
LOST = "The hub stopped while this job was running, so nobody knows how it would have ended."


@dataclass
class _Active:
    """A run that is being executed."""

    thread: threading.Thread
    cancelled: threading.Event = field(default_factory=threading.Event)


class Runs:
    """The hub's Actions: workflows, runs, jobs and the runners that execute them.

    Parameters
    ----------
    hub
        Whose runs.

    Attributes
    ----------
    executor
        Executes runs; act unless something else is put here before the hub serves.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lock = threading.RLock()
        self._active: dict[int, _Active] = {}
        self._serving = False
        self.executor: Executor = ActExecutor(hub.config.root / "work")
        self.secret = secrets.token_bytes(32)
        """Signs the URLs of logs."""
        self.runs = hub.store.table(WorkflowRun)
        self.jobs = hub.store.table(WorkflowJob)
        self.runners = hub.store.table(Runner)

    # --- while the hub serves -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """End runs that an earlier hub left unfinished, then start queued ones."""
        await asyncio.to_thread(self._recover)
        self._serving = True
        await asyncio.to_thread(self._schedule)

    async def stop(self) -> None:
        """Cancel running runs and wait until none is left."""
        with self._lock:
            self._serving = False
            active = list(self._active.values())
        for one in active:
            one.cancelled.set()
        await asyncio.to_thread(_join, [one.thread for one in active])
        if isinstance(self.executor, ActExecutor):
            await asyncio.to_thread(self.executor.clean)

    def _recover(self) -> None:
        if isinstance(self.executor, ActExecutor):
            self.executor.clean()
        for runner in self.runners.find():
            self.runners.update(runner.id, run_id=None)
        for run in self.runs.find(status="in_progress"):
            self._hub.auth.revoke_job_tokens(run.id)
            report = RunReport(self._hub, run, Runner(name="unknown"), "no token")
            self._end(run, report.finish("failure", LOST), problem=LOST)

    # --- runners -----------------------------------------------------------------------------------------------------

    def add_runner(self, name: str, labels: Sequence[str] = ()) -> Runner:
        """Register a runner or change its labels; it executes one run at a time and always has the label ``self-hosted``."""
        wanted = list(dict.fromkeys(["self-hosted", *labels]))
        with self._hub.store.transaction():
            found = self.runners.first(name=name)
            runner = (
                self.runners.update(found.id, labels=wanted)
                if found
                else self.runners.add(Runner(name=name, labels=wanted))
            )
        self._schedule()
        return runner

    def waits_for(self, run: WorkflowRun) -> str | None:
        """Explain why a run is queued; None if it is not."""
        if run.status != "queued":
            return None
        labels = ", ".join(run.labels)
        fitting = [runner.name for runner in self.runners.find() if _fits(runner, run)]
        if not fitting:
            return f"No runner has all of the labels {labels}."
        busy = f"{' and '.join(fitting)} {'is' if len(fitting) == 1 else 'are'} busy"
        return f"Waiting for a runner with the labels {labels}: {busy}."

    # --- requests --------------------------------------------------------------------------------

    def dispatch(
        self, actor: Actor, repository: Repository, workflow: Workflow, ref: str, inputs: Mapping[str, Any]
    ) -> WorkflowRun:
        """Queue a run of a workflow.

        Raises
        ------
        ApiError
            422 if ref or inputs are invalid, in GitHub's words.
        """
        wanted = workflows.check(self._hub, repository, workflow, ref, inputs)
        try:
            planned, problem = workflows.planned(self._hub, repository, wanted), None
        except WorkflowError as error:
            planned, problem = (), str(error)
        with self._hub.store.transaction():
            run = self.runs.add(
                WorkflowRun(
                    repository_id=repository.id,
                    workflow_id=workflow.id,
                    path=workflow.path,
                    workflow_name=workflow.name,
                    run_number=self._hub.store.next_number(repository.id, f"run:{workflow.id}"),
                    title=wanted.title(actor.account.login),
                    event="workflow_dispatch",
                    branch=wanted.branch,
                    sha=wanted.sha,
                    actor_id=actor.account.id,
                    inputs=dict(wanted.inputs),
                    labels=sorted({label for job in planned for label in job.labels}),
                )
            )
            self._hub.events.emit(
                "workflow_dispatch",
                actor,
                repository=repository,
                inputs=run.inputs,
                ref=f"refs/heads/{run.branch}",
                workflow=run.path,
            )
            runs_report.tell_run(self._hub, run, "requested")
            for job in planned:
                if not job.needs:
                    runs_report.add_job(self._hub, run, job)
            if problem:
                return self._end(run, [], problem=problem, conclusion="startup_failure")
        self._schedule()
        return run

    def cancel(self, run: WorkflowRun) -> bool:
        """Cancel a run; return whether it was running."""
        with self._lock, self._hub.store.transaction():
            run = self.runs.need(run.id)
            if run.status == "completed":
                return False
            if run.id in self._active:
                self._active[run.id].cancelled.set()
                return True
            report = RunReport(self._hub, run, Runner(name="none"), "no token")
            self._end(run, report.finish("cancelled", None), conclusion="cancelled")
        return True

    def log(self, job: WorkflowJob) -> str:
        """Return a job's log so far."""
        path = runs_report.log_path(self._hub, job)
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    # --- the queue ---------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        """Assign queued runs, oldest first, to idle runners with their labels."""
        with self._lock:
            if not self._serving:
                return
            for run in self.runs.find(status="queued"):
                runner = next((one for one in self.runners.find() if one.run_id is None and _fits(one, run)), None)
                if runner is not None:
                    self._begin(run, runner)

    def _begin(self, run: WorkflowRun, runner: Runner) -> None:
        with self._hub.store.transaction():
            self.runners.update(runner.id, run_id=run.id)
            started = now()
            run = self.runs.update(
                run.id, status="in_progress", runner_id=runner.id, started_at=started, updated_at=started
            )
            runs_report.tell_run(self._hub, run, "in_progress")
        thread = threading.Thread(target=self._execute, args=(run, runner), name=f"run-{run.id}", daemon=True)
        self._active[run.id] = _Active(thread)
        thread.start()

    def _execute(self, run: WorkflowRun, runner: Runner) -> None:
        """Execute a run in its own thread. Whatever happens, the run ends and its runner becomes idle."""
        with self._lock:
            cancelled = self._active[run.id].cancelled
        jobs: list[WorkflowJob] = []
        problem: str | None = None
        try:
            jobs, problem = self._carried_out(run, runner, cancelled)
        except Exception as error:
            LOG.exception("run %s could not be executed", run.id)
            problem = f"The runner broke: {type(error).__name__}"
            jobs = RunReport(self._hub, run, runner, "no token").finish("failure", problem)
        finally:
            self._release(run, runner, jobs, problem, cancelled=cancelled.is_set())
        self._schedule()

    def _carried_out(
        self, run: WorkflowRun, runner: Runner, cancelled: threading.Event
    ) -> tuple[list[WorkflowJob], str | None]:
        """Execute a run; return its ended jobs, and why it failed to execute, if it did."""
        repository = self._hub.repositories.need(run.repository_id)
        token = self._hub.auth.issue_job_token(repository, {"contents": "read"}, run.id)
        report = RunReport(self._hub, run, runner, token)
        problem = None
        try:
            self.executor.execute(self._work(run, repository, runner, token), report, cancelled)
        except (ExecutionError, WorkflowError) as error:
            problem = str(error).replace(token, "***")
        except Exception as error:
            LOG.exception("run %s could not be executed", run.id)
            problem = f"The runner broke: {type(error).__name__}"
        finally:
            self._hub.auth.revoke_job_tokens(run.id)
        rest: Conclusion = "cancelled" if cancelled.is_set() and not problem else "failure"
        return report.finish(rest, problem), problem

    def _release(
        self, run: WorkflowRun, runner: Runner, jobs: Sequence[WorkflowJob], problem: str | None, *, cancelled: bool
    ) -> None:
        with self._lock:
            try:
                # Before the event of the run's end is emitted, so that its recipients find the runner idle.
                self.runners.update(runner.id, run_id=None)
                self._end(run, jobs, problem=problem, cancelled=cancelled)
            finally:
                del self._active[run.id]

    def _work(self, run: WorkflowRun, repository: Repository, runner: Runner, token: str) -> Work:
        workflow = self._hub.store.table(Workflow).need(run.workflow_id)
        definition = workflows.definition(self._hub, repository, workflow, run.branch, run.sha)
        wanted = workflows.Dispatch(workflow, definition, run.branch, run.sha, run.inputs)
        actor = self._hub.users.need(run.actor_id)
        return Work(
            run_id=run.id,
            run_number=run.run_number,
            repository=repository.full_name,
            git_folder=self._hub.git(repository).path,
            branch=run.branch,
            sha=run.sha,
            workflow_path=run.path,
            inputs=run.inputs,
            actor=actor.login,
            jobs=workflows.planned(self._hub, repository, wanted),
            labels=tuple(run.labels),
            runner=runner.name,
            token=token,
            server_url=self._hub.base_url,
            api_url=self._hub.api_url,
            event={
                "inputs": run.inputs,
                "ref": f"refs/heads/{run.branch}",
                "workflow": run.path,
                "repository": shapes.repository(self._hub, repository),
                "sender": shapes.user(self._hub, actor),
            },
        )

    def _end(
        self,
        run: WorkflowRun,
        jobs: Sequence[WorkflowJob],
        *,
        problem: str | None = None,
        cancelled: bool = False,
        conclusion: str | None = None,
    ) -> WorkflowRun:
        result = conclusion or ("failure" if problem else _concluded(jobs, cancelled=cancelled))
        with self._hub.store.transaction():
            ended = self.runs.update(run.id, status="completed", conclusion=result, problem=problem, updated_at=now())
            runs_report.tell_run(self._hub, ended, "completed")
        return ended


def _concluded(jobs: Sequence[WorkflowJob], *, cancelled: bool) -> str:
    found = {job.conclusion for job in jobs}
    if "failure" in found and not cancelled:
        return "failure"
    if "cancelled" in found or (cancelled and found != {"success"}):
        return "cancelled"
    if "failure" in found:
        return "failure"
    return "skipped" if found == {"skipped"} else "success"


def _fits(runner: Runner, run: WorkflowRun) -> bool:
    has = {label.lower() for label in runner.labels}
    return all(label.lower() in has for label in run.labels)


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.join(STOP_SECONDS)
