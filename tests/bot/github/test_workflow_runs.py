from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from bot.github import GitHub, HubError, Job, Repository, WorkflowRun
from bot.github.workflow_runs import _readable
from tests.support import unreliable
from tests.support.gateway import World, running_hub
from tests.support.github_openapi import AsyncCheckedTransport
from tests.support.serving import serving

WORKFLOW = "modelyard-train.yml"
RUN = "train-20261122-001"


async def start(repository: Repository, attempt: int = 1, *, sent_before: bool = False) -> int:
    inputs = {"run": RUN, "attempt": str(attempt)}
    title = f"{RUN} attempt {attempt}"
    return await repository.dispatch(WORKFLOW, "main", inputs, find_by=title, sent_before=sent_before)


def runs_of(world: World) -> dict[int, str]:
    known = world.as_person("owner", "GET", "actions/runs").json()["workflow_runs"]
    return {run["id"]: run["status"] for run in known}


def test_a_dispatch_returns_the_id_of_its_run(world: World) -> None:
    async def begin(repository: Repository) -> tuple[int, WorkflowRun]:
        number = await start(repository)
        return number, await repository.workflow_run(number)

    number, run = world.do(begin)

    assert run.id == number
    assert (run.display_title, run.status, run.event) == (f"{RUN} attempt 1", "queued", "workflow_dispatch")


def test_a_server_that_refuses_run_details_gets_the_dispatch_without_them(world: World) -> None:
    body = {"message": "Invalid request.", "errors": ['"return_run_details" is not a permitted key.']}
    world.network.add("POST", "/dispatches$", unreliable.answering(422, body))

    number = world.do(start)

    assert list(runs_of(world)) == [number]
    assert world.network.writes("dispatches") == ["POST dispatches"] * 2


def test_a_dispatch_that_is_repeated_finds_its_run(world: World) -> None:
    first = world.do(start)
    second = world.do(start)

    assert first == second
    assert list(runs_of(world)) == [first]


def test_attempt_ten_is_not_confused_with_attempt_one(world: World) -> None:
    tenth = world.do(lambda repository: start(repository, 10))
    first = world.do(start)

    assert sorted(runs_of(world)) == sorted([tenth, first])


@pytest.mark.parametrize("fault", [unreliable.timed_out, unreliable.reset, unreliable.answering(502)])
def test_a_dispatch_is_found_and_not_repeated_if_the_response_was_lost(world: World, fault: unreliable.Fault) -> None:
    world.network.add("POST", "/dispatches$", fault, delivered=True)

    number = world.do(start)

    assert list(runs_of(world)) == [number]
    assert world.network.writes("dispatches") == ["POST dispatches"]


def test_a_dispatch_that_never_arrived_is_sent_again_after_a_minute(world: World) -> None:
    world.network.add("POST", "/dispatches$", unreliable.timed_out)

    number = world.do(start)

    assert list(runs_of(world)) == [number]
    assert world.network.writes("dispatches") == ["POST dispatches"] * 2
    looks = [request for request in world.network.requests if request.url.path.endswith(f"{WORKFLOW}/runs")]
    assert len(looks) == 1 + 7


def test_a_dispatch_that_is_refused_is_not_sent_again(world: World) -> None:
    async def wrong(repository: Repository) -> int:
        return await repository.dispatch(WORKFLOW, "main", {"run": RUN, "colour": "red"}, find_by=RUN)

    with pytest.raises(HubError) as caught:
        world.do(wrong)

    assert (caught.value.status, caught.value.transient) == (422, False)
    assert "colour" in str(caught.value)
    assert world.network.writes("dispatches") == ["POST dispatches"]


def test_a_run_is_looked_up_if_the_response_has_no_details(world: World) -> None:
    world.network.add("POST", "/dispatches$", lambda *_: httpx.Response(204), delivered=True)

    number = world.do(start)

    assert list(runs_of(world)) == [number]


def test_the_newer_of_two_runs_is_cancelled(world: World) -> None:
    world.network.add("GET", "/runs$", lambda *_: httpx.Response(200, json={"workflow_runs": []}), times=2)
    for _ in range(2):
        world.do(start)
    older, younger = sorted(runs_of(world))

    assert world.do(lambda repository: start(repository, sent_before=True)) == older

    assert runs_of(world)[older] == "queued"
    assert runs_of(world)[younger] == "completed"


def test_a_run_that_somebody_else_dispatched_under_the_same_title_is_not_taken_for_the_app_s(world: World) -> None:
    inputs = {"run": RUN, "attempt": "1"}
    world.as_person("writer", "POST", f"actions/workflows/{WORKFLOW}/dispatches", {"ref": "main", "inputs": inputs})
    (theirs,) = runs_of(world)

    ours = world.do(lambda repository: start(repository, sent_before=True))

    assert ours != theirs
    assert runs_of(world) == {theirs: "queued", ours: "queued"}


def test_cancelling_a_run_twice_is_fine(world: World) -> None:
    async def cancel(repository: Repository) -> tuple[str, str | None]:
        number = await start(repository)
        await repository.cancel_workflow_run(number)
        await repository.cancel_workflow_run(number)
        run = await repository.workflow_run(number)
        return run.status, run.conclusion

    assert world.do(cancel) == ("completed", "cancelled")


@pytest.mark.slow
def test_a_job_has_its_steps_and_the_end_of_its_log(tmp_path: Path) -> None:
    async def follow(repository: Repository) -> tuple[Job, str, str]:
        number = await start(repository)
        limit = time.monotonic() + 60
        while (await repository.workflow_run(number)).status != "completed" and time.monotonic() < limit:  # noqa: ASYNC110 - it is polled
            await asyncio.sleep(0.1)
        (job,) = await repository.jobs(number)
        failed = next(step for step in job.steps if step.conclusion == "failure")
        return (
            job,
            await repository.job_log_tail(job.id, 5),
            await repository.job_log_tail(job.id, 500, until=failed.completed_at),
        )

    with running_hub(tmp_path / "hub_with_runner") as hub:
        hub.runs.add_runner("runner", ["self-hosted"])
        job, tail, whole = World.of(hub, tmp_path, AsyncCheckedTransport).do(follow)
        log = hub.runs.log(hub.runs.jobs.need(job.id)).splitlines()

    assert (job.name, job.conclusion) == ("train", "failure")
    assert job.started_at is not None
    assert tail.splitlines() == [line.partition(" ")[2] for line in log[-5:]]
    assert "line 1" in whole.splitlines()


# --- logs ----------------------------------------------------------------------------------------------------------------


def test_clean_up_steps_after_a_failed_step_are_left_out() -> None:
    lines = [
        "\ufeff2026-11-22T09:00:00.1234567Z start",
        "2026-11-22T09:00:05.9000000Z \x1b[31mValueError: no column `target`\x1b[0m",
        "2026-11-22T09:00:07.0000000Z Post job cleanup.",
    ]

    shown = _readable(lines, datetime(2026, 11, 22, 9, 0, 5, tzinfo=UTC))

    assert shown == ["start", "ValueError: no column `target`"]


class Elsewhere:
    """A host for logs beside the hub, and a hub that redirects there."""

    def __init__(self, log: bytes) -> None:
        self.seen: list[dict[str, str]] = []
        self.log = log
        self.address = ""

    async def installation(self, _: Request) -> Response:
        return JSONResponse({"id": 1})

    async def token(self, _: Request) -> Response:
        return JSONResponse({"token": "ghs_canary", "expires_at": "2999-01-01T00:00:00Z"}, 201)

    async def redirect(self, _: Request) -> Response:
        return RedirectResponse(f"{self.address}/blob", 302)

    async def blob(self, request: Request) -> Response:
        self.seen.append(dict(request.headers))
        return PlainTextResponse(self.log)


def tail_of(log: bytes, lines: int, world: World) -> tuple[str, list[dict[str, str]]]:
    elsewhere = Elsewhere(log)
    api = Starlette(
        routes=[
            Route("/repos/owner/x/installation", elsewhere.installation),
            Route("/app/installations/1/access_tokens", elsewhere.token, methods=["POST"]),
            Route("/repos/owner/x/actions/jobs/7/logs", elsewhere.redirect),
        ]
    )

    async def read(address: str) -> str:
        async with GitHub(world.settings(github_api_url=address)) as github:
            return await github.repository("owner/x").job_log_tail(7, lines)

    with serving(api) as address, serving(Starlette(routes=[Route("/blob", elsewhere.blob)])) as elsewhere.address:
        return asyncio.run(read(address)), elsewhere.seen


def test_the_token_does_not_follow_a_log_to_another_host(world: World) -> None:
    tail, seen = tail_of(b"one\ntwo\nthree\n", 2, world)

    assert tail == "two\nthree"
    assert len(seen) == 1
    assert "authorization" not in seen[0]


def test_the_end_of_a_huge_log_is_kept(world: World) -> None:
    log = b"".join(b"%07d %s\n" % (number, b"x" * 80) for number in range(200_000))

    tail, _ = tail_of(log, 3, world)

    assert [line[:7] for line in tail.splitlines()] == ["0199997", "0199998", "0199999"]
