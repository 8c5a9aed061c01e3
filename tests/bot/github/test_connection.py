from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import httpx
import jwt
import pytest
from githubkit import Response
from githubkit.exception import PrimaryRateLimitExceeded, RequestError

from actions.contracts.person import Person
from bot.github import GitHub, HubError, LabelDefinition, Repository
from bot.github.connection import Retry
from bot.github.issues import marked
from tests.support import unreliable
from tests.support.gateway import World


def bodies(world: World, issue: int) -> list[str]:
    return [comment["body"] for comment in world.as_person("owner", "GET", f"issues/{issue}/comments").json()]


# --- who may -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ("owner", "admin"),
        ("writer", "write"),
        ("reader", "read"),
        ("outsider", "none"),
        ("nobody-of-that-name", "none"),
    ],
)
def test_permissions_are_requested_from_github(world: World, login: str, expected: str) -> None:
    assert world.do(lambda repository: repository.permission(Person(login=login))) == expected


def test_a_failed_permission_request_is_an_error_and_grants_nothing(world: World) -> None:
    world.network.add("GET", "/permission$", unreliable.answering(403))

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.permission(Person(login="writer")))

    assert caught.value.problem.reason == "hub_refused"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"permission": "write", "role_name": "maintain"}, "maintain"),
        ({"permission": "read", "role_name": "triage"}, "triage"),
        ({"permission": "write", "role_name": "an organisation's own role"}, "write"),
        ({"permission": "owner of everything"}, "none"),
        ({}, "none"),
    ],
)
def test_roles_are_distinguished_and_unknown_ones_grant_nothing(
    world: World, answer: dict[str, str], expected: str
) -> None:
    world.network.add("GET", "/permission$", unreliable.answering(200, answer or {"permission": None}))

    assert world.do(lambda repository: repository.permission(Person(login="writer"))) == expected


def test_a_login_cannot_change_the_requested_path(world: World) -> None:
    world.network.add("GET", "/permission$", unreliable.answering(404))

    assert world.do(lambda repository: repository.permission(Person(login="../../../user#"))) == "none"
    assert world.network.requests[-1].url.raw_path.endswith(b"/collaborators/..%2F..%2F..%2Fuser%23/permission")


# --- issues that were moved to another repository --------------------------------------------------------------------------


def test_an_issue_that_was_moved_is_gone_although_github_answers_with_the_new_one(world: World) -> None:
    issue, moved = world.issue(), world.issue()
    address = f"/api/v3/repos/{world.name}/issues/{moved}"
    world.network.add("GET", f"/issues/{issue}$", unreliable.answering(301, location=address))

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.issue(issue))

    assert (caught.value.status, caught.value.transient) == (410, False)


def test_a_write_to_an_issue_that_was_moved_fails_rather_than_becoming_a_read(world: World) -> None:
    issue, moved = world.issue(), world.issue()
    address = f"/api/v3/repos/{world.name}/issues/{moved}/comments"
    world.network.add("POST", f"/issues/{issue}/comments$", unreliable.answering(301, location=address))

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.post_once(issue, "reply-1", "text"))

    assert (caught.value.status, caught.value.transient) == (410, False)
    assert bodies(world, moved) == []


# --- comments ----------------------------------------------------------------------------------------------------------


def test_a_comment_is_created_edited_and_left_alone_if_unchanged(world: World) -> None:
    issue = world.issue()

    async def write(repository: Repository) -> None:
        await repository.upsert_comment(issue, "status", "queued")
        await repository.upsert_comment(issue, "status", "running")
        await repository.upsert_comment(issue, "status", "running")

    world.do(write)

    assert bodies(world, issue) == [marked("status", "running")]
    assert len(world.network.writes("comments")) == 2


def test_the_comment_is_found_again_after_the_app_lost_its_memory(world: World) -> None:
    issue = world.issue()
    first = world.do(lambda repository: repository.upsert_comment(issue, "status", "queued"))
    second = world.do(lambda repository: repository.upsert_comment(issue, "status", "running"))

    assert first.id == second.id
    assert bodies(world, issue) == [marked("status", "running")]


def test_markers_count_only_in_the_apps_own_comments(world: World) -> None:
    issue = world.issue()
    world.as_person("writer", "POST", f"issues/{issue}/comments", {"body": marked("status", "mine")})

    world.do(lambda repository: repository.upsert_comment(issue, "status", "the App's"))

    assert bodies(world, issue) == [marked("status", "mine"), marked("status", "the App's")]


def test_a_marker_in_quoted_text_is_ignored(world: World) -> None:
    issue = world.issue()
    quoting = f"You wrote:\n{marked('status', 'a trap')}"

    world.do(lambda repository: repository.post_once(issue, "echo", quoting))
    world.do(lambda repository: repository.upsert_comment(issue, "status", "queued"))

    assert bodies(world, issue) == [marked("echo", quoting), marked("status", "queued")]


def test_a_deleted_comment_is_written_again(world: World) -> None:
    issue = world.issue()

    async def write(repository: Repository) -> None:
        comment = await repository.upsert_comment(issue, "status", "queued")
        await asyncio.to_thread(world.as_person, "owner", "DELETE", f"issues/comments/{comment.id}")
        await repository.upsert_comment(issue, "status", "running")

    world.do(write)

    assert bodies(world, issue) == [marked("status", "running")]


@pytest.mark.parametrize("fault", [unreliable.timed_out, unreliable.reset, unreliable.answering(502)])
def test_a_comment_is_not_written_twice_if_the_response_was_lost(world: World, fault: unreliable.Fault) -> None:
    issue = world.issue()
    world.network.add("POST", "/comments$", fault, delivered=True)

    comment = world.do(lambda repository: repository.post_once(issue, "verdict", "passed"))

    assert comment.body == marked("verdict", "passed")
    assert bodies(world, issue) == [marked("verdict", "passed")]


def test_a_comment_that_never_reached_github_is_a_temporary_error(world: World) -> None:
    issue = world.issue()
    world.network.add("POST", "/comments$", unreliable.unreachable)

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.post_once(issue, "verdict", "passed"))
    world.do(lambda repository: repository.post_once(issue, "verdict", "passed"))

    assert caught.value.transient
    assert not caught.value.unknown
    assert bodies(world, issue) == [marked("verdict", "passed")]


def test_a_comment_that_is_posted_once_is_never_changed(world: World) -> None:
    issue = world.issue()
    world.do(lambda repository: repository.post_once(issue, "verdict", "passed"))
    world.do(lambda repository: repository.post_once(issue, "verdict", "something else"))

    assert bodies(world, issue) == [marked("verdict", "passed")]


def test_a_comment_is_cut_where_github_would_refuse_it() -> None:
    whole = marked("status", "x" * 70_000)

    assert len(whole) == 65_536
    assert whole.startswith("<!-- modelyard:status -->\n")


@pytest.mark.parametrize("marker", ["", "a b", "a-->", "<x>", "a\nb"])
def test_a_marker_that_would_end_its_html_comment_is_refused(marker: str) -> None:
    with pytest.raises(ValueError, match="not a marker"):
        marked(marker, "text")


def test_long_threads_are_read_to_their_end(world: World) -> None:
    issue = world.issue()
    person = world.hub.person("writer")
    record = world.hub.issues.first(repository_id=world.ready.repository.id, number=issue)
    assert record is not None
    for number in range(120):
        from runners.local.hub.services.issues import add_comment

        add_comment(world.hub, person, record, f"comment {number}")
    world.do(lambda repository: repository.upsert_comment(issue, "status", "queued"))
    world.do(lambda repository: repository.upsert_comment(issue, "status", "running"))

    comments = world.do(lambda repository: repository.comments(issue))

    assert len(comments) == 121
    assert comments[-1].body == marked("status", "running")


def test_reacting_twice_is_one_reaction(world: World) -> None:
    issue = world.issue()

    async def react(repository: Repository) -> None:
        comment = await repository.post_once(issue, "x", "text")
        await repository.react(comment.id, "rocket")
        await repository.react(comment.id, "rocket")

    world.do(react)

    (comment,) = world.as_person("owner", "GET", f"issues/{issue}/comments").json()
    assert comment["reactions"]["rocket"] == 1


# --- issue and labels ----------------------------------------------------------------------------------------------------

LABELS = [
    LabelDefinition("mlops:queued", "ededed", "waits for its turn"),
    LabelDefinition("mlops:running", "1d76db", "a runner works on it"),
    LabelDefinition("mlops:passed", "0e8a16", "the model was good enough"),
]
NAMES = {label.name for label in LABELS}


def test_labels_are_created_once_and_corrected_if_they_differ(world: World) -> None:
    world.as_person("owner", "POST", "labels", {"name": "MLOPS:Queued", "color": "ff0000", "description": "old"})

    world.do(lambda repository: repository.ensure_labels(LABELS))
    first = len(world.network.writes("labels"))
    world.do(lambda repository: repository.ensure_labels(LABELS))

    present = {label["name"].lower(): label for label in world.as_person("owner", "GET", "labels").json()}
    assert present["mlops:queued"]["color"] == "ededed"
    assert present["mlops:passed"]["description"] == "the model was good enough"
    assert first == len(world.network.writes("labels")) == 3


def test_an_issue_has_one_state_label_and_keeps_its_others(world: World) -> None:
    issue = world.issue()

    async def label(repository: Repository) -> None:
        await repository.ensure_labels(LABELS)
        await repository.set_labels(issue, add=["mlops:queued", "mlops:running"])
        await repository.set_labels(issue, add=["keep me"])
        await repository.set_state_label(issue, "mlops:passed", NAMES)
        await repository.set_state_label(issue, "mlops:passed", NAMES)

    world.do(label)

    assert set(world.do(lambda repository: repository.issue(issue)).labels) == {"keep me", "mlops:passed"}


def test_an_issue_is_closed_with_its_reason_and_reopened(world: World) -> None:
    issue = world.issue()

    async def close(repository: Repository) -> tuple[str, str | None]:
        await repository.close_issue(issue, "completed")
        await repository.close_issue(issue, "not_planned")
        await repository.close_issue(issue, "not_planned")
        closed = await repository.issue(issue)
        return closed.state, closed.state_reason

    assert world.do(close) == ("closed", "not_planned")
    assert len(world.network.writes(f"issues/{issue}$")) == 2

    world.do(lambda repository: repository.reopen_issue(issue))
    assert world.do(lambda repository: repository.issue(issue)).state == "open"


def test_open_issues_are_listed_by_label(world: World) -> None:
    issue = world.issue()
    world.issue()

    async def find(repository: Repository) -> list[int]:
        await repository.set_labels(issue, add=["mlops:running"])
        return [found.number for found in await repository.issues(labels=["mlops:running"])]

    assert world.do(find) == [issue]


# --- check runs ----------------------------------------------------------------------------------------------------------


def test_the_verdicts_check_run_is_created_once_and_then_updated(world: World) -> None:
    head = str(world.git.head("main"))

    async def check(repository: Repository) -> tuple[int, int]:
        first = await repository.check_run("Modelyard", head, "train-20261122-001", "in_progress", None, "Runs", "...")
        second = await repository.check_run(
            "Modelyard", head, "train-20261122-001", "completed", "success", "Passed", "0.97"
        )
        return first, second

    first, second = world.do(check)

    (known,) = world.as_person("owner", "GET", f"commits/{head}/check-runs").json()["check_runs"]
    assert first == second == known["id"]
    assert (known["status"], known["conclusion"], known["output"]["title"]) == ("completed", "success", "Passed")


# --- the wire ------------------------------------------------------------------------------------------------------------


def expire_tokens(world: World) -> None:
    for token in world.hub.tokens.find():
        if token.kind == "installation":
            world.hub.tokens.delete(token.id)


def token_requests(world: World) -> int:
    return sum("access_tokens" in request.url.path for request in world.network.requests)


def test_a_token_is_reused_until_it_expires(world: World) -> None:
    issue = world.issue()

    async def read(repository: Repository) -> None:
        await asyncio.gather(*(repository.issue(issue) for _ in range(5)))
        assert token_requests(world) == 1
        expire_tokens(world)
        await asyncio.gather(*(repository.issue(issue) for _ in range(5)))

    world.do(read)

    assert token_requests(world) == 2


def test_a_write_with_an_expired_token_is_repeated_once(world: World) -> None:
    issue = world.issue()

    async def write(repository: Repository) -> None:
        await repository.issue(issue)
        expire_tokens(world)
        await repository.post_once(issue, "x", "text")

    world.do(write)

    assert bodies(world, issue) == [marked("x", "text")]


def test_a_refused_token_is_replaced_only_once(world: World) -> None:
    world.network.add("GET", "/issues/1$", unreliable.answering(401), times=100)

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.issue(1))

    assert caught.value.problem.reason == "hub_unauthorized"
    assert token_requests(world) == 2
    shown = str(caught.value)
    assert not any(request.headers["authorization"].split()[-1] in shown for request in world.network.requests)


def test_the_apps_jwt_is_dated_a_minute_back_and_valid_for_at_most_ten_minutes(world: World) -> None:
    world.do(lambda repository: repository.info())

    request = next(each for each in world.network.requests if "access_tokens" in each.url.path)
    claims = jwt.decode(request.headers["authorization"].split()[-1], options={"verify_signature": False})
    assert time.time() - 70 < claims["iat"] <= time.time() - 60
    assert claims["exp"] - time.time() <= 600


def test_a_repository_without_the_app_is_reported_by_name(world: World) -> None:
    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.info(), name="owner/not-there")

    assert caught.value.problem.reason == "not_installed"
    assert "owner/not-there" in str(caught.value)


def test_the_app_reads_its_name_and_its_installations(world: World) -> None:
    async def ask() -> tuple[str, dict[str, int]]:
        async with GitHub(world.settings(), world.network) as github:
            await github.check()
            names = await github.installed_repositories(world.ready.installation_id)
            assert world.ready.installation_id in [number for number, _ in await github.installations()]
            return (await github.identity()).login, names

    login, names = asyncio.run(ask())

    assert login == "modelyard[bot]"
    assert world.name in names


def test_every_request_names_the_api_version(world: World) -> None:
    world.do(lambda repository: repository.info())

    asked = [request for request in world.network.requests if request.method == "GET"]
    assert {request.headers.get("x-github-api-version") for request in asked} == {"2022-11-28"}


@pytest.mark.parametrize(
    "fault",
    [
        unreliable.answering(502),
        unreliable.timed_out,
        unreliable.reset,
        unreliable.unreachable,
        unreliable.answering(429, retry_after="1"),
        unreliable.answering(403, x_ratelimit_remaining="0", x_ratelimit_reset="0"),
    ],
)
def test_a_read_is_retried(world: World, fault: unreliable.Fault) -> None:
    issue = world.issue()
    world.network.add("GET", f"/issues/{issue}$", fault, times=3)

    assert world.do(lambda repository: repository.issue(issue)).number == issue


def test_a_read_is_abandoned_after_three_retries(world: World) -> None:
    world.network.add("GET", "/issues/1$", unreliable.answering(500, {"message": "Server Error"}), times=100)

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.issue(1))

    assert (caught.value.transient, caught.value.status) == (True, 500)
    assert sum(request.url.path.endswith("/issues/1") for request in world.network.requests) == 4


@pytest.mark.parametrize(
    "fault",
    [
        unreliable.answering(429),
        unreliable.answering(403, {"message": "You have exceeded a secondary rate limit. Please wait."}),
    ],
)
def test_a_rate_limit_without_a_time_is_left_to_the_caller(world: World, fault: unreliable.Fault) -> None:
    world.network.add("GET", "/issues/1$", fault, times=100)

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.issue(1))

    assert caught.value.problem.reason == "rate_limited"
    assert (caught.value.transient, caught.value.retry_after) == (True, None)


def test_clients_that_failed_together_wait_for_different_times_close_to_the_requested_one() -> None:
    request = httpx.Request("GET", "https://api.github.com/x")
    lost = RequestError(httpx.ReadTimeout("no answer", request=request))
    told = PrimaryRateLimitExceeded(Response(httpx.Response(429, request=request), object), timedelta(seconds=30))
    beyond = PrimaryRateLimitExceeded(Response(httpx.Response(429, request=request), object), timedelta(seconds=61))

    for error, count, least in ((told, 0, 30), (lost, 0, 1), (lost, 2, 9)):
        waits = [Retry(1).chain()(error, count).retry_after for _ in range(50)]
        seconds = [wait.total_seconds() for wait in waits if wait is not None]
        assert len(set(seconds)) == 50
        assert min(seconds) >= least
        assert max(seconds) <= 1.2 * least
    assert not Retry(1).chain()(beyond, 0).do_retry, "a longer one is waited for without holding anything"
    assert not Retry(1).chain()(lost, 3).do_retry


@pytest.mark.parametrize("fault", [unreliable.answering(500), unreliable.timed_out])
def test_a_failed_write_is_never_repeated_blindly(world: World, fault: unreliable.Fault) -> None:
    issue = world.issue()
    world.network.add("PATCH", f"/issues/{issue}$", fault, times=100)

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.close_issue(issue, "completed"))

    assert (caught.value.transient, caught.value.unknown) == (True, True)
    assert len(world.network.writes(f"issues/{issue}$")) == 1


def test_a_write_refused_by_a_rate_limit_is_retried(world: World) -> None:
    issue = world.issue()
    world.network.add("PATCH", f"/issues/{issue}$", unreliable.answering(429, retry_after="1"))

    world.do(lambda repository: repository.close_issue(issue, "completed"))

    assert world.do(lambda repository: repository.issue(issue)).state == "closed"


def test_a_long_rate_limit_is_left_to_the_caller(world: World) -> None:
    world.network.add("GET", "/issues/1$", unreliable.answering(403, retry_after="3600"))

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.issue(1))

    assert caught.value.problem.reason == "rate_limited"
    assert (caught.value.transient, caught.value.retry_after) == (True, 3600)


def test_truncated_json_is_an_error_of_the_hub(world: World) -> None:
    issue = world.issue()
    world.network.add("GET", f"/issues/{issue}$", unreliable.cut_off, delivered=True)

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.issue(issue))

    assert (caught.value.problem.reason, caught.value.transient) == ("answer_malformed", True)


def test_a_next_page_on_another_host_gets_no_token(world: World) -> None:
    elsewhere = unreliable.answering(200, [{"id": 1}], link='<http://127.0.0.1:9/steal>; rel="next"')
    world.network.add("GET", "/comments$", elsewhere)

    with pytest.raises(HubError, match="another host"):
        world.do(lambda repository: repository.comments(1))

    assert all(request.url.port != 9 for request in world.network.requests)


def test_a_bug_is_not_reported_as_a_network_error(world: World) -> None:
    def broken(_request: httpx.Request, _answer: httpx.Response | None) -> httpx.Response:
        raise AssertionError("a check of the transport failed")

    world.network.add("GET", "/issues/1$", broken)

    with pytest.raises(AssertionError, match="a check of the transport failed"):
        world.do(lambda repository: repository.issue(1))


def test_all_tasks_share_one_client(world: World) -> None:
    """githubkit by itself opens a client for each call of a task that did not open the gateway."""
    issue = world.issue()

    async def use() -> int:
        async with GitHub(world.settings()) as github:
            repository = github.repository(world.name)
            await repository.issue(issue)
            connection = github._connections[world.ready.installation_id]
            kept = connection._client._kept
            await asyncio.create_task(repository.issue(issue))
            return len({id(kept), id(connection._client._kept)})

    assert asyncio.run(use()) == 1
