"""Comments for operations that run outside of the App: as the App where its key is set, else by a person's token."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actions.operation import Issues, NotAllowed, OperationError, Unavailable

if TYPE_CHECKING:
    import httpx

    from bot.settings import Settings

DEFAULT_API = "https://api.github.com"
_PAGES = 50


def issues_from_environment() -> Issues | None:
    """Return a way to issues, or None where no credentials are set.

    ``MODELYARD_GITHUB_TOKEN`` comes first: whoever sets it means to act as the token's owner.
    """
    token = os.environ.get("MODELYARD_GITHUB_TOKEN")
    if token:
        return TokenIssues(os.environ.get("MODELYARD_GITHUB_API_URL", DEFAULT_API).rstrip("/"), token)
    if os.environ.get("MODELYARD_APP_ID"):
        return AppIssues()
    return None


class AppIssues:
    """Comments by the App itself, through its gateway."""

    def post_comment(self, repository: str, issue: int, body: str, marker: str) -> str:
        """Create the comment that carries ``marker``, or update it; return its URL."""
        from bot.settings import load_settings

        return asyncio.run(self._post(load_settings(), repository, issue, body, marker))

    async def _post(self, settings: Settings, repository: str, issue: int, body: str, marker: str) -> str:
        from bot.github import GitHub

        async with GitHub(settings) as github:
            comment = await github.repository(repository).upsert_comment(issue, marker, body)
            return comment.html_url


@dataclass(frozen=True, repr=False)
class TokenIssues:
    """Comments by the owner of a token."""

    api: str
    token: str

    def post_comment(self, repository: str, issue: int, body: str, marker: str) -> str:
        """Create the comment that carries ``marker``, or update it; return its URL."""
        import httpx

        from bot.github.issues import marked

        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/vnd.github+json"}
        text = marked(marker, body)
        try:
            with httpx.Client(base_url=self.api, headers=headers, timeout=30) as client:
                return self._upsert(client, f"/repos/{repository}/issues", issue, text)
        except httpx.HTTPError as error:
            raise _unreachable(self.api, f"{type(error).__name__}: {error}") from None

    def _upsert(self, client: httpx.Client, issues: str, issue: int, text: str) -> str:
        me = self._login(client)
        head = text.split("\n", 1)[0]
        for comment in self._comments(client, f"{issues}/{issue}/comments"):
            mine = (comment.get("user") or {}).get("login") == me
            if not mine or str(comment.get("body", "")).split("\n", 1)[0].rstrip() != head:
                continue
            if comment["body"] == text:
                return str(comment["html_url"])
            answer = client.patch(f"{issues}/comments/{comment['id']}", json={"body": text})
            return str(_checked(answer)["html_url"])
        return str(_checked(client.post(f"{issues}/{issue}/comments", json={"body": text}))["html_url"])

    def _login(self, client: httpx.Client) -> str:
        """Return whose comments are ours; a job's own token may not ask, and writes as github-actions[bot]."""
        answer = client.get("/user")
        return "github-actions[bot]" if answer.status_code == 403 else str(_checked(answer)["login"])  # noqa: PLR2004

    def _comments(self, client: httpx.Client, path: str) -> Iterator[dict[str, Any]]:
        for page in range(1, _PAGES + 1):
            comments = _checked(client.get(path, params={"per_page": 100, "page": page}))
            yield from comments
            if len(comments) < 100:  # noqa: PLR2004 - the page's size
                return


def _checked(answer: httpx.Response) -> Any:
    """Return the JSON of an answer, or raise what it means."""
    if answer.is_success:
        return answer.json()
    message = str(answer.json().get("message", "")) if "json" in answer.headers.get("content-type", "") else ""
    found = f"{answer.request.method} {answer.request.url.path} answered {answer.status_code} {message}".strip()
    if answer.status_code in {401, 403, 404}:
        raise NotAllowed(
            "github_refused",
            rule="The token may read and write this repository's issues.",
            found=found,
            next_step="Check the repository's name, the issue's number and the token's permissions.",
        )
    raise _unreachable(str(answer.request.url.copy_with(path="/")), found)


def _unreachable(where: str, found: str) -> OperationError:
    return Unavailable(
        "github_unavailable", rule=f"GitHub answers at {where}.", found=found, next_step="Try again in a while."
    )
