"""Check runs belong to who made them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.local_hub import Receiver, RunningHub

CHECKS = "/repos/owner/demo/check-runs"


@pytest.fixture
def sha(local_hub: RunningHub) -> str:
    return str(local_hub.person("reader").get("/repos/owner/demo/git/ref/heads/main").json()["object"]["sha"])


def made(client: httpx.Client, sha: str, name: str = "Modelyard", **more: Any) -> dict[str, Any]:
    answer = client.post(CHECKS, json={"name": name, "head_sha": sha, **more})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_check_run_goes_from_queued_to_its_conclusion(local_hub: RunningHub, receiver: Receiver, sha: str) -> None:
    client = local_hub.installation()
    run = made(client, sha, status="in_progress", output={"title": "Training", "summary": "Soon."})
    done = client.patch(f"{CHECKS}/{run['id']}", json={"conclusion": "success"}).json()
    assert (done["status"], done["conclusion"], done["output"]["title"]) == ("completed", "success", "Training")
    assert done["completed_at"] is not None
    assert client.get(f"{CHECKS}/{run['id']}").json()["app"]["slug"] == "modelyard"
    receiver.wait_for("check_run.completed")


def test_only_its_maker_changes_a_check_run(local_hub: RunningHub, sha: str) -> None:
    token = local_hub.hub.auth.issue_job_token(local_hub.ready.repository, {"checks": "write"}, 5)
    job, app = local_hub.client(token), local_hub.installation()
    of_app, of_job = made(app, sha, "of the App"), made(job, sha, "of the job")
    for client, run in ((job, of_app), (app, of_job)):
        refused = client.patch(f"{CHECKS}/{run['id']}", json={"conclusion": "success"})
        assert refused.status_code == 403
        assert refused.json()["message"].endswith("can only be modified by the GitHub App that created it.")
    assert job.patch(f"{CHECKS}/{of_job['id']}", json={"conclusion": "neutral"}).status_code == 200


def test_people_make_no_check_runs(local_hub: RunningHub, sha: str) -> None:
    answer = local_hub.person("owner").post(CHECKS, json={"name": "x", "head_sha": sha})
    assert (answer.status_code, answer.json()["message"]) == (403, "You must authenticate via a GitHub App.")


def test_the_newest_of_each_name_is_listed(local_hub: RunningHub, sha: str) -> None:
    client = local_hub.installation()
    first, second = made(client, sha, "twice"), made(client, sha, "twice")
    path = "/repos/owner/demo/commits/main/check-runs"
    latest = client.get(path, params={"check_name": "twice"}).json()
    assert (latest["total_count"], [run["id"] for run in latest["check_runs"]]) == (1, [second["id"]])
    every = client.get(path, params={"check_name": "twice", "filter": "all"}).json()
    assert [run["id"] for run in every["check_runs"]] == [second["id"], first["id"]]


@pytest.mark.parametrize(
    "body",
    [
        {"head_sha": "1" * 40, "name": "x"},
        {"name": "x"},
        {"name": "x", "conclusion": "splendid"},
        {"name": "x", "status": "completed"},
        {"name": "x", "output": {"title": "no summary"}},
    ],
)
def test_a_check_run_that_cannot_be_is_refused(local_hub: RunningHub, sha: str, body: dict[str, Any]) -> None:
    known = {"head_sha": sha} if len(body) > 1 else {}
    assert local_hub.installation().post(CHECKS, json={**known, **body}).status_code == 422
