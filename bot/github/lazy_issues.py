"""Issues for operations that run outside of the App: the way to GitHub is opened when a comment is written."""

from __future__ import annotations

import os

from actions.errors import Unavailable
from actions.operation import Issues

_CREDENTIALS = ("MODELYARD_APP_ID", "MODELYARD_GITHUB_TOKEN")


class LateIssues:
    """Writes comments with the credentials of the environment, which nothing else needs to be right."""

    def post_comment(self, repository: str, issue: int, body: str, marker: str) -> str:
        """Create the comment that carries ``marker``, or update it; return its URL."""
        from bot.github.blocking import issues_from_environment

        issues = issues_from_environment()
        if issues is None:
            raise Unavailable(
                "hub_unavailable",
                rule="This operation talks to GitHub.",
                found="The credentials are gone from the environment.",
                next_step="Set MODELYARD_APP_ID and MODELYARD_PRIVATE_KEY_PATH, or a MODELYARD_GITHUB_TOKEN.",
            )
        return issues.post_comment(repository, issue, body, marker)


def late_issues() -> Issues | None:
    """Return a way to issues, or None where no credentials are set."""
    return LateIssues() if any(os.environ.get(name) for name in _CREDENTIALS) else None
