"""Renders the dashboard (pure). Everything is escaped: much of it was typed by strangers."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import urlsplit

import jinja2

from bot.database.inbox import InboxEntry
from bot.database.statistics import Figures, Runs
from bot.github.traffic import RateLimit
from bot.observability.html_pages import TEMPLATES, with_filters
from bot.runs.run import Run

_STYLE = (TEMPLATES / "dashboard.css").read_text(encoding="utf-8")
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

HEADERS = {
    "cache-control": "no-store",
    # Allows the page's own style and nothing else, in case the escaping ever fails.
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; img-src data:; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_LOW_SHARE = 0.1
"""Below this share of a rate limit, what is left is shown as low."""


@dataclass(frozen=True)
class Overview:
    """What the dashboard shows.

    Attributes
    ----------
    figures, runs, dead, waiting
        Read from the database; None and empty if it does not answer.
    problems
        What ``/readyz`` reports.
    limits
        GitHub's rate limits, by identity and resource.
    hub
        The address of the web pages of GitHub or the local hub.
    now
        When this was read.
    """

    figures: Figures | None
    runs: Runs
    dead: Sequence[InboxEntry]
    waiting: Sequence[InboxEntry]
    problems: Mapping[str, str]
    limits: Mapping[tuple[str, str], RateLimit]
    hub: str
    now: datetime


def page(overview: Overview) -> str:
    """Return the page as HTML."""
    limits = [
        {"identity": identity, "resource": resource, "limit": limit, "low": limit.remaining < _LOW_SHARE * limit.limit}
        for (identity, resource), limit in sorted(overview.limits.items())
    ]
    return _template().render(
        overview=overview,
        style=_STYLE,
        limits=limits,
        open=[_row(run, overview) for run in overview.runs.open],
        ended=[_row(run, overview) for run in overview.runs.ended],
    )


def web_address(api_url: str) -> str:
    """Return the address of the web pages that belong to an API: github.com, GHE.com, GHES or the local hub."""
    parts = urlsplit(api_url)
    path = parts.path.removesuffix("/").removesuffix("/api/v3")
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}{path}"


def _row(run: Run, overview: Overview) -> dict[str, object]:
    repository = f"{overview.hub}/{run.repository}"
    workflow_run = run.dispatch.workflow_run if run.dispatch else None
    return {
        "run": run,
        "issue_url": f"{repository}/issues/{run.issue}",
        "workflow_url": f"{repository}/actions/runs/{workflow_run}" if workflow_run else "",
        "lock": _lock(run, overview.runs),
        "since": run.visits[-1].left if run.ended and run.visits else run.entered,
    }


def _lock(run: Run, runs: Runs) -> str:
    """Describe a run's relation to its model's lock: it holds the lock, or which run it is waiting for."""
    owner = runs.locks.get((run.repository, run.model))
    if run.ended:
        return ""
    if owner == run.id:
        return "holds the model's lock"
    if run.spec.waits_for == "lock":
        return f"waiting for {owner}" if owner else "next in line"
    return ""


def _ago(moment: datetime, now: datetime) -> str:
    """Return how long ago a time was, such as ``3 min ago``."""
    seconds = int((now - moment).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{max(seconds, 0)} s ago"


def _in(timestamp: float, now: datetime) -> str:
    minutes = (datetime.fromtimestamp(timestamp, UTC) - now) / timedelta(minutes=1)
    return f"in {max(round(minutes), 0)} min"


@cache
def _template() -> jinja2.Template:
    return with_filters(ago=_ago, until=_in).get_template("dashboard.html")
