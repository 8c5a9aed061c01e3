"""The identity of the App on this GitHub, and which comments it wrote."""

from __future__ import annotations

from dataclasses import dataclass

from bot.github.models import Comment


@dataclass(frozen=True)
class Identity:
    """The App according to ``GET /app``, or the person whose token is used.

    Attributes
    ----------
    login
        The user shown as author of comments and dispatches.
    app_id
        The App's id; None for a person.
    """

    login: str
    app_id: int | None = None

    @classmethod
    def of_app(cls, app_id: int, slug: str) -> Identity:
        return cls(f"{slug}[bot]", app_id)

    def wrote(self, comment: Comment) -> bool:
        """Return whether it wrote a comment: markers are only trusted in those.

        A comment that a person made through the App's sign-in names the App, too, but its author is a User.
        """
        if self.app_id is None:
            return comment.author == self.login
        if comment.author_type != "Bot":
            return False
        if comment.app_id is not None:
            return comment.app_id == self.app_id
        return comment.author == self.login
