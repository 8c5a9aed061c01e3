"""Workflow runs of a repository: dispatch exactly once, watch, cancel; and the verdict's check run."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from actions.text.masking import masked
from bot.github import errors
from bot.github.errors import HubError
from bot.github.models import Job, Runner, WorkflowRun, integer, text
from bot.github.repository_part import Part, segment

if TYPE_CHECKING:
    from bot.github.connection import Answer, Connection

LOOK_FOR_RUN = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Pauses in seconds between searches for a run whose dispatch got no response: a minute in total."""

LOG_TAIL_BYTES = 256 * 1024
_TIME_STAMP = re.compile(r"^\ufeff?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z) ?")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")

CheckConclusion = Literal["success", "failure", "neutral", "cancelled", "timed_out", "action_required"]


class RunsPart(Part):
    """The methods of a repository for its workflow runs."""

    async def dispatch(
        self,
        workflow_file: str,
        ref: str,
        inputs: Mapping[str, str],
        *,
        find_by: str,
        sent_before: bool = False,
    ) -> int:
        """Start a workflow once and return its run's id.

        Parameters
        ----------
        workflow_file
            The name of the file in ``.github/workflows``.
        ref
            The branch with the file.
        inputs
            The workflow's inputs, at most 25.
        find_by
            How the run's title (its ``run-name``) starts. An existing run with this title is returned instead of starting another.
        sent_before
            Whether this dispatch may have been sent before, by a process that ended before the response; then the run is
            searched for a minute before it is sent again.
        """
        found = await self._look(workflow_file, find_by, LOOK_FOR_RUN if sent_before else ())
        if found is not None:
            return found
        hub = await self._connect()
        path = f"{self._root}/actions/workflows/{segment(workflow_file)}/dispatches"
        body = {"ref": ref, "inputs": dict(inputs)}
        for last in (False, True):
            try:
                answer = await _send_dispatch(hub, path, body)
            except HubError as error:
                if not error.unknown:
                    raise
                found = await self._look(workflow_file, find_by, LOOK_FOR_RUN)
                if found is not None:
                    return found
                if last:
                    raise
                continue
            run = integer(answer.data, "workflow_run_id") if isinstance(answer.data, Mapping) else 0
            if run:
                return run
            # Without return_run_details GitHub answers 204.
            found = await self._look(workflow_file, find_by, LOOK_FOR_RUN)
            if found is not None:
                return found
            raise errors.malformed(f"POST {path}", "no run appeared", is_write=True)
        raise AssertionError("unreachable")  # the second attempt returns or raises

    async def find_workflow_runs(
        self, display_title_prefix: str, workflow_file: str | None = None, *, since: datetime | None = None
    ) -> list[WorkflowRun]:
        """Find runs that the App dispatched and whose title starts with the words of a prefix; oldest first.

        ``train-20261122-001 attempt 1`` does not find attempt 10. Without ``since``, the last week is searched. Anybody with
        write permission can dispatch a run with the same title, and other inputs.
        """
        who = await self._who()
        workflow = f"/workflows/{segment(workflow_file)}" if workflow_file else ""
        start = (since or datetime.now(UTC) - timedelta(days=7)).astimezone(UTC)
        runs = self._dispatched(f"{self._root}/actions{workflow}/runs", created=f">={start:%Y-%m-%dT%H:%M:%SZ}")
        found = [run async for run in runs if run.actor == who.login and _is_titled(run, display_title_prefix)]
        return sorted(found, key=lambda run: run.id)

    async def workflow_runs_under_way(self, workflow_file: str) -> list[WorkflowRun]:
        """List the dispatched runs of a workflow that are queued or running."""
        path = f"{self._root}/actions/workflows/{segment(workflow_file)}/runs"
        return [run for status in ("queued", "in_progress") async for run in self._dispatched(path, status=status)]

    async def _dispatched(self, path: str, **which: str) -> AsyncGenerator[WorkflowRun, None]:
        """List dispatched runs; a workflow that does not exist has none."""
        hub = await self._connect()
        try:
            async for data in hub.pages(path, key="workflow_runs", event="workflow_dispatch", **which):
                yield WorkflowRun.of(data)
        except HubError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    async def _look(self, workflow_file: str, find_by: str, pauses: tuple[float, ...]) -> int | None:
        """Search for a dispatched run now and after each pause; if there are two, the newer one is cancelled."""
        for pause in (0.0, *pauses):
            if pause:
                await self._sleep(pause)
            runs = await self.find_workflow_runs(find_by, workflow_file)
            for surplus in runs[1:]:
                if surplus.status != "completed":
                    await self.cancel_workflow_run(surplus.id)
            if runs:
                return runs[0].id
        return None

    async def workflow_run(self, run_id: int) -> WorkflowRun:
        """Read one workflow run."""
        return WorkflowRun.of(await (await self._connect()).get(f"{self._root}/actions/runs/{run_id}"))

    async def jobs(self, run_id: int) -> list[Job]:
        """List the jobs of a run's latest attempt, with their steps."""
        hub = await self._connect()
        jobs = hub.pages(f"{self._root}/actions/runs/{run_id}/jobs", key="jobs", filter="latest")
        return [Job.of(data) async for data in jobs]

    async def runners(self) -> list[Runner] | None:
        """List the repository's own runners; None without the permission administration: read."""
        hub = await self._connect()
        try:
            return [Runner.of(data) async for data in hub.pages(f"{self._root}/actions/runners", key="runners")]
        except HubError as error:
            if error.status not in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                raise
            return None

    async def cancel_workflow_run(self, run_id: int, *, force: bool = False) -> None:
        """Cancel a run, with ``force`` without waiting for its runner; one that has ended or does not exist is ignored."""
        hub = await self._connect()
        cancel = "force-cancel" if force else "cancel"
        await hub.write("POST", f"{self._root}/actions/runs/{run_id}/{cancel}", quiet=(404, 409))

    async def job_log_tail(self, job_id: int, lines: int = 30, *, until: datetime | None = None) -> str:
        """Return the last lines of a finished job's log, without time stamps, colours and anything that looks like a secret.

        Parameters
        ----------
        job_id
            The job.
        lines
            Maximum number of lines.
        until
            Leave out later lines: the end of the step that failed, so that clean-up does not hide it.
        """
        hub = await self._connect()
        tail = bytearray()

        def take(chunk: bytes) -> None:
            tail.extend(chunk)
            if len(tail) > 2 * LOG_TAIL_BYTES:
                del tail[:-LOG_TAIL_BYTES]

        await hub.consume(f"{self._root}/actions/jobs/{job_id}/logs", take, max_seconds=60)
        text_lines = bytes(tail[-LOG_TAIL_BYTES:]).decode("utf-8", errors="replace").splitlines()
        if len(tail) > LOG_TAIL_BYTES:
            text_lines = text_lines[1:]  # the first one was cut
        # Masked before it is cut: half a key is not recognised.
        return "\n".join(masked("\n".join(_readable(text_lines, until))).split("\n")[-lines:])

    async def check_run(
        self,
        name: str,
        head_sha: str,
        external_id: str,
        status: Literal["queued", "in_progress", "completed"],
        conclusion: CheckConclusion | None,
        title: str,
        summary: str,
    ) -> int:
        """Update the App's check run with this external id, or create it; return its id."""
        hub = await self._connect()
        who = await self._who()
        body = {
            "name": name,
            "external_id": external_id,
            "status": status,
            "output": {"title": title, "summary": summary[:65_535]},
        }
        if status == "completed":
            body["conclusion"] = conclusion or "neutral"
        present = hub.pages(
            f"{self._root}/commits/{segment(head_sha)}/check-runs", key="check_runs", check_name=name, app_id=who.app_id
        )
        known = [integer(data, "id") async for data in present if text(data, "external_id") == external_id]
        if known:
            await hub.write("PATCH", f"{self._root}/check-runs/{known[0]}", body)
            return known[0]
        answer = await hub.write("POST", f"{self._root}/check-runs", {**body, "head_sha": head_sha})
        return integer(answer.data or {}, "id")


async def _send_dispatch(hub: Connection, path: str, body: Mapping[str, object]) -> Answer:
    """Send a dispatch and ask for the run's id, a key that GitHub Enterprise Server up to 3.20 refuses."""
    try:
        return await hub.write("POST", path, {**body, "return_run_details": True})
    except HubError as error:
        if error.status != HTTPStatus.UNPROCESSABLE_ENTITY or "return_run_details" not in error.message:
            raise
        return await hub.write("POST", path, body)


def _is_titled(run: WorkflowRun, prefix: str) -> bool:
    for title in (run.display_title, run.name):
        if title.startswith(prefix) and not title[len(prefix) : len(prefix) + 1].isalnum():
            return True
    return False


def _readable(lines: list[str], until: datetime | None) -> list[str]:
    """Remove time stamps, colours and control characters, and lines later than ``until`` (in whole seconds)."""
    shown = []
    for line in lines:
        stamp = _TIME_STAMP.match(line)
        if stamp and until and datetime.fromisoformat(stamp[1][:19] + "+00:00") > until:
            break
        shown.append(_ESCAPES.sub("", line[stamp.end() :] if stamp else line).rstrip()[:2_000])
    return shown
