"""A command as a person said it, and whether this person may decide about this run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from actions.errors import NotAllowed
from bot.parsing.command import ParsedCommand
from bot.parsing.repository_config import RepositoryConfig


@dataclass(frozen=True)
class Said:
    """A command, and how it came.

    Attributes
    ----------
    command
        What was understood.
    who
        The login of whoever said it.
    comment
        The id of the comment.
    written
        When, by GitHub's clock.
    received
        When the App was told, by its own clock.
    installation
        The App's installation in the repository.
    again
        Whether it was read before: a crash may have come after what it asks for.
    """

    command: ParsedCommand
    who: str
    comment: int
    written: datetime
    received: datetime
    installation: int
    again: bool = False

    @property
    def name(self) -> str:
        return self.command.name


def check_another(config: RepositoryConfig, said: Said, requester: str, run: str) -> None:
    """Refuse who asked for a run, where the repository wants another person to decide about it.

    Raises
    ------
    NotAllowed
        With reason ``another_person_needed``.
    """
    if config.approver == "another" and said.who.lower() == requester.lower():
        raise NotAllowed(
            "another_person_needed",
            rule="Whoever asked for a run does not decide about it (`approver: another` in .github/modelyard.yml).",
            found=f"{requester} asked for {run}.",
            next_step="Ask a colleague to say it.",
        )
