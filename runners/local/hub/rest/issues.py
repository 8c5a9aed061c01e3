"""Issues and their labels."""

# ruff: noqa: D103 - a handler is named after what its route does

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runners.local.hub.errors import invalid_request, not_found, validation_failed
from runners.local.hub.records import Issue
from runners.local.hub.rest import issue_shapes
from runners.local.hub.rest.framework import Answer, Call, Routes
from runners.local.hub.services import issues, labels

routes = Routes()
ISSUE = "/repos/{owner}/{repo}/issues/{issue_number}"


@routes.get("/repos/{owner}/{repo}/issues", needs="issues:read")
def list_issues(call: Call) -> Answer:
    state = call.query.get("state", "open")
    if state not in ("open", "closed", "all"):
        raise validation_failed("Issue", "state")
    found = call.hub.issues.find(repository_id=call.repository.id)
    found = [issue for issue in found if state in (issue.state, "all")]
    wanted = [keep for keep in (_by_labels(call), _by_creator(call), _since(call)) if keep is not None]
    found = [issue for issue in found if all(keep(issue) for keep in wanted)]
    found.sort(key=_sort_key(call), reverse=call.query.get("direction", "desc") == "desc")
    return call.paged(found, lambda issue: issue_shapes.issue(call.hub, issue))


@routes.post(
    "/repos/{owner}/{repo}/issues",
    needs="issues:write",
    role="read",
    body="title body assignee assignees milestone labels type issue_field_values",
)
def create_issue(call: Call) -> Answer:
    title = call.json.get("title")
    body = call.text("body", "") or None
    issue = issues.create_issue(
        call.hub, call.actor, call.repository, str(title if title is not None else ""), body, _names(call) or []
    )
    shape = issue_shapes.issue(call.hub, issue)
    return Answer(shape, 201, {"Location": shape["url"]})


@routes.get(ISSUE, needs="issues:read")
def get_issue(call: Call) -> Any:
    return issue_shapes.issue(call.hub, find_issue(call))


@routes.patch(
    ISSUE,
    needs="issues:write",
    role="read",
    body="title body assignee assignees milestone labels type issue_field_values state state_reason duplicate_issue_id",
)
def update_issue(call: Call) -> Any:
    hub, actor = call.hub, call.actor
    state, reason, names = call.json.get("state"), call.json.get("state_reason"), _names(call)
    if state not in (None, "open", "closed"):
        raise validation_failed("Issue", "state")
    with hub.store.transaction():
        issue = find_issue(call)
        changed = {name: call.text(name, "") for name in ("title", "body") if call.json.get(name) is not None}
        if changed:
            issue = issues.edit_issue(hub, actor, issue, **changed)
        if names is not None:
            issue = issues.set_labels(hub, actor, issue, names)
        if state == "closed":
            issue = issues.close_issue(hub, actor, issue, reason or "completed")
        elif state == "open":
            issue = issues.reopen_issue(hub, actor, issue)
        return issue_shapes.issue(hub, issue)


@routes.get(ISSUE + "/labels", needs="issues:read")
def list_issue_labels(call: Call) -> Answer:
    return call.paged(labels.of_issue(call.hub, find_issue(call)), lambda label: labels.shape(call.hub, label))


@routes.post(ISSUE + "/labels", needs="issues:write", role="triage", body="labels")
def add_issue_labels(call: Call) -> Any:
    with call.hub.store.transaction():
        return _labelled(call, issues.add_labels(call.hub, call.actor, find_issue(call), _label_body(call)))


@routes.put(ISSUE + "/labels", needs="issues:write", role="triage", body="labels")
def set_issue_labels(call: Call) -> Any:
    with call.hub.store.transaction():
        return _labelled(call, issues.set_labels(call.hub, call.actor, find_issue(call), _label_body(call)))


@routes.delete(ISSUE + "/labels", needs="issues:write", role="triage")
def remove_issue_labels(call: Call) -> Answer:
    issues.set_labels(call.hub, call.actor, find_issue(call), [])
    return Answer(status=204)


@routes.delete(ISSUE + "/labels/{name:path}", needs="issues:write", role="triage")
def remove_issue_label(call: Call) -> Any:
    with call.hub.store.transaction():
        return _labelled(call, issues.remove_label(call.hub, call.actor, find_issue(call), call.path["name"]))


def find_issue(call: Call) -> Issue:
    """Return the issue of the path; 404 where there is none."""
    found = call.hub.issues.first(repository_id=call.repository.id, number=call.path_number("issue_number"))
    if found is None:
        raise not_found()
    return found


def _labelled(call: Call, issue: Issue) -> list[Any]:
    return [labels.shape(call.hub, label) for label in labels.of_issue(call.hub, issue)]


def _names(call: Call) -> list[str] | None:
    """Return the body's labels, which may be names or objects with a name; None where they are not given."""
    value = call.json.get("labels")
    return None if value is None else _read_names(value)


def _label_body(call: Call) -> list[str]:
    return _read_names(call.value if isinstance(call.value, list) else call.json.get("labels") or [])


def _read_names(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [None]
    found = [item.get("name") if isinstance(item, dict) else item for item in items]
    names = [name for name in found if isinstance(name, str)]
    if len(names) < len(found):
        raise invalid_request("For 'properties/labels', the items are neither names nor objects with a name.")
    return names


def _by_labels(call: Call) -> Callable[[Issue], bool] | None:
    names = [name.strip().lower() for name in call.query.get("labels", "").split(",") if name.strip()]
    if not names:
        return None
    found = call.hub.labels.find(repository_id=call.repository.id)
    ids = {label.key: label.id for label in found}
    wanted = {ids.get(name, 0) for name in names}
    return lambda issue: wanted <= set(issue.label_ids)


def _by_creator(call: Call) -> Callable[[Issue], bool] | None:
    login = call.query.get("creator")
    if login is None:
        return None
    user = call.hub.user(login)
    return lambda issue: user is not None and issue.user_id == user.id


def _since(call: Call) -> Callable[[Issue], bool] | None:
    since = call.query.get("since")
    return (lambda issue: issue.updated_at >= since) if since else None


def _sort_key(call: Call) -> Callable[[Issue], tuple[Any, int]]:
    sort = call.query.get("sort", "created")
    if sort == "comments":
        return lambda issue: (call.hub.comments.count(issue_id=issue.id), issue.number)
    return lambda issue: (issue.updated_at if sort == "updated" else issue.created_at, issue.number)
