"""Slash commands: one declaration each, the grammar of a comment's first line, and who may say what (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ValidationError

from actions.operation import InvalidInput
from actions.request import Scalar, TrainingRequest
from bot.fields import broken_rule, request_fields
from bot.values import NAME_RULE, WrongField, brief, end_of_value, is_name, nearest, parse_scalar

Permission = Literal["none", "read", "triage", "write", "maintain", "admin"]
PERMISSIONS: tuple[Permission, ...] = ("none", "read", "triage", "write", "maintain", "admin")
Arguments = Literal["nothing", "reason", "settings and reason"]

OWN_SETTINGS = ("seed", "timeout_minutes")
"""Fields of the request that ``/approve`` may change beside the hyperparameters."""

LONGEST_LINE = 4_000
"""A command's line is read up to here; what a person types is shorter."""


@dataclass(frozen=True)
class Command:
    """What a command is called, does and needs; the help is made from this.

    Attributes
    ----------
    name
        The word after the slash.
    usage
        The whole line, optional parts in brackets.
    help
        One sentence on what it does.
    permission
        The least permission on the repository that may say it.
    arguments
        What may follow the word.
    example
        A line that works.
    """

    name: str
    usage: str
    help: str
    permission: Permission
    arguments: Arguments
    example: str


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command(
            "approve",
            "/approve [name=value ...] [reason]",
            "Train a rejected model again. It never accepts the rejected one. Hyperparameters, seed and timeout_minutes "
            "can be changed for the new attempt.",
            "write",
            "settings and reason",
            "/approve n_estimators=500 more trees may help",
        ),
        Command(
            "reject",
            "/reject [reason]",
            "Stop asking: the model stays rejected and the run ends.",
            "write",
            "reason",
            "/reject the data has to be cleaned first",
        ),
        Command(
            "cancel", "/cancel [reason]", "Stop the run, wherever it is.", "write", "reason", "/cancel wrong data set"
        ),
        Command("status", "/status", "Say where the run is now.", "write", "nothing", "/status"),
        Command("help", "/help", "List these commands.", "write", "nothing", "/help"),
    )
}


@dataclass(frozen=True)
class ParsedCommand:
    """A known command as somebody gave it.

    Attributes
    ----------
    command
        Its declaration.
    overrides
        What ``/approve`` changes for the next attempt: hyperparameters, ``seed``, ``timeout_minutes``.
    reason
        What the person gave as the reason; one line.
    wrong
        What is wrong with the arguments. If there is anything, the command is not to be carried out.
    """

    command: Command
    overrides: dict[str, Scalar] = field(default_factory=dict)
    reason: str = ""
    wrong: tuple[WrongField, ...] = ()

    @property
    def name(self) -> str:
        return self.command.name


@dataclass(frozen=True)
class UnknownCommand:
    """A word after a slash that is no command, with the one that it may have meant."""

    word: str
    nearest: str | None


_FIRST_LINE = re.compile(r" {0,3}/([A-Za-z]{1,40})[.,:;!?]?(?:\s+(.*))?")
_SETTING_NAME = re.compile(r"([^\s=\"']+)=")


def parse_command(body: str) -> ParsedCommand | UnknownCommand | None:
    """Read the command on a comment's first line.

    Quotes (``>``), code and anything but a slash and a word of letters, such as a path, are no command.

    Returns
    -------
    ParsedCommand or UnknownCommand or None
        None where the comment is not meant for the bot.
    """
    match = _FIRST_LINE.fullmatch(_first_line(body))
    if match is None:
        return None
    word, rest = match[1], (match[2] or "").strip()
    command = COMMANDS.get(word.lower())
    if command is None:
        return UnknownCommand(word, nearest(word, COMMANDS))
    if command.arguments == "nothing":
        return ParsedCommand(command)
    if command.arguments == "reason":
        return ParsedCommand(command, reason=rest)
    return _with_settings(command, rest)


def _first_line(body: str) -> str:
    start = body[: LONGEST_LINE + 1].replace("\r", "\n").replace("\x00", "")
    return start.partition("\n")[0].encode("utf-8", "ignore").decode("utf-8").rstrip()


def _with_settings(command: Command, rest: str) -> ParsedCommand:
    """Read ``name=value`` words, then the reason; a setting within the reason is told, lest it be overlooked."""
    overrides: dict[str, Scalar] = {}
    wrong: list[WrongField] = []
    if len(rest) > LONGEST_LINE - 100:
        rule = f"A command is shorter than {LONGEST_LINE - 100:,} characters."
        return ParsedCommand(command, wrong=(_wrong(command.name, rule, rest, "Shorten the line."),))
    position = 0
    while name := _SETTING_NAME.match(rest, position):
        end = end_of_value(rest, name.end())
        wrong += _setting(name[1], rest[name.end() : end], overrides)
        position = end + len(rest[end:]) - len(rest[end:].lstrip())
    reason = rest[position:]
    for word in reason.split():
        before, equals, after = word.partition("=")
        if word == "=" or (equals and after and is_name(before)):
            cure = "Write name=value without blanks, before the reason; or leave the = sign out of the reason."
            wrong.append(_wrong(before or "reason", "Settings come before the reason.", word, cure))
    return ParsedCommand(command, overrides, reason, tuple(wrong))


def _setting(name: str, value: str, overrides: dict[str, Scalar]) -> Iterator[WrongField]:
    """Put one setting to the others, or say what is wrong with it."""
    found = f"{name}={value}"
    if not is_name(name):
        yield _wrong(name, NAME_RULE, found, "Write name=value, without blanks around the = sign.")
    elif name in overrides:
        yield _wrong(name, "Each setting stands once.", found, "Remove one of the two.")
    elif name in request_fields() and name not in OWN_SETTINGS:
        rule = f"An approval can change hyperparameters, {' and '.join(OWN_SETTINGS)}, and nothing else of the request."
        yield _wrong(name, rule, found, "Leave it out; to ask for something else, open a new issue.")
    else:
        yield from _value(name, value, overrides)


def _value(name: str, value: str, overrides: dict[str, Scalar]) -> Iterator[WrongField]:
    found = f"{name}={value}"
    try:
        scalar = parse_scalar(value)
    except ValueError as error:
        yield _wrong(name, str(error), found, "Correct the value.")
        return
    rule = broken_rule(name, scalar) if name in OWN_SETTINGS else None
    if rule is not None:
        yield _wrong(name, rule, found, "Correct the value.")
    else:
        overrides[name] = scalar


def _wrong(name: str, rule: str, found: str, next_step: str) -> WrongField:
    return WrongField(brief(name), brief(name), rule, brief(found), next_step)


def changed_request(request: TrainingRequest, overrides: Mapping[str, Scalar]) -> TrainingRequest:
    """Return the request as an approval changes it.

    Raises
    ------
    InvalidInput
        With reason ``invalid_override`` where the whole is no request any more: too many hyperparameters, say.
    """
    own = {name: value for name, value in overrides.items() if name in OWN_SETTINGS}
    added = {name: value for name, value in overrides.items() if name not in OWN_SETTINGS}
    hyperparameters = {**request.hyperparameters, **added}
    try:
        return TrainingRequest.model_validate({**dict(request), **own, "hyperparameters": hyperparameters})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        found = f"{len(hyperparameters)} hyperparameters" if field == "hyperparameters" else str(first["input"])
        raise InvalidInput(
            "invalid_override", rule=f"{first['msg']}.", found=brief(found), next_step="Change less.", field=field
        ) from None


def may(command: Command | str, permission: str) -> bool:
    """Tell whether somebody with this permission on the repository may say the command; an unknown one may not."""
    known = COMMANDS[command] if isinstance(command, str) else command
    if permission not in PERMISSIONS:
        return False
    return [*PERMISSIONS].index(permission) >= PERMISSIONS.index(known.permission)
