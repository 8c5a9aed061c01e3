"""Everything that can be done to issues, for REST and pages: checks, stores, emits events.

Each function takes the acting ``Actor`` and refuses with ``ApiError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runners.local.hub.errors import ApiError, not_accessible, validation_failed
from runners.local.hub.permissions import Actor, Need, has_role, may, require
from runners.local.hub.records import Comment, Issue, Reaction, Repository, now
from runners.local.hub.rest import issue_shapes
from runners.local.hub.services import labels

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

OPEN_ISSUE = Need.of("issues:write", "read")
COMMENT = Need.of("issues:write", "read")
LABEL_ISSUE = Need.of("issues:write", "triage")
REACTIONS = issue_shapes.REACTIONS
MAX_TITLE = 256
MAX_BODY = 65_536
CLOSED_FOR = ("completed", "not_planned", "duplicate")


def create_issue(
    hub: Hub,
    actor: Actor,
    repository: Repository,
    title: str,
    body: str | None = None,
    names: Sequence[str] = (),
    *,
    by_form: bool = False,
) -> Issue:
    """Open an issue with labels.

    As on GitHub, labels from someone without permission are dropped unless a form of the repository sets them (``by_form``),
    and a form creates no label that the repository does not have.
    """
    require(hub, actor, repository, OPEN_ISSUE)
    _check_title(title)
    _check_length("Issue", body)
    with hub.store.transaction():
        if by_form:
            chosen = labels.present(hub, repository, names)
        else:
            may_label = may(hub, actor, repository, LABEL_ISSUE)
            chosen = labels.ensure(hub, actor, repository, names) if may_label else []
        issue = hub.issues.add(
            Issue(
                repository_id=repository.id,
                number=hub.store.next_number(repository.id, "issue"),
                user_id=actor.account.id,
                title=title,
                body=body,
                label_ids=[label.id for label in chosen],
                app_id=actor.app.id if actor.app else None,
            )
        )
        tell(hub, actor, issue, "opened")
        for label in chosen:
            tell(hub, actor, issue, "labeled", label=labels.shape(hub, label))
    return issue


def edit_issue(hub: Hub, actor: Actor, issue: Issue, *, title: str | None = None, body: str | None = None) -> Issue:
    """Change title or body (None keeps it); allowed for the author and for writers."""
    _require_author_or_writer(hub, actor, issue.repository_id, issue.user_id)
    if title is not None:
        _check_title(title)
    _check_length("Issue", body)
    with hub.store.transaction():
        before = hub.issues.need(issue.id)
        wanted = {"title": title, "body": body}
        changes = {name: text for name, text in wanted.items() if text is not None and text != getattr(before, name)}
        if not changes:
            return before
        issue = hub.issues.update(issue.id, **changes, updated_at=now())
        tell(hub, actor, issue, "edited", changes={name: {"from": getattr(before, name) or ""} for name in changes})
    return issue


def close_issue(hub: Hub, actor: Actor, issue: Issue, reason: str = "completed") -> Issue:
    """Close an issue as ``completed``, ``not_planned`` or ``duplicate``."""
    _require_author_or_writer(hub, actor, issue.repository_id, issue.user_id)
    if reason not in CLOSED_FOR:
        raise validation_failed("Issue", "state_reason")
    with hub.store.transaction():
        before = hub.issues.need(issue.id)
        if before.state == "closed" and before.state_reason == reason:
            return before
        is_open = before.state == "open"
        closed_at = now() if is_open else before.closed_at
        by = actor.account.id if is_open else before.closed_by_id
        issue = hub.issues.update(
            issue.id, state="closed", state_reason=reason, closed_at=closed_at, closed_by_id=by, updated_at=now()
        )
        if is_open:
            tell(hub, actor, issue, "closed")
    return issue


def reopen_issue(hub: Hub, actor: Actor, issue: Issue) -> Issue:
    """Open a closed issue again."""
    _require_author_or_writer(hub, actor, issue.repository_id, issue.user_id)
    with hub.store.transaction():
        if hub.issues.need(issue.id).state == "open":
            return hub.issues.need(issue.id)
        opened = {"state": "open", "state_reason": "reopened", "closed_at": None, "closed_by_id": None}
        issue = hub.issues.update(issue.id, **opened, updated_at=now())
        tell(hub, actor, issue, "reopened")
    return issue


def set_labels(hub: Hub, actor: Actor, issue: Issue, names: Sequence[str]) -> Issue:
    """Set the issue's labels; unknown ones are created."""
    return _relabel(hub, actor, issue, names, keep=False)


def add_labels(hub: Hub, actor: Actor, issue: Issue, names: Sequence[str]) -> Issue:
    """Add labels to an issue; unknown ones are created."""
    return _relabel(hub, actor, issue, names, keep=True)


def remove_label(hub: Hub, actor: Actor, issue: Issue, name: str) -> Issue:
    """Remove a label from an issue; 404 if the issue does not have it."""
    with hub.store.transaction():
        present = labels.of_issue(hub, hub.issues.need(issue.id))
        rest = [label.name for label in present if label.key != name.lower()]
        if len(rest) == len(present):
            raise ApiError(404, "Label does not exist")
        return set_labels(hub, actor, issue, rest)


def add_comment(hub: Hub, actor: Actor, issue: Issue, body: str) -> Comment:
    """Write a comment."""
    repository = hub.repositories.need(issue.repository_id)
    require(hub, actor, repository, COMMENT)
    _check_comment(body)
    with hub.store.transaction():
        comment = hub.comments.add(
            Comment(
                repository_id=repository.id,
                issue_id=issue.id,
                user_id=actor.account.id,
                body=body,
                app_id=actor.app.id if actor.app else None,
            )
        )
        hub.issues.update(issue.id, updated_at=comment.created_at)
        _tell_comment(hub, actor, comment, "created")
    return comment


def edit_comment(hub: Hub, actor: Actor, comment: Comment, body: str) -> Comment:
    """Change a comment's text; allowed for its author and for writers."""
    _require_author_or_writer(hub, actor, comment.repository_id, comment.user_id)
    _check_comment(body)
    with hub.store.transaction():
        before = hub.comments.need(comment.id)
        comment = hub.comments.update(comment.id, body=body, updated_at=now())
        if before.body != body:
            _tell_comment(hub, actor, comment, "edited", changes={"body": {"from": before.body}})
    return comment


def delete_comment(hub: Hub, actor: Actor, comment: Comment) -> None:
    """Delete a comment; allowed for its author and for writers."""
    _require_author_or_writer(hub, actor, comment.repository_id, comment.user_id)
    with hub.store.transaction():
        _tell_comment(hub, actor, comment, "deleted")
        hub.comments.delete(comment.id)


def react(hub: Hub, actor: Actor, comment: Comment, content: str) -> tuple[Reaction, bool]:
    """React to a comment; also return whether the reaction is new."""
    require(hub, actor, hub.repositories.need(comment.repository_id), COMMENT)
    if content not in REACTIONS:
        raise validation_failed("Reaction", "content")
    with hub.store.transaction():
        found = hub.reactions.first(comment_id=comment.id, user_id=actor.account.id, content=content)
        if found is not None:
            return found, False
        return hub.reactions.add(Reaction(comment_id=comment.id, user_id=actor.account.id, content=content)), True


def tell(hub: Hub, actor: Actor, issue: Issue, action: str, **parts: Any) -> None:
    """Emit an ``issues`` event."""
    repository = hub.repositories.need(issue.repository_id)
    shape = issue_shapes.issue(hub, issue)
    hub.events.emit("issues", actor, action=action, repository=repository, issue=shape, **parts)


def _tell_comment(hub: Hub, actor: Actor, comment: Comment, action: str, **parts: Any) -> None:
    repository = hub.repositories.need(comment.repository_id)
    objects = {
        "issue": issue_shapes.issue(hub, hub.issues.need(comment.issue_id)),
        "comment": issue_shapes.comment(hub, comment),
    }
    hub.events.emit("issue_comment", actor, action=action, repository=repository, **objects, **parts)


def _relabel(hub: Hub, actor: Actor, issue: Issue, names: Sequence[str], *, keep: bool) -> Issue:
    repository = hub.repositories.need(issue.repository_id)
    require(hub, actor, repository, LABEL_ISSUE)
    with hub.store.transaction():
        before = labels.of_issue(hub, hub.issues.need(issue.id))
        wanted = labels.ensure(hub, actor, repository, [*(label.name for label in before if keep), *names])
        issue = hub.issues.update(issue.id, label_ids=[label.id for label in wanted], updated_at=now())
        for label in wanted:
            if label not in before:
                tell(hub, actor, issue, "labeled", label=labels.shape(hub, label))
        for label in before:
            if label not in wanted:
                tell(hub, actor, issue, "unlabeled", label=labels.shape(hub, label))
    return issue


def _require_author_or_writer(hub: Hub, actor: Actor, repository_id: int, author_id: int) -> None:
    repository = hub.repositories.need(repository_id)
    require(hub, actor, repository, COMMENT)
    if actor.kind == "person" and actor.account.id != author_id and not has_role(hub, actor.user, repository, "triage"):
        raise not_accessible(actor.kind)


def _check_title(title: str) -> None:
    if not title.strip():
        raise validation_failed("Issue", "title", "missing_field")
    if len(title) > MAX_TITLE:
        raise validation_failed("Issue", "title", "custom", f"title is too long (maximum is {MAX_TITLE} characters)")


def _check_comment(body: str) -> None:
    if not body.strip():
        raise validation_failed("IssueComment", "body", "missing_field")
    _check_length("IssueComment", body)


def _check_length(resource: str, body: str | None) -> None:
    if body is not None and len(body) > MAX_BODY:
        raise validation_failed(resource, "body", "custom", f"body is too long (maximum is {MAX_BODY} characters)")
