"""The pages about Apps: agreeing to a manifest, an App's own page, installing it, and its installations' settings."""

from __future__ import annotations

import json
from dataclasses import asdict
from urllib.parse import urlsplit

from starlette.responses import Response

from runners.local.hub.errors import ApiError, not_found
from runners.local.hub.ids import read_number
from runners.local.hub.pages.frame import PAGE_HEADERS, Visit
from runners.local.hub.permissions import role_of
from runners.local.hub.records import App, Installation, Repository, User
from runners.local.hub.services import installations as installing
from runners.local.hub.services.app_registration import Pending, read_manifest


def bring_manifest(visit: Visit) -> Response:
    """Take a manifest from whatever page sent it; nothing is made of it before a person agrees."""
    organization = str(visit.request.path_params.get("organization", ""))
    if organization:
        _owner(visit, organization)
    manifest = read_manifest(visit.field("manifest"))
    state = visit.request.query_params.get("state", "")
    return visit.redirect(
        f"/settings/apps/new/{visit.hub.registrations.pending.add(Pending(manifest, organization, state))}"
    )


def show_manifest(visit: Visit) -> Response:
    """Show what the App would be, and the one button."""
    found = _pending(visit)
    owner = _owner(visit, found.owner)
    response = visit.page(
        "new_app.html",
        manifest=found.manifest,
        owner=owner,
        text=json.dumps(asdict(found.manifest), indent=2, ensure_ascii=False),
    )
    # The answer to the button leads back to the App: browsers hold that, too, against form-action.
    back = urlsplit(found.manifest.redirect_url)
    policy = PAGE_HEADERS["Content-Security-Policy"]
    response.headers["Content-Security-Policy"] = policy.replace(
        "form-action 'self'", f"form-action 'self' {back.scheme}://{back.netloc}"
    )
    return response


def register(visit: Visit) -> Response:
    """Make the App, and send the browser back with a code."""
    owner = _owner(visit, _pending(visit).owner)
    return visit.redirect(visit.hub.registrations.register(str(visit.request.path_params["request"]), owner))


def shown(visit: Visit) -> Response:
    """Show an App and where it is installed."""
    app = _app(visit)
    installations = [item for item in visit.hub.installations.find(app_id=app.id) if _manages(visit, item.account_id)]
    accounts = {item.account_id: visit.hub.users.need(item.account_id).login for item in installations}
    owner = visit.hub.users.need(app.owner_id)
    return visit.page("app.html", app=app, owner=owner, installations=installations, accounts=accounts)


def choose_repositories(visit: Visit) -> Response:
    """Ask on which repositories to install the App."""
    app = _app(visit)
    return visit.page("install.html", app=app, repositories=_installable(visit), installed=_installed(visit, app))


def install(visit: Visit) -> Response:
    """Install the App on the repositories that were chosen, of the accounts that the person speaks for."""
    app = _app(visit)
    wanted = {read_number(value) for value in visit.form.get("repository", ())}
    chosen = [repository for repository in _installable(visit) if repository.id in wanted]
    if not chosen or len(chosen) < len(wanted):
        raise ApiError(422, "Choose one or more of your repositories.")
    already = _installed(visit, app)
    installations = [installing.add(visit.hub, app, one) for one in chosen if one.id not in already]
    return visit.redirect(f"/settings/installations/{installations[0].id}" if installations else f"/apps/{app.slug}")


def settings(visit: Visit) -> Response:
    """Show an installation: its repositories, its permissions, and what can be done with it."""
    found = _installation(visit)
    app = visit.hub.apps.need(found.app_id)
    repositories = [visit.hub.repositories.need(number) for number in found.repository_ids]
    return visit.page("installation.html", app=app, installation=found, repositories=repositories)


def change(visit: Visit) -> Response:
    """Do what one of the settings' buttons says."""
    found, hub, what = _installation(visit), visit.hub, visit.field("do")
    if what == "remove":
        installing.remove(hub, found)
        return visit.redirect(f"/apps/{hub.apps.need(found.app_id).slug}")
    if what == "suspend" and found.suspended_at is None:
        installing.suspend(hub, found)
    elif what == "unsuspend" and found.suspended_at is not None:
        installing.unsuspend(hub, found)
    elif what == "accept":
        installing.accept_permissions(hub, found)
    elif (number := read_number(visit.field("take_away"))) in found.repository_ids and number is not None:
        installing.take_away(hub, found, hub.repositories.need(number))
    return visit.redirect(f"/settings/installations/{found.id}")


def _app(visit: Visit) -> App:
    found = visit.hub.apps.first(slug=str(visit.request.path_params["slug"]))
    if found is None:
        raise not_found()
    return found


def _pending(visit: Visit) -> Pending:
    found = visit.hub.registrations.pending.get(str(visit.request.path_params["request"]))
    if found is None:
        raise ApiError(404, "This request is unknown, was answered, or is older than an hour.")
    return found


def _installation(visit: Visit) -> Installation:
    found = visit.hub.installations.get(visit.number("installation"))
    if found is None or not _manages(visit, found.account_id):
        raise not_found()
    return found


def _owner(visit: Visit, organization: str) -> User:
    """Return the account that an App would be of: the person's, or the one named, which the person has to speak for."""
    if not organization:
        return visit.actor.account
    found = visit.hub.user(organization)
    if found is None or not _manages(visit, found.id):
        raise not_found()
    return found


def _manages(visit: Visit, account_id: int) -> bool:
    """Tell whether the person speaks for an account: it is theirs, or they administrate a repository of it."""
    return visit.actor.account.id == account_id or any(
        repository.owner_id == account_id and role_of(visit.hub, visit.actor.user, repository) == "admin"
        for repository in visit.hub.repositories.find()
    )


def _installable(visit: Visit) -> list[Repository]:
    return [one for one in visit.hub.repositories.find() if _manages(visit, one.owner_id)]


def _installed(visit: Visit, app: App) -> set[int]:
    return {number for item in visit.hub.installations.find(app_id=app.id) for number in item.repository_ids}
