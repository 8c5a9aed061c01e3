"""What ``modelyard start`` asks of GitHub, as a person: few plain requests, nothing of the App's gateway."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import TypeAdapter, ValidationError

from actions.contracts.request import Repository
from actions.errors import InvalidInput, NotAllowed, Unavailable

ASKS = "mlops:train"
ENDS = {"mlops:passed": 0, "mlops:failed": 1, "mlops:cancelled": 1, "mlops:invalid": 1}
"""The exit code for each label that ends a run."""
WAITING = "mlops:waiting"
REMEMBERED = timedelta(days=30)
SILENCE = 120.0
"""Seconds without a word of the App, after which the reader is told."""
LONGEST_OUTAGE = 900.0
_TIME_OUT = 30.0


class Hub:
    """One repository on GitHub, as the person with a token sees it.

    Parameters
    ----------
    api_url, token, repository
        GitHub's API, who asks, ``owner/name``.
    transport
        Replaces the network, for tests.
    """

    def __init__(self, api_url: str, token: str, repository: str, transport: httpx.BaseTransport | None = None) -> None:
        try:
            self.repository = TypeAdapter[str](Repository).validate_python(repository)
        except ValidationError:
            raise InvalidInput(
                "invalid_argument",
                rule="A repository is OWNER/NAME.",
                found=repository,
                next_step="Say --repo OWNER/NAME.",
                field="repo",
            ) from None
        # Redirects are not followed: they would take the token elsewhere.
        self._client = httpx.Client(
            base_url=api_url,
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "User-Agent": "modelyard",
            },
            timeout=_TIME_OUT,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def open_issue(self, title: str, body: str, key: str, *, new: bool) -> Any:
        """Open an issue that asks for a training; return the one that is known by this key already.

        Parameters
        ----------
        title, body
            The issue.
        key
            What it is known by.
        new
            That nobody can have used the key before: it is looked for only where the answer was lost.
        """
        permissions = self.get("").get("permissions")
        if isinstance(permissions, dict) and not permissions.get("push", False):
            raise NotAllowed(
                "permission_missing",
                rule=f"Asking for a training needs the permission write on {self.repository}.",
                found="the token's owner has less",
                next_step="Ask somebody with that permission, or an administrator for the permission.",
            )
        digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]
        marker = f"<!-- modelyard:start:{digest} -->"
        known = None if new else self._find(marker)
        if known is not None:
            return known
        content = {"title": title, "body": f"{marker}\n{body}", "labels": [ASKS]}
        try:
            return self._asked(self._client.post(self._path("/issues"), json=content))
        except (httpx.TransportError, Unavailable) as error:
            known = self._find(marker)  # its answer was lost, perhaps
            if known is None:
                raise _away(error) from None
            return known

    def get(self, path: str, **params: str) -> Any:
        """Read something of the repository."""
        return self._read(self._path(path), params)

    def _read(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        try:
            return self._asked(self._client.get(path, params=params))
        except httpx.TransportError as error:
            raise _away(error) from None

    def _find(self, marker: str) -> Any:
        me = self._read("/user")["login"]
        since = f"{datetime.now(UTC) - REMEMBERED:%Y-%m-%dT%H:%M:%SZ}"
        wanted = {"state": "all", "creator": me, "since": since, "direction": "desc", "per_page": "100"}
        return next((issue for issue in self._pages("/issues", wanted) if str(issue["body"]).startswith(marker)), None)

    def _pages(self, path: str, params: dict[str, str]) -> Iterator[Any]:
        for page in range(1, 100):
            found = self.get(path, **params, page=str(page))
            yield from found
            if len(found) < int(params["per_page"]):
                return

    def _path(self, path: str) -> str:
        return f"/repos/{self.repository}{path}"

    def _asked(self, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json()
        if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _away(response.status_code)
        message = str(response.json().get("message", "")) if _is_json(response) else ""
        raise NotAllowed(
            "hub_refused",
            rule="GitHub accepts the request.",
            found=f"{response.request.method} {response.request.url.path}: {response.status_code} {message}".rstrip(),
            next_step=_CURES.get(response.status_code, "See what GitHub says."),
        )


_CURES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "Check the token: it has expired, or is for another GitHub.",
    HTTPStatus.FORBIDDEN: "Give the token the right to read and write issues here, or wait for the rate limit.",
    HTTPStatus.NOT_FOUND: "Check the repository's name, and that the token may see it.",
    HTTPStatus.MOVED_PERMANENTLY: "The repository was renamed: name it as it is called now.",
    HTTPStatus.GONE: "Switch issues on in the repository's settings.",
}


def follow(hub: Hub, number: int, say: Callable[[str], None], pause: Callable[[], None]) -> int:
    """Tell how a run goes until it has ended; return the exit code."""
    told, began, heard, silent = "", time.monotonic(), time.monotonic(), False
    while True:
        try:
            issue, headline = hub.get(f"/issues/{number}"), _headline(hub, number)
        except Unavailable:
            if time.monotonic() - heard > LONGEST_OUTAGE:
                raise
            pause()
            continue
        heard = time.monotonic()
        if headline and headline != told:
            say(headline)
            told = headline
        labels = {label["name"] for label in issue["labels"]}
        ends = [code for label, code in ENDS.items() if label in labels]
        if ends:
            return max(ends)
        if issue["state"] == "closed" and not any(name.startswith("mlops:") and name != ASKS for name in labels):
            say("The issue was closed before a run began.")
            return 1
        if not told and not silent and heard - began > SILENCE:
            say("Modelyard has not answered yet. Is the App installed on this repository, and running?")
            silent = True
        pause()


def _headline(hub: Hub, number: int) -> str:
    """Return the first line of the App's comment that follows the run, or of its latest answer before there is one."""
    comments = hub.get(f"/issues/{number}/comments", per_page="100")
    own = [str(each["body"]) for each in comments if each["user"]["type"] == "Bot" and _is_marked(each["body"])]
    sticky = [body for body in own if body.startswith("<!-- modelyard:run-")]
    lines = [line for body in (sticky or own)[-1:] for line in body.splitlines()[1:] if line.strip()]
    return lines[0].lstrip("# ").replace("`", "") if lines else ""


def _is_marked(body: object) -> bool:
    return str(body).startswith("<!-- modelyard:")


def _is_json(response: httpx.Response) -> bool:
    kind: str = response.headers.get("content-type", "")
    return kind.startswith("application/json")


def _away(cause: object) -> Unavailable:
    return Unavailable(
        "hub_unavailable",
        rule="GitHub answers.",
        found=str(cause) or type(cause).__name__,
        next_step="Try again; with --key no second issue is opened.",
    )
