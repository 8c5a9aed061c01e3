"""The App's own routes: itself, its installations and their tokens, its webhook's deliveries."""

# ruff: noqa: D103 - a handler is named after what its route does

from __future__ import annotations

import json
from typing import Any

from runners.local.hub.errors import ApiError, invalid_request, not_found, suspended
from runners.local.hub.permissions import LEVELS, bound
from runners.local.hub.records import App, Delivery, Installation, Repository
from runners.local.hub.rest import shapes
from runners.local.hub.rest.framework import Answer, Call, Routes

routes = Routes()
MAX_DELIVERIES = 1_000


@routes.get("/app")
def get_app(call: Call) -> Any:
    return shapes.app(call.hub, _app(call))


@routes.post("/app-manifests/{code}/conversions")
def convert_manifest(call: Call) -> Answer:
    """Whoever has the code gets the new App's key and secrets, once."""
    made = call.hub.registrations.exchange(str(call.path["code"]))
    if made is None:
        raise not_found()
    secret = {"client_secret": made.client_secret, "webhook_secret": made.app.webhook_secret, "pem": made.private_key}
    return Answer({**shapes.app(call.hub, made.app), **secret}, 201)


@routes.get("/app/hook/config")
def get_hook_config(call: Call) -> Any:
    app = _app(call)
    secret = {"secret": "********"} if app.webhook_secret else {}
    return {"content_type": "json", "insecure_ssl": "0", "url": app.webhook_url, **secret}


@routes.get("/app/installations")
def list_installations(call: Call) -> Answer:
    found = call.hub.installations.find(app_id=_app(call).id)
    return call.paged(found, lambda item: shapes.installation(call.hub, item))


@routes.get("/app/installations/{installation_id}")
def get_installation(call: Call) -> Any:
    return shapes.installation(call.hub, _installation(call))


@routes.post("/app/installations/{installation_id}/access_tokens", body="repositories repository_ids permissions")
def create_access_token(call: Call) -> Answer:
    installation = _installation(call)
    if installation.suspended_at is not None:
        raise suspended()
    repositories = _wanted_repositories(call, installation)
    permissions = _wanted_permissions(call, installation)
    text, token = call.hub.auth.issue_installation_token(
        installation, permissions=permissions, repository_ids=[item.id for item in repositories]
    )
    body: dict[str, Any] = {
        "token": text,
        "expires_at": token.expires_at,
        "permissions": token.permissions,
        "repository_selection": "selected",
    }
    if repositories:
        body["repositories"] = [shapes.repository(call.hub, item) for item in repositories]
    return Answer(body, 201)


@routes.get("/repos/{owner}/{repo}/installation")
def get_repository_installation(call: Call) -> Any:
    found = call.hub.installations.find(app_id=_app(call).id)
    for installation in found:
        if call.repository.id in installation.repository_ids:
            return shapes.installation(call.hub, installation)
    raise not_found()


@routes.get("/installation/repositories")
def list_installation_repositories(call: Call) -> Answer:
    installation = call.actor.installation
    if installation is None:
        raise ApiError(403, "Resource not accessible by this kind of credential")
    found = [call.hub.repositories.need(item) for item in installation.repository_ids]
    repositories = [item for item in found if bound(call.actor, item)]
    return call.paged(repositories, lambda item: shapes.repository(call.hub, item), key="repositories")


@routes.get("/app/hook/config")
def get_webhook_config(call: Call) -> Any:
    """Tell where webhooks go; the secret is never shown."""
    app = _app(call)
    shown = {"secret": "********"} if app.webhook_secret else {}
    return {"url": app.webhook_url, "content_type": "json", "insecure_ssl": "0", **shown}


@routes.get("/app/hook/deliveries")
def list_deliveries(call: Call) -> Answer:
    """By cursor, newest first: the Link header names the next page where there is one."""
    found = call.hub.deliveries.find(app_id=_app(call).id, state="done", newest_first=True, limit=MAX_DELIVERIES)
    if call.query.get("status") in ("success", "failure"):
        wanted = call.query["status"] == "success"
        found = [item for item in found if (item.status == "OK") == wanted]
    cursor, limit = call.query_number("cursor", 0), min(max(call.query_number("per_page", 30), 1), 100)
    rest = [item for item in found if item.id < cursor] if cursor else found
    headers = {}
    if len(rest) > limit:
        headers["Link"] = f'<{call.url}?per_page={limit}&cursor={rest[limit - 1].id}>; rel="next"'
    return Answer([_brief(item) for item in rest[:limit]], headers=headers)


@routes.get("/app/hook/deliveries/{delivery_id}")
def get_delivery(call: Call) -> Any:
    item = _delivery(call)
    return {
        **_brief(item),
        "url": item.url,
        "request": {"headers": item.request_headers, "payload": json.loads(item.payload)},
        "response": {"headers": item.response_headers, "payload": item.response_body},
    }


@routes.post("/app/hook/deliveries/{delivery_id}/attempts")
def redeliver(call: Call) -> Answer:
    call.hub.webhooks.redeliver(_delivery(call))
    return Answer({}, 202)


def _app(call: Call) -> App:
    return call.hub.auth.app(call.actor)


def _installation(call: Call) -> Installation:
    found = call.hub.installations.get(call.path_number("installation_id"))
    if found is None or found.app_id != _app(call).id:
        raise not_found()
    return found


def _delivery(call: Call) -> Delivery:
    found = call.hub.deliveries.get(call.path_number("delivery_id"))
    if found is None or found.app_id != _app(call).id:
        raise not_found()
    return found


def _wanted_repositories(call: Call, installation: Installation) -> list[Repository]:
    names, ids = {name.lower() for name in call.strings("repositories") or []}, call.json.get("repository_ids") or []
    if not isinstance(ids, list) or not all(isinstance(item, int) for item in ids):
        raise invalid_request(f"For 'properties/repository_ids', {json.dumps(ids)} is not an array of integers.")
    installed = [call.hub.repositories.need(item) for item in installation.repository_ids]
    chosen = [item for item in installed if item.name.lower() in names or item.id in ids]
    if not {item.name.lower() for item in chosen} >= names or not {item.id for item in chosen} >= set(ids):
        raise ApiError(
            422, "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    return chosen


def _wanted_permissions(call: Call, installation: Installation) -> dict[str, str]:
    wanted = call.json.get("permissions")
    if wanted is None:
        return installation.permissions
    if not isinstance(wanted, dict):
        raise invalid_request(f"For 'properties/permissions', {json.dumps(wanted)} is not an object.")
    for name, level in wanted.items():
        granted = installation.permissions.get(name, "none")
        if level not in LEVELS or LEVELS.index(granted) < LEVELS.index(level):
            raise ApiError(422, "The permissions requested are not granted to this installation.")
    return {**wanted, "metadata": "read"}


def _brief(item: Delivery) -> dict[str, Any]:
    return {
        **item.pick("id", "guid", "delivered_at", "redelivery", "duration", "status", "status_code"),
        **item.pick("event", "action", "installation_id", "repository_id"),
        "throttled_at": None,
    }
