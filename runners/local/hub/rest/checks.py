"""Check runs."""

# ruff: noqa: D103 - a handler is named after what its route does

from __future__ import annotations

from typing import Any

from runners.local.hub.errors import ApiError, not_found
from runners.local.hub.git import objects
from runners.local.hub.records import CheckRun
from runners.local.hub.rest.framework import Answer, Call, Routes
from runners.local.hub.services import checks

routes = Routes()


@routes.post(
    "/repos/{owner}/{repo}/check-runs",
    needs="checks:write",
    body="name head_sha status conclusion details_url external_id started_at completed_at output actions",
)
def create_check_run(call: Call) -> Answer:
    call.text("name")
    sha = call.text("head_sha")
    if objects.kind_of(call.hub.git(call.repository), sha) != "commit":
        raise ApiError(422, f"No commit found for SHA: {sha}")
    shape = checks.shape(call.hub, checks.create(call.hub, call.actor, call.repository, sha, call.json))
    return Answer(shape, 201, {"Location": shape["url"]})


@routes.get("/repos/{owner}/{repo}/check-runs/{check_run_id}", needs="checks:read")
def get_check_run(call: Call) -> Any:
    return checks.shape(call.hub, _found(call))


@routes.patch(
    "/repos/{owner}/{repo}/check-runs/{check_run_id}",
    needs="checks:write",
    body="name status conclusion details_url external_id started_at completed_at output actions",
)
def update_check_run(call: Call) -> Any:
    return checks.shape(call.hub, checks.update(call.hub, call.actor, call.repository, _found(call), call.json))


@routes.get("/repos/{owner}/{repo}/commits/{ref:path}/check-runs", needs="checks:read")
def list_check_runs(call: Call) -> Answer:
    """``filter=latest`` (the default) keeps the newest run of each App and name."""
    sha = call.hub.git(call.repository).resolve(call.path["ref"])
    if sha is None:
        raise ApiError(422, f"No commit found for SHA: {call.path['ref']}")
    found = call.hub.check_runs.find(repository_id=call.repository.id, head_sha=sha, newest_first=True)
    if call.query.get("filter", "latest") == "latest":
        newest: dict[tuple[int | None, str], CheckRun] = {}
        for run in found:
            newest.setdefault((run.app_id, run.name), run)
        found = list(newest.values())
    wanted = [run for run in found if _matches(call, run)]
    return call.paged(wanted, lambda run: checks.shape(call.hub, run), key="check_runs")


def _matches(call: Call, run: CheckRun) -> bool:
    asked = {"check_name": run.name, "status": run.status, "app_id": str(run.app_id)}
    return all(call.query.get(name) in (None, value) for name, value in asked.items())


def _found(call: Call) -> CheckRun:
    found = call.hub.check_runs.get(call.path_number("check_run_id"))
    if found is None or found.repository_id != call.repository.id:
        raise not_found()
    return found
