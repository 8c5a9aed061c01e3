"""Checks the App as GitHub knows it: clock, key, webhook, permissions, events and labels, each with a cure."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from actions.errors import OperationError
from actions.github_integration.app_needs import EVENTS, PERMISSIONS, wanted_events, wanted_permissions
from bot.admin.findings import Finding
from bot.clock import utc_now
from bot.github import HubError, SentDelivery
from bot.github.app_facts import AppFacts, InstallationFacts, clock_ahead
from bot.parsing.repository_config import has_config
from bot.runs.labels import MAX_LABEL_SECONDS, definitions

if TYPE_CHECKING:
    from bot.github import GitHub
    from bot.settings import Settings

MAX_AHEAD, MAX_BEHIND = 60.0, 540.0
"""Tolerated clock differences in seconds: the App's JWT is issued 60 s in the past and valid for 9 minutes more."""
MAX_UNNOTICED = 30.0
DELIVERY_RETENTION = timedelta(days=3)
"""How long GitHub lists deliveries."""

_LEVELS = ("none", "read", "write", "admin")


async def check_clock(settings: Settings) -> Finding:
    """Compare this machine's clock with GitHub's."""
    rule = "This machine's clock must agree with GitHub's; otherwise GitHub refuses the App's key."
    ahead = await clock_ahead(settings.github_api_url, settings.http_timeout_seconds)
    if ahead is None:
        return Finding.warning("Clock", rule, "GitHub did not return its time", "See the finding about GitHub.")
    found = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} GitHub's"
    cure = "Set the clock and enable NTP (timedatectl set-ntp true)."
    if not -MAX_BEHIND < ahead < MAX_AHEAD:
        return Finding.error("Clock", rule, found, cure)
    return (
        Finding.warning("Clock", rule, found, cure)
        if abs(ahead) > MAX_UNNOTICED
        else Finding.ok("Clock", rule, "agrees with GitHub's")
    )


async def check_app(github: GitHub, settings: Settings, webhook_url: str = "") -> AsyncIterator[Finding]:
    """Check everything about the App that GitHub shows; whatever GitHub refuses is a finding, too.

    Parameters
    ----------
    github
        The open gateway.
    settings
        The App's settings.
    webhook_url
        Where webhooks must go, if known. Otherwise any URL that ends in /webhook is accepted.
    """
    try:
        app = await github.registration()
        installations = await github.installed()
    except OperationError as error:
        cure = error.problem.next_step
        if isinstance(error, HubError) and error.status == HTTPStatus.UNAUTHORIZED:
            cure = (
                f"MODELYARD_APP_ID is {settings.app_id}: use the id shown on the App's settings page and a private key "
                "generated there. See also the finding about the clock."
            )
        yield Finding.error("GitHub", _KEY_RULE, f"{settings.github_api_url}: {error.problem.found}", cure)
        return
    yield _identity(app, installations, settings)
    try:
        yield await _webhook(github, settings, webhook_url, app.settings_url)
        yield await _deliveries(github, settings)
    except OperationError as error:
        yield Finding.from_problem("Webhook", error.problem)
    of_app = _Difference.of(app.permissions, app.events)
    cure = f"Grant it at {app.settings_url}; the owner of each installation must then accept it."
    for finding in _compared("Permissions of the App", of_app, cure):
        yield finding
    for installation in installations:
        yield _installation(installation, of_app)


async def make_labels(github: GitHub) -> AsyncIterator[Finding]:
    """Create the labels in the configured repositories on which the App is installed, for a limited time."""
    rule = "The labels that the App sets must exist."
    until, left = time.monotonic() + MAX_LABEL_SECONDS, 0
    try:
        for installation in await github.installed():
            for name in [] if installation.suspended else await github.installed_repositories(installation.id):
                if time.monotonic() > until:
                    left += 1
                    continue
                repository = github.repository(name, installation.id)
                try:
                    if not await has_config(repository):
                        continue
                    await repository.ensure_labels(definitions())
                except OperationError as error:  # an archived one, say
                    yield Finding.from_problem(f"{name}: labels", error.problem)
                else:
                    yield Finding.ok(f"{name}: labels", rule, "all exist")
        if left:
            yield Finding.ok("Labels", rule, f"{left} more repositories get theirs within minutes")
    except OperationError as error:
        yield Finding.from_problem("Labels", error.problem)


_KEY_RULE = "GitHub must recognise the App by its id and its private key."


def _identity(app: AppFacts, installations: Collection[InstallationFacts], settings: Settings) -> Finding:
    if app.id != settings.app_id:
        found = f"the key belongs to the App {app.id}, not {settings.app_id}"
        return Finding.error("GitHub", _KEY_RULE, found, f"Set MODELYARD_APP_ID={app.id}, or use the other App's key.")
    if not installations:
        found = f"{settings.github_api_url} recognises the App as {app.slug}[bot], but it is not installed anywhere"
        return Finding.warning("GitHub", _KEY_RULE, found, f"Install it on your repositories: {app.install_url}")
    accounts = ", ".join(installation.account for installation in installations)
    return Finding.ok("GitHub", _KEY_RULE, f"the App, {app.slug}[bot], is installed at {accounts}")


# --- webhook ---------------------------------------------------------------------------------------------------------


async def _webhook(github: GitHub, settings: Settings, wanted: str, settings_url: str) -> Finding:
    what, rule = "Webhook", "GitHub must send signed JSON to this App's /webhook."
    hook = await github.webhook()
    if hook is None:
        return Finding.ok(what, rule, "GitHub does not show where it sends webhooks")
    parts = urlsplit(hook.url)
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"  # no query, no password
    is_right = hook.url == wanted if wanted else parts.path.rstrip("/").rpartition("/")[2] == "webhook"
    if settings.poll and not hook.url:
        return Finding.ok(what, rule, "no URL; MODELYARD_POLL fetches the deliveries instead")
    for applies, level, found, then in (
        (not hook.url, Finding.error, "no URL", f"set a URL, {wanted or 'ending in /webhook'}, and tick Active."),
        (
            not hook.has_secret,
            Finding.error,
            "no secret, so nothing is signed",
            "set the secret in MODELYARD_WEBHOOK_SECRET.",
        ),
        (hook.content_type != "json", Finding.error, f"content type {hook.content_type}", "choose application/json."),
        (
            not is_right and not settings.poll,
            Finding.error if wanted else Finding.warning,
            f"webhooks go to {address}",
            f"set the URL {wanted}." if wanted else "use a URL that ends in /webhook.",
        ),
        (
            parts.scheme == "https" and not hook.checks_certificate,
            Finding.warning,
            "the App's certificate is not verified",
            "enable SSL verification.",
        ),
    ):
        if applies:
            return level(what, rule, found, f"At {settings_url}, under Webhook: {then}")
    return Finding.ok(what, rule, f"signed JSON to {address}")


async def _deliveries(github: GitHub, settings: Settings) -> Finding:
    """Check the responses to recent webhooks."""
    what, rule = "Webhook deliveries", "The App must answer webhooks with 2xx."
    sent = await github.deliveries(utc_now() - DELIVERY_RETENTION)
    if not sent:
        found = "none in three days"
        if settings.poll or settings.has_local_hub:
            return Finding.ok(what, rule, found)
        return Finding.warning(
            what, rule, found, "If there has been activity since, tick Active under Webhook on the App's settings page."
        )
    failed = [attempt for attempt in sent if not attempt.succeeded]
    if not failed or settings.poll:
        return Finding.ok(what, rule, f"{len(sent) - len(failed)} of the last {len(sent)} succeeded")
    found = f"{len(failed)} of the last {len(sent)} failed; the most recent: {_answer(failed[0])}"
    cure = f"{_CURES.get(failed[0].status_code, _OTHER_CURE)} The App catches up on deliveries that it missed."
    # No response at all may also mean that the App has not been started yet.
    is_past = sent[0].succeeded or not failed[0].status_code
    return Finding.warning(what, rule, found, cure) if is_past else Finding.error(what, rule, found, cure)


def _answer(attempt: SentDelivery) -> str:
    return f"{attempt.event} was answered with {attempt.status_code or 'nothing at all'}"


_OTHER_CURE = "See the App's settings page, Advanced, Recent Deliveries."
_CURES = {
    0: "Start the App (modelyard serve). If it is running, check that the webhook's URL reaches it through proxy and firewall.",
    400: "Something between GitHub and the App changes the request: the proxy must pass body and headers unchanged.",
    401: "The secrets differ: use the same one on the App's settings page and in MODELYARD_WEBHOOK_SECRET.",
    404: "The URL leads elsewhere: it must end in /webhook.",
    413: "A proxy refuses large bodies: allow 25 MB.",
    502: "The proxy does not reach the App: is `modelyard serve` running?",
    503: "The App could not store them: check its log and its database.",
    504: "The proxy does not reach the App in time: is `modelyard serve` running?",
}


# --- permissions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Difference:
    """How the permissions and events of an App or an installation differ from those that are needed."""

    missing: frozenset[str]
    unused: frozenset[str]

    @classmethod
    def of(cls, permissions: Mapping[str, str], events: Collection[str]) -> Self:
        highest = {permission.name: permission.level for permission in PERMISSIONS}
        subscribed = set(events) - {event.name for event in EVENTS if event.always}
        missing = [
            f"{name}: {level}"
            for name, level in wanted_permissions().items()
            if _rank(permissions.get(name)) < _rank(level)
        ]
        unused = [f"{name}: {level}" for name, level in permissions.items() if _rank(level) > _rank(highest.get(name))]
        return cls(
            frozenset([*missing, *(f"the event {name}" for name in set(wanted_events()) - subscribed)]),
            frozenset([*unused, *(f"the event {name}" for name in subscribed - set(wanted_events()))]),
        )


_RULE = "The App must have the permissions and events that it uses, and no others."


def _compared(what: str, difference: _Difference, cure: str) -> Iterator[Finding]:
    """Report missing permissions as an error and unused ones as a warning."""
    if difference.missing:
        found = f"missing: {', '.join(sorted(difference.missing))}"
        yield Finding.error(what, _RULE, found, f"{cure} docs/permissions.md explains each of them.")
    if difference.unused:
        found = f"not used: {', '.join(sorted(difference.unused))}"
        also = f"{what}, unused" if difference.missing else what
        yield Finding.warning(
            also, _RULE, found, "Remove it on the App's settings page: a stolen key could be used with it."
        )
    if not difference.missing and not difference.unused:
        yield Finding.ok(what, _RULE, "exactly those that are needed")


def _installation(installation: InstallationFacts, of_app: _Difference) -> Finding:
    """Check one installation, whose owner must accept each permission that the App requests."""
    what = f"Installation at {installation.account}"
    if installation.suspended:
        found = "it is suspended; its runs are waiting"
        return Finding.warning(
            what, "The installation must not be suspended.", found, f"Unsuspend it at {installation.html_url}"
        )
    # What the App itself does not request has been reported already.
    missing = _Difference.of(installation.permissions, installation.events).missing - of_app.missing
    rule = "The permissions that the App requests must be granted."
    if missing:
        found = f"missing: {', '.join(sorted(missing))}"
        return Finding.error(what, rule, found, f"Accept the App's new permissions at {installation.html_url}")
    return Finding.ok(what, rule, "granted")


def _rank(level: str | None) -> int:
    return _LEVELS.index(level) if level in _LEVELS else 0
