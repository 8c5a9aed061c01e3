"""A command as a person wrote it, and everything that its handler works with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from actions.contracts.person import Person
from bot.events.services import Services
from bot.github import Repository
from bot.parsing.command import ParsedCommand
from bot.parsing.repository_config import RepositoryConfig, history_branch
from bot.runs.run import Run
from bot.runs.view import RunView


@dataclass(frozen=True)
class CommandInvocation:
    """A command in a comment.

    Attributes
    ----------
    parsed
        The command and its arguments.
    user
        The comment's author.
    comment
        The comment's id.
    written
        When it was written, by GitHub's clock.
    received
        When the App received it, by the App's clock.
    installation
        The App's installation in the repository.
    is_repeat
        Whether it was handled before: the App may have crashed after carrying it out.
    issue_body
        The issue's text when the comment was written; None if it is unknown.
    """

    parsed: ParsedCommand
    user: Person
    comment: int
    written: datetime
    received: datetime
    installation: int
    is_repeat: bool = False
    issue_body: str | None = None

    @property
    def name(self) -> str:
        return self.parsed.name


@dataclass(frozen=True)
class CommandContext:
    """What a command's handler works with.

    Attributes
    ----------
    invocation
        The command.
    repository, issue
        Where it was written.
    run
        The issue's latest run.
    config
        The repository's configuration; the default one if it is invalid.
    services
        The database, GitHub and the clock.
    """

    invocation: CommandInvocation
    repository: Repository
    issue: int
    run: Run | None
    config: RepositoryConfig
    services: Services

    @property
    def language(self) -> str:
        """The run's language, or else the repository's."""
        return self.run.language if self.run is not None else self.config.language

    @property
    def current_run(self) -> Run:
        """The issue's run, for commands that need one."""
        if self.run is None:
            raise ValueError(f"/{self.invocation.name} was called without a run")
        return self.run

    @property
    def view(self) -> RunView:
        """The run as comments show it."""
        return RunView(self.current_run, updated=self.services.clock())

    async def history_branch(self) -> str:
        """Return the branch that holds registry and history."""
        return await history_branch(self.repository, self.config)
