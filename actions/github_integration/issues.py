"""Operations on issues."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import Field

from actions.context import Context
from actions.contracts.request import Repository
from actions.operation import Result, operation
from actions.text.markdown import COMMENT_LIMIT


class PostedComment(Result):
    """Where the comment stands."""

    url: str
    repository: str
    issue: int


@operation(
    where="app", idempotent=True, open_to_agents="The comment starts with a hidden marker, so it is never a command."
)
def post_issue_comment(
    repository: Repository,
    issue: Annotated[int, Field(ge=1)],
    body: Annotated[str, Field(min_length=1, max_length=COMMENT_LIMIT - 200)],
    context: Context,
    idempotency_key: Annotated[str, Field(min_length=1, max_length=200)] | None = None,
) -> PostedComment:
    """Post a comment on an issue, exactly once.

    Parameters
    ----------
    repository
        OWNER/REPO.
    issue
        The issue's number.
    body
        The comment, as GitHub Markdown.
    idempotency_key
        With the same key again the comment is updated, not repeated. By default the body itself is the key.

    Raises
    ------
    Unavailable
        ``hub_unavailable``: there are no credentials for GitHub.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.storage.folder import Storage
    >>> from bot.github.lazy_issues import lazy_issues  # with MODELYARD_GITHUB_TOKEN, or as the App
    >>> context = Context(Storage(Path("storage")), issues=lazy_issues())
    >>> once = post_issue_comment("owner/demo", 1, "The data is complete now.", context, idempotency_key="complete")
    >>> again = post_issue_comment("owner/demo", 1, "The data is complete.", context, idempotency_key="complete")
    >>> again.url == once.url
    True
    """
    key = hashlib.sha256((idempotency_key or f"body:{body}").encode()).hexdigest()[:32]
    url = context.require_issues().post_comment(repository, issue, body, f"comment:{key}")
    return PostedComment(url=url, repository=repository, issue=issue)
