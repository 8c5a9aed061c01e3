"""What issues, comments and reactions look like in JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from runners.local.hub.records import Comment, Issue, Reaction, Repository, User
from runners.local.hub.rest import shapes
from runners.local.hub.rest.shapes import Json, node_id
from runners.local.hub.services import labels

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


def issue(hub: Hub, found: Issue) -> Json:
    """An issue."""
    repository = hub.repositories.need(found.repository_id)
    api = f"{hub.api_url}/repos/{repository.full_name}"
    url = f"{api}/issues/{found.number}"
    author = hub.users.need(found.user_id)
    return {
        **found.pick("id", "number", "state", "state_reason", "title", "body", "closed_at", "created_at", "updated_at"),
        "node_id": node_id("Issue", found.id),
        "url": url,
        "repository_url": api,
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "timeline_url": f"{url}/timeline",
        "html_url": f"{hub.base_url}/{repository.full_name}/issues/{found.number}",
        "user": shapes.user(hub, author),
        "author_association": association(hub, repository, author),
        "labels": [labels.shape(hub, label) for label in labels.of_issue(hub, found)],
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "locked": False,
        "active_lock_reason": None,
        "comments": hub.comments.count(issue_id=found.id),
        "closed_by": shapes.user(hub, hub.users.need(found.closed_by_id)) if found.closed_by_id else None,
        "reactions": _counted(f"{url}/reactions", ()),
        "performed_via_github_app": _app(hub, found.app_id),
    }


def comment(hub: Hub, found: Comment) -> Json:
    """A comment on an issue."""
    repository = hub.repositories.need(found.repository_id)
    parent = hub.issues.need(found.issue_id)
    api = f"{hub.api_url}/repos/{repository.full_name}/issues"
    author = hub.users.need(found.user_id)
    url = f"{api}/comments/{found.id}"
    return {
        **found.pick("id", "body", "created_at", "updated_at"),
        "node_id": node_id("IssueComment", found.id),
        "url": url,
        "issue_url": f"{api}/{parent.number}",
        "html_url": f"{hub.base_url}/{repository.full_name}/issues/{parent.number}#issuecomment-{found.id}",
        "user": shapes.user(hub, author),
        "author_association": association(hub, repository, author),
        "reactions": _counted(f"{url}/reactions", hub.reactions.find(comment_id=found.id)),
        "performed_via_github_app": _app(hub, found.app_id),
    }


def reaction(hub: Hub, found: Reaction) -> Json:
    """A reaction."""
    return {
        "id": found.id,
        "node_id": node_id("Reaction", found.id),
        "user": shapes.user(hub, hub.users.need(found.user_id)),
        "content": found.content,
        "created_at": found.created_at,
    }


def _counted(url: str, reactions: Iterable[Reaction]) -> Json:
    counted = Counter(item.content for item in reactions)
    return {"url": url, "total_count": counted.total(), **{name: counted[name] for name in REACTIONS}}


def association(hub: Hub, repository: Repository, author: User) -> str:
    """How an author belongs to the repository; no permission follows from it."""
    if author.id == repository.owner_id:
        return "OWNER"
    known = hub.collaborators.count(repository_id=repository.id, user_id=author.id) > 0
    return "COLLABORATOR" if known else "NONE"


def _app(hub: Hub, app_id: int | None) -> Json | None:
    found = hub.apps.get(app_id) if app_id else None
    return shapes.app(hub, found) if found else None
