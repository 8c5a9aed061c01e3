"""Issues, comments, labels and permissions of a repository. A hidden marker keeps a comment from being written twice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal, cast, get_args

from actions.contracts.person import Person
from actions.text.markdown import COMMENT_LIMIT
from bot.github.errors import HubError, from_status
from bot.github.models import Comment, Issue, LabelDefinition, Permission, RepoInfo, integer, part, text
from bot.github.repository_part import Part, segment

MAX_REMEMBERED = 200
"""Maximum of comments cached per repository object."""

_MARKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,150}")
MARKER_START = "<!-- modelyard:"
"""How each comment and issue written by the App starts."""
_CUT = "\n\n…"


def marker_line(marker: str) -> str:
    """Return the hidden first line of a comment by the App.

    The first, because what follows may quote what people wrote: a marker in the middle of a comment means nothing.
    """
    if not _MARKER.fullmatch(marker):
        raise ValueError(f"not a marker: {marker!r}")
    return f"{MARKER_START}{marker} -->"


def marked(marker: str, body: str) -> str:
    """Return a comment's full text: the hidden marker and the body, truncated to GitHub's limit."""
    whole = f"{marker_line(marker)}\n{body.strip()}"
    return whole if len(whole) <= COMMENT_LIMIT else whole[: COMMENT_LIMIT - len(_CUT)] + _CUT


def carries(comment: Comment, marker: str) -> bool:
    """Tell whether a comment begins with the marker."""
    return comment.body.split("\n", 1)[0].rstrip() == marker_line(marker)


def _same(one: str, other: str) -> bool:
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


class IssuesPart(Part):
    """The methods of a repository for what people see in an issue."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._written: dict[tuple[int, str], Comment] = {}
        self._has_labels = False
        self._one_look_at_labels = asyncio.Lock()

    # --- reading ---------------------------------------------------------------------------------------------------

    async def info(self) -> RepoInfo:
        """Read the repository itself."""
        return RepoInfo.of(await (await self._connect()).get(self._root))

    async def permission(self, person: Person) -> Permission:
        """Return a person's current permission, as GitHub reports it; none if another account has their login now.

        Raises
        ------
        HubError
            For every error except 404: without an answer from GitHub, nobody has permission.
        """
        data = await (await self._connect()).get_or_none(
            f"{self._root}/collaborators/{segment(person.login)}/permission"
        )
        if data is None or not person.is_same(Person(login=person.login, id=integer(part(data, "user"), "id"))):
            return "none"
        known = get_args(Permission)
        # role_name distinguishes triage and maintain; names of custom organisation roles are unknown here.
        for name in (text(data, "role_name"), text(data, "permission")):
            if name in known:
                return cast("Permission", name)
        return "none"

    async def in_team(self, team: str, login: str) -> bool:
        """Tell whether a person is a member of one of the organisation's teams.

        Where GitHub does not say so, as where nobody granted ``members: read``: no.
        """
        organisation = self.name.partition("/")[0]
        path = f"orgs/{segment(organisation)}/teams/{segment(team)}/memberships/{segment(login)}"
        try:
            data = await (await self._connect()).get_or_none(path)
        except HubError as error:
            if error.status != HTTPStatus.FORBIDDEN or error.transient:
                raise
            return False
        return data is not None and text(data, "state") == "active"

    async def issue(self, number: int) -> Issue:
        """Read one issue.

        One that was moved to another repository is gone, although GitHub answers with the new one.
        """
        issue = Issue.of(await (await self._connect()).get(self._issue(number)))
        if issue.number != number:
            found = f"it is issue {issue.number} of another repository now."
            raise from_status(f"GET {self._issue(number)}", HTTPStatus.GONE, found, is_write=False)
        return issue

    async def issues(
        self,
        *,
        state: str = "open",
        labels: Sequence[str] = (),
        creator: str | None = None,
        since: datetime | None = None,
    ) -> list[Issue]:
        """List issues (not pull requests), oldest first; with ``since``, those updated after it."""
        hub = await self._connect()
        wanted = hub.pages(
            f"{self._root}/issues",
            state=state,
            labels=",".join(labels) or None,
            creator=creator,
            since=f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if since else None,
            sort="created",
            direction="asc",
        )
        return [issue async for data in wanted if not (issue := Issue.of(data)).is_pull_request]

    async def comments(self, number: int) -> list[Comment]:
        """List an issue's comments, oldest first."""
        hub = await self._connect()
        return [Comment.of(data) async for data in hub.pages(f"{self._issue(number)}/comments")]

    async def own_comment(self, number: int, marker: str) -> Comment | None:
        """Find the App's comment with a marker."""
        who = await self._who()
        comments = await self.comments(number)
        return next((comment for comment in comments if who.wrote(comment) and carries(comment, marker)), None)

    # --- comments --------------------------------------------------------------------------------------------------

    async def upsert_comment(self, number: int, marker: str, body: str) -> Comment:
        """Create or edit the App's comment with this marker so that it says ``body``; do nothing if it already does."""
        whole = marked(marker, body)
        key = (number, marker)
        comment = self._written.get(key) or await self.own_comment(number, marker)
        if comment is not None and not _same(comment.body, whole):
            comment = await self._edit(comment.id, whole)
            if comment is None:  # it was deleted meanwhile
                self._written.pop(key, None)
                comment = await self.own_comment(number, marker)
        if comment is None:
            comment = await self._create(number, marker, whole)
        return self._remember(key, comment)

    async def post_once(self, number: int, marker: str, body: str) -> Comment:
        """Write a comment that is never edited; return the existing one if there is one with this marker."""
        key = (number, marker)
        comment = self._written.get(key) or await self.own_comment(number, marker)
        if comment is None:
            comment = await self._create(number, marker, marked(marker, body))
        return self._remember(key, comment)

    def forget_comments(self, number: int) -> None:
        """Forget the cached comments of an issue, because someone may have deleted or edited one."""
        self._written = {key: comment for key, comment in self._written.items() if key[0] != number}

    def _remember(self, key: tuple[int, str], comment: Comment) -> Comment:
        """Cache a comment to save the next look-up; the oldest entries are dropped."""
        self._written.pop(key, None)
        self._written[key] = comment
        if len(self._written) > MAX_REMEMBERED:
            del self._written[next(iter(self._written))]
        return comment

    async def react(self, comment_id: int, content: str) -> bool:
        """React to a comment with ``+1``, ``eyes``, ``rocket`` ...; idempotent.

        Return whether the reaction is new. A comment that is gone gets none.
        """
        hub = await self._connect()
        path = f"{self._root}/issues/comments/{comment_id}/reactions"
        answer = await hub.write("POST", path, {"content": content}, quiet=(HTTPStatus.NOT_FOUND,))
        return answer.status == HTTPStatus.CREATED

    async def has_reacted(self, comment_id: int, content: str) -> bool:
        """Tell whether the App has this reaction on a comment."""
        hub, who = await self._connect(), await self._who()
        reactions = hub.pages(f"{self._root}/issues/comments/{comment_id}/reactions", content=content)
        return who.login in [text(part(data, "user"), "login") async for data in reactions]

    async def _edit(self, comment_id: int, body: str) -> Comment | None:
        hub = await self._connect()
        path = f"{self._root}/issues/comments/{comment_id}"
        answer = await hub.write("PATCH", path, {"body": body}, quiet=(404, 410))
        return None if answer.data is None else Comment.of(answer.data)

    async def _create(self, number: int, marker: str, body: str) -> Comment:
        hub = await self._connect()
        try:
            answer = await hub.write("POST", f"{self._issue(number)}/comments", {"body": body})
        except HubError as error:
            found = await self.own_comment(number, marker) if error.unknown else None
            if found is None:
                raise
            return found
        return Comment.of(answer.data or {})

    # --- the issue itself --------------------------------------------------------------------------------------------

    async def create_issue(self, title: str, body: str, labels: Sequence[str] = ()) -> Issue:
        """Open an issue."""
        hub = await self._connect()
        answer = await hub.write("POST", f"{self._root}/issues", {"title": title, "body": body, "labels": list(labels)})
        return Issue.of(answer.data or {})

    async def own_issue(self, marker: str, since: datetime) -> Issue | None:
        """Find the App's newest issue with such a marker among those updated since then."""
        hub, who = await self._connect(), await self._who()
        listed = hub.pages(
            f"{self._root}/issues",
            state="all",
            creator=who.login,
            since=f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            sort="created",
            direction="desc",
        )
        async with aclosing(listed):
            async for data in listed:
                issue = Issue.of(data)
                if issue.author == who.login and issue.body.startswith(f"{MARKER_START}{marker}"):
                    return issue
        return None

    async def open_once(self, marker: str, sought: str, since: datetime, **content: Any) -> Issue:
        """Open an issue, or return the App's issue since then whose marker begins with ``sought``.

        Parameters
        ----------
        marker, sought
            The new issue's hidden marker, and how the marker of the same issue begins.
        since
            Issues that were not changed after it are not looked at.
        **content
            ``title``, ``body`` and ``labels``; see ``create_issue``.
        """
        known = await self.own_issue(sought, since)
        if known is not None:
            return known
        whole = {**content, "body": f"{marker_line(marker)}\n{content['body']}"}
        try:
            return await self.create_issue(**whole)
        except HubError as error:
            found = await self.own_issue(sought, since) if error.unknown else None
            if found is None:
                raise
            return found

    async def close_issue(self, number: int, reason: Literal["completed", "not_planned"]) -> None:
        """Close an issue, unless it is already closed with this reason."""
        issue = await self.issue(number)
        if (issue.state, issue.state_reason) != ("closed", reason):
            await self._change(number, {"state": "closed", "state_reason": reason})

    async def reopen_issue(self, number: int) -> None:
        """Reopen an issue, unless it is open."""
        if (await self.issue(number)).state != "open":
            await self._change(number, {"state": "open", "state_reason": "reopened"})

    async def _change(self, number: int, change: dict[str, str]) -> None:
        await (await self._connect()).write("PATCH", self._issue(number), change)

    # --- labels ------------------------------------------------------------------------------------------------------

    async def label_names(self) -> set[str]:
        """Return the names of the repository's labels in lower case, because GitHub ignores case in label names."""
        hub = await self._connect()
        return {text(label, "name").lower() async for label in hub.pages(f"{self._root}/labels")}

    async def ensure_labels(self, definitions: Iterable[LabelDefinition], *, again: bool = False) -> None:
        """Ensure that labels exist with colour and description; correct ones cost no write.

        Done once, unless ``again`` says that people may have deleted or changed them since.
        """
        # The installation event and the first issue's may arrive together.
        async with self._one_look_at_labels:
            if again or not self._has_labels:
                await self._make_labels(definitions)
            self._has_labels = True

    async def _make_labels(self, definitions: Iterable[LabelDefinition]) -> None:
        hub = await self._connect()
        present = {text(label, "name").lower(): label async for label in hub.pages(f"{self._root}/labels")}
        for wanted in definitions:
            body = {"name": wanted.name, "color": wanted.color, "description": wanted.description}
            label = present.get(wanted.name.lower())
            if label is None:
                # 422: it was created at the same moment.
                await hub.write("POST", f"{self._root}/labels", body, quiet=(422,))
            elif (text(label, "color").lower(), text(label, "description")) != (
                wanted.color.lower(),
                wanted.description,
            ):
                change = {"color": wanted.color, "description": wanted.description}
                await hub.write("PATCH", f"{self._root}/labels/{segment(wanted.name)}", change, quiet=(404,))

    async def set_labels(self, number: int, add: Collection[str] = (), remove: Collection[str] = ()) -> None:
        """Add and remove labels of an issue; no write if nothing changes."""
        hub = await self._connect()
        path = f"{self._issue(number)}/labels"
        present = {text(label, "name") async for label in hub.pages(path)}
        missing = [name for name in add if name not in present]
        if missing:
            await hub.write("POST", path, {"labels": missing})
        for name in sorted(present & set(remove)):
            await hub.write("DELETE", f"{path}/{segment(name)}", quiet=(404,))

    async def set_state_label(self, number: int, label: str | None, among: Collection[str]) -> None:
        """Keep exactly one of a set of labels on an issue (None: none of them)."""
        wanted = {label} if label else set()
        await self.set_labels(number, add=sorted(wanted), remove=set(among) - wanted)

    def _issue(self, number: int) -> str:
        return f"{self._root}/issues/{number}"
