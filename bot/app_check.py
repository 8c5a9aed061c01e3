"""Compares the App as GitHub knows it with what it needs: identity, permissions, events, webhook, labels; each with its cure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from http import HTTPStatus

from actions.operation import OperationError
from bot.app_manifest import differences
from bot.clock import utc_now
from bot.finding import Finding
from bot.github import GitHub
from bot.github.registration import Installed, Registration
from bot.labels import definitions

_SHOWN = timedelta(days=3)


async def check_app(
    github: GitHub, *, webhook_url: str = "", make_labels: bool = False, now: datetime | None = None
) -> AsyncIterator[Finding]:
    """Look at everything about the App that GitHub tells.

    Parameters
    ----------
    github
        The App's way to GitHub, opened.
    webhook_url
        Where webhooks have to go, if that is known.
    make_labels
        Whether to make the labels in every installed repository; GitHub is only asked otherwise.
    now
        When the latest deliveries are looked at from.
    """
    try:
        app = await github.registration()
        installed = await github.installed()
    except OperationError as error:
        yield Finding(level="error", what="GitHub", found=error.body.found, cure=error.body.next_step)
        return
    yield _installed(app, installed)
    for finding in _given(
        "The App",
        app.permissions,
        app.events,
        f"Change it at {app.settings_url}, then accept it where it is installed.",
    ):
        yield finding
    for each in installed:
        async for finding in _installation(github, app, each, make_labels=make_labels):
            yield finding
    async for finding in _webhook(github, app, webhook_url, now or utc_now()):
        yield finding


def _installed(app: Registration, installed: list[Installed]) -> Finding:
    if not installed:
        return Finding(
            level="warning",
            what="GitHub",
            found=f"knows the App as {app.slug}, which is installed nowhere",
            cure=f"Install it on your repositories: {app.install_url}",
        )
    accounts = ", ".join(each.account for each in installed)
    return Finding(level="ok", what="GitHub", found=f"the App, as {app.slug}, is installed at {accounts}")


async def _installation(
    github: GitHub, app: Registration, each: Installed, *, make_labels: bool
) -> AsyncIterator[Finding]:
    what = f"Installation at {each.account}"
    if each.suspended:
        cure = f"Unsuspend it at {each.html_url}; until then its runs wait."
        yield Finding(level="error", what=what, found="suspended", cure=cure)
        return
    # What the App itself does not ask for was said of the App.
    pending = set(differences(each.permissions, each.events)) - set(differences(app.permissions, app.events))
    cure = f"Accept the App's new permissions at {each.html_url}"
    findings = _given(what, each.permissions, each.events, cure) if pending else []
    for finding in findings:
        yield finding
    try:
        names = await github.installed_repositories(each.id)
    except OperationError as error:
        yield Finding(level="error", what=what, found=error.body.found, cure=error.body.next_step)
        return
    if not findings:
        yield Finding(level="ok", what=what, found=f"permissions and events are right; {_count(names)}")
    for name in names if make_labels else ():
        yield await _labels(github, name, each.id)


async def _labels(github: GitHub, name: str, installation: int) -> Finding:
    try:
        await github.repository(name, installation).ensure_labels(definitions())
    except OperationError as error:
        return Finding(level="error", what=f"Labels of {name}", found=error.body.found, cure=error.body.next_step)
    return Finding(level="ok", what=f"Labels of {name}", found="are there")


def _given(what: str, permissions: dict[str, str], events: tuple[str, ...], cure: str) -> list[Finding]:
    """Name each permission and event that is missing or too much."""
    return [
        Finding(
            level="error" if each.is_missing else "warning",
            what=what,
            found=f"{each.kind} {each.what} is {each.problem}" + (f". {each.why}" if each.why else ""),
            cure=cure if each.is_missing else f"Nothing needs it: take it away. {cure}",
        )
        for each in differences(permissions, events)
    ]


async def _webhook(github: GitHub, app: Registration, wanted: str, now: datetime) -> AsyncIterator[Finding]:
    try:
        hook = await github.webhook()
        sent = await github.deliveries(now - _SHOWN)
    except OperationError as error:
        yield Finding(level="error", what="Webhook", found=error.body.found, cure=error.body.next_step)
        return
    problems = [
        ("there is no address", "Set the webhook's URL") if not hook.url else None,
        (f"it goes to {hook.url}, not to {wanted}", "Correct the webhook's URL")
        if wanted and hook.url not in ("", wanted)
        else None,
        ("there is no secret", "Set the webhook's secret, the same as here") if not hook.has_secret else None,
        ("certificates are not checked", "Switch SSL verification on")
        if hook.url.startswith("https") and hook.insecure
        else None,
    ]
    wrong = [problem for problem in problems if problem is not None]
    for found, cure in wrong:
        yield Finding(level="error", what="Webhook", found=found, cure=f"{cure}, at {app.settings_url}")
    if not wrong:
        yield Finding(level="ok", what="Webhook", found=f"{hook.url}, with a secret")
    if not sent:
        return
    latest = sent[0]
    if latest.succeeded:
        yield Finding(level="ok", what="Last webhook", found=f"{latest.event} was taken")
    elif latest.status_code == HTTPStatus.UNAUTHORIZED:
        cure = f"Set the same webhook secret here and at {app.settings_url}"
        yield Finding(level="error", what="Last webhook", found=f"{latest.event}: the signature was refused", cure=cure)
    else:
        how = f"answered {latest.status_code}" if latest.status_code else "not answered"
        cure = "Start the App (modelyard serve): what it has missed is then sent again. Where it runs, check that GitHub reaches it."
        yield Finding(level="warning", what="Last webhook", found=f"{latest.event} was {how}", cure=cure)


def _count(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} repositories"
