"""A hub for the tests of one module, and the App's place at it for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.local.hub.hub import Hub
from tests.support.gateway import World, running_hub
from tests.support.github_openapi import AsyncCheckedTransport


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def world(hub: Hub, tmp_path: Path) -> World:
    return World.of(hub, tmp_path, AsyncCheckedTransport)
