"""The REST routes that are not about Actions, by subject."""

from __future__ import annotations

from starlette.routing import BaseRoute

from runners.local.hub.hub import Hub
from runners.local.hub.rest import apps, comments, issues, labels, repositories

MODULES = (apps, repositories, comments, issues, labels)


def mount(hub: Hub) -> list[BaseRoute]:
    """Return the routes."""
    return [route for module in MODULES for route in module.routes.mounted(hub)]
