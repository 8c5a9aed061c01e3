"""The REST routes that are not about Actions, by subject."""

from __future__ import annotations

from starlette.routing import BaseRoute

from runners.local.hub.hub import Hub
from runners.local.hub.rest import apps, repositories


def mount(hub: Hub) -> list[BaseRoute]:
    """Return the routes."""
    return [route for module in (apps, repositories) for route in module.routes.mounted(hub)]
