from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from bot import service as service_module
from bot.app import create_app
from bot.database.store import Store
from bot.engine.looks import StuckLookError
from bot.service import Service
from bot.settings import Settings
from bot.webhooks.delivery import Delivery
from tests.support.gateway import World
from tests.support.keys import private_key
from tests.support.serving import serving


def settings_of(world: World, **changes: object) -> Settings:
    given = {
        "database_url": f"sqlite:///{world.folder / 'app.db'}",
        "storage_root": world.folder / "storage",
        **changes,
    }
    return world.settings(**given)


@contextlib.contextmanager
def running_app(settings: Settings) -> Iterator[tuple[httpx.Client, Service]]:
    app: FastAPI = create_app(settings)
    with serving(app) as address, httpx.Client(base_url=address, timeout=20) as client:
        yield client, app.state.service


def test_an_app_with_database_github_and_worker_is_ready(world: World) -> None:
    with running_app(settings_of(world)) as (client, _):
        assert client.get("/healthz").json() == {"status": "alive"}
        ready = client.get("/readyz")

    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


@pytest.mark.parametrize("wrong", [{"app_id": 4_711}, {"private_key": private_key(), "private_key_path": None}])
def test_an_app_that_github_does_not_know_is_alive_but_not_ready(world: World, wrong: dict[str, object]) -> None:
    with running_app(settings_of(world, **wrong)) as (client, _):
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")

    assert ready.status_code == 503
    assert ready.json()["problems"] == {"github": "hub_unauthorized"}


def test_an_app_that_cannot_reach_github_is_not_ready(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with running_app(settings_of(world, github_api_url=nobody)) as (client, _):
            ready = client.get("/readyz")

    assert ready.json()["problems"] == {"github": "hub_unreachable"}


def test_a_database_that_does_not_respond_is_reported(world: World) -> None:
    with running_app(settings_of(world)) as (client, service):
        with service.store.database.transaction() as connection:
            connection.exec_driver_sql("DROP TABLE counters")
        ready = client.get("/readyz")

    assert ready.status_code == 503
    assert ready.json()["problems"] == {"database": "OperationalError"}


def test_a_look_at_the_storage_that_is_stuck_is_reported(world: World) -> None:
    answers = threading.Event()
    with running_app(settings_of(world)) as (client, service), contextlib.ExitStack() as stack:
        stack.callback(answers.set)
        service.health.looks.seconds = 0.01
        with pytest.raises(StuckLookError):
            asyncio.run(service.health.looks.at("a dead mount", answers.wait))
        problems = client.get("/readyz").json()["problems"]

    assert "no answer for" in problems["storage"]


def test_a_full_disk_is_reported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "free_bytes", lambda _: 5 * 1024**2)
    with running_app(settings_of(world)) as (client, _):
        assert client.get("/readyz").json()["problems"] == {"disk": "5 MB free"}


def test_a_task_that_fails_is_reported_without_names_until_it_works_again(world: World) -> None:
    with running_app(settings_of(world)) as (client, service):
        service.health.note("owner/demo train-20261122-001", ValueError("a bug"))
        problems = client.get("/readyz").json()["problems"]
        service.health.note("owner/demo train-20261122-001", None)
        ready = client.get("/readyz").status_code

    assert (problems, ready) == ({"tasks": "1 failing: ValueError"}, 200)


@pytest.mark.parametrize("part", ["Worker", "Reconciler"])
def test_a_failed_worker_is_reported_and_restarted(world: World, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    class Broken:
        starts = 0

        def __init__(self, *_: object, **__: object) -> None:
            Broken.starts += 1

        async def run(self) -> None:
            raise RuntimeError("a bug")

    monkeypatch.setattr(service_module, part, Broken)
    monkeypatch.setattr(service_module, "WORKER_PAUSE", 0.2)
    with running_app(settings_of(world)) as (client, _):
        problems = client.get("/readyz").json()["problems"]
        time.sleep(0.5)

    assert problems == {"worker": "stopped"}
    assert Broken.starts >= 2


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/metrics"])
def test_head_is_answered_like_get(world: World, path: str) -> None:
    with running_app(settings_of(world)) as (client, _):
        answer = client.head(path)

    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc", "/webhook"])
def test_nothing_else_is_shown_to_a_visitor(world: World, path: str) -> None:
    with running_app(settings_of(world)) as (client, _):
        assert client.get(path).status_code in {404, 405}


# --- the process ---------------------------------------------------------------------------------------------------------


A_DELIVERY = Delivery("d", "issues", "opened", None, None, b"{}", datetime(2026, 11, 22, tzinfo=UTC))


def environment(world: World, **changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
    return {
        **kept,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "MODELYARD_WEBHOOK_SECRET": "canary-of-the-webhook",
        "MODELYARD_APP_ID": str(world.ready.app.id),
        "MODELYARD_PRIVATE_KEY_PATH": str(world.ready.private_key_path),
        "MODELYARD_GITHUB_API_URL": world.hub.api_url,
        **changes,
    }


def serve(world: World, port: int, command: str = "serve", **changes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bot.cli", command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=world.folder,
        env=environment(world, **changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_accepted_delivery_survives_a_kill_right_after_the_response(world: World) -> None:
    port = free_port()
    url = f"sqlite:///{world.folder / 'killed.db'}"
    body = b'{"action": "opened", "repository": {"full_name": "owner/nowhere"}}'
    signature = hmac.new(b"canary-of-the-webhook", body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json", "X-GitHub-Event": "issues", "X-GitHub-Delivery": "d-1",
        "X-Hub-Signature-256": f"sha256={signature}",
    }  # fmt: skip
    with serve(world, port, MODELYARD_DATABASE_URL=url) as process:
        try:
            status, limit = 0, time.monotonic() + 30
            while not status and time.monotonic() < limit:
                with contextlib.suppress(httpx.TransportError):
                    answer = httpx.post(f"http://127.0.0.1:{port}/webhook", content=body, headers=headers, timeout=10)
                    status = answer.status_code
        finally:
            process.kill()
        process.communicate(timeout=30)

    assert status == 202
    store = Store(url)
    assert store.inbox.add_all([replace(A_DELIVERY, id="d-1"), replace(A_DELIVERY, id="d-2")]) == ["repeated", "stored"]
    store.close()


def test_a_wrong_setting_ends_the_process_with_code_2_and_is_named(world: World) -> None:
    with serve(world, free_port(), MODELYARD_APP_ID="many", MODELYARD_LOG_LEVEL="loud") as process:
        _, said = process.communicate(timeout=30)

    assert process.returncode == 2
    assert "MODELYARD_APP_ID" in said
    assert "MODELYARD_LOG_LEVEL" in said
    assert "Traceback" not in said


def becomes_ready(port: int) -> int:
    status, limit = 0, time.monotonic() + 30
    while status != 200 and time.monotonic() < limit:
        with contextlib.suppress(httpx.TransportError):
            status = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code
        time.sleep(0.05)
    return status


def test_a_worker_with_a_port_serves_its_health_there_but_no_webhooks(world: World) -> None:
    port = free_port()
    with serve(world, port, "worker") as process:
        try:
            status = becomes_ready(port)
            metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
            webhook = httpx.post(f"http://127.0.0.1:{port}/webhook", content=b"{}", timeout=10)
        finally:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert (status, webhook.status_code) == (200, 404)
    assert "modelyard_worker_up 1.0" in metrics
    assert 'modelyard_github_rate_limit_remaining_requests{installation="app"' in metrics


def test_the_process_serves_logs_json_and_stops_on_request(world: World) -> None:
    port = free_port()
    with serve(world, port) as process:
        try:
            status = becomes_ready(port)
            refused = httpx.post(f"http://127.0.0.1:{port}/webhook", content=b"{}", timeout=10)
        finally:
            process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)

    assert (status, refused.status_code) == (200, 400)
    lines = [json.loads(line) for line in said.splitlines()]
    assert any("the App is up" in line["message"] for line in lines)
    assert any("webhook refused" in line["message"] for line in lines)
    assert lines[-1]["level"] == "info"
    assert "canary-of-the-webhook" not in said
    assert process.returncode in {0, -signal.SIGTERM}
