"""The hub's web pages: issues, "New issue", the issue, the run, the files. Server-rendered; they work without scripts."""

from __future__ import annotations

from starlette.routing import BaseRoute

from runners.local.hub.hub import Hub
from runners.local.hub.pages import apps, files, issues, new_issue, runs, shell
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
        frame.post("/settings/apps/new", apps.bring_manifest, from_anywhere=True),
        frame.post("/organizations/{organization}/settings/apps/new", apps.bring_manifest, from_anywhere=True),
        frame.get("/settings/apps/new/{request}", apps.show_manifest),
        frame.post("/settings/apps/new/{request}", apps.register),
        frame.get("/settings/installations/{installation}", apps.settings),
        frame.post("/settings/installations/{installation}", apps.change),
        frame.get("/apps/{slug}", apps.shown),
        frame.get("/apps/{slug}/installations/new", apps.choose_repositories),
        frame.post("/apps/{slug}/installations/new", apps.install),
        frame.get(REPOSITORY, files.home),
        frame.get(REPOSITORY + "/issues", issues.listed),
        frame.get(REPOSITORY + "/issues/new/choose", new_issue.choose),
        frame.get(REPOSITORY + "/issues/new", new_issue.new),
        frame.post(REPOSITORY + "/issues/new", new_issue.create),
        frame.get(REPOSITORY + "/issues/{number}", issues.shown),
        frame.get(REPOSITORY + "/issues/{number}/edit", issues.editor),
        frame.post(REPOSITORY + "/issues/{number}/edit", issues.edit),
        frame.get(REPOSITORY + "/issues/{number}/labels", issues.labels_editor),
        frame.post(REPOSITORY + "/issues/{number}/labels", issues.set_labels),
        frame.post(REPOSITORY + "/issues/{number}/comments", issues.comment),
        frame.get(REPOSITORY + "/issues/{number}/comments/{comment}", issues.comment_editor),
        frame.post(REPOSITORY + "/issues/{number}/comments/{comment}", issues.edit_comment),
        frame.get(REPOSITORY + "/actions", runs.listed),
        frame.get(REPOSITORY + "/actions/runs/{run}", runs.shown),
        frame.post(REPOSITORY + "/actions/runs/{run}/cancel", runs.cancel),
        frame.get(REPOSITORY + "/actions/runs/{run}/job/{job}", runs.job),
        frame.get(REPOSITORY + "/actions/runs/{run}/job/{job}/log", runs.log),
        frame.get(REPOSITORY + "/tree/{rest:path}", files.tree),
        frame.get(REPOSITORY + "/blob/{rest:path}", files.blob),
        frame.get(REPOSITORY + "/raw/{rest:path}", files.raw),
        frame.get(REPOSITORY + "/commit/{sha}", files.commit),
    ]
