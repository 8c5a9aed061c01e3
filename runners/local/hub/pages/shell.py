"""What belongs to no repository: the list of repositories, the switch between people, static files."""

from __future__ import annotations

from functools import cache
from pathlib import PurePosixPath
from typing import Final

from starlette.responses import Response

from runners.local.hub.errors import ApiError, not_found
from runners.local.hub.pages.frame import PAGE_HEADERS, PERSON_COOKIE, Visit
from runners.local.hub.pages.look import HERE
from runners.local.hub.permissions import sees

STATIC: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def index(visit: Visit) -> Response:
    """Show the repositories that the person sees."""
    found = [repository for repository in visit.hub.repositories.find() if sees(visit.hub, visit.actor, repository)]
    return visit.page("index.html", repositories=found)


def choose_person(visit: Visit) -> Response:
    """Remember as whom the browser acts, and go back to where it was."""
    login, back = visit.field("login"), visit.field("back")
    if login not in [person.login for person in visit.people]:
        raise ApiError(422, "There is no such user on this hub.")
    # A path of this hub, and nothing that a browser could take for another host's address.
    safe = back.startswith("/") and not back.startswith("//") and "\\" not in back and back.isprintable()
    response = visit.redirect(back if safe else "/")
    response.set_cookie(PERSON_COOKIE, login, httponly=True, samesite="strict", max_age=30 * 86_400)
    return response


def static_file(visit: Visit) -> Response:
    """Serve the style sheet, the script and the pictures."""
    name = PurePosixPath(str(visit.request.path_params["name"]))
    content = _static(str(name)) if name.suffix in STATIC else None
    if content is None:
        raise not_found()
    headers = {**PAGE_HEADERS, "Content-Type": STATIC[name.suffix], "Cache-Control": "no-cache"}
    return Response(content, headers=headers)


@cache
def _static(name: str) -> bytes | None:
    known = {path.name: path for path in (HERE / "static").iterdir()}
    return known[name].read_bytes() if name in known else None
