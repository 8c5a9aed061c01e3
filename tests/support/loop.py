"""Hub and App together, over HTTP with signed webhooks; what the jobs do is scripted, and the App's time can jump.

Every request of the App and every answer is held against GitHub's own description.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import ssl
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import sqlalchemy as sa

from actions.tasks.exchange import WorkOrder
from actions.tasks.registry import TrainingRequest
from bot.admin.init import Source, files
from bot.app import create_app
from bot.database.store import Store
from bot.database.tables import LEASES
from bot.parsing.form import form_body
from bot.runs.machines.training import State
from bot.runs.run import Run
from bot.settings import Settings
from bot.webhooks.delivery import Delivery
from runners.local.hub.editions import GITHUB_COM, Edition
from runners.local.hub.hub import Hub
from runners.local.hub.seed import Ready, Setup
from runners.local.hub.server import bind, serving
from tests.support.app_process import AppProcess
from tests.support.github_openapi import AsyncCheckedTransport
from tests.support.keys import set_up_with_one_key
from tests.support.repositories import repository
from tests.support.results import MODEL_BYTES, PNG, a_result
from tests.support.runs import a_request
from tests.support.scripted_runs import Script, ScriptedExecutor, area, publishes
from tests.support.serving import serving as app_serving
from tests.support.unreliable import Unreliable

SECRET = "only for tests"
SOURCE = "modelyard/modelyard"
Serving = contextlib.AbstractContextManager[None]
PATIENCE = 120.0
Start = Callable[..., AppProcess]
SPEED = 20
"""The App's clock runs so much faster than the wall's."""


class Clock:
    """The App's time: fast, and able to jump."""

    def __init__(self, speed: float = SPEED) -> None:
        self._speed = speed
        self._began = datetime.now(UTC)
        self._jumped = timedelta()

    def __call__(self) -> datetime:
        return self._began + (datetime.now(UTC) - self._began) * self._speed + self._jumped

    def jump(self, by: timedelta) -> None:
        self._jumped += by

    def reset(self, speed: float | None = None) -> None:
        """Go back to the wall's time, and run on from there, at another speed if wanted."""
        self._speed = self._speed if speed is None else speed
        self._began = datetime.now(UTC)
        self._jumped = timedelta()


@dataclass
class Loop:
    """One repository on a hub, served by an App."""

    hub: Hub
    ready: Ready
    store: Store
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
        for run in self.store.runs.open_runs():
            self.store.runs.change(run, lambda now: now.replace(state=State.END))
            self.store.locks.release(run)
        for work in self.hub.runs.runs.find():
            self.hub.runs.cancel(work)
        self.until(lambda: not self.hub.runs.runs.find(status="in_progress"), "the jobs of the test before are over")
        self.clock.reset()
        self.network.troubles.clear()
        self.network.requests.clear()
        self.hub.faults.clear()
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
            verify=_TLS,
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

    def write(self, path: str, text: str) -> None:
        """Put a file onto the default branch, as its owner."""
        with self.person("owner") as client:
            there = client.get(f"/contents/{path}")
            body = {"message": "Change", "content": base64.b64encode(text.encode()).decode()}
            if there.status_code == httpx.codes.OK:
                body["sha"] = there.json()["sha"]
            client.put(f"/contents/{path}", json=body).raise_for_status()

    def edit(self, issue: int, body: str, by: str = "writer") -> None:
        with self.person(by) as client:
            client.patch(f"/issues/{issue}", json={"body": body}).raise_for_status()

    def say(self, issue: int, text: str, by: str = "writer") -> int:
        """Write a comment; return its id."""
        with self.person(by) as client:
            return int(client.post(f"/issues/{issue}/comments", json={"body": text}).raise_for_status().json()["id"])

    def delivery_of(self, comment: int, *, body: str) -> Delivery:
        """Return the delivery of a comment as it would come another time, with other words in it."""
        for sent in self.hub.deliveries.find():
            payload = json.loads(sent.payload)
            if sent.event == "issue_comment" and payload["comment"]["id"] == comment:
                payload["comment"]["body"] = body
                text = json.dumps(payload).encode()
                return Delivery(
                    f"late-{comment}", sent.event, sent.action, self.name, sent.installation_id, text, self.clock()
                )
        raise AssertionError(f"comment {comment} was not delivered")

    def deliver(self, event: str, payload: Mapping[str, Any]) -> int:
        """Send the App a webhook, signed as GitHub would; return the status of the answer."""
        body = json.dumps(payload).encode()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": str(uuid.uuid4()),
            "X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
        }
        return httpx.post(self.ready.app.webhook_url, content=body, headers=headers, timeout=20).status_code

    # --- what can be seen --------------------------------------------------------------------------------------------

    def issue(self, number: int) -> Any:
        with self.person("owner") as client:
            return client.get(f"/issues/{number}").raise_for_status().json()

    def labels(self, number: int) -> set[str]:
        return {label["name"] for label in self.issue(number)["labels"]} - {"mlops:train"}

    def comments(self, number: int) -> list[str]:
        """Return what the App has said, the oldest first."""
        found: list[dict[str, Any]] = []
        page = 1
        with self.person("owner") as client:
            while len(found) == 100 * (page - 1):
                asked = client.get(f"/issues/{number}/comments", params={"per_page": 100, "page": page})
                found += asked.raise_for_status().json()
                page += 1
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
        found = self.store.runs.of_issue(self.name, issue)
        assert found is not None, "the issue has no run"
        return found

    def has_run(self, issue: int) -> bool:
        return self.store.runs.of_issue(self.name, issue) is not None

    def states(self, issue: int) -> list[State]:
        """Return the states that the issue's run has been in, and is in."""
        run = self.run(issue)
        return [*(State(visit.state) for visit in run.visits), State(run.state)]

    def lose_database(self) -> None:
        """Delete the database of the App, which must not be up; its next start makes another one."""
        self.store.close()
        for file in self.storage.parent.glob("app.sqlite3*"):
            file.unlink()

    # --- waiting -----------------------------------------------------------------------------------------------------

    def until(self, what: Callable[[], Any], why: str = "") -> Any:
        """Wait until something holds, and return it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := what():
                return found
            time.sleep(0.02)
        raise AssertionError(f"it never came to this: {why or what}; {self._report()}")

    def until_idle(self) -> None:
        """Wait until the App has handled all that has happened and no step of a run is under way."""
        working = sa.select(LEASES.c.work).where(LEASES.c.repository != "")

        def idle() -> bool:
            if self.hub.deliveries.count(state="pending") or self.store.inbox.entries("new"):
                return False
            with self.store.database.transaction() as connection:
                return connection.execute(working).first() is None

        self.until(idle, "the App is idle")

    def until_label(self, issue: int, label: str) -> None:
        self.until(lambda: self.labels(issue) == {label}, f"issue {issue} has {label}")

    def until_state(self, issue: int, state: State) -> Run:
        def there() -> Run | None:
            run = self.store.runs.of_issue(self.name, issue)
            return run if run is not None and run.state is state else None

        found: Run = self.until(there, f"issue {issue} is in {state}")
        return found

    def until_ended(self, issue: int) -> Run:
        return self.until_state(issue, State.END)

    def jump(self, **by: float) -> None:
        """Let the App's time jump, as after a long night."""
        self.clock.jump(timedelta(**by))

    def _report(self) -> str:
        runs = self.store.runs.open_runs()
        return "; ".join(f"{run.id}: {run.state}, tries {run.tries}, {run.error}" for run in runs) or "no open run"

    # --- the jobs' scripts -------------------------------------------------------------------------------------------

    def script(self, **scripts: Script) -> None:
        """Say how jobs go from now on; publish publishes unless it is told otherwise."""
        self.jobs.scripts = {"publish": Script(do=self.publish), **scripts}

    def publish(self, work: Any, job: Any) -> None:
        """Do what the stages would have left behind: the model file, and the published result."""
        order = WorkOrder.model_validate_json(work.inputs["order"])
        models = area(work, "models")
        models.mkdir(parents=True, exist_ok=True)
        (models / "model.skops").write_bytes(MODEL_BYTES)
        value = self.values[min(order.attempt, len(self.values)) - 1] if self.values else 0.95
        publishes(lambda _: a_result(order, value, git_sha=work.sha), {"roc_curve.png": PNG})(work, job)


def answered(loop: Loop, issue: int, text: str, by: str = "writer") -> str:
    """Say something and return what the App answers in a comment of its own."""
    before = len(loop.comments(issue))
    loop.say(issue, text, by)
    loop.until(lambda: len(loop.comments(issue)) > before, f"an answer to {text[:40]}")
    return loop.comments(issue)[-1]


@contextlib.contextmanager
def running_loop(
    folder: Path,
    *,
    promotion: Any = "approval",
    speed: float = SPEED,
    edition: Edition = GITHUB_COM,
    **more: Any,
) -> Iterator[Loop]:
    """Serve hub and App, both in this process, until the block ends; ``more`` are settings of the App."""
    with loop_with_app(folder, promotion=promotion, edition=edition) as (loop, serve):
        loop.clock = Clock(speed)
        with serve(**more):
            yield loop


@contextlib.contextmanager
def loop_with_app(
    folder: Path, *, promotion: Any = "approval", edition: Edition = GITHUB_COM
) -> Iterator[tuple[Loop, Callable[..., Serving]]]:
    """Serve the hub; also give a function that serves the App in this process, as long as its block lasts."""
    taken, app_url = bind()
    port = taken.getsockname()[1]
    taken.close()
    with _hub_side(folder, app_url, promotion, edition) as (loop, settings):

        @contextlib.contextmanager
        def serve(**more: Any) -> Iterator[None]:
            given = Settings(_env_file=None, **{**settings, **more})
            # Connections of the App that was up before belong to an event loop that has ended.
            loop.network.inner = AsyncCheckedTransport(httpx.AsyncHTTPTransport())
            app = create_app(given, transport=loop.network, clock=loop.clock)
            loop.store = app.state.service.store
            with patch("bot.worker.MAX_SLEEP", 0.05), app_serving(app, bind(port)[0]):
                yield

        yield loop, serve


@contextlib.contextmanager
def loop_of_processes(folder: Path, database_url: str | None = None) -> Iterator[tuple[Loop, Start]]:
    """Serve the hub; also give a function that starts the App as a process of its own; see ``app_processes``."""
    app_socket, app_url = bind()
    port = app_socket.getsockname()[1]
    app_socket.close()
    with _hub_side(folder, app_url, "approval", GITHUB_COM) as (loop, settings):
        if database_url:
            settings["database_url"] = database_url
        given = {f"MODELYARD_{name.upper()}": str(value) for name, value in settings.items()}
        loop.store = Store(settings["database_url"])
        try:
            with app_processes(given, port, folder / "app.log") as start:
                yield loop, start
        finally:
            loop.store.close()


@contextlib.contextmanager
def app_processes(given: Mapping[str, str], port: int, log: Path) -> Iterator[Start]:
    """Yield a function that starts a process of the App; all have ended after the block.

    Its words are the App's command: by default ``serve``; else ``serve``, ``--no-worker`` or ``worker``. Its keywords are
    settings beside the ``given`` environment variables.
    """
    started: list[AppProcess] = []
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}

    def start(*words: str, **more: str) -> AppProcess:
        serves = "worker" not in words
        command = [*(words or ("serve",)), *(["--port", str(port)] if serves else [])]
        environment = {**inherited, **given, **{f"MODELYARD_{name.upper()}": value for name, value in more.items()}}
        process = AppProcess(command, environment, log)
        started.append(process)
        end = time.monotonic() + PATIENCE
        while serves and process.poll() is None and not _answers(f"http://127.0.0.1:{port}/healthz"):
            assert time.monotonic() < end, "the App comes up"
            time.sleep(0.02)
        return process

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def _hub_side(folder: Path, app_url: str, promotion: Any, edition: Edition) -> Iterator[tuple[Loop, dict[str, Any]]]:
    """Serve a hub with scripted jobs and two runners; yield it with the settings that its App needs."""
    listening, hub_url = bind()
    hub = Hub.open(folder / "hub", hub_url, edition=edition)
    with contextlib.ExitStack() as stack:
        stack.callback(hub.close)
        ready = _set_up(hub, folder, f"{app_url}/webhook", promotion)
        hub.runs.executor = jobs = ScriptedExecutor()
        hub.runs.add_runner("runner-1")
        hub.runs.add_runner("runner-2")
        stack.enter_context(serving(hub, listening))
        settings = {
            "webhook_secret": SECRET,
            "app_id": ready.app.id,
            "private_key_path": ready.private_key_path,
            "github_api_url": hub.api_url,
            "database_url": f"sqlite:///{folder}/app.sqlite3",
            "storage_root": folder / "storage",
            "write_burst": 1_000,
        }
        network = Unreliable(AsyncCheckedTransport(httpx.AsyncHTTPTransport()))
        loop = Loop(hub, ready, _NO_STORE, Clock(), network, jobs, folder / "storage")
        loop.script()
        yield loop, settings


_NO_STORE: Any = None
_TLS = ssl.create_default_context()
"""Made once: httpx would read all certificates for each client, although the hub speaks plain HTTP."""


def _set_up(hub: Hub, folder: Path, webhook_url: str, promotion: Any) -> Ready:
    """Make the customer's repository by what `modelyard init` writes, calling a repository with the real workflows."""
    source = hub.create_repository(SOURCE, private=False)
    sha = hub.import_git(source, _workflows())
    content = files(Source(SOURCE, sha), promotion=promotion)
    return set_up_with_one_key(
        hub,
        Setup(import_from=repository(folder / "repository", **content), webhook_url=webhook_url, webhook_secret=SECRET),
    )


@cache
def _workflows() -> Path:
    """Return a repository that holds this project's workflows, made once a process."""
    here = Path(".github/workflows")
    content = {str(path): path.read_text(encoding="utf-8") for path in (here / "train.yml", here / "operation.yml")}
    return repository(Path(tempfile.mkdtemp()) / "source", **content)
