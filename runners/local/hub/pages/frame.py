"""The frame of the pages: who is looking, what is refused, how a page is answered.

A page is a plain function from a ``Visit`` to a response; it runs in a worker thread after the checks below. It refuses
by raising ``ApiError``, which is shown as a page.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final
from urllib.parse import parse_qs

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from runners.local.hub.errors import ApiError, not_found
from runners.local.hub.hub import Hub
from runners.local.hub.ids import read_number
from runners.local.hub.pages.look import TEMPLATES
from runners.local.hub.permissions import Actor, has_role, role_of, sees
from runners.local.hub.records import Repository, Role, User

MAX_FORM_BYTES: Final = 1_000_000
PERSON_COOKIE: Final = "modelyard_hub_person"
SESSION_COOKIE: Final = "modelyard_hub_session"
PAGE_HEADERS: Final = {
    # Colours of labels are the only inline styles; scripts and everything else come from this hub's own files.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Visit:
    """One look at a page, or one form sent from it."""

    hub: Hub
    request: Request
    session: str
    token: str
    """What a form of this session has to carry."""
    form: Mapping[str, Sequence[str]]

    @cached_property
    def people(self) -> list[User]:
        """The people as whom the browser may act."""
        return [user for user in self.hub.users.find() if user.type == "User"]

    @cached_property
    def offered(self) -> list[User]:
        """The people whom the switch offers: those who see what not everybody sees, and the one who acts."""
        every = self.hub.repositories.find()
        repositories = [repository for repository in every if repository.private] or every

        def is_known(user: User) -> bool:
            return any(has_role(self.hub, user, repository, "read") for repository in repositories)

        return [user for user in self.people if user == self.actor.user or is_known(user)]

    @cached_property
    def actor(self) -> Actor:
        """The person as whom the browser acts: the one chosen, else the first."""
        chosen = self.request.cookies.get(PERSON_COOKIE)
        found = [user for user in self.people if user.login == chosen] or self.people
        if not found:
            raise ApiError(404, "This hub has no users yet.")
        return self.hub.person(found[0].login)

    @cached_property
    def repository(self) -> Repository:
        """The path's repository; 404 where the person does not see it."""
        path = self.request.path_params
        found = self.hub.repository(f"{path['owner']}/{path['repo']}")
        if found is None or not sees(self.hub, self.actor, found):
            raise not_found()
        return found

    def has_role(self, role: Role) -> bool:
        """Say whether the person has at least this role in the path's repository."""
        return has_role(self.hub, self.actor.user, self.repository, role)

    def number(self, name: str) -> int:
        """Return a number of the path."""
        number = read_number(str(self.request.path_params[name]))
        if number is None:
            raise not_found()
        return number

    def field(self, name: str) -> str:
        """Return one field of the form that was sent, with line ends as in git."""
        values = self.form.get(name, ())
        return values[0].replace("\r\n", "\n").replace("\r", "\n") if values else ""

    def page(self, template: str, *, status: int = 200, every: int = 0, **values: Any) -> Response:
        """Answer a page; ``every``: after how many milliseconds it looks again whether something changed."""
        shared: dict[str, Any] = {"visit": self, "every": every, "repository": None, "tab": "", "role": ""}
        if "repository" in values:
            shared["role"] = role_of(self.hub, self.actor.user, values["repository"])
        html = TEMPLATES.get_template(template).render(shared | values)
        return HTMLResponse(html, status, PAGE_HEADERS)

    def in_repository(self, template: str, tab: str, *, status: int = 200, every: int = 0, **values: Any) -> Response:
        """Answer a page under the repository's header."""
        open_issues = self.hub.issues.count(repository_id=self.repository.id, state="open")
        shared = {"repository": self.repository, "tab": tab, "open_issues": open_issues}
        return self.page(template, status=status, every=every, **shared, **values)

    def redirect(self, path: str) -> Response:
        """Answer a sent form: go and look there."""
        return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


Page = Callable[[Visit], Response]


class Frame:
    """Makes routes of pages and holds what protects them."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._key = secrets.token_bytes(32)

    def get(self, path: str, page: Page) -> BaseRoute:
        """Return the route of a page that is looked at."""
        return Route(path, self._endpoint(page), methods=["GET"], name=page.__name__)

    def post(self, path: str, page: Page, *, from_anywhere: bool = False) -> BaseRoute:
        """Return the route that a form is sent to; ``from_anywhere``: by any site's page, as it has no effect by itself."""
        return Route(path, self._endpoint(page, from_anywhere=from_anywhere), methods=["POST"], name=page.__name__)

    def _endpoint(self, page: Page, *, from_anywhere: bool = False) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            form = await _read_form(request)
            checked = request.method == "POST" and not from_anywhere
            return await run_sync(partial(self._serve, page, request, form, checked=checked))

        return endpoint

    def _serve(
        self, page: Page, request: Request, form: Mapping[str, Sequence[str]] | None, *, checked: bool
    ) -> Response:
        session = request.cookies.get(SESSION_COOKIE, "")
        known = re.fullmatch(r"[0-9a-f]{32}", session) is not None
        session = session if known else secrets.token_hex(16)
        visit = Visit(self._hub, request, session, self._token(session), form or {})
        try:
            if checked:
                self._check(visit, form, known=known)
            response = page(visit)
        except ApiError as error:
            response = _refusal(visit, error)
        if not known:
            response.set_cookie(SESSION_COOKIE, session, httponly=True, samesite="strict")
        return response

    def _token(self, session: str) -> str:
        return hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()

    def _check(self, visit: Visit, form: Mapping[str, Sequence[str]] | None, *, known: bool) -> None:
        """Let a sent form through if one of this hub's own pages, shown to this browser, sent it."""
        if form is None:
            raise ApiError(413, f"The form is larger than {MAX_FORM_BYTES:,} bytes, or not a form.")
        headers = visit.request.headers
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise ApiError(403, "This form was sent from another site.")
        if headers.get("origin", f"http://{headers['host']}") != f"http://{headers['host']}":
            raise ApiError(403, "This form was sent from another origin.")
        if not known or not hmac.compare_digest(visit.field("token").encode(), visit.token.encode()):
            raise ApiError(403, "This form's token is missing or old. Go back, load the page again, and send it again.")


async def _read_form(request: Request) -> Mapping[str, Sequence[str]] | None:
    """Return the fields of a form; None where it is too large or no form at all."""
    if request.method != "POST":
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_FORM_BYTES:
            return None
        parts.append(part)
    try:
        text = b"".join(parts).decode()
        return parse_qs(text, keep_blank_values=True, errors="replace", max_num_fields=2_000)
    except ValueError:  # not UTF-8, or too many fields
        return None


def _refusal(visit: Visit, error: ApiError) -> Response:
    people = bool(visit.people)
    return visit.page("error.html", status=error.status, error=error, people=people)
