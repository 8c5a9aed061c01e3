"""Who the App is on this GitHub, and which comments are its own."""

from __future__ import annotations

from dataclasses import dataclass

from bot.github.values import Comment


@dataclass(frozen=True)
class Identity:
    """The App as ``GET /app`` names it."""

    app_id: int
    slug: str

    @property
    def login(self) -> str:
        """The user as which its comments and dispatches appear."""
        return f"{self.slug}[bot]"

    def wrote(self, comment: Comment) -> bool:
        """Tell whether a comment is the App's own: markers are trusted in those alone.

        A comment that a person made through the App's sign-in names the App as well, but its author is a User.
        """
        if comment.author_type != "Bot":
            return False
        if comment.app_id is not None:
            return comment.app_id == self.app_id
        return comment.author == self.login
