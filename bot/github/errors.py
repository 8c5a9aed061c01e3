"""Everything that can go wrong between the App and GitHub, as one error with a stable reason."""

from __future__ import annotations

import ssl
from http import HTTPStatus
from typing import Any

import httpx

from actions.errors import OperationError


class HubError(OperationError):
    """A request to GitHub failed.

    Attributes
    ----------
    status
        The HTTP status of the response, if there was one.
    transient
        Whether a retry may succeed.
    unknown
        Whether the request may have been executed, because its response was lost.
    retry_after
        Seconds after which GitHub accepts a retry, if it said so.
    message
        GitHub's message, shortened.
    """

    kind = "hub_error"

    def __init__(  # noqa: PLR0913 - each is a public part of the error
        self,
        reason: str,
        *,
        rule: str,
        found: str,
        next_step: str,
        status: int | None = None,
        transient: bool = False,
        unknown: bool = False,
        retry_after: float | None = None,
        message: str = "",
    ) -> None:
        super().__init__(reason, rule=rule, found=found, next_step=next_step)
        self.status = status
        self.transient = transient
        self.unknown = unknown
        self.retry_after = retry_after
        self.message = message


SUSPENDED = "installation_suspended"
"""The reason if an account's owner has suspended the App."""

_BY_STATUS: dict[int, tuple[str, str]] = {
    401: ("hub_unauthorized", "Check MODELYARD_APP_ID, the private key and this machine's clock."),
    403: ("hub_refused", "Grant the App the permission on its settings page and accept it in the installation."),
    404: ("not_found", "Check the name, and that the App is installed on the repository."),
    409: ("hub_conflict", "Read the current state and try again."),
    410: ("gone", "It was deleted, or is disabled in the repository's settings."),
    422: ("hub_rejected", "Correct what GitHub reports."),
}


def from_status(request: str, status: int, message: str, *, is_write: bool, next_step: str | None = None) -> HubError:
    """Return the error for a response with an error status; ``next_step`` replaces the one that helps an App."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED:
        return HubError(
            "hub_broken",
            rule="GitHub must answer without an internal error.",
            found=f"{request}: {status} {message}".rstrip(),
            next_step="The request is retried. If it keeps failing, see githubstatus.com.",
            status=status,
            transient=True,
            unknown=is_write,
            message=message,
        )
    if status == HTTPStatus.FORBIDDEN and "suspended" in message.lower():
        return HubError(
            SUSPENDED,
            rule="The App's installation must not be suspended.",
            found=f"{request}: {status} {message}".rstrip(),
            next_step="Unsuspend it in the account's settings; waiting runs then continue.",
            status=status,
            transient=True,
            message=message,
        )
    reason, for_app = _BY_STATUS.get(status, ("hub_refused", "See GitHub's documentation of this request."))
    return HubError(
        reason,
        rule="GitHub must accept the request.",
        found=f"{request}: {status} {message}".rstrip(),
        next_step=next_step or for_app,
        status=status,
        message=message,
    )


def is_rate_limit(status: int, message: str) -> bool:
    """Return whether a response without rate limit headers is a rate limit, not a refusal."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    return status == HTTPStatus.FORBIDDEN and "rate limit" in message.lower()


def rate_limited(request: str, status: int, retry_after: float | None) -> HubError:
    """Return the error for a rate limit that lasts longer than a request may wait; None if its end is unknown."""
    again = "for an unknown time" if retry_after is None else f"for {retry_after:.0f} s"
    return HubError(
        "rate_limited",
        rule="An App must stay within GitHub's rate limits.",
        found=f"{request}: {status}, {again}.",
        next_step="The request is retried after that time, or with growing pauses.",
        status=status,
        transient=True,
        retry_after=retry_after,
    )


def lost(request: str, error: Exception, *, is_write: bool) -> HubError:
    """Return the error for a request without a response."""
    never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError)
    timed_out = isinstance(error, httpx.TimeoutException)
    return HubError(
        "hub_timeout" if timed_out else "hub_unreachable",
        rule="GitHub's API must be reachable and answer in time.",
        found=f"{request}: {type(error).__name__}.",
        next_step="The request is retried. If it keeps failing, check MODELYARD_GITHUB_API_URL and the network.",
        transient=True,
        unknown=is_write and not never_sent,
    )


def malformed(request: str, what: str, *, is_write: bool = False) -> HubError:
    """Return the error for a response that GitHub does not document, such as truncated JSON."""
    return HubError(
        "answer_malformed",
        rule="GitHub's response must be the JSON that its API describes.",
        found=f"{request}: {what}.",
        next_step="The request is retried. If it keeps failing, check that MODELYARD_GITHUB_API_URL is an API of GitHub.",
        transient=True,
        unknown=is_write,
    )


def not_installed(repository: str) -> HubError:
    """Return the error for a repository on which the App is not installed."""
    return HubError(
        "not_installed",
        rule="The App must be installed on the repository.",
        found=f"no installation for {repository}.",
        next_step="Install the App on it, from the App's page on GitHub.",
        status=404,
    )


def is_network_error(error: Exception) -> bool:
    """Return whether an error comes from the network rather than from this program."""
    return isinstance(error, httpx.HTTPError | httpx.InvalidURL | httpx.StreamError | ssl.SSLError | OSError)


def words(body: bytes) -> str:
    """Return the message in the body of GitHub's error, as one short line."""
    import json

    try:
        answer: Any = json.loads(body[:65_536])
    except ValueError:
        return ""
    if not isinstance(answer, dict):
        return ""
    parts = [str(answer.get("message", ""))]
    errors = answer.get("errors")
    parts.extend(
        str(item.get("message") or item.get("code") or "") if isinstance(item, dict) else str(item)
        for item in (errors if isinstance(errors, list) else [])
    )
    return " ".join(" ".join(part for part in parts if part).split())[:500]
