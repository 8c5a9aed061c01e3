"""Renders the pages of ``/setup`` (pure). Everything is escaped; no page contains a script or a secret."""

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
    """Return the headers of a page; its form may also be sent to ``posts_to``."""
    parts = urlsplit(posts_to)
    more = f" {parts.scheme}://{parts.netloc}" if posts_to else ""
    return {
        "cache-control": "no-store",
        "content-security-policy": (
            f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; img-src data:; form-action 'self'{more}; "
            "base-uri 'none'; frame-ancestors 'none'"
        ),
        # Not no-referrer: it would make browsers send forms without their origin.
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "cross-origin-opener-policy": "same-origin",
    }


def choose(form_token: str, given: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    """Ask where to register the App and where to store its credentials."""
    return _page("choose", form_token=form_token, given=given, wrong=wrong)


def confirm(*, register_url: str, manifest: Mapping[str, object], place: str) -> str:
    """Show what the App will request, with the button that sends the manifest to GitHub."""
    return _page(
        "confirm",
        register_url=register_url,
        manifest=json.dumps(manifest),
        shown=manifest,
        host=urlsplit(register_url).netloc,
        place=place,
        permissions=[permission for permission in PERMISSIONS if not permission.optional],
        events=[event for event in EVENTS if not event.always],
    )


def store_elsewhere(form_token: str, error: Problem, given: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    """Report that the credentials could not be stored, and ask for another place."""
    return _page("store", form_token=form_token, error=error, given=given, wrong=wrong)


def done(form_token: str, *, slug: str, place: str, install_url: str, command: str) -> str:
    """Show the next steps."""
    return _page("done", form_token=form_token, slug=slug, place=place, install_url=install_url, command=command)


def checked(form_token: str, findings: Sequence[Finding], command: str) -> str:
    """Show the findings."""
    return _page("checked", form_token=form_token, findings=findings, command=command)


def already(form_token: str, place: str) -> str:
    """Report that an App is already configured."""
    return _page("already", form_token=form_token, place=place)


def refused(title: str, why: str, cure: str, *, again: bool = False) -> str:
    """Explain why a request is refused and how to proceed."""
    return _page("refused", title=title, why=why, cure=cure, again=again)


def _page(step: str, **values: object) -> str:
    shared = {"step": step, "style": Markup(_STYLE)}  # noqa: S704 - files of ours
    return _template().render(**shared, **values)


@cache
def _template() -> jinja2.Template:
    return environment().get_template("setup.html")
