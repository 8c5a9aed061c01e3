"""REST routes of Actions: workflows, dispatches, runs, jobs, logs, runners."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from runners.local.hub.actions import workflows
from runners.local.hub.actions.records import Runner, Workflow, WorkflowJob, WorkflowRun
from runners.local.hub.editions import NEWEST_VERSION
from runners.local.hub.errors import ApiError, invalid_request, not_found
from runners.local.hub.hub import Hub
from runners.local.hub.ids import read_number
from runners.local.hub.rest import actions_shapes
from runners.local.hub.rest.framework import Answer, Call, Routes

routes = Routes()
LOG_SECONDS = 60
"""How long the address of a log is good."""


def mount(hub: Hub) -> list[BaseRoute]:
    """Return the routes, and let runs be executed as long as the hub serves."""
    hub.services.append(hub.runs)
    return [*routes.mounted(hub), Route("/_logs/{job}", _log_text(hub), methods=["GET"])]


# --- workflows -------------------------------------------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/actions/workflows", needs="actions:read")
def list_workflows(call: Call) -> Answer:
    """List the workflows of the default branch."""
    found = workflows.found(call.hub, call.repository)
    return call.paged(found, lambda one: actions_shapes.workflow(call.hub, call.repository, one), key="workflows")


@routes.get("/repos/{owner}/{repo}/actions/workflows/{workflow_id}", needs="actions:read")
def get_workflow(call: Call) -> dict[str, Any]:
    """Return one workflow, by id or file name."""
    return actions_shapes.workflow(call.hub, call.repository, _workflow(call))


@routes.post(
    "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches",
    needs="actions:write",
    body="ref inputs return_run_details",
)
def create_workflow_dispatch(call: Call) -> Answer:
    """Start a workflow."""
    inputs = call.json.get("inputs", {})
    if not isinstance(inputs, dict):
        raise invalid_request("For 'properties/inputs', it is not an object.")
    run = call.hub.runs.dispatch(call.actor, call.repository, _workflow(call), call.text("ref"), inputs)
    if not call.json.get("return_run_details") and call.version < NEWEST_VERSION:
        return Answer(status=204)
    shape = actions_shapes.run(call.hub, run)
    return Answer({"workflow_run_id": run.id, "run_url": shape["url"], "html_url": shape["html_url"]})


@routes.get("/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs", needs="actions:read")
def list_workflow_runs_of_one(call: Call) -> Answer:
    """List the runs of one workflow, newest first."""
    return _runs(call, _workflow(call))


# --- runs ------------------------------------------------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/actions/runs", needs="actions:read")
def list_workflow_runs(call: Call) -> Answer:
    """List the runs of a repository, newest first."""
    return _runs(call, None)


@routes.get("/repos/{owner}/{repo}/actions/runs/{run_id}", needs="actions:read")
def get_workflow_run(call: Call) -> dict[str, Any]:
    """Return one run."""
    return actions_shapes.run(call.hub, _run(call))


@routes.post("/repos/{owner}/{repo}/actions/runs/{run_id}/force-cancel", needs="actions:write")
def force_cancel_workflow_run(call: Call) -> Answer:
    """Cancel a run that does not obey; runners always obey here, so it is the same."""
    return _cancelled(call)


@routes.post("/repos/{owner}/{repo}/actions/runs/{run_id}/cancel", needs="actions:write")
def cancel_workflow_run(call: Call) -> Answer:
    """Cancel a run that is not over."""
    return _cancelled(call)


# --- jobs ------------------------------------------------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/actions/runs/{run_id}/jobs", needs="actions:read")
def list_jobs_for_workflow_run(call: Call) -> Answer:
    """List the jobs of a run."""
    run = _run(call)
    found = call.hub.runs.jobs.find(run_id=run.id)
    answer: Answer = call.paged(found, lambda job: actions_shapes.job(call.hub, run, job), key="jobs")
    return answer


@routes.get("/repos/{owner}/{repo}/actions/jobs/{job_id}", needs="actions:read")
def get_job_for_workflow_run(call: Call) -> dict[str, Any]:
    """Return one job."""
    job = _job(call)
    return actions_shapes.job(call.hub, call.hub.runs.runs.need(job.run_id), job)


@routes.get("/repos/{owner}/{repo}/actions/jobs/{job_id}/logs", needs="actions:read")
def download_job_logs_for_workflow_run(call: Call) -> Response:
    """Redirect to the text of a finished job's log."""
    job = _job(call)
    if job.status != "completed":  # As on GitHub: there is nothing to read before the job has ended.
        raise not_found()
    until = int(time.time()) + LOG_SECONDS
    address = f"{call.hub.base_url}/_logs/{job.id}?until={until}&signature={_signature(call.hub, job.id, until)}"
    return RedirectResponse(address, status_code=302)


# --- runners ---------------------------------------------------------------------------------------------------------


@routes.get("/repos/{owner}/{repo}/actions/runners", needs="administration:read", role="admin")
def list_self_hosted_runners(call: Call) -> Answer:
    """List the runners."""
    found = [one for one in call.hub.runs.runners.find() if call.query.get("name") in (None, one.name)]
    return call.paged(found, actions_shapes.runner, key="runners")


@routes.get("/repos/{owner}/{repo}/actions/runners/{runner_id}", needs="administration:read", role="admin")
def get_self_hosted_runner(call: Call) -> dict[str, Any]:
    """Return one runner."""
    found: Runner | None = call.hub.runs.runners.get(call.path_number("runner_id"))
    if found is None:
        raise not_found()
    return actions_shapes.runner(found)


# --- inside ----------------------------------------------------------------------------------------------------------


def _workflow(call: Call) -> Workflow:
    found = workflows.named(call.hub, call.repository, call.path["workflow_id"])
    if found is None:
        raise not_found()
    return found


def _run(call: Call) -> WorkflowRun:
    found = call.hub.runs.runs.get(call.path_number("run_id"))
    if found is None or found.repository_id != call.repository.id:
        raise not_found()
    return found


def _cancelled(call: Call) -> Answer:
    if not call.hub.runs.cancel(_run(call)):
        raise ApiError(409, "Cannot cancel a workflow run that is completed.")
    return Answer({}, 202)


def _job(call: Call) -> WorkflowJob:
    found = call.hub.runs.jobs.get(call.path_number("job_id"))
    if found is None or found.repository_id != call.repository.id:
        raise not_found()
    return found


def _runs(call: Call, workflow: Workflow | None) -> Answer:
    wanted = {"workflow_id": workflow.id} if workflow else {}
    found = call.hub.runs.runs.find(repository_id=call.repository.id, newest_first=True, **wanted)
    kept = [run for run in found if _matches(call, run)]
    return call.paged(kept, lambda run: actions_shapes.run(call.hub, run), key="workflow_runs")


def _matches(call: Call, run: WorkflowRun) -> bool:
    query = call.query
    actor = query.get("actor")
    return (
        query.get("event") in (None, run.event)
        and query.get("branch") in (None, run.branch)
        and query.get("head_sha") in (None, run.sha)
        and query.get("status") in (None, run.status, run.conclusion)
        and (actor is None or call.hub.users.need(run.actor_id).key == actor.lower())
        and ("created" not in query or _between(query["created"])(datetime.fromisoformat(run.created_at)))
    )


def _between(written: str) -> Callable[[datetime], bool]:
    """Read GitHub's date syntax: ``2026-11-22``, ``>=2026-11-22T09:00:00Z``, ``A..B`` with ``*`` for open ends."""
    try:
        if ".." in written:
            first, last = written.split("..", 1)
            low = None if first == "*" else _moment(first)
            high = None if last == "*" else _moment(last) + _length(last)
            return lambda at: (low is None or at >= low) and (high is None or at < high)
        for sign, compare in COMPARISONS.items():
            if written.startswith(sign):
                text = written.removeprefix(sign)
                return partial(compare, _moment(text), _moment(text) + _length(text))
        begin, finish = _moment(written), _moment(written) + _length(written)
    except ValueError:
        return lambda _: False
    return lambda at: begin <= at < finish


COMPARISONS: dict[str, Callable[[datetime, datetime, datetime], bool]] = {
    ">=": lambda start, _, at: at >= start,
    "<=": lambda _, end, at: at < end,
    ">": lambda _, end, at: at >= end,
    "<": lambda start, _, at: at < start,
}
"""How a moment compares with a written one, which lasts from ``start`` to ``end``: a second, or a day."""


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _length(text: str) -> timedelta:
    return timedelta(seconds=1) if "T" in text else timedelta(days=1)


def _signature(hub: Hub, job_id: int, until: int) -> str:
    return hmac.new(hub.runs.secret, f"{job_id}:{until}".encode(), hashlib.sha256).hexdigest()


def _log_text(hub: Hub) -> Callable[[Request], Response]:
    def log_text(request: Request) -> Response:
        job = hub.runs.jobs.get(read_number(request.path_params["job"]) or 0)
        until = read_number(request.query_params.get("until", "")) or 0
        signed = request.query_params.get("signature", "").encode()
        good = job is not None and hmac.compare_digest(signed, _signature(hub, job.id, until).encode())
        if job is None or not good or until < time.time():
            return PlainTextResponse("Not Found", 404)
        return PlainTextResponse(hub.runs.log(job), headers={"X-Content-Type-Options": "nosniff"})

    return log_text
