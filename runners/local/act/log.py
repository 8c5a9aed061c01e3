"""Reads act's JSON log into typed events.

Two kinds of content never leave this module, because they contain unmasked secrets: the field ``step`` and
``::add-mask::`` lines. Values named by ``::add-mask::`` are also masked here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

Result = Literal["success", "failure", "skipped"]
SET_UP, COMPLETE = "--setup-job", "--complete-job"
MAX_LINE = 100_000
"""Longer log lines are cut."""


@dataclass(frozen=True)
class JobStarted:
    """A job begins. ``job`` is what act calls it, ``job_id`` its key in the workflow file."""

    job: str
    job_id: str


@dataclass(frozen=True)
class JobEnded:
    """A job ended or was skipped."""

    job: str
    job_id: str
    result: Result


@dataclass(frozen=True)
class StepStarted:
    """A step of the job begins; steps inside an Action are part of its step."""

    job: str
    step: str
    name: str


@dataclass(frozen=True)
class StepEnded:
    """A step ended or was skipped."""

    job: str
    step: str
    result: Result


@dataclass(frozen=True)
class Line:
    """One line of a job's log."""

    job: str
    text: str


@dataclass(frozen=True)
class Summary:
    """What a step wrote to ``$GITHUB_STEP_SUMMARY``."""

    job: str
    text: str


@dataclass(frozen=True)
class NoRunner:
    """act skipped a job because it has no platform for its labels; it exits with 0 all the same."""

    job: str
    job_id: str


@dataclass(frozen=True)
class ShellEnds:
    """The shell of a failed step (``step_shell.sh``) is waiting until its output has been read."""

    job: str
    shell: int


Event = ShellEnds | JobStarted | JobEnded | StepStarted | StepEnded | Line | Summary | NoRunner


class ActLog:
    """Reads the output of one act process and remembers the values to mask.

    Parameters
    ----------
    secrets
        Values that never appear in an event.
    marker
        Prefix of messages from a step's shell; "" if there is no such shell.
    """

    def __init__(self, *secrets: str, marker: str = "") -> None:
        self._shell = re.compile(f"{marker} ([0-9]+)\\Z") if marker else None
        self._masks = {secret for secret in secrets if secret}
        self._last_error: dict[str, str] = {}
        self._summed_up: set[tuple[str, str]] = set()
        self._silent = {""}
        """Tokens that resume commands after ``::stop-commands::``; not shown in logs."""

    def read(self, line: str) -> list[Event]:
        """Return the events in one line of output; [] if it is not about a job."""
        try:
            entry = json.loads(line)
        except ValueError:
            return []
        if not isinstance(entry, dict) or not isinstance(entry.get("job"), str):
            return []
        return self._events(entry, entry["job"].strip(), str(entry.get("jobID", "")))

    def masked(self, text: str) -> str:
        """Mask every secret known so far."""
        for mask in sorted(self._masks, key=len, reverse=True):
            text = text.replace(mask, "***")
        return text

    def _events(self, entry: dict[str, Any], job: str, job_id: str) -> list[Event]:
        if "jobResult" in entry:
            return [JobEnded(job, job_id, _result(entry["jobResult"]))]
        message = str(entry.get("msg", ""))
        if "Skipping unsupported platform" in message:
            return [NoRunner(job, job_id)]
        step = _step(entry)
        if step is None:
            return []
        if step == (SET_UP,) and "stepResult" not in entry:
            return [JobStarted(job, job_id), StepStarted(job, SET_UP, "Set up job")]
        if "stepResult" in entry:
            own = len(step) == 1 and entry.get("stage", "Main") == "Main"
            return [StepEnded(job, step[0], _result(entry["stepResult"]))] if own else []
        return self._of_step(entry, job, step)

    def _of_step(self, entry: dict[str, Any], job: str, step: tuple[str, ...]) -> list[Event]:
        message = str(entry.get("msg", ""))
        if message.startswith("⭐ Run "):
            return self._step_begins(entry, job, step, message)
        if entry.get("raw_output"):
            return self._said(job, message)
        if "command" in entry:
            return self._command(entry, job, step)
        return self._error(job, message) if entry.get("level") in ("error", "fatal") else []

    def _said(self, job: str, message: str) -> list[Event]:
        text = message.rstrip("\r\n")
        shell = self._shell.search(text) if self._shell else None
        if shell is None:
            return self._lines(job, message)
        # It follows output that the step did not end with a newline.
        begun = self._lines(job, text[: shell.start()]) if shell.start() else []
        return [*begun, ShellEnds(job, int(shell[1]))]

    def _error(self, job: str, message: str) -> list[Event]:
        """Report act's error in GitHub's words, once: act repeats it for the Action that contains the step."""
        status = re.fullmatch(r"exit status (\d+)", message)
        text = f"Process completed with exit code {status[1]}." if status else message
        if "signal: " in message:
            text = "The operation was canceled."
        repeated, self._last_error[job] = self._last_error.get(job) == text, text
        return [] if repeated else self._lines(job, f"##[error]{text}")

    def _step_begins(self, entry: dict[str, Any], job: str, step: tuple[str, ...], message: str) -> list[Event]:
        name = self.masked(message.removeprefix("⭐ Run ").removeprefix("Main ")).strip() or "step"
        own = len(step) == 1 and entry.get("stage", "Main") == "Main"
        self._last_error.pop(job, None)
        started: list[Event] = [StepStarted(job, step[0], name.splitlines()[0])] if own else []
        if entry.get("stage") != "Main":
            return started
        return [*started, *self._lines(job, f"##[group]Run {name}"), *self._lines(job, "##[endgroup]")]

    def _command(self, entry: dict[str, Any], job: str, step: tuple[str, ...]) -> list[Event]:
        command, argument = entry["command"], str(entry.get("arg", ""))
        if command == "add-mask":
            self._masks.update(part for part in (argument, *argument.splitlines()) if part.strip())
            return []
        if command == "summary":
            return self._summary(job, step, str(entry.get("content", "")))
        if command in ("error", "warning", "notice", "group", "endgroup"):
            return self._lines(job, f"##[{command}]{argument}")
        if command == "stop-commands":
            self._silent.add(argument)
        if command in ("debug", "stop-commands", *self._silent) or "raw" not in entry:
            return []
        return self._lines(job, str(entry["raw"]))

    def _summary(self, job: str, step: tuple[str, ...], content: str) -> list[Event]:
        """Use each summary once: for a composite Action, act repeats the summary of its last step."""
        own = (job, step[0])
        if len(step) > 1:
            self._summed_up.add(own)
        elif own in self._summed_up:
            return []
        return [Summary(job, self.masked(content))]

    def _lines(self, job: str, text: str) -> list[Event]:
        return [Line(job, self.masked(line)[:MAX_LINE]) for line in text.rstrip("\r\n").split("\n")]


def _step(entry: dict[str, Any]) -> tuple[str, ...] | None:
    """Return the step's path: its id or index, and inside a composite Action those of its steps."""
    place = entry.get("stepID", entry.get("stepid"))
    return tuple(str(part) for part in place) if isinstance(place, list) and place else None


def _result(value: object) -> Result:
    return "success" if value == "success" else "skipped" if value == "skipped" else "failure"
