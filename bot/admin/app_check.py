"""Compares the App as GitHub knows it with what it needs: clock, key, webhook, permissions, events, labels; each with its cure."""

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
from bot.admin.findings import Finding, ill, odd, of_error, well
from bot.clock import utc_now
from bot.github import HubError, SentDelivery
from bot.github.app_facts import AppFacts, InstallationFacts, clock_ahead
from bot.runs.labels import MAX_LABEL_SECONDS, definitions

if TYPE_CHECKING:
    from bot.github import GitHub
    from bot.settings import Settings

FASTEST, SLOWEST = 60.0, -540.0
"""Seconds between which this machine's clock may differ: the App's JWT is issued 60 s back and lasts 9 minutes more."""
NOTABLE = 30.0
LOOK_BACK = timedelta(days=3)
"""So long GitHub remembers deliveries."""

_LEVELS = ("none", "read", "write", "admin")


async def check_clock(settings: Settings) -> Finding:
    """Compare this machine's clock with GitHub's."""
    rule = "This machine's clock agrees with GitHub's, or the App's key is refused."
    ahead = await clock_ahead(settings.github_api_url, settings.http_timeout_seconds)
    if ahead is None:
        return odd("Clock", rule, "GitHub did not say what time it is", "See the finding about GitHub.")
    found = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} GitHub's"
    cure = "Set the clock, and keep it right by NTP (timedatectl set-ntp true)."
    if not SLOWEST < ahead < FASTEST:
        return ill("Clock", rule, found, cure)
    return odd("Clock", rule, found, cure) if abs(ahead) > NOTABLE else well("Clock", rule, "the same as GitHub's")


async def check_app(github: GitHub, settings: Settings, webhook_url: str = "") -> AsyncIterator[Finding]:
    """Look at everything about the App that GitHub tells; whatever GitHub refuses is a finding, too.

    Parameters
    ----------
    github
        The App's way to GitHub, opened.
    settings
        What the App was set up with.
    webhook_url
        Where webhooks have to go, if that is known; else any address that ends in /webhook is right.
    """
    try:
        app = await github.registration()
        installations = await github.installed()
    except OperationError as error:
        cure = error.body.next_step
        if isinstance(error, HubError) and error.status == HTTPStatus.UNAUTHORIZED:
            cure = (
                f"MODELYARD_APP_ID is {settings.app_id}: take the number on the App's settings page, and a private key "
                "made there. See also the clock."
            )
        yield ill("GitHub", _KEY_RULE, f"{settings.github_api_url}: {error.body.found}", cure)
        return
    yield _identity(app, installations, settings)
    try:
        yield await _webhook(github, settings, webhook_url, app.settings_url)
        yield await _deliveries(github, settings)
    except OperationError as error:
        yield of_error("Webhook", error.body)
    asked = _Difference.of(app.permissions, app.events)
    cure = f"Grant it at {app.settings_url}; each installation's owner then accepts it."
    for finding in _given("Permissions of the App", asked, cure):
        yield finding
    for installation in installations:
        yield _installation(installation, asked)


async def make_labels(github: GitHub) -> AsyncIterator[Finding]:
    """Make the labels in the repositories that the App is installed on, as far as one gets in some seconds."""
    rule = "The labels that the App sets are there."
    until, left = time.monotonic() + MAX_LABEL_SECONDS, 0
    try:
        for installation in await github.installed():
            for name in [] if installation.suspended else await github.installed_repositories(installation.id):
                if time.monotonic() > until:
                    left += 1
                    continue
                try:
                    await github.repository(name, installation.id).ensure_labels(definitions())
                except OperationError as error:  # an archived one, say
                    yield of_error(f"{name}: labels", error.body)
                else:
                    yield well(f"{name}: labels", rule, "all there")
        if left:
            yield well("Labels", rule, f"repositories that get theirs at their first request: {left}")
    except OperationError as error:
        yield of_error("Labels", error.body)


_KEY_RULE = "GitHub knows the App by its number and its private key."


def _identity(app: AppFacts, installations: Collection[InstallationFacts], settings: Settings) -> Finding:
    if app.id != settings.app_id:
        found = f"the key belongs to the App {app.id}, not {settings.app_id}"
        return ill("GitHub", _KEY_RULE, found, f"Set MODELYARD_APP_ID={app.id}, or the other App's key.")
    if not installations:
        found = f"{settings.github_api_url} knows the App as {app.slug}[bot], which is installed nowhere"
        return odd("GitHub", _KEY_RULE, found, f"Install it on your repositories: {app.install_url}")
    accounts = ", ".join(one.account for one in installations)
    return well("GitHub", _KEY_RULE, f"the App, as {app.slug}[bot], is installed at {accounts}")


# --- webhook ---------------------------------------------------------------------------------------------------------


async def _webhook(github: GitHub, settings: Settings, wanted: str, settings_url: str) -> Finding:
    what, rule = "Webhook", "GitHub sends signed JSON to this App's /webhook."
    hook = await github.webhook()
    if hook is None:
        return well(what, rule, "GitHub does not tell where it sends webhooks")
    parts = urlsplit(hook.url)
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"  # no query, no password
    is_right = hook.url == wanted if wanted else parts.path.rstrip("/").rpartition("/")[2] == "webhook"
    if settings.poll and not hook.url:
        return well(what, rule, "no URL, and MODELYARD_POLL fetches what GitHub would have sent")
    for is_so, level, found, then in (
        (not hook.url, ill, "no URL", f"set the URL, {wanted or 'ending in /webhook'}, and tick Active."),
        (not hook.has_secret, ill, "no secret, so nothing is signed", "set the secret MODELYARD_WEBHOOK_SECRET."),
        (hook.content_type != "json", ill, f"content type {hook.content_type}", "choose application/json."),
        (
            not is_right and not settings.poll,
            ill if wanted else odd,
            f"it sends to {address}",
            f"set the URL {wanted}." if wanted else "let the URL end in /webhook.",
        ),
        (
            parts.scheme == "https" and not hook.checks_certificate,
            odd,
            "the App's certificate is not checked",
            "enable SSL verification.",
        ),
    ):
        if is_so:
            return level(what, rule, found, f"At {settings_url}, under Webhook: {then}")
    return well(what, rule, f"signed JSON to {address}")


async def _deliveries(github: GitHub, settings: Settings) -> Finding:
    """Look at what became of the last webhooks."""
    what, rule = "Webhook deliveries", "What GitHub sent was answered with 2xx."
    sent = await github.deliveries(utc_now() - LOOK_BACK)
    if not sent:
        found = "none in three days"
        if settings.poll or settings.has_local_hub:
            return well(what, rule, found)
        return odd(
            what, rule, found, "If something has happened since: tick Active under Webhook on the App's settings page."
        )
    failed = [one for one in sent if not one.succeeded]
    if not failed or settings.poll:
        return well(what, rule, f"{len(sent) - len(failed)} of the last {len(sent)} were")
    found = f"{len(failed)} of the last {len(sent)} were not; the newest of them: {_answer(failed[0])}"
    cure = f"{_CURES.get(failed[0].status_code, _OTHER_CURE)} The App makes up for what it missed."
    # Nothing at all may as well mean that the App was not started yet.
    is_past = sent[0].succeeded or not failed[0].status_code
    return odd(what, rule, found, cure) if is_past else ill(what, rule, found, cure)


def _answer(attempt: SentDelivery) -> str:
    return f"{attempt.event} was answered {attempt.status_code or 'nothing at all'}"


_OTHER_CURE = "See the App's settings page, Advanced, Recent Deliveries."
_CURES = {
    0: "Start the App (modelyard serve). Where it runs, let the webhook's URL lead to it, through any proxy and firewall.",
    400: "Something between GitHub and the App changes the request: let the proxy pass body and headers as they are.",
    401: "The secrets differ: set the same one on the App's settings page and in MODELYARD_WEBHOOK_SECRET.",
    404: "The URL leads elsewhere: it has to end in /webhook.",
    413: "A proxy refuses large bodies: let it pass 25 MB.",
    502: "The proxy does not reach the App: is `modelyard serve` running?",
    503: "The App could not store them: look at its log and its database.",
    504: "The proxy does not reach the App in time: is `modelyard serve` running?",
}


# --- permissions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Difference:
    """What an App or an installation was given, beside what is needed; a higher level than needed is too much."""

    missing: frozenset[str]
    superfluous: frozenset[str]

    @classmethod
    def of(cls, permissions: Mapping[str, str], events: Collection[str]) -> Self:
        most = {each.name: each.level for each in PERMISSIONS}
        subscribed = set(events) - {each.name for each in EVENTS if each.always}
        missing = [
            f"{name}: {level}"
            for name, level in wanted_permissions().items()
            if _rank(permissions.get(name)) < _rank(level)
        ]
        superfluous = [
            f"{name}: {level}" for name, level in permissions.items() if _rank(level) > _rank(most.get(name))
        ]
        return cls(
            frozenset([*missing, *(f"the event {name}" for name in set(wanted_events()) - subscribed)]),
            frozenset([*superfluous, *(f"the event {name}" for name in subscribed - set(wanted_events()))]),
        )


_RULE = "The App has the permissions and events that it uses, and no more."


def _given(what: str, difference: _Difference, cure: str) -> Iterator[Finding]:
    """Tell of what is missing, an error, and of what is superfluous, a warning."""
    if difference.missing:
        found = f"missing: {', '.join(sorted(difference.missing))}"
        yield ill(what, _RULE, found, f"{cure} docs/permissions.md says what each is for.")
    if difference.superfluous:
        found = f"not used: {', '.join(sorted(difference.superfluous))}"
        also = f"{what}, superfluous" if difference.missing else what
        yield odd(also, _RULE, found, "Take it away on the App's settings page: a stolen key could use it.")
    if not difference.missing and not difference.superfluous:
        yield well(what, _RULE, "what is needed, and no more")


def _installation(installation: InstallationFacts, asked: _Difference) -> Finding:
    """Look at one installation, which lags behind what the App asks for until its owner accepts that."""
    what = f"Installation at {installation.account}"
    if installation.suspended:
        found = "it is suspended; its runs wait"
        return odd(what, "The installation is not suspended.", found, f"Unsuspend it at {installation.html_url}")
    # What the App itself does not ask for was said of the App.
    missing = _Difference.of(installation.permissions, installation.events).missing - asked.missing
    rule = "What the App asks for was granted."
    if missing:
        found = f"missing: {', '.join(sorted(missing))}"
        return ill(what, rule, found, f"Accept the App's new permissions at {installation.html_url}")
    return well(what, rule, "granted")


def _rank(level: str | None) -> int:
    return _LEVELS.index(level) if level in _LEVELS else 0
