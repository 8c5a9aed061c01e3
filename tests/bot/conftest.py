"""A hub for the tests of one module and the App's place at it for each test; databases, and AWS, on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.credentials.secrets_manager import SecretsManager
from bot.database.store import Store
from runners.local.hub.hub import Hub
from tests.support.databases import postgres_url, sqlite_url
from tests.support.gateway import World, running_hub
from tests.support.github_openapi import AsyncCheckedTransport


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def world(hub: Hub, tmp_path: Path) -> World:
    return World.of(hub, tmp_path, AsyncCheckedTransport)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty database, of one kind and then of the other."""
    return sqlite_url(tmp_path) if request.param == "sqlite" else postgres_url()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """Serve AWS on this machine."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host if host != '0.0.0.0' else '127.0.0.1'}:{port}"
    server.stop()


@pytest.fixture
def secrets_manager(aws: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SecretsManager:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    return SecretsManager(f"modelyard/{tmp_path.name}", "eu-central-1")
