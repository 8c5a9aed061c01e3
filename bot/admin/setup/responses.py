"""Requests and responses of ``/setup``: which requests are ours, and pages, redirects and refusals as responses."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from bot.admin.setup import pages

_MAX_FORM_BYTES = 64_000


def scheme(request: Request) -> str:
    """Return the scheme that the browser uses, with us or with the proxy in front of us; GitHub sends it back there."""
    return "https" if request.headers.get("x-forwarded-proto", request.url.scheme) == "https" else "http"


def is_own(request: Request) -> bool:
    """Return whether a form comes from one of our own pages, according to the browser."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "")
    return site == "same-origin" and (not origin or urllib.parse.urlsplit(origin).netloc == request.headers.get("host"))


async def read_form(request: Request) -> Mapping[str, str]:
    """Return a form's fields; none if the body is too large or not a form."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            return {}
    try:
        pairs = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return {}
    return dict(pairs)


def html(text: str, status: int = HTTPStatus.OK) -> Response:
    """Return a page."""
    return HTMLResponse(text, status, pages.headers())


def redirect(path: str) -> Response:
    """Send the browser to a path of ours."""
    return RedirectResponse(path, HTTPStatus.SEE_OTHER, {"cache-control": "no-store", "referrer-policy": "no-referrer"})


def refused(status: int, title: str, why: str, cure: str, *, again: bool = False) -> Response:
    """Return the page that explains a refusal and how to proceed."""
    return html(pages.refused(title, why, cure, again=again), status)


def stranger() -> Response:
    """Refuse a visitor without a session."""
    return refused(
        HTTPStatus.FORBIDDEN,
        "Not authorised",
        "Only the person who started this setup can use it.",
        "Open the URL that modelyard setup printed in the terminal. It works once, in one browser; for another browser, start "
        "the program again.",
    )


async def not_found(_: Request, __: Exception) -> Response:
    """Answer a request for any other path."""
    return PlainTextResponse("There is only /setup here.\n", HTTPStatus.NOT_FOUND)


async def webhook(request: Request) -> Response:
    """Accept the ping that GitHub sends as soon as the App exists.

    Any other event is refused as busy: the App requests it again once it runs. Nothing is read, because the secret may not
    be known yet.
    """
    is_ping = request.headers.get("x-github-event") == "ping"
    return Response(status_code=HTTPStatus.ACCEPTED if is_ping else HTTPStatus.SERVICE_UNAVAILABLE)
