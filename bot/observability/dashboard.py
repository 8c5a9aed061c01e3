"""The dashboard's page, from what was read for it (pure). Everything is escaped: strangers typed much of it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import urlsplit

import jinja2

from bot.database.statistics import Figures, Runs
from bot.database.store import KeptDelivery
from bot.github.traffic import RateLimit
from bot.observability.html_pages import TEMPLATES, with_filters
from bot.runs.machine import Run, State

_STYLE = (TEMPLATES / "dashboard.css").read_text(encoding="utf-8")
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

HEADERS = {
    "cache-control": "no-store",
    # The page's own style and nothing else, whatever became of the escaping.
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; img-src data:; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_SCARCE = 10
"""A rate limit is low where less than this part (1 in so many) is left."""


@dataclass(frozen=True)
class Seen:
    """What the page shows.

    Attributes
    ----------
    figures, runs, dead, waiting
        What the database says; None and empty where it does not answer.
    troubles
        What ``/readyz`` names.
    limits
        By whose they are and resource.
    hub
        Where people see repositories.
    now
        When all this was read.
    """

    figures: Figures | None
    runs: Runs
    dead: Sequence[KeptDelivery]
    waiting: Sequence[KeptDelivery]
    troubles: Mapping[str, str]
    limits: Mapping[tuple[str, str], RateLimit]
    hub: str
    now: datetime


def page(seen: Seen) -> str:
    """Return the page as HTML."""
    limits = [
        {"whose": whose, "resource": resource, "known": known, "low": known.remaining * _SCARCE < known.limit}
        for (whose, resource), known in sorted(seen.limits.items())
    ]
    return _template().render(
        seen=seen,
        style=_STYLE,
        limits=limits,
        open=[_shown(run, seen) for run in seen.runs.open],
        ended=[_shown(run, seen) for run in seen.runs.ended],
    )


def web_address(api_url: str) -> str:
    """Return where people see what is behind an API's address: on github.com, GHE.com, GHES or the local hub."""
    parts = urlsplit(api_url)
    path = parts.path.removesuffix("/").removesuffix("/api/v3")
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}{path}"


def _shown(run: Run, seen: Seen) -> dict[str, object]:
    repository = f"{seen.hub}/{run.repository}"
    sent = run.dispatch.workflow_run if run.dispatch else None
    return {
        "run": run,
        "issue_url": f"{repository}/issues/{run.issue}",
        "workflow_url": f"{repository}/actions/runs/{sent}" if sent else "",
        "lock": _lock(run, seen.runs),
        "since": run.visits[-1].left if run.ended and run.visits else run.entered,
    }


def _lock(run: Run, runs: Runs) -> str:
    """Say how a run stands to its model's lock: it holds it, or waits for whom."""
    owner = runs.locks.get((run.repository, run.model))
    if run.ended:
        return ""
    if owner == run.id:
        return "holds the model's lock"
    if run.state is State.QUEUED:
        return f"waits for {owner}" if owner else "next in line"
    return ""


def _ago(moment: datetime, now: datetime) -> str:
    """Return a time as people read it at a glance: ``3 min ago``."""
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
