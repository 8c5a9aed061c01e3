"""Hub and App together, over HTTP with signed webhooks; what the jobs do is scripted, and the App's time can jump.

Every request of the App and every answer is held against GitHub's own description.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from actions.request import TrainingRequest
from bot.app import Service, create_app
from bot.forms import form_body
from bot.init import Source, files
from bot.pipeline import Run, State
from bot.settings import Settings
from runners.local.hub.hub import Hub
from runners.local.hub.server import bind, serving
from runners.local.hub.setup import Ready, Setup, set_up
from tests.support.github_openapi import AsyncCheckedTransport
from tests.support.repositories import repository
from tests.support.results import a_result
from tests.support.runs import a_request
from tests.support.scripted_runs import Script, ScriptedExecutor, area, order_of, publishes
from tests.support.serving import serving as app_serving
from tests.support.unreliable import Unreliable

SECRET = "only for tests"
SOURCE = "modelyard/modelyard"
PATIENCE = 20.0
SPEED = 40
"""The App's clock runs so much faster than the wall's."""


class Clock:
    """The App's time: fast, and able to jump."""

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self._jumped = timedelta()

    def __call__(self) -> datetime:
        return self._began + (datetime.now(UTC) - self._began) * SPEED + self._jumped

    def jump(self, by: timedelta) -> None:
        self._jumped += by

    def reset(self) -> None:
        """Go back to the wall's time, for the next test."""
        self.__init__()  # type: ignore[misc]


@dataclass
class Loop:
    """One repository on a hub, served by an App."""

    hub: Hub
    ready: Ready
    service: Service
    clock: Clock
    network: Unreliable
    jobs: ScriptedExecutor
    storage: Path
    values: list[float] = field(default_factory=list)
    """What the metric comes to, attempt by attempt; the last one stays."""

    @property
    def name(self) -> str:
        return self.ready.repository.full_name

    def reset(self) -> None:
        """Forget what the test before scripted, and end the runs that it left when it failed."""
        for run in self.service.store.open_runs():
            self.service.store.change(run, lambda now: now.but(state=State.END))
            self.service.store.release_lock(run)
        self.clock.reset()
        self.network.troubles.clear()
        self.network.requests.clear()
        self.jobs.works.clear()
        self.jobs.hanging.clear()
        self.values.clear()
        self.script()

    # --- people ------------------------------------------------------------------------------------------------------

    def person(self, login: str) -> httpx.Client:
        """Return a REST client, its paths relative to the repository."""
        return httpx.Client(
            base_url=f"{self.hub.api_url}/repos/{self.name}",
            headers={"Authorization": f"Bearer {self.ready.tokens[login]}"},
            timeout=20,
        )

    def open(self, request: TrainingRequest | str | None = None, by: str = "writer", **changes: Any) -> int:
        """Open an issue with a request (or any text) as its body; return its number."""
        body = request if isinstance(request, str) else form_body(request or a_request(**changes))
        with self.person(by) as client:
            answer = client.post("/issues", json={"title": "Train", "body": body, "labels": ["mlops:train"]})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        if by in ("reader", "outsider"):  # GitHub ignores labels of those who may not label
            self.label(answer.json()["number"])
        return int(answer.json()["number"])

    def label(self, issue: int, by: str = "owner") -> None:
        with self.person(by) as client:
            client.post(f"/issues/{issue}/labels", json={"labels": ["mlops:train"]}).raise_for_status()

    def edit(self, issue: int, body: str, by: str = "writer") -> None:
        with self.person(by) as client:
            client.patch(f"/issues/{issue}", json={"body": body}).raise_for_status()

    def say(self, issue: int, text: str, by: str = "writer") -> int:
        """Write a comment; return its id."""
        with self.person(by) as client:
            return int(client.post(f"/issues/{issue}/comments", json={"body": text}).raise_for_status().json()["id"])

    # --- what can be seen --------------------------------------------------------------------------------------------

    def issue(self, number: int) -> Any:
        with self.person("owner") as client:
            return client.get(f"/issues/{number}").raise_for_status().json()

    def labels(self, number: int) -> set[str]:
        return {label["name"] for label in self.issue(number)["labels"]} - {"mlops:train"}

    def comments(self, number: int) -> list[str]:
        """Return what the App has said, the oldest first."""
        with self.person("owner") as client:
            found = client.get(f"/issues/{number}/comments", params={"per_page": 100}).raise_for_status().json()
        return [comment["body"] for comment in found if comment["user"]["type"] == "Bot"]

    def file(self, path: str) -> str | None:
        """Return a file of the default branch."""
        content = self.hub.git(self.ready.repository).read("main", path)
        return None if content is None else content.decode()

    def head(self) -> str:
        return str(self.hub.git(self.ready.repository).head("main"))

    def stored(self) -> list[str]:
        """Return every file in storage but the progress of invalid runs."""
        return sorted(str(path.relative_to(self.storage)) for path in self.storage.rglob("*") if path.is_file())

    def run(self, issue: int) -> Run:
        found = self.service.store.run_of_issue(self.name, issue)
        assert found is not None, "the issue has no run"
        return found

    def states(self, issue: int) -> list[State]:
        """Return the states that the issue's run has been in, and is in."""
        run = self.run(issue)
        return [*(visit.state for visit in run.visits), run.state]

    # --- waiting -----------------------------------------------------------------------------------------------------

    def until(self, what: Callable[[], Any], why: str = "") -> Any:
        """Wait until something holds, and return it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := what():
                return found
            time.sleep(0.02)
        raise AssertionError(f"it never came to this: {why or what}; {self._report()}")

    def until_label(self, issue: int, label: str) -> None:
        self.until(lambda: self.labels(issue) == {label}, f"issue {issue} has {label}")

    def until_state(self, issue: int, state: State) -> Run:
        def there() -> Run | None:
            run = self.service.store.run_of_issue(self.name, issue)
            return run if run is not None and run.state is state else None

        found: Run = self.until(there, f"issue {issue} is in {state}")
        return found

    def until_ended(self, issue: int) -> Run:
        return self.until_state(issue, State.END)

    def jump(self, **by: float) -> None:
        """Let the App's time jump, as after a long night."""
        self.clock.jump(timedelta(**by))

    def _report(self) -> str:
        runs = self.service.store.open_runs()
        return "; ".join(f"{run.id}: {run.state}, tries {run.tries}, {run.error}" for run in runs) or "no open run"

    # --- the jobs' scripts -------------------------------------------------------------------------------------------

    def script(self, **scripts: Script) -> None:
        """Say how jobs go from now on; publish publishes unless it is told otherwise."""
        self.jobs.scripts = {"publish": Script(do=self.publish), **scripts}

    def publish(self, work: Any, job: Any) -> None:
        """Do what the stages would have left behind: the model file, and the published result."""
        order = order_of(work)
        run = self.service.store.run(order["repository"], order["run"])
        models = area(work, "models")
        models.mkdir(parents=True, exist_ok=True)
        (models / "model.skops").write_bytes(b"true")
        value = self.values[min(run.attempt, len(self.values)) - 1] if self.values else 0.95
        publishes(lambda _: a_result(run, value, git_sha=work.sha), {"roc_curve.png": PNG})(work, job)


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


@contextlib.contextmanager
def running_loop(
    folder: Path, *, promotion: Any = "approval", webhooks: bool = True, **settings: Any
) -> Iterator[Loop]:
    """Serve hub and App until the block ends."""
    hub_socket, hub_url = bind()
    app_socket, app_url = bind()
    hub = Hub.open(folder / "hub", hub_url, webhooks_enabled=webhooks)
    clock, network, jobs = Clock(), Unreliable(AsyncCheckedTransport(httpx.AsyncHTTPTransport())), ScriptedExecutor()
    with contextlib.ExitStack() as stack:
        stack.callback(hub.close)
        ready = _set_up(hub, folder, f"{app_url}/webhook", promotion)
        hub.runs.executor = jobs
        hub.runs.add_runner("runner-1")
        hub.runs.add_runner("runner-2")
        stack.enter_context(serving(hub, hub_socket))
        given = {
            "webhook_secret": SECRET,
            "app_id": ready.app.id,
            "private_key_path": ready.private_key_path,
            "github_api_url": hub.api_url,
            "database_url": f"sqlite:///{folder}/app.sqlite3",
            "storage_root": folder / "storage",
            "write_burst": 1_000,
            "time_factor": 1,
            **settings,
        }
        app = create_app(Settings(_env_file=None, **given), transport=network, clock=clock)
        loop = Loop(hub, ready, app.state.service, clock, network, jobs, folder / "storage")
        loop.script()
        stack.enter_context(patch("bot.worker.LONGEST_SLEEP", 0.05))
        stack.enter_context(app_serving(app, app_socket))
        yield loop


def _set_up(hub: Hub, folder: Path, webhook_url: str, promotion: Any) -> Ready:
    """Make the customer's repository by what `modelyard init` writes, calling a repository with the real workflows."""
    source = hub.create_repository(SOURCE, private=False)
    sha = hub.import_git(source, _workflows())
    content = files(Source(SOURCE, sha), promotion=promotion)
    return set_up(
        hub,
        Setup(import_from=repository(folder / "repository", **content), webhook_url=webhook_url, webhook_secret=SECRET),
    )


@cache
def _workflows() -> Path:
    """Return a repository that holds this project's workflows, made once a process."""
    here = Path(".github/workflows")
    content = {str(path): path.read_text(encoding="utf-8") for path in (here / "train.yml", here / "operation.yml")}
    return repository(Path(tempfile.mkdtemp()) / "source", **content)
