"""Modelyard as a user has it on one machine: hub, App (a process of its own), act, two runners, git, the real stages.

Nothing is scripted. People use the hub as anybody does: the issue form through its page, the rest through REST and git.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from actions.tasks.registry import tasks
from runners.local.demo.hub_user import HubUser
from runners.local.demo.workspace import REPOSITORY, Workspace
from runners.local.hub.hub import Hub
from runners.local.hub.seed import Ready

ROOT = Path(__file__).parents[2]
PATIENCE = 150.0
"""Seconds for a whole run, on a machine that has other things to do as well."""
FIELDS = {
    "model_name": "breast-cancer",
    "algorithm": "xgboost",
    "data": "sklearn://breast_cancer",
    "target": "target",
    "metric": "accuracy",
    "threshold": "0.9",
    "max_retries": "0",
    "runner": "self-hosted",
    "timeout_minutes": "60",
    "seed": "42",
    "hyperparameters": "",
    "notes": "",
}
"""What is typed into the form, where a test says nothing else."""
_STAMP = re.compile(r"^\S+Z ", re.MULTILINE)
_RESULT = re.compile(r"^\{\n(?:.*\n)*?\}$", re.MULTILINE)
_STICKY = re.compile(r"<!-- modelyard:run-(train-[0-9]{8}-[0-9]{3,}) -->")


@dataclass(frozen=True)
class RealLoop:
    """One repository on a hub, served by an App."""

    workspace: Workspace
    hub: Hub
    ready: Ready

    @property
    def address(self) -> str:
        """The repository's page."""
        return f"{self.hub.base_url}/{REPOSITORY}"

    @property
    def storage(self) -> Path:
        """The repository's folder in the storage root."""
        return self.workspace.folder / "storage" / REPOSITORY

    # --- people ------------------------------------------------------------------------------------------------------

    def open(self, **fields: str) -> int:
        """Fill the metric's issue form in and send it, through the hub's page; return the issue's number."""
        filled = {**FIELDS, **fields}
        form = (
            "tune"
            if "search_trials" in fields
            else next(task.name for task in tasks().values() if filled["metric"] in task.metrics)
        )
        user = HubUser(self.hub.base_url, "writer", self.ready.tokens["writer"], REPOSITORY)
        try:
            address = user.open_issue(f"modelyard-{form}.yml", f"Train: {filled['model_name']}", filled)
        finally:
            user.close()
        return int(address.rpartition("/")[2])

    def person(self, login: str = "writer") -> httpx.Client:
        """Return a REST client, its paths relative to the repository."""
        return httpx.Client(
            base_url=f"{self.hub.api_url}/repos/{REPOSITORY}",
            headers={"Authorization": f"Bearer {self.ready.tokens[login]}"},
            timeout=30,
            follow_redirects=True,
        )

    def get(self, path: str) -> Any:
        """Return what the API answers."""
        with self.person() as client:
            return client.get(path, params={"per_page": 100}).raise_for_status().json()

    def open_plain(self, title: str) -> int:
        """Open an issue of Modelyard's that asks for no training: commands can be said there."""
        with self.person("owner") as client:
            sent = {"title": title, "body": "No form.", "labels": ["mlops:train"]}
            issue = int(client.post("/issues", json=sent).raise_for_status().json()["number"])
        self.until_label(issue, "mlops:invalid")
        return issue

    def say(self, issue: int, text: str) -> int:
        """Write a comment; return its id."""
        with self.person() as client:
            said = client.post(f"/issues/{issue}/comments", json={"body": text}).raise_for_status()
        return int(said.json()["id"])

    def operation(self, issue: int, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Say ``/run`` with these arguments, wait until a runner has done it, and return the result out of its log."""
        words = [f"{key}={_written(value)}" for key, value in arguments.items()]
        comment = self.say(issue, " ".join(["/run", name, *words]))
        title = f"{name} for comment {comment}"
        self.until(lambda: self._ended(title) or self._refused(issue, comment), f"{title} has been done")
        (done,) = self._ended(title) or pytest.fail(f"{title} was not sent: {self.comments(issue)[-1]}")
        (job,) = self.get(f"/actions/runs/{done['id']}/jobs")["jobs"]
        log = _STAMP.sub("", self.log(job))
        assert done["conclusion"] == "success", log[-3_000:]
        result = _RESULT.search(log)
        assert result is not None, log[-3_000:]
        found: dict[str, Any] = json.loads(result[0])
        return found

    def _ended(self, title: str) -> list[dict[str, Any]]:
        runs = self.get("/actions/runs")["workflow_runs"]
        return [one for one in runs if one["display_title"] == title and one["status"] == "completed"]

    def _refused(self, issue: int, comment: int) -> bool:
        said = [text for text in self.comments(issue) if f"modelyard:reply-{comment} " in text]
        return any("/actions/runs/" not in text for text in said)

    def edit(self, issue: int, change: Callable[[str], str]) -> None:
        """Edit the issue's text by hand."""
        body = self.get(f"/issues/{issue}")["body"]
        changed = change(body)
        assert changed != body, "the edit changes something"
        with self.person() as client:
            client.patch(f"/issues/{issue}", json={"body": changed}).raise_for_status()

    def data(self, name: str, content: str | bytes) -> str:
        """Put a file where the repository's data lies; return the path that the form takes."""
        path = self.storage / "datasets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    # --- what can be seen --------------------------------------------------------------------------------------------

    def labels(self, issue: int) -> set[str]:
        """Return the labels that say how a run stands."""
        return {label["name"] for label in self.get(f"/issues/{issue}")["labels"]} - {"mlops:train"}

    def comments(self, issue: int) -> list[str]:
        """Return what the App has said, the oldest first."""
        found = self.get(f"/issues/{issue}/comments")
        return [comment["body"] for comment in found if comment["user"]["type"] == "Bot"]

    def run(self, issue: int) -> str:
        """Return the id of the issue's latest run, or nothing while it has none."""
        found = _STICKY.findall("\n".join(self.comments(issue)))
        return str(found[-1]) if found else ""

    def comment(self, issue: int) -> str:
        """Return the comment that follows the issue's latest run."""
        return next(text for text in reversed(self.comments(issue)) if _STICKY.match(text))

    def jobs(self, run: str) -> list[dict[str, Any]]:
        """Return all jobs of a run that were not skipped, the oldest first."""
        runs = [one for one in self.get("/actions/runs")["workflow_runs"] if one["display_title"].startswith(f"{run} ")]
        jobs = [job for one in reversed(runs) for job in self.get(f"/actions/runs/{one['id']}/jobs")["jobs"]]
        return [job for job in jobs if job["conclusion"] != "skipped"]

    def log(self, job: Mapping[str, Any]) -> str:
        """Return a job's log."""
        with self.person() as client:
            return client.get(f"/actions/jobs/{job['id']}/logs").raise_for_status().text

    def page(self, path: str) -> str:
        """Return one of the repository's pages, as a fresh browser gets it."""
        return httpx.get(self.address + path, timeout=30).raise_for_status().text

    def file(self, path: str) -> bytes | None:
        """Return a file of the default branch."""
        return self.hub.git(self.ready.repository).read("main", path)

    def text(self, path: str) -> str:
        """Return a text file of the default branch that has to be there."""
        content = self.file(path)
        assert content is not None, f"{path} was committed"
        return content.decode()

    def history(self, run: str) -> dict[str, Any]:
        """Return a run's lineage."""
        lineage: dict[str, Any] = json.loads(self.text(f"training_history/{run}.json"))
        return lineage

    def head(self) -> str:
        """Return the default branch's commit."""
        return str(self.hub.git(self.ready.repository).head("main"))

    def refs(self) -> list[str]:
        """Return what runs have published and nobody has taken yet."""
        return [ref["ref"] for ref in self.get("/git/matching-refs/modelyard")]

    def stored(self) -> dict[str, bytes]:
        """Return every file in storage."""
        root = self.workspace.folder / "storage"
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    # --- waiting -----------------------------------------------------------------------------------------------------

    def until(self, what: Callable[[], Any], why: str, patience: float = PATIENCE) -> Any:
        """Wait until something holds, and return it."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if found := what():
                return found
            time.sleep(0.1)
        raise AssertionError(f"it never came to this: {why}. The App's log ends:\n{self._log_tail()}")

    def until_label(self, issue: int, label: str) -> None:
        """Wait until a label, and none beside it, says how a run stands: the new one is put on before the old one goes."""
        self.until(lambda: self.labels(issue) == {label}, f"issue {issue} has {label}")

    def until_closed(self, issue: int, label: str, patience: float = PATIENCE) -> str:
        """Wait until a run has come to its end, see that it is the right one, and return the run's id."""
        closed = f"issue {issue} is closed"
        self.until(lambda: self.get(f"/issues/{issue}")["state"] == "closed", closed, patience)
        assert self.labels(issue) == {label}, self.comment(issue)
        return self.run(issue)

    def _log_tail(self) -> str:
        return self.workspace.app_log.read_text(encoding="utf-8")[-3_000:]


def _written(value: Any) -> str:
    """Write an argument as a person would."""
    return value if isinstance(value, str) and " " not in value else json.dumps(value)


@contextlib.contextmanager
def real_loop(folder: Path, promotion: str = "auto") -> Iterator[RealLoop]:
    """Set everything up as `make demo` does, and serve it until the block ends."""
    workspace = Workspace(folder)
    workspace.make(promotion)
    with workspace.running() as running:
        yield RealLoop(workspace, running.hub, running.ready)


def environments() -> Path:
    """Return the folder in which ``actions/setup`` finds its environment complete; fail with the cure where it is not."""
    folder = Path(os.environ.get("MODELYARD_ENVIRONMENTS") or ROOT / ".modelyard" / "environments")
    lock = hashlib.sha256((ROOT / "requirements" / "runner.txt").read_bytes()).hexdigest()
    for complete in folder.glob("*/.complete"):
        if json.loads(complete.read_text(encoding="utf-8"))["lock_sha256"] == lock:
            return folder
    pytest.fail(
        f"The runner's environment is not in {folder}. `make test` makes it; by hand:\n"
        f"  MODELYARD_ENVIRONMENTS={folder} sh actions/setup/environment.sh requirements/runner.txt"
    )
