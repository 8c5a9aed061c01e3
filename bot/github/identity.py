"""Who the App is on this GitHub, and which comments are its own."""

from __future__ import annotations

from dataclasses import dataclass

from bot.github.models import Comment


@dataclass(frozen=True)
class Identity:
    """The App as ``GET /app`` names it; or a person, whose token is used instead.

    Attributes
    ----------
    login
        The user as which comments and dispatches appear.
    app_id
        The App's number; None for a person.
    """

    login: str
    app_id: int | None = None

    @classmethod
    def of_app(cls, app_id: int, slug: str) -> Identity:
        return cls(f"{slug}[bot]", app_id)

    def wrote(self, comment: Comment) -> bool:
        """Tell whether a comment is its own: markers are trusted in those alone.

        A comment that a person made through the App's sign-in names the App as well, but its author is a User.
        """
        if self.app_id is None:
            return comment.author == self.login
        if comment.author_type != "Bot":
            return False
        if comment.app_id is not None:
            return comment.app_id == self.app_id
        return comment.author == self.login
