"""Comments on issues, and reactions to them."""

# ruff: noqa: D103 - a handler is named after what its route does

from __future__ import annotations

from typing import Any

from runners.local.hub.errors import not_found
from runners.local.hub.records import Comment
from runners.local.hub.rest import issue_shapes
from runners.local.hub.rest.framework import Answer, Call, Routes
from runners.local.hub.rest.issues import ISSUE, find_issue
from runners.local.hub.services import issues

routes = Routes()
COMMENT = "/repos/{owner}/{repo}/issues/comments/{comment_id}"


@routes.get(ISSUE + "/comments", needs="issues:read")
def list_issue_comments(call: Call) -> Answer:
    found = call.hub.comments.find(issue_id=find_issue(call).id)
    since = call.query.get("since")
    wanted = [comment for comment in found if since is None or comment.updated_at >= since]
    return call.paged(wanted, lambda comment: issue_shapes.comment(call.hub, comment))


@routes.post(ISSUE + "/comments", needs="issues:write", role="read", body="body")
def create_comment(call: Call) -> Answer:
    with call.hub.store.transaction():  # The issue may be deleted at this moment.
        comment = issues.add_comment(call.hub, call.actor, find_issue(call), call.text("body"))
        shape = issue_shapes.comment(call.hub, comment)
    return Answer(shape, 201, {"Location": shape["url"]})


@routes.get(COMMENT, needs="issues:read")
def get_comment(call: Call) -> Any:
    return issue_shapes.comment(call.hub, _comment(call))


@routes.patch(COMMENT, needs="issues:write", role="read", body="body")
def update_comment(call: Call) -> Any:
    with call.hub.store.transaction():  # The issue may be deleted at this moment.
        comment = issues.edit_comment(call.hub, call.actor, _comment(call), call.text("body"))
        return issue_shapes.comment(call.hub, comment)


@routes.delete(COMMENT, needs="issues:write", role="read")
def delete_comment(call: Call) -> Answer:
    issues.delete_comment(call.hub, call.actor, _comment(call))
    return Answer(status=204)


@routes.get(COMMENT + "/reactions", needs="issues:read")
def list_reactions(call: Call) -> Answer:
    found = call.hub.reactions.find(comment_id=_comment(call).id)
    content = call.query.get("content")
    wanted = [item for item in found if content in (None, item.content)]
    return call.paged(wanted, lambda item: issue_shapes.reaction(call.hub, item))


@routes.post(COMMENT + "/reactions", needs="issues:write", role="read", body="content")
def create_reaction(call: Call) -> Answer:
    made, new = issues.react(call.hub, call.actor, _comment(call), call.text("content"))
    return Answer(issue_shapes.reaction(call.hub, made), 201 if new else 200)


@routes.delete(COMMENT + "/reactions/{reaction_id}", needs="issues:write", role="read")
def delete_reaction(call: Call) -> Answer:
    found = call.hub.reactions.get(call.path_number("reaction_id"))
    if found is None or found.comment_id != _comment(call).id or found.user_id != call.actor.account.id:
        raise not_found()
    call.hub.reactions.delete(found.id)
    return Answer(status=204)


def _comment(call: Call) -> Comment:
    found = call.hub.comments.get(call.path_number("comment_id"))
    if found is None or found.repository_id != call.repository.id:
        raise not_found()
    return found
