"""A hub for the tests of one module, with a receiver that its webhooks go to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.local_hub import MORE_EVENTS, Receiver, RunningHub, example_repository, running_hub, webhook_receiver


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as listening:
        yield listening


@pytest.fixture(scope="module")
def local_hub(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[RunningHub]:
    folder = tmp_path_factory.mktemp("hub")
    source = example_repository(folder / "source")
    with running_hub(folder / "state", webhook_url=receiver.url, import_from=source, app_events=MORE_EVENTS) as running:
        yield running
