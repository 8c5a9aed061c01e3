"""A person who uses the hub: the form through its page, everything else through REST with a token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

_TOKEN = re.compile(r'name="token" value="([^"]+)"')
_PROBLEM = re.compile(r'class="wrong"[^>]*>([^<]+)<')


class HubUserError(Exception):
    """The hub did not take what the user wanted; the text says why."""


@dataclass(frozen=True)
class Job:
    """A job of a workflow run."""

    run: int
    name: str
    """Without the name of the job that called its workflow."""
    status: str
    conclusion: str | None
    started: datetime
    completed: datetime | None
    step: str
    """The current step; "" if none is running."""

    @property
    def seconds(self) -> float:
        """Its duration, up to now if it is running."""
        return max(0.0, ((self.completed or datetime.now(UTC)) - self.started).total_seconds())


@dataclass(frozen=True)
class IssueSnapshot:
    """An issue, its comments and the repository's jobs at one moment."""

    state: str
    labels: frozenset[str]
    comments: tuple[str, ...]
    jobs: tuple[Job, ...]
    """Jobs of the oldest workflow run first."""


class HubUser:
    """A person who uses the hub.

    Parameters
    ----------
    hub_url
        The hub's address.
    login, token
        The person's login and token.
    repository
        The repository, ``OWNER/NAME``.
    """

    def __init__(self, hub_url: str, login: str, token: str, repository: str) -> None:
        self._hub_url = hub_url
        # The hub is on this machine: trust_env=False, so that no proxy is used.
        cookies = {"modelyard_hub_person": login}
        self._pages = httpx.Client(base_url=f"{hub_url}/{repository}", cookies=cookies, timeout=30, trust_env=False)
        self._rest = httpx.Client(
            base_url=f"{hub_url}/api/v3/repos/{repository}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._pages.close()
        self._rest.close()

    def open_issue(self, form: str, title: str, fields: Mapping[str, str]) -> str:
        """Fill in and submit a form; return the URL of the new issue."""
        address = f"/issues/new?template={form}"
        page = self._pages.get(address)
        token = _TOKEN.search(page.text)
        if page.status_code != httpx.codes.OK or token is None:
            raise HubUserError(f"The hub shows no form {form} ({page.status_code}).")
        sent = {"token": token[1], "title": title, **{f"field-{name}": value for name, value in fields.items()}}
        answer = self._pages.post(address, data=sent, headers={"Origin": self._hub_url})
        if not answer.is_redirect:
            problems = "; ".join(_PROBLEM.findall(answer.text)) or f"status {answer.status_code}"
            raise HubUserError(f"The form was refused: {problems}")
        return str(answer.url.join(answer.headers["location"]))

    def comment(self, issue: int, text: str) -> None:
        """Write a comment."""
        self._rest.post(f"/issues/{issue}/comments", json={"body": text}).raise_for_status()

    def look(self, issue: int) -> IssueSnapshot:
        """Return the issue, its comments and jobs as they are now."""
        found = self._get(f"/issues/{issue}")
        runs = self._get("/actions/runs")["workflow_runs"]
        jobs = [job for run in reversed(runs) for job in self._get(f"/actions/runs/{run['id']}/jobs")["jobs"]]
        return IssueSnapshot(
            state=found["state"],
            labels=frozenset(label["name"] for label in found["labels"]),
            comments=tuple(comment["body"] for comment in self._get(f"/issues/{issue}/comments")),
            jobs=tuple(_job(job) for job in jobs),
        )

    def _get(self, path: str) -> Any:
        return self._rest.get(path).raise_for_status().json()


def _job(found: dict[str, Any]) -> Job:
    completed = found["completed_at"]
    return Job(
        run=found["run_id"],
        name=found["name"].rpartition(" / ")[2],
        status=found["status"],
        conclusion=found["conclusion"],
        started=datetime.fromisoformat(found["started_at"]),
        completed=datetime.fromisoformat(completed) if completed else None,
        step=next((step["name"] for step in found["steps"] if step["status"] == "in_progress"), ""),
    )
