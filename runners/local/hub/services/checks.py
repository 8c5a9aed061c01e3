"""Check runs of Apps and jobs; only their creator may change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runners.local.hub.errors import ApiError, validation_failed
from runners.local.hub.permissions import Actor
from runners.local.hub.records import CheckRun, Repository, now
from runners.local.hub.rest import shapes
from runners.local.hub.rest.shapes import Json, node_id

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

STATUSES = ("queued", "in_progress", "completed", "waiting", "requested", "pending")
CONCLUSIONS = ("action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out")
FIELDS = ("name", "status", "conclusion", "details_url", "external_id", "started_at", "completed_at", "output")
JOBS_APP_ID = 15_368


def create(hub: Hub, actor: Actor, repository: Repository, sha: str, values: Mapping[str, Any]) -> CheckRun:
    """Create a check run of the acting App."""
    _check_maker(actor)
    settled = _settled({"started_at": now(), **values})
    with hub.store.transaction():
        app_id = actor.app.id if actor.app else None
        run = CheckRun(repository_id=repository.id, head_sha=sha, app_id=app_id, **settled)
        run = hub.check_runs.add(run)
        _tell(hub, actor, repository, run, "completed" if run.status == "completed" else "created")
    return run


def update(hub: Hub, actor: Actor, repository: Repository, run: CheckRun, values: Mapping[str, Any]) -> CheckRun:
    """Change a check run; 403 for anyone but its creator."""
    _check_maker(actor)
    if run.app_id != (actor.app.id if actor.app else None):
        rule = "check run can only be modified by the GitHub App that created it."
        raise ApiError(403, f"Invalid app_id `{actor.app.id if actor.app else JOBS_APP_ID}` - {rule}")
    with hub.store.transaction():
        before = hub.check_runs.need(run.id)
        settled = _settled(values)
        output = {**before.output, **settled.pop("output", {})}
        run = hub.check_runs.update(run.id, **settled, output=output)
        if run.status == "completed" and before.status != "completed":
            _tell(hub, actor, repository, run, "completed")
    return run


def shape(hub: Hub, run: CheckRun) -> Json:
    """A check run's JSON."""
    repository = hub.repositories.need(run.repository_id)
    api = f"{hub.api_url}/repos/{repository.full_name}/check-runs/{run.id}"
    page = f"{hub.base_url}/{repository.full_name}/runs/{run.id}"
    app = hub.apps.get(run.app_id) if run.app_id else None
    texts = {name: run.output.get(name) for name in ("title", "summary", "text")}
    return {
        **run.pick("id", "head_sha", "external_id", "name", "status", "conclusion", "started_at", "completed_at"),
        "node_id": node_id("CheckRun", run.id),
        "url": api,
        "html_url": page,
        "details_url": run.details_url or page,
        "output": {**texts, "annotations_count": 0, "annotations_url": f"{api}/annotations"},
        "check_suite": {"id": run.app_id or JOBS_APP_ID},
        "app": shapes.app(hub, app) if app else None,
        "pull_requests": [],
    }


def _check_maker(actor: Actor) -> None:
    if actor.kind not in ("installation", "job"):
        raise ApiError(403, "You must authenticate via a GitHub App.")


def _settled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Keep known fields; a conclusion completes the run, and a completed run must have one."""
    fields = {name: value for name, value in values.items() if name in FIELDS and value is not None}
    if fields.get("status", "queued") not in STATUSES:
        raise validation_failed("CheckRun", "status")
    if "conclusion" in fields:
        if fields["conclusion"] not in CONCLUSIONS:
            raise validation_failed("CheckRun", "conclusion")
        fields = {"completed_at": now(), **fields, "status": "completed"}
    elif fields.get("status") == "completed":
        raise validation_failed("CheckRun", "conclusion", "missing_field")
    output = fields.get("output")
    if output is not None and not (isinstance(output, dict) and output.get("summary") is not None):
        raise validation_failed("CheckRun", "output.summary", "missing_field")
    return fields


def _tell(hub: Hub, actor: Actor, repository: Repository, run: CheckRun, action: str) -> None:
    hub.events.emit("check_run", actor, action=action, repository=repository, check_run=shape(hub, run))
