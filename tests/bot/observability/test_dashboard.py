"""`/` and `/metrics`: what they show, and to whom."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.app import create_app
from bot.database.inbox import MAX_ATTEMPTS
from bot.observability.dashboard import web_address
from bot.runs.machines.training import State
from bot.runs.run import WorkflowDispatch
from bot.service import Service
from bot.webhooks.delivery import Delivery
from runners.local.hub.hub import Hub
from tests.support.gateway import World
from tests.support.github_openapi import AsyncCheckedTransport
from tests.support.runs import NOON, a_run
from tests.support.serving import serving

TOKEN = "a-token-for-the-dashboard"
PAGES = ("/", "/metrics")
FROM_AFAR = [
    {"host": "modelyard.example.org"},
    {"host": "rebound.example.org:8000"},
    {"host": "localhost.example.org"},
    {"forwarded": "for=203.0.113.9"},
    {"x-forwarded-for": "203.0.113.9"},
    {"x-forwarded-for": "127.0.0.1"},
    {"x-forwarded-proto": "https"},
    {"x-real-ip": "203.0.113.9"},
]


class Door:
    """A running App, and a client that comes from this machine."""

    def __init__(self, client: httpx.Client, service: Service) -> None:
        self.client = client
        self.service = service

    def metrics(self) -> dict[str, float]:
        """Return the samples by name and labels."""
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in samples}


@contextlib.contextmanager
def running(world: World, folder: Path, token: str | None = None) -> Iterator[Door]:
    changes = {"database_url": f"sqlite:///{folder}/app.db", "storage_root": folder / "storage"}
    app = create_app(world.settings(dashboard_token=token, **changes))
    with serving(app) as address, httpx.Client(base_url=address, timeout=20) as client:
        yield Door(client, app.state.service)


@pytest.fixture
def door(world: World, tmp_path: Path) -> Iterator[Door]:
    with running(world, tmp_path) as app:
        yield app


@pytest.fixture(scope="module")
def without_token(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Give an App for tests that only look at it."""
    folder = tmp_path_factory.mktemp("without-token")
    with running(World.of(hub, folder, AsyncCheckedTransport), folder) as app:
        yield app


@pytest.fixture(scope="module")
def with_token(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Give an App that asks for a token, for tests that only look at it."""
    folder = tmp_path_factory.mktemp("with-token")
    with running(World.of(hub, folder, AsyncCheckedTransport), folder, TOKEN) as app:
        yield app


# --- who may look --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8000", "127.0.0.1"])
def test_local_requests_are_allowed(without_token: Door, path: str, host: str) -> None:
    assert without_token.client.get(path, headers={"host": host}).status_code == 200


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("headers", FROM_AFAR)
def test_without_a_token_other_requests_get_404(without_token: Door, path: str, headers: dict[str, str]) -> None:
    answer = without_token.client.get(path, headers=headers)

    assert (answer.status_code, answer.json()) == (404, without_token.client.get("/nothing").json())


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("headers", FROM_AFAR)
def test_with_a_token_other_requests_must_send_it(with_token: Door, path: str, headers: dict[str, str]) -> None:
    answer = with_token.client.get(path, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer {TOKEN}", basic(f"anybody:{TOKEN}"), basic(f":{TOKEN}")])
def test_the_token_gives_remote_access(with_token: Door, path: str, given: str) -> None:
    headers = {"host": "modelyard.example.org", "x-forwarded-for": "203.0.113.9", "authorization": given}

    assert with_token.client.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_with_a_token_local_requests_must_send_it_too(with_token: Door, path: str) -> None:
    assert with_token.client.get(path).status_code == 401
    assert with_token.client.get(path, headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_an_app_for_github_needs_a_token_even_locally_because_a_proxy_may_be_local(
    world: World, tmp_path: Path, path: str
) -> None:
    changes = {"database_url": f"sqlite:///{tmp_path}/app.db", "storage_root": tmp_path / "storage"}
    app = create_app(world.settings(github_api_url="https://api.github.com", **changes), run_worker=False)
    with serving(app) as address:
        assert httpx.get(address + path, timeout=20).status_code == 404


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        f"Bearer {TOKEN}x",
        "Bearer ü",
        TOKEN,
        basic(TOKEN),
        basic("a:b"),
        "Basic ?",
        "Basic /w==",
    ],
)
def test_a_wrong_token_is_refused(with_token: Door, given: str) -> None:
    headers = [(b"host", b"modelyard.example.org"), (b"authorization", given.encode())]

    assert with_token.client.get("/metrics", headers=headers).status_code == 401


def test_a_network_request_is_not_local_whatever_its_headers(world: World, tmp_path: Path) -> None:
    app = create_app(world.settings(database_url=f"sqlite:///{tmp_path}/app.db", storage_root=tmp_path / "storage"))

    async def ask(client: str) -> int:
        transport = httpx.ASGITransport(app, client=(client, 4_711))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as asking:
            return (await asking.get("/metrics")).status_code

    assert asyncio.run(ask("203.0.113.9")) == 404
    assert asyncio.run(ask("127.0.0.1")) == 200
    app.state.service.store.close()


def test_a_proxy_that_speaks_http_1_0_does_not_count_as_this_machine(without_token: Door) -> None:
    url = without_token.client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(100).split()[1] == b"404"


# --- the dashboard -------------------------------------------------------------------------------------------------------


def test_the_dashboard_shows_runs_locks_errors_and_dead_letters(door: Door) -> None:
    store = door.service.store
    sent = WorkflowDispatch(attempt=2, start_at="train", title="t", workflow_run=77, sent_at=NOON)
    held = store.runs.open(
        lambda _: a_run(issue=7, attempt=2, state=State.WAIT_FOR_OPERATOR_INPUT, due=None, dispatches=(sent,))
    )
    store.locks.take(held)
    store.runs.open(lambda _: a_run(id="train-20261122-002", issue=8, due=None))
    store.inbox.add(
        Delivery(
            id="0b1c4fd0", event="issues", action="opened", repository="owner/demo", installation=1,
            payload=b"not JSON", received_at=NOON,
        )
    )  # fmt: skip
    for _ in range(MAX_ATTEMPTS):
        store.inbox.mark_failed("0b1c4fd0", "<script>alert(1)</script>", NOON)

    answer = door.client.get("/")

    text = answer.text
    hub = web_address(door.service.settings.github_api_url)
    assert f'href="{hub}/owner/demo/issues/7"' in text
    assert f'href="{hub}/owner/demo/actions/runs/77"' in text
    assert "attempt 2 of 3" in text
    assert "holds the model&#39;s lock" in text or "holds the model's lock" in text
    assert "waiting for train-20261122-001" in text
    assert "0b1c4fd0" in text
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


def test_the_dashboard_says_how_many_runs_it_omits(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.database.statistics.MAX_OPEN", 2)
    for number in (1, 2, 3):
        door.service.store.runs.open(lambda _, n=number: a_run(id=f"train-20261122-00{n}", issue=n, due=None))  # type: ignore[misc]

    text = door.client.get("/").text

    assert "train-20261122-002" in text
    assert "train-20261122-003" not in text
    assert "and 1 more" in text


def test_the_dashboard_reports_problems_even_without_a_database(door: Door) -> None:
    with door.service.store.database.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE counters")

    text = door.client.get("/").text

    assert "not ready" in text
    assert "<strong>database</strong>: OperationalError" in text


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://api.octo.ghe.com", "https://octo.ghe.com"),
        ("https://git.example.org/api/v3", "https://git.example.org"),
    ],
)
def test_links_lead_to_where_people_see_repositories(api: str, web: str) -> None:
    assert web_address(api) == web


def test_links_lead_to_the_local_hub(world: World) -> None:
    assert web_address(world.hub.api_url) == world.hub.base_url


# --- the metrics ---------------------------------------------------------------------------------------------------------


def test_the_metrics_cover_deliveries_runs_and_requests(door: Door) -> None:
    store = door.service.store
    store.runs.open(lambda _: a_run(state=State.WAIT_FOR_OPERATOR_INPUT, due=None))
    door.client.get("/readyz")
    door.client.post("/webhook", content=b"{}")

    found = door.metrics()

    assert found["modelyard_webhook_answers_total delivery_header_missing"] == 1
    assert found["modelyard_open_runs WaitForOperatorInput"] == 1
    assert found["modelyard_open_runs Queued"] == 0
    assert found["modelyard_deliveries_waiting"] == 0
    assert found["modelyard_oldest_waiting_delivery_age_seconds"] == 0
    assert (found["modelyard_worker_up"], found["modelyard_database_up"], found["modelyard_replicas"]) == (1, 1, 1)
    assert found["modelyard_github_requests_total 2xx"] >= 1
    assert 0 < found["modelyard_github_rate_limit_remaining_requests app core"] < 5_000


def test_without_a_database_the_process_still_reports_its_own_metrics(door: Door) -> None:
    with door.service.store.database.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE replicas")

    found = door.metrics()

    assert found["modelyard_database_up"] == 0
    assert "modelyard_deliveries_waiting" not in found
