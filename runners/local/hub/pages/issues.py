"""The list of issues, and one issue with its comments."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup
from starlette.responses import Response

from runners.local.hub.errors import ApiError, not_found
from runners.local.hub.ids import read_number
from runners.local.hub.pages.frame import Visit
from runners.local.hub.pages.markdown import LinkBase, render_markdown
from runners.local.hub.records import Comment, Issue, Label, User
from runners.local.hub.services import issues, labels

ON_A_PAGE: Final = 25
EVERY: Final = 1_000
"""Milliseconds between two looks at an open page."""
FACES: Final = {
    "+1": "👍", "-1": "👎", "laugh": "😄", "hooray": "🎉", "confused": "😕", "heart": "❤️", "rocket": "🚀", "eyes": "👀",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    issue: Issue
    author: User
    labels: list[Label]
    comments: int


@dataclass(frozen=True)
class Entry:
    """The issue's text, or a comment, as the page shows it."""

    anchor: str
    author: User
    html: Markup
    created_at: str
    edited: bool
    reactions: list[tuple[str, int]]
    editable: bool
    editor: str
    """Where the text can be changed."""


def listed(visit: Visit) -> Response:
    """Show the open or the closed issues, newest first."""
    hub, repository = visit.hub, visit.repository
    state = "closed" if visit.request.query_params.get("state") == "closed" else "open"
    counts = {name: hub.issues.count(repository_id=repository.id, state=name) for name in ("open", "closed")}
    pages = max((counts[state] + ON_A_PAGE - 1) // ON_A_PAGE, 1)
    asked = read_number(visit.request.query_params.get("page", "1"))
    number = min(max(asked or 1, 1), pages)
    found = hub.issues.find(
        repository_id=repository.id, state=state, newest_first=True, limit=ON_A_PAGE, offset=(number - 1) * ON_A_PAGE
    )
    rows = [
        Row(issue, hub.users.need(issue.user_id), labels.of_issue(hub, issue), hub.comments.count(issue_id=issue.id))
        for issue in found
    ]
    return visit.in_repository(
        "issues.html", "issues", every=EVERY, counts=counts, shown_state=state, rows=rows, number=number, pages=pages
    )


def shown(visit: Visit) -> Response:
    """Show one issue."""
    issue = _issue(visit)
    triages = visit.has_role("triage")
    is_author = issue.user_id == visit.actor.account.id
    comments = visit.hub.comments.find(issue_id=issue.id)
    entries = [_first_entry(visit, issue), *(_entry(visit, issue, comment) for comment in comments)]
    people = {entry.author.login: entry.author for entry in entries}
    return visit.in_repository(
        "issue.html",
        "issues",
        every=EVERY,
        issue=issue,
        entries=entries,
        people=list(people.values()),
        labels=labels.of_issue(visit.hub, issue),
        closer=visit.hub.users.get(issue.closed_by_id) if issue.closed_by_id else None,
        may_close=triages or is_author,
        may_label=triages,
    )


def comment(visit: Visit) -> Response:
    """Write a comment, close or open the issue, or both at once, as GitHub's one form does."""
    issue = _issue(visit)
    text, wanted = visit.field("body"), visit.field("do")
    if wanted not in {"comment", "close", "close_not_planned", "reopen"}:
        raise ApiError(422, "There is no such button.")
    with visit.hub.store.transaction():
        if text.strip() or wanted == "comment":
            written = issues.add_comment(visit.hub, visit.actor, issue, text)
            anchor = f"#issuecomment-{written.id}"
        else:
            anchor = ""
        if wanted == "reopen":
            issues.reopen_issue(visit.hub, visit.actor, issue)
        elif wanted != "comment":
            reason = "not_planned" if wanted == "close_not_planned" else "completed"
            issues.close_issue(visit.hub, visit.actor, issue, reason)
    return visit.redirect(_address(visit, issue) + anchor)


def editor(visit: Visit) -> Response:
    """Show the issue's title and text to be changed."""
    issue = _issue(visit)
    return _editor(visit, issue, "issue", text=issue.body or "")


def edit(visit: Visit) -> Response:
    """Change the issue's title and text."""
    issue = _issue(visit)
    title = visit.field("title") if "title" in visit.form else None
    body = visit.field("body") if "body" in visit.form else None
    issues.edit_issue(visit.hub, visit.actor, issue, title=title, body=body)
    return visit.redirect(_address(visit, issue))


def comment_editor(visit: Visit) -> Response:
    """Show a comment's text to be changed."""
    issue = _issue(visit)
    return _editor(visit, issue, "comment", text=_comment(visit, issue).body)


def edit_comment(visit: Visit) -> Response:
    """Change a comment's text."""
    issue = _issue(visit)
    found = _comment(visit, issue)
    issues.edit_comment(visit.hub, visit.actor, found, visit.field("body"))
    return visit.redirect(f"{_address(visit, issue)}#issuecomment-{found.id}")


def labels_editor(visit: Visit) -> Response:
    """Show the repository's labels to choose the issue's from."""
    known = visit.hub.labels.find(repository_id=visit.repository.id)
    return _editor(visit, _issue(visit), "labels", all_labels=known)


def set_labels(visit: Visit) -> Response:
    """Make the ticked labels the issue's."""
    issue = _issue(visit)
    issues.set_labels(visit.hub, visit.actor, issue, list(visit.form.get("label", ())))
    return visit.redirect(_address(visit, issue))


def _issue(visit: Visit) -> Issue:
    found = visit.hub.issues.first(repository_id=visit.repository.id, number=visit.number("number"))
    if found is None:
        raise not_found()
    return found


def _comment(visit: Visit, issue: Issue) -> Comment:
    found = visit.hub.comments.get(visit.number("comment"))
    if found is None or found.issue_id != issue.id:
        raise not_found()
    return found


def _editor(visit: Visit, issue: Issue, what: str, **values: Any) -> Response:
    return visit.in_repository("edit.html", "issues", issue=issue, what=what, **values)


def _address(visit: Visit, issue: Issue) -> str:
    return f"/{visit.repository.full_name}/issues/{issue.number}"


def _first_entry(visit: Visit, issue: Issue) -> Entry:
    return Entry(
        anchor=f"issue-{issue.id}",
        author=visit.hub.users.need(issue.user_id),
        html=_rendered(visit, issue.body or "*No description provided.*"),
        created_at=issue.created_at,
        edited=False,
        reactions=[],
        editable=_may_edit(visit, issue.user_id),
        editor=f"{_address(visit, issue)}/edit",
    )


def _entry(visit: Visit, issue: Issue, found: Comment) -> Entry:
    return Entry(
        anchor=f"issuecomment-{found.id}",
        author=visit.hub.users.need(found.user_id),
        html=_rendered(visit, found.body),
        created_at=found.created_at,
        edited=found.updated_at != found.created_at,
        reactions=_reactions(visit, found.id),
        editable=_may_edit(visit, found.user_id),
        editor=f"{_address(visit, issue)}/comments/{found.id}",
    )


def _may_edit(visit: Visit, author_id: int) -> bool:
    """Say whether the page offers to edit a text; an App's stay as the App wrote them."""
    person = visit.hub.users.need(author_id).type == "User"
    return person and (author_id == visit.actor.account.id or visit.has_role("write"))


def _rendered(visit: Visit, text: str) -> Markup:
    return render_markdown(text, LinkBase(visit.repository.full_name, origin=visit.hub.base_url))


def _reactions(visit: Visit, comment_id: int) -> list[tuple[str, int]]:
    found = visit.hub.reactions.find(comment_id=comment_id)
    counted = Counter(reaction.content for reaction in found)
    return [(FACES[content], count) for content, count in counted.items() if content in FACES]
