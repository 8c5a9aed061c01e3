"""Small workflows, and a hub that runs them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.local_hub import RunningHub
from tests.support.repositories import git

CHECKOUT = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd"


def add_workflow(running: RunningHub, text: str, name: str = "test.yml", **more: str) -> str:
    """Commit a workflow (and more files, by path) to the demo repository's default branch; return the commit."""
    return commit(running, {f".github/workflows/{name}": text, **more})


def commit(running: RunningHub, files: Mapping[str, str], repository: str = "owner/demo") -> str:
    """Commit files to a repository's default branch on top of what is there."""
    found = running.hub.repository(repository)
    assert found is not None
    work = running.hub.config.root / "editing" / str(time.monotonic_ns())
    work.mkdir(parents=True)
    bare = str(running.hub.git(found).path)
    git(work, "init", "--quiet", "--initial-branch=main")
    if running.hub.git(found).head("main"):
        git(work, "pull", "--quiet", bare, "main")
    for path, content in files.items():
        file = work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "Change files")
    git(work, "push", "--quiet", bare, "HEAD:refs/heads/main")
    return git(work, "rev-parse", "HEAD")


def dispatch(running: RunningHub, name: str = "test.yml", inputs: Mapping[str, Any] | None = None) -> int:
    """Start a workflow of the demo repository as its owner; return the run's id."""
    answer = running.person("owner").post(
        f"/repos/owner/demo/actions/workflows/{name}/dispatches",
        json={"ref": "main", "inputs": dict(inputs or {}), "return_run_details": True},
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["workflow_run_id"])


def wait(running: RunningHub, run_id: int, status: str = "completed", seconds: float = 60) -> dict[str, Any]:
    """Wait until a run has a status; return it as the API shows it."""
    client = running.person("owner")
    limit = time.monotonic() + seconds
    while True:
        run: dict[str, Any] = client.get(f"/repos/owner/demo/actions/runs/{run_id}").json()
        if run["status"] == status:
            return run
        assert time.monotonic() < limit, f"the run is {run['status']}, not {status}"
        time.sleep(0.02)


def jobs(running: RunningHub, run_id: int) -> dict[str, dict[str, Any]]:
    """Return a run's jobs by name."""
    answer = running.person("owner").get(f"/repos/owner/demo/actions/runs/{run_id}/jobs")
    return {job["name"]: job for job in answer.json()["jobs"]}


def log(running: RunningHub, job: Mapping[str, Any]) -> str:
    """Return the text of a finished job's log, by the redirect that the API gives."""
    client = running.person("owner")
    answer = client.get(f"/repos/owner/demo/actions/jobs/{job['id']}/logs", follow_redirects=False)
    assert answer.status_code == 302
    return client.get(answer.headers["location"]).text


def left_behind(root: Path) -> list[str]:
    """Return what runs have left in the hub's working folder."""
    return [path.name for path in (root / "work").glob("*")] if (root / "work").exists() else []
