"""``modelyard doctor``: the App as GitHub knows it. Key, clock, webhook, permissions, events, installations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from actions.github_integration import app_needs
from actions.github_integration.app_needs import wanted_events, wanted_permissions
from actions.operation import OperationError
from bot.clock import utc_now
from bot.findings import Finding, ill, odd, of_error, well
from bot.github import HubError, SentDelivery
from bot.github.app_facts import AppFacts, InstallationFacts, clock_ahead

if TYPE_CHECKING:
    from bot.github import GitHub
    from bot.settings import Settings

FASTEST, SLOWEST = 60.0, -540.0
"""Seconds between which this machine's clock may differ: the App's JWT is issued 60 s back and lasts 9 minutes more."""
NOTABLE = 30.0
LOOK_BACK = timedelta(days=3)
"""So long GitHub remembers deliveries."""

OPTIONAL = {each.name: each.level for each in app_needs.PERMISSIONS if each.optional}
_LEVELS = ("none", "read", "write", "admin")


async def examine_clock(settings: Settings) -> Finding:
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


async def examine_app(github: GitHub, settings: Settings) -> list[Finding]:
    """Look at the App; whatever GitHub refuses is a finding, too."""
    try:
        app = await github.described()
        installations = await github.granted()
    except HubError as error:
        cure = error.body.next_step
        if error.status == HTTPStatus.UNAUTHORIZED:
            cure = (
                f"MODELYARD_APP_ID is {settings.app_id}: take the number on the App's settings page, and a private key "
                "made there. See also the clock."
            )
        return [ill("GitHub", _KEY_RULE, f"{settings.github_api_url}: {error.body.found}", cure)]
    found = [_identity(app, installations, settings)]
    for look in (_webhook, _deliveries):
        try:
            found.append(await look(github, settings))
        except OperationError as error:
            found.append(of_error("Webhook", error.body))
    found += compared("Permissions of the App", app.permissions, app.events, app.html_url)
    for installation in installations:
        found += _installation(installation)
    return found


_KEY_RULE = "GitHub knows the App by its number and its private key."


def _identity(app: AppFacts, installations: Collection[InstallationFacts], settings: Settings) -> Finding:
    if app.id != settings.app_id:
        found = f"the key belongs to the App {app.id}, not {settings.app_id}"
        return ill("GitHub", _KEY_RULE, found, f"Set MODELYARD_APP_ID={app.id}, or the other App's key.")
    if not installations:
        found = f"{settings.github_api_url} knows the App as {app.slug}[bot], which is installed nowhere"
        return odd("GitHub", _KEY_RULE, found, "Install the App on a repository, from its settings page.")
    accounts = ", ".join(one.account for one in installations)
    return well("GitHub", _KEY_RULE, f"the App, as {app.slug}[bot], is installed at {accounts}")


# --- webhook ---------------------------------------------------------------------------------------------------------


async def _webhook(github: GitHub, settings: Settings) -> Finding:
    what, rule = "Webhook", "GitHub sends signed JSON to this App's /webhook."
    cure = "On the App's settings page, under Webhook:"
    hook = await github.webhook_facts()
    if hook is None:
        return well(what, rule, "GitHub does not tell where it sends webhooks")
    parts = urlsplit(hook.url)
    address = f"{parts.scheme}://{parts.hostname}{parts.path}"  # no query, no password
    leads_elsewhere = parts.path.rstrip("/").rpartition("/")[2] != "webhook"
    if settings.poll and not hook.url:
        return well(what, rule, "no URL, and MODELYARD_POLL fetches what GitHub would have sent")
    for is_so, level, found, then in (
        (not hook.url, ill, "no URL", "set the URL, ending in /webhook, and tick Active."),
        (not hook.has_secret, ill, "no secret, so nothing is signed", "set the secret MODELYARD_WEBHOOK_SECRET."),
        (hook.content_type != "json", ill, f"content type {hook.content_type}", "choose application/json."),
        (leads_elsewhere and not settings.poll, odd, f"it sends to {address}", "let the URL end in /webhook."),
        (not hook.checks_certificate, odd, "the App's certificate is not checked", "enable SSL verification."),
    ):
        if is_so:
            return level(what, rule, found, f"{cure} {then}")
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
    return ill(what, rule, found, cure) if not sent[0].succeeded else odd(what, rule, found, cure)


def _answer(attempt: SentDelivery) -> str:
    return f"{attempt.event} was answered {attempt.status_code or 'nothing at all'}"


_OTHER_CURE = "See the App's settings page, Advanced, Recent Deliveries."
_CURES = {
    0: "Nothing answered: let the webhook's URL lead to a running `modelyard serve`, through any proxy and firewall.",
    400: "Something between GitHub and the App changes the request: let the proxy pass body and headers as they are.",
    401: "The secrets differ: set the same one on the App's settings page and in MODELYARD_WEBHOOK_SECRET.",
    404: "The URL leads elsewhere: it has to end in /webhook.",
    413: "A proxy refuses large bodies: let it pass 25 MB.",
    502: "The proxy does not reach the App: is `modelyard serve` running?",
    503: "The App could not store them: look at its log and its database.",
    504: "The proxy does not reach the App in time: is `modelyard serve` running?",
}


# --- permissions -----------------------------------------------------------------------------------------------------


def _installation(installation: InstallationFacts) -> Iterator[Finding]:
    what = f"Installation at {installation.account}"
    if installation.suspended:
        rule = "The installation is not suspended."
        yield odd(what, rule, "it is suspended", f"Unsuspend it at {installation.html_url}.")
        return
    yield from compared(what, installation.permissions, installation.events, installation.html_url)


def compared(what: str, permissions: Mapping[str, str], events: Collection[str], url: str) -> Iterator[Finding]:
    """Compare what there is with what the App uses: missing is an error, superfluous a warning."""
    rule = "The App has the permissions and events that it uses, and no more."
    missing = [
        f"{name}: {level}"
        for name, level in wanted_permissions().items()
        if _rank(permissions.get(name)) < _rank(level)
    ]
    missing += [f"the event {name}" for name in sorted(set(wanted_events()) - set(events))]
    allowed = {**OPTIONAL, **wanted_permissions()}
    surplus = [
        f"{name}: {level}" for name, level in sorted(permissions.items()) if _rank(level) > _rank(allowed.get(name))
    ]
    surplus += [f"the event {name}" for name in sorted(set(events) - set(wanted_events()))]
    if missing:
        cure = f"Grant it on the App's settings page; each installation's owner then accepts it at {url}."
        yield ill(what, rule, f"missing: {', '.join(missing)}", cure)
    if surplus:
        cure = "Take it away on the App's settings page: a stolen key could use it."
        yield odd(f"{what}, superfluous" if missing else what, rule, f"not used: {', '.join(surplus)}", cure)
    if not missing and not surplus:
        yield well(what, rule, "what is needed, and no more")


def _rank(level: str | None) -> int:
    return _LEVELS.index(level) if level in _LEVELS else 0
