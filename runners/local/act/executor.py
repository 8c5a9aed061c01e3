"""Executes workflow runs from their real files with act in host mode: no container, one act process per run."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from runners.local.act import processes
from runners.local.act.interface import Conclusion, ExecutionError, Report, Work
from runners.local.act.log import (
    ActLog,
    Event,
    JobEnded,
    JobStarted,
    Line,
    NoRunner,
    ShellEnds,
    StepEnded,
    StepStarted,
    Summary,
)
from runners.local.act.output import Output
from runners.local.act.work_folder import MARKER, RunFolder, find_act, work_folder
from runners.local.act.workflow_plan import PlannedJob

POLL = 0.1
"""Seconds between checks of the clock and of ``cancelled`` while there is no output."""
INTERRUPT_SECONDS = 7.5
"""Seconds between SIGINT and SIGKILL, as on GitHub's runner."""
GRACE_SECONDS = 10.0
"""Seconds for ``always()`` steps after act was interrupted or a job timed out."""


@dataclass(frozen=True)
class ActExecutor:
    """Executes runs with act.

    Parameters
    ----------
    folder
        Parent of the runs' folders, which are deleted after each run. If act cannot run steps there because of a
        space in the path, they are elsewhere: ``work_folder.work_folder``.
    binary
        The act to use; by default the one beside the interpreter or in PATH.
    """

    folder: Path
    binary: Path | None = None

    def execute(self, work: Work, report: Report, cancelled: threading.Event) -> None:
        """Execute one run; see ``Executor``."""
        if cancelled.is_set():
            return
        binary = self.binary or find_act()
        marker = uuid.uuid4().hex
        folder = RunFolder(work_folder(self.folder) / f"{work.run_id}-{marker[:8]}", marker)
        try:
            folder.make(work)
            _Run(work, report, cancelled, folder).go(binary)
        finally:
            processes.end({MARKER: marker}, folder.path)
            folder.remove()

    def clean(self) -> None:
        """Remove what earlier runs left behind, also of a killed hub; must not be called during a run."""
        folder = work_folder(self.folder)
        for path in folder.glob("*-*"):
            processes.end({"HOME": str(path / "home")}, path)
            RunFolder(path, "").remove()
        with suppress(OSError):
            folder.rmdir()


class _Run:
    """One act process."""

    def __init__(self, work: Work, report: Report, cancelled: threading.Event, folder: RunFolder) -> None:
        self._work = work
        self._report = report
        self._cancelled = cancelled
        self._folder = folder
        self._log = ActLog(work.token, marker=folder.marker)
        self._jobs: dict[str, PlannedJob] = {}
        self._running: dict[str, float] = {}
        """When each running job times out (or, after that, its grace period ends)."""
        self._late: set[str] = set()
        self._did_something: set[str] = set()
        self._steps: dict[tuple[str, str], str] = {}
        self._stopping = False

    def go(self, binary: Path) -> None:
        command = self._folder.command(binary, self._work)
        errors = self._folder.path / "errors"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                command,
                env=self._folder.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        output = Output(process)
        stopper = None
        try:
            while (line := output.next(POLL)) is not None:
                for event in self._log.read(line):
                    self._tell(event)
                self._watch_time()
                if self._cancelled.is_set() and stopper is None:
                    self._stopping = True
                    stopper = threading.Thread(target=self._stop, args=(process,), daemon=True)
                    stopper.start()
        finally:
            self._kill(process)
            output.close()
        if not self._jobs and not self._stopping:
            raise ExecutionError(self._why(errors, process.returncode))

    # --- what act says -----------------------------------------------------------------------------------------------

    def _tell(self, event: Event) -> None:
        if isinstance(event, JobStarted):
            job = self._job(event.job, event.job_id)
            self._running[event.job] = time.monotonic() + 60 * job.timeout_minutes
            self._report.job_started(job)
        elif isinstance(event, JobEnded | NoRunner):
            self._end(event)
        elif isinstance(event, ShellEnds):
            self._folder.let_end(event.shell)
        elif event.job not in self._running:
            return
        elif isinstance(event, StepStarted):
            self._step_started(event)
        elif isinstance(event, StepEnded):
            self._step_ended(event)
        elif isinstance(event, Line):
            self._report.line(self._jobs[event.job], event.text)
        elif isinstance(event, Summary):
            self._report.summary(self._jobs[event.job], event.text)

    def _end(self, event: JobEnded | NoRunner) -> None:
        job = self._job(event.job, event.job_id)
        self._running.pop(event.job, None)
        result: Conclusion = event.result if isinstance(event, JobEnded) else "skipped"
        interrupted = result == "failure" or (result == "success" and event.job not in self._did_something)
        if event.job in self._late or (self._stopping and interrupted):
            result = "cancelled"
        self._report.job_ended(job, result)

    def _step_started(self, event: StepStarted) -> None:
        job = self._jobs[event.job]
        name = job.steps.get(event.step, event.name)
        self._steps[event.job, event.step] = name
        self._report.step_started(job, name)

    def _step_ended(self, event: StepEnded) -> None:
        job = self._jobs[event.job]
        name = self._steps.pop((event.job, event.step), None)
        if name is None:
            name = job.steps.get(event.step, event.step)
            self._report.step_started(job, name)
        result: Conclusion = event.result
        if result == "failure" and (self._stopping or event.job in self._late):
            result = "cancelled"
        if result == "success" and not event.step.startswith("--"):
            self._did_something.add(event.job)
        self._report.step_ended(job, name, result)

    def _job(self, spoken: str, job_id: str) -> PlannedJob:
        """Return the planned job that act refers to; each further matrix leg becomes a separate job."""
        if spoken in self._jobs:
            return self._jobs[spoken]
        found = [job for job in self._work.jobs if job.id == job_id]
        caller = spoken.partition("/")[0]
        found = [job for job in found if job.callers and job.callers[-1] == caller] or found
        if not found:
            raise ExecutionError(f"act ran a job that the workflow does not declare: {spoken}")
        free = [job for job in found if job.key not in {known.key for known in self._jobs.values()}]
        job = free[0] if free else replace(found[0], key=f"{found[0].key}/{spoken}", name=spoken.rpartition("/")[2])
        self._jobs[spoken] = job
        return job

    # --- time and cancelling -----------------------------------------------------------------------------------------

    def _watch_time(self) -> None:
        """Interrupt the steps of jobs that timed out, and kill those that remain after the grace period.

        A job's processes are identified by ``GITHUB_JOB``. Matrix legs share it, and so do jobs with the same id in two
        called workflows: all of them are interrupted if one times out. If processes cannot be found, only act itself can
        be stopped, so the whole run is cancelled.
        """
        now = time.monotonic()
        for spoken, limit in list(self._running.items()):
            if now < limit:
                continue
            job = self._jobs[spoken]
            if spoken in self._late:
                self._interrupt({"GITHUB_JOB": job.id}, signal.SIGKILL)
                continue
            self._late.add(spoken)
            self._running[spoken] = now + INTERRUPT_SECONDS
            minutes = f"{job.timeout_minutes:g}"
            text = f"The job running on runner {self._work.runner} has exceeded the maximum execution time of {minutes} minutes."
            self._report.line(job, f"##[error]{text}")
            if processes.can_be_found():
                self._interrupt({"GITHUB_JOB": job.id}, signal.SIGINT)
            else:
                self._cancelled.set()

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        """Interrupt the steps, then act, then kill what remains."""
        steps = [found for found in self._interrupt({}, signal.SIGINT, but=process.pid) if found != process.pid]
        limit = time.monotonic() + INTERRUPT_SECONDS
        while steps and time.monotonic() < limit and any(_alive(one) for one in steps):
            time.sleep(0.02)
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        for one in steps:  # act only kills their shell.
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        self._end_all(process)

    def _interrupt(self, environment: dict[str, str], number: signal.Signals, *, but: int = 0) -> list[int]:
        found = processes.belonging({MARKER: self._folder.marker, **environment})
        for process in found:
            if process != but:
                with suppress(ProcessLookupError):
                    os.kill(process, number)
        return found

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill everything that is left: act has its own process group, and its steps may have theirs."""
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
        self._end_all(process)
        process.wait()

    def _end_all(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        processes.end({MARKER: self._folder.marker})

    def _why(self, errors: Path, status: int) -> str:
        lines = errors.read_text(encoding="utf-8", errors="replace").splitlines()
        output = [line for line in lines if line and not line.startswith("{")]
        return self._log.masked("\n".join(output[-5:])) or f"act ended with status {status} and ran no job"


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
