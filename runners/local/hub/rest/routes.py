"""The REST routes that are not about Actions, by subject."""

from __future__ import annotations

from starlette.routing import BaseRoute

from runners.local.hub.hub import Hub
from runners.local.hub.rest import (
    apps,
    checks,
    comments,
    commits,
    contents,
    git_data,
    issues,
    labels,
    refs,
    repositories,
)

MODULES = (apps, repositories, comments, issues, labels, checks, contents, git_data, refs, commits)
"""``checks`` before ``commits``: a commit's name may hold slashes, so its route takes everything below it."""


def mount(hub: Hub) -> list[BaseRoute]:
    """Return the routes."""
    return [route for module in MODULES for route in module.routes.mounted(hub)]
