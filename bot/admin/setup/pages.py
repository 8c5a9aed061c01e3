"""The pages of ``/setup``, from values (pure). Everything is escaped; no page holds a script or a secret."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from urllib.parse import urlsplit

import jinja2
from markupsafe import Markup

from actions.errors import Problem
from actions.github_integration.app_needs import EVENTS, PERMISSIONS
from bot.admin.findings import Finding
from bot.observability.html_pages import TEMPLATES, environment

_STYLE = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("dashboard.css", "setup.css"))
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")


def headers(*, posts_to: str = "") -> dict[str, str]:
    """Return the headers of a page; ``posts_to`` is the one other address that its form may be sent to."""
    parts = urlsplit(posts_to)
    more = f" {parts.scheme}://{parts.netloc}" if posts_to else ""
    return {
        "cache-control": "no-store",
        "content-security-policy": (
            f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; img-src data:; form-action 'self'{more}; "
            "base-uri 'none'; frame-ancestors 'none'"
        ),
        # Not no-referrer: with it browsers send a form without saying where it came from.
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "cross-origin-opener-policy": "same-origin",
    }


def choose(form_token: str, given: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    """Ask where the App is registered and where its credentials go."""
    return _page("choose", form_token=form_token, given=given, wrong=wrong)


def confirm(*, register_url: str, manifest: Mapping[str, object], place: str) -> str:
    """Show what the App will ask for, with the button that takes the manifest to GitHub."""
    return _page(
        "confirm",
        register_url=register_url,
        manifest=json.dumps(manifest),
        shown=manifest,
        host=urlsplit(register_url).netloc,
        place=place,
        permissions=[each for each in PERMISSIONS if not each.optional],
        events=[each for each in EVENTS if not each.always],
    )


def keep_elsewhere(form_token: str, error: Problem, given: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    """Say that the credentials could not be kept, and ask for another place."""
    return _page("keep", form_token=form_token, error=error, given=given, wrong=wrong)


def done(form_token: str, *, slug: str, place: str, install_url: str, command: str) -> str:
    """Say what to do next."""
    return _page("done", form_token=form_token, slug=slug, place=place, install_url=install_url, command=command)


def checked(form_token: str, findings: Sequence[Finding], command: str) -> str:
    """Show what was found."""
    return _page("checked", form_token=form_token, findings=findings, command=command)


def already(form_token: str, place: str) -> str:
    """Say that there is an App already."""
    return _page("already", form_token=form_token, place=place)


def refused(title: str, why: str, cure: str, *, again: bool = False) -> str:
    """Say why something is not done, and what helps."""
    return _page("refused", title=title, why=why, cure=cure, again=again)


def _page(what: str, **values: object) -> str:
    shared = {"what": what, "style": Markup(_STYLE)}  # noqa: S704 - files of ours
    return _template().render(**shared, **values)


@cache
def _template() -> jinja2.Template:
    return environment().get_template("setup.html")
