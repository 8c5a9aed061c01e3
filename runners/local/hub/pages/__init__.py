"""The hub's web pages: issues, "New issue", the issue, the run, the files. Server-rendered; they work without scripts."""

from __future__ import annotations

from starlette.routing import BaseRoute

from runners.local.hub.hub import Hub
from runners.local.hub.pages import files, shell
from runners.local.hub.pages.frame import Frame

__all__ = ["mount"]

REPOSITORY = "/{owner}/{repo}"


def mount(hub: Hub) -> list[BaseRoute]:
    """Return the pages' routes."""
    frame = Frame(hub)
    return [
        frame.get("/", shell.index),
        frame.post("/-/person", shell.choose_person),
        frame.get("/static/{name}", shell.static_file),
        frame.get(REPOSITORY, files.home),
        frame.get(REPOSITORY + "/tree/{rest:path}", files.tree),
        frame.get(REPOSITORY + "/blob/{rest:path}", files.blob),
        frame.get(REPOSITORY + "/raw/{rest:path}", files.raw),
        frame.get(REPOSITORY + "/commit/{sha}", files.commit),
    ]
