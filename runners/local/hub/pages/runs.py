"""The list of workflow runs, and one run with its jobs, steps, logs and summaries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup
from starlette.responses import Response

from runners.local.hub.actions.records import WorkflowJob, WorkflowRun
from runners.local.hub.errors import ApiError, not_found
from runners.local.hub.pages.files import RAW_HEADERS
from runners.local.hub.pages.frame import Visit
from runners.local.hub.pages.markdown import LinkBase, render_markdown
from runners.local.hub.permissions import Need, require
from runners.local.hub.records import User

ON_A_PAGE: Final = 30
EVERY: Final = 1_000
MAX_LINES: Final = 400
"""Of a step; the whole log is one click away."""
MAX_LINE: Final = 2_000
CANCEL: Final = Need.of("actions:write")
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z ")
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_COMMAND: Final = re.compile(r"(?:##\[|::)(error|warning|notice|debug|group|command|section)(?:\s[^\]:]*)?(?:\]|::)")
_END_OF_GROUP: Final = re.compile(r"(?:##\[|::)endgroup(?:\]|::)\s*")


@dataclass(frozen=True)
class Line:
    """One line of a log; ``kind`` is ``error``, ``warning``, ``group`` or nothing."""

    text: str
    kind: str


@dataclass(frozen=True)
class Step:
    """One step with its part of the job's log."""

    number: int
    name: str
    status: str
    conclusion: str | None
    started_at: str | None
    completed_at: str | None
    lines: list[Line]
    before: int
    """How many lines of it are left out, or stand above."""

    @property
    def open(self) -> bool:
        """Whether one wants to see it unasked."""
        return self.status == "in_progress" or self.conclusion == "failure"


@dataclass(frozen=True)
class Job:
    """One job as the page shows it."""

    record: WorkflowJob
    steps: list[Step]
    summary: Markup | None

    @property
    def anchor(self) -> str:
        return f"job-{self.record.id}"


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    run: WorkflowRun
    actor: User


def listed(visit: Visit) -> Response:
    """Show the runs, newest first."""
    found = visit.hub.runs.runs.find(repository_id=visit.repository.id, newest_first=True, limit=ON_A_PAGE)
    rows = [Row(run, visit.hub.users.need(run.actor_id)) for run in found]
    return visit.in_repository("runs.html", "actions", every=EVERY, rows=rows)


def shown(visit: Visit) -> Response:
    """Show one run; while it runs, the page follows it."""
    run = _run(visit)
    base = LinkBase(visit.repository.full_name, origin=visit.hub.base_url)
    jobs = [_job(visit, job, base) for job in visit.hub.runs.jobs.find(run_id=run.id)]
    return visit.in_repository(
        "run.html",
        "actions",
        every=0 if run.status == "completed" else EVERY,
        run=run,
        jobs=jobs,
        actor=visit.hub.users.need(run.actor_id),
        waits_for=visit.hub.runs.waits_for(run),
        may_cancel=run.status != "completed" and visit.has_role(CANCEL.role),
    )


def job(visit: Visit) -> Response:
    """Redirect to a job on the page of its run."""
    found = _stored_job(visit)
    return visit.redirect(f"/{visit.repository.full_name}/actions/runs/{found.run_id}#job-{found.id}")


def log(visit: Visit) -> Response:
    """Serve a job's whole log so far as plain text."""
    text = visit.hub.runs.log(_stored_job(visit))
    return Response(text, headers={**RAW_HEADERS, "Cache-Control": "no-store"}, media_type="text/plain")


def cancel(visit: Visit) -> Response:
    """Cancel a run."""
    run = _run(visit)
    require(visit.hub, visit.actor, visit.repository, CANCEL)
    if not visit.hub.runs.cancel(run):
        raise ApiError(409, "This run is completed; there is nothing left to cancel.")
    return visit.redirect(f"/{visit.repository.full_name}/actions/runs/{run.id}")


def _run(visit: Visit) -> WorkflowRun:
    found = visit.hub.runs.runs.get(visit.number("run"))
    if found is None or found.repository_id != visit.repository.id:
        raise not_found()
    return found


def _stored_job(visit: Visit) -> WorkflowJob:
    found = visit.hub.runs.jobs.get(visit.number("job"))
    if found is None or found.run_id != _run(visit).id:
        raise not_found()
    return found


def _job(visit: Visit, found: WorkflowJob, base: LinkBase) -> Job:
    lines = visit.hub.runs.log(found).splitlines()
    summary = render_markdown(found.summary, base) if found.summary.strip() else None
    return Job(found, divide(found.steps, lines), summary)


def divide(steps: Sequence[dict[str, Any]], lines: Sequence[str]) -> list[Step]:
    """Give each step its part of the job's log: from its first line to the next step's."""
    starts = [0, *(step["first_line"] for step in steps[1:]), len(lines)]
    return [_step(step, lines[starts[at] : starts[at + 1]]) for at, step in enumerate(steps)]


def _step(step: dict[str, Any], lines: Sequence[str]) -> Step:
    last = [read_line(line) for line in lines[-MAX_LINES:] if not _END_OF_GROUP.fullmatch(_plain(line))]
    return Step(
        number=step["number"],
        name=step["name"],
        status=step["status"],
        conclusion=step["conclusion"],
        started_at=step["started_at"],
        completed_at=step["completed_at"],
        lines=last,
        before=max(len(lines) - MAX_LINES, 0),
    )


def read_line(line: str) -> Line:
    """Return a line without time and colours, and what kind its workflow command makes it.

    Examples
    --------
    >>> read_line("2026-11-22T09:00:00.0000000Z ##[error]No such column")
    Line(text='No such column', kind='error')
    """
    text = _plain(line)
    found = _COMMAND.match(text)
    shown = text[found.end() :] if found else text
    if len(shown) > MAX_LINE:
        shown = shown[:MAX_LINE] + " …"
    return Line(shown, found[1] if found else "")


def _plain(line: str) -> str:
    return _COLOURS.sub("", _TIMESTAMP.sub("", line, count=1))
