"""The whole loop on a GitHub Enterprise Server, every request and response held against that server's own description."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runners.local.hub.editions import GHES
from tests.support.loop import Loop, running_loop


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    with running_loop(tmp_path_factory.mktemp("ghes"), edition=GHES) as loop:
        yield loop


def test_a_rejected_run_is_trained_again_and_passes_on_a_github_enterprise_server(loop: Loop) -> None:
    loop.values = [0.5, 0.95]
    issue = loop.open(model_name="on-ghes", max_retries=1)
    loop.until_label(issue, "mlops:waiting")
    loop.say(issue, "/approve")
    assert loop.until_ended(issue).status == "passed"
    assert loop.labels(issue) == {"mlops:passed"}
    assert [bool(work.inputs) for work in loop.jobs.works] == [True, True], "one dispatch for each attempt"
