"""What GitHub tells of one run comes in any order, some of it again: every order leads to the same end."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bot.runs.machines.training import State
from runners.local.hub.records import Delivery
from runners.local.hub.services.webhooks import request_headers
from tests.support.loop import Loop, running_loop
from tests.support.scripted_runs import Script, order_of

S = State
NOWHERE = "http://127.0.0.1:9/webhook"


class Post:
    """Brings what the hub has to tell, when and in which order it is told to; the hub's own sender reaches nobody."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._app = loop.ready.app
        loop.hub.apps.update(self._app.id, webhook_url=NOWHERE)

    def waiting(self, issue: int, brought: Sequence[int] = ()) -> list[Delivery]:
        """Return what was not brought yet of what is about an issue or a workflow run; the oldest first."""
        news = ("workflow_job", "workflow_run")
        found = [each for each in self._loop.hub.deliveries.find() if each.id not in brought]
        return [each for each in found if each.event in news or self._issue_of(each) == issue]

    def bring(self, delivery: Delivery) -> None:
        body = delivery.payload.encode()
        headers = request_headers(self._app, delivery, body, installation_target=self._app.id)
        httpx.post(self._app.webhook_url, content=body, headers=headers).raise_for_status()

    @staticmethod
    def _issue_of(delivery: Delivery) -> Any:
        return json.loads(delivery.payload).get("issue", {}).get("number")


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Loop, Post]]:
    # Without news in between, stages are looked at by time alone: more often than otherwise.
    folder = tmp_path_factory.mktemp("loop")
    with (
        patch("bot.engine.stage_watch.POLL_INTERVAL", timedelta(seconds=1)),
        running_loop(folder, speed=1, time_factor=0.05) as loop,
    ):
        yield loop, Post(loop)


# How much there is to shuffle depends on the moment, so chance is drawn at once, as a seed.
orders = st.integers(0, 2**32 - 1)
WHEN = st.sampled_from(["before the question", "after it"])


def check(post: tuple[Loop, Post], order: int, when: str) -> None:
    """Let one run be rejected, approved and pass, with its news in an order of chance."""
    loop, mail = post
    rng = random.Random(order)  # noqa: S311 - no secret
    loop.reset()
    loop.values[:] = [0.5, 0.95]
    judged, go_on = threading.Event(), threading.Event()

    def publish(work: Any, job: Any) -> None:
        if order_of(work)["attempt"] == 1:
            judged.set()
            go_on.wait(30)
        loop.publish(work, job)

    loop.script(publish=Script(do=publish))
    known = [each.id for each in loop.hub.deliveries.find()]
    issue = loop.open(max_retries=1)

    def shuffled() -> list[Delivery]:
        """Take everything that waits, and some of it, or of what was brought, once more."""
        found = mail.waiting(issue, known)
        again = rng.sample(found, rng.randint(0, len(found)))
        mixed = [*found, *again]
        rng.shuffle(mixed)
        known.extend(each.id for each in found)
        return mixed

    begun = shuffled()
    for each in begun:
        mail.bring(each)
    assert judged.wait(30)
    loop.until_state(issue, S.JUDGE_RESULTS)
    if when == "after it":
        go_on.set()
        loop.until_state(issue, S.WAIT_FOR_OPERATOR_INPUT)
    loop.say(issue, "/approve")
    for each in shuffled():
        mail.bring(each)
    loop.until(lambda: loop.run(issue).answer or loop.run(issue).decisions, "the approval is taken")
    go_on.set()
    run = loop.until_ended(issue)
    for each in [*begun, *shuffled()]:
        mail.bring(each)
    loop.until(lambda: not loop.store.inbox.entries("new"), "everything was read")

    assert (run.status, run.attempt, loop.labels(issue)) == ("passed", 2, {"mlops:passed"})
    assert [(one.what, one.attempt) for one in run.decisions] == [("approve", 1)]
    assert loop.run(issue) == run
    markers = [text.split("\n", 1)[0] for text in loop.comments(issue)]
    run_comment, question, finished = (f"<!-- modelyard:{name} -->" for name in (
        f"run-{run.id}", f"question-{run.id}-1", f"finished-{run.id}",
    ))  # fmt: skip
    assert markers == [run_comment, question, finished]
    assert [order_of(work)["attempt"] for work in loop.jobs.works] == [1, 2]
    log = loop.hub.git(loop.ready.repository).run("log", "--format=%s", "main").decode()
    assert log.count(run.id) == 1
    assert not loop.store.inbox.entries("dead")


any_order = given(order=orders, when=WHEN)
shared = {
    "deadline": None,
    "phases": (Phase.explicit, Phase.generate),
    "derandomize": True,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@settings(max_examples=1, **shared)  # type: ignore[arg-type]
@any_order
def test_deliveries_in_any_order_and_repeated_lead_to_the_same_end(
    post: tuple[Loop, Post], order: int, when: str
) -> None:
    check(post, order, when)


@pytest.mark.slow
@pytest.mark.timeout(1_200)  # ten seconds an example, and more on a busy machine
@settings(max_examples=12, **shared)  # type: ignore[arg-type]
@any_order
def test_many_more_orders_lead_to_the_same_end(post: tuple[Loop, Post], order: int, when: str) -> None:
    check(post, order, when)
