"""Slash commands: how one is declared, and the grammar of a comment's first line (pure).

The commands themselves are declared in ``bot.events.commands``, one file each; the grammar takes them as a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from actions.contracts.scalar import Scalar
from actions.errors import Problem, invalid_field
from actions.text.suggestions import nearest
from bot.parsing.command_arguments import MAX_LENGTH, read_arguments, read_overrides
from bot.parsing.reason import Takes, misplaced_argument
from bot.parsing.scalars import Argument, brief

Permission = Literal["none", "read", "triage", "write", "maintain", "admin"]
PERMISSIONS: tuple[Permission, ...] = ("none", "read", "triage", "write", "maintain", "admin")
Rest = Literal["nothing", "reason", "arguments", "overrides and reason"]

MAX_LINE = 4_000
"""Characters of the first line that are read."""


@dataclass(frozen=True)
class Positional:
    """A word right after the command, which needs no name.

    Attributes
    ----------
    name
        Its name in the usage line and in errors.
    pattern
        The regular expression that it must match; the first group is the value.
    rule
        The same in words.
    required
        Whether the command needs it. If it is optional, a reason may follow instead, in which nothing looks like it.
    """

    name: str
    pattern: str
    rule: str
    required: bool


@dataclass(frozen=True)
class Command:
    """A command's declaration: parser, permissions, ``/help`` and documentation are derived from it.

    Attributes
    ----------
    name
        The word after the slash. The text catalogue describes the command under the same name.
    permission
        The lowest repository permission that allows it, unless the repository's configuration sets another rule.
    example
        A line that works.
    positionals
        The words right after the command.
    rest
        What may follow them.
    needs_run
        Whether it is about the issue's run.
    works_without_config
        Whether it may be used while the repository's configuration is invalid, when the rules are unknown.
    """

    name: str
    permission: Permission
    example: str
    positionals: tuple[Positional, ...] = ()
    rest: Rest = "nothing"
    needs_run: bool = True
    works_without_config: bool = False

    @property
    def usage(self) -> str:
        """The syntax of the whole line; optional parts are in brackets."""
        words = [word.name.upper() if word.required else f"[{word.name}]" for word in self.positionals]
        return " ".join(filter(None, [f"/{self.name}", *words, _REST_USAGE[self.rest]]))

    def takes_before_reason(self, given: Mapping[str, str]) -> Takes:
        """Return what may have been meant by words of the reason, after the positional arguments that were given."""
        if self.rest == "overrides and reason":
            return "settings"
        return "version" if any(word.name not in given for word in self.positionals) else "nothing"


_REST_USAGE: Mapping[Rest, str] = {
    "nothing": "",
    "reason": "[reason]",
    "arguments": "[name=value ...]",
    "overrides and reason": "[name=value ...] [reason]",
}


@dataclass(frozen=True)
class ParsedCommand:
    """A known command with its arguments.

    Attributes
    ----------
    command
        The declaration.
    positionals
        The words right after the command, by name.
    arguments
        Named arguments, for an operation.
    overrides
        Changes to the request for the next attempt.
    reason
        The rest of the line.
    problems
        What is wrong with the arguments. If anything is, the command must not be carried out.
    """

    command: Command
    positionals: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, Argument] = field(default_factory=dict)
    overrides: dict[str, Scalar] = field(default_factory=dict)
    reason: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        return self.command.name


@dataclass(frozen=True)
class UnknownCommand:
    """A slash and a word that is not a command, and the command that is spelt most like it."""

    word: str
    nearest: str | None


_COMMAND_LINE = re.compile(r" {0,3}/([A-Za-z]{1,40})[.,:;!?]?(?:\s+(.*))?")


def is_command(body: str) -> bool:
    """Return whether a comment starts with a command, known or not."""
    return _COMMAND_LINE.fullmatch(_first_line(body)) is not None


def parse_command(body: str, commands: Mapping[str, Command]) -> ParsedCommand | UnknownCommand | None:
    """Parse the command on a comment's first line.

    Quotes (``>``), code, and a slash followed by anything but a word of letters (such as a path) are not commands.

    Returns
    -------
    ParsedCommand or UnknownCommand or None
        None if the comment is not addressed to the bot.
    """
    match = _COMMAND_LINE.fullmatch(_first_line(body))
    if match is None:
        return None
    word, rest = match[1], (match[2] or "").strip()
    command = commands.get(word.lower())
    if command is None:
        return UnknownCommand(word, nearest(word, commands))
    positionals, rest, problems = _read_positionals(command, rest)
    if problems:
        return ParsedCommand(command, positionals, problems=tuple(problems))
    if command.rest in ("arguments", "overrides and reason"):
        return _with_command_arguments(command, positionals, rest)
    problems = _reason_problems(command, positionals, rest)
    return ParsedCommand(command, positionals, reason=rest, problems=tuple(problems))


def _first_line(body: str) -> str:
    start = body[: MAX_LINE + 1].replace("\r", "\n").replace("\x00", "")
    return start.partition("\n")[0].encode("utf-8", "ignore").decode("utf-8").rstrip()


def _read_positionals(command: Command, line: str) -> tuple[dict[str, str], str, list[Problem]]:
    """Return the positional arguments, the rest of the line, and what is wrong."""
    values: dict[str, str] = {}
    for positional in command.positionals:
        word, _, rest = line.partition(" ")
        match = re.fullmatch(positional.pattern, word)
        if match is not None:
            values[positional.name], line = match[1], rest.lstrip()
        elif positional.required:
            next_step = f"Write {command.usage}."
            return values, line, [invalid_field(positional.name, positional.rule, brief(word or "nothing"), next_step)]
    return values, line, []


def _reason_problems(command: Command, positionals: Mapping[str, str], reason: str) -> list[Problem]:
    """Return the problem of a reason that hides an argument: the command would act on something else than was named."""
    missing = next((word for word in command.positionals if word.name not in positionals), None)
    if command.positionals and command.rest == "nothing":
        found = reason or None
    else:
        found = misplaced_argument(reason, command.takes_before_reason(positionals))
    if found is None:
        return []
    if missing is not None:
        rule = f"{missing.rule} It must come first. Without it, the reason must be several words without a digit."
        return [invalid_field(missing.name, rule, brief(found), f"Write {command.usage}.")]
    if command.rest == "overrides and reason":
        rule = "Settings must be written name=value, before the reason. The reason must not contain a number or a name."
        return [invalid_field("reason", rule, brief(found), f"Write {command.usage}.")]
    rule = f"The command must be written {command.usage}. A reason must not begin like an argument."
    return [invalid_field("reason", rule, brief(found), f"Write {command.usage}.")]


def _with_command_arguments(command: Command, positionals: dict[str, str], rest: str) -> ParsedCommand:
    if len(rest) > MAX_LENGTH:
        rule = f"A command must have at most {MAX_LENGTH:,} characters."
        problem = invalid_field(command.name, rule, brief(rest), "Shorten the line.")
        return ParsedCommand(command, positionals, problems=(problem,))
    if command.rest == "arguments":
        arguments, problems = read_arguments(rest, command.usage)
        return ParsedCommand(command, positionals, arguments=arguments, problems=tuple(problems))
    overrides, reason, problems = read_overrides(rest)
    problems = problems or _reason_problems(command, positionals, reason)
    return ParsedCommand(command, positionals, overrides=overrides, reason=reason, problems=tuple(problems))
