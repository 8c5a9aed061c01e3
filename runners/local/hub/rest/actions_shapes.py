"""What workflows, runs, jobs and runners look like in JSON."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runners.local.hub.actions.records import Runner, Workflow, WorkflowJob, WorkflowRun
from runners.local.hub.git.repository import GitRepository
from runners.local.hub.records import Repository
from runners.local.hub.rest import shapes
from runners.local.hub.rest.shapes import node_id

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

Json = dict[str, Any]
STEP_FIELDS = ("name", "status", "conclusion", "number", "started_at", "completed_at")


def workflow(hub: Hub, repository: Repository, found: Workflow) -> Json:
    """A workflow."""
    page = f"{hub.base_url}/{repository.full_name}"
    return {
        **found.pick("id", "name", "path", "created_at", "updated_at"),
        "node_id": node_id("Workflow", found.id),
        "state": "active",
        "url": f"{hub.api_url}/repos/{repository.full_name}/actions/workflows/{found.id}",
        "html_url": f"{page}/blob/{repository.default_branch}/{found.path}",
        "badge_url": f"{page}/workflows/{found.id}/badge.svg",
    }


def workflow_of(hub: Hub, found: WorkflowRun) -> Json:
    """The workflow that a run is of."""
    return workflow(hub, hub.repositories.need(found.repository_id), hub.store.table(Workflow).need(found.workflow_id))


def run(hub: Hub, found: WorkflowRun) -> Json:
    """A workflow run."""
    repository = hub.repositories.need(found.repository_id)
    api = f"{hub.api_url}/repos/{repository.full_name}/actions/runs/{found.id}"
    minimal = shapes.minimal_repository(hub, repository)
    actor = shapes.user(hub, hub.users.need(found.actor_id))
    return {
        **found.pick(
            "id", "path", "run_number", "event", "status", "conclusion", "workflow_id", "created_at", "updated_at"
        ),
        "name": found.workflow_name,
        "node_id": node_id("WorkflowRun", found.id),
        "check_suite_id": found.id,
        "check_suite_node_id": node_id("CheckSuite", found.id),
        "head_branch": found.branch,
        "head_sha": found.sha,
        "display_title": found.title,
        "run_attempt": 1,
        "url": api,
        "html_url": run_page(hub, repository, found.id),
        "pull_requests": [],
        "actor": actor,
        "triggering_actor": actor,
        "run_started_at": found.started_at or found.created_at,
        "jobs_url": f"{api}/jobs",
        "logs_url": f"{api}/logs",
        "check_suite_url": f"{hub.api_url}/repos/{repository.full_name}/check-suites/{found.id}",
        "artifacts_url": f"{api}/artifacts",
        "cancel_url": f"{api}/cancel",
        "rerun_url": f"{api}/rerun",
        "previous_attempt_url": None,
        "workflow_url": f"{hub.api_url}/repos/{repository.full_name}/actions/workflows/{found.workflow_id}",
        "head_commit": _commit(hub.git(repository), found.sha),
        "repository": minimal,
        "head_repository": minimal,
        "head_repository_id": repository.id,
    }


def run_page(hub: Hub, repository: Repository, run_id: int) -> str:
    """Return the address of a run's page."""
    return f"{hub.base_url}/{repository.full_name}/actions/runs/{run_id}"


def job(hub: Hub, of: WorkflowRun, found: WorkflowJob) -> Json:
    """A job of a run."""
    repository = hub.repositories.need(of.repository_id)
    api = f"{hub.api_url}/repos/{repository.full_name}"
    runner = found.runner_id is not None
    return {
        **found.pick(
            "id", "status", "conclusion", "created_at", "completed_at", "name", "labels", "runner_id", "runner_name"
        ),
        "run_id": of.id,
        "workflow_name": of.workflow_name,
        "head_branch": of.branch,
        "run_url": f"{api}/actions/runs/{of.id}",
        "run_attempt": 1,
        "node_id": node_id("CheckRun", found.id),
        "head_sha": of.sha,
        "url": f"{api}/actions/jobs/{found.id}",
        "html_url": f"{run_page(hub, repository, of.id)}/job/{found.id}",
        "started_at": found.started_at or found.created_at,
        "steps": [{name: step[name] for name in STEP_FIELDS} for step in found.steps],
        "check_run_url": f"{api}/check-runs/{found.id}",
        "runner_group_id": 1 if runner else None,
        "runner_group_name": "Default" if runner else None,
    }


def runner(found: Runner) -> Json:
    """A self-hosted runner."""
    return {
        "id": found.id,
        "name": found.name,
        "os": "linux",
        "status": "online",
        "busy": found.run_id is not None,
        "ephemeral": False,
        "labels": [
            {"id": number, "name": name, "type": "read-only" if name == "self-hosted" else "custom"}
            for number, name in enumerate(found.labels, start=1)
        ],
    }


@lru_cache(maxsize=256)
def _commit(git: GitRepository, sha: str) -> Json:
    fields = git.text("show", "--no-patch", "--format=%T%x00%an%x00%ae%x00%cn%x00%ce%x00%cI%x00%B", sha).split("\0")
    tree, author, author_mail, committer, committer_mail, at, message = fields[:7]
    return {
        "id": sha,
        "tree_id": tree,
        "message": message.strip(),
        "timestamp": at,
        "author": {"name": author, "email": author_mail},
        "committer": {"name": committer, "email": committer_mail},
    }
