"""Slash commands: one declaration each, the grammar of a comment's first line, and who may say what (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ValidationError

from actions.contracts.request import BaseRequest
from actions.contracts.run_id import RUN_ID
from actions.contracts.scalar import Scalar
from actions.errors import InvalidInput, Problem, invalid_field
from actions.tasks.registry import TrainingRequest
from actions.text.suggestions import nearest
from bot.parsing.form_fields import broken_rule, request_fields
from bot.parsing.scalars import (
    NAME_RULE,
    Argument,
    brief,
    end_of_argument,
    end_of_value,
    is_name,
    parse_argument,
    parse_scalar,
)

Permission = Literal["none", "read", "triage", "write", "maintain", "admin"]
PERMISSIONS: tuple[Permission, ...] = ("none", "read", "triage", "write", "maintain", "admin")
Rest = Literal["nothing", "reason", "settings", "settings and reason"]

OWN_SETTINGS = ("seed", "timeout_minutes")
"""Fields of the request that ``/approve`` and ``/retry`` may change beside the hyperparameters."""

LONGEST_LINE = 4_000
"""A command's line is read up to here; what a person types is shorter."""


@dataclass(frozen=True)
class Word:
    """A word with a meaning of its own after the command.

    Attributes
    ----------
    name
        What it is called in the usage and in errors.
    pattern
        What it looks like.
    rule
        The same, for people.
    required
        Whether the command makes no sense without it. What does not look like an optional one is the reason already.
    """

    name: str
    pattern: str
    rule: str
    required: bool


_VERSION = Word("version", r"v?([1-9][0-9]{0,8})", "A version is a number, such as 3.", required=False)
_RUN_OR_VERSION = rf"({RUN_ID}|v?[1-9][0-9]{{0,8}}|[a-z][a-z0-9_-]{{0,62}})"
_A_MODEL = "A run's id, a version's number or an alias, such as champion."


@dataclass(frozen=True)
class Command:
    """What a command is called, does and needs; grammar and help are made from this.

    Attributes
    ----------
    name
        The word after the slash.
    help
        What it does, in a sentence or two.
    permission
        The least permission on the repository that may say it, unless the repository's configuration says otherwise.
    example
        A line that works.
    words
        Those that follow, each with a meaning of its own.
    rest
        What may follow them.
    """

    name: str
    help: str
    permission: Permission
    example: str
    words: tuple[Word, ...] = ()
    rest: Rest = "nothing"

    @property
    def usage(self) -> str:
        """The whole line, optional parts in brackets."""
        words = [word.name.upper() if word.required else f"[{word.name}]" for word in self.words]
        rest = {"nothing": "", "reason": "[reason]", "settings": "[name=value ...]"}
        return " ".join(filter(None, [f"/{self.name}", *words, rest.get(self.rest, "[name=value ...] [reason]")]))


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command(
            "approve",
            "Train a rejected model again. It never accepts the rejected one. Hyperparameters, seed and timeout_minutes "
            "can be changed for the new attempt.",
            "write",
            "/approve n_estimators=500 more trees may help",
            rest="settings and reason",
        ),
        Command(
            "reject",
            "Stop asking: the model stays rejected and the run ends.",
            "write",
            "/reject the data has to be cleaned first",
            rest="reason",
        ),
        Command("cancel", "Stop the run, wherever it is.", "write", "/cancel wrong data set", rest="reason"),
        Command(
            "train",
            "Train from this issue's form: the first time, or anew after a run has ended.",
            "write",
            "/train the data is complete now",
            rest="reason",
        ),
        Command(
            "retry",
            "Train once more what did not pass, with the same request or with changed hyperparameters, seed or "
            "timeout_minutes.",
            "write",
            "/retry timeout_minutes=120 the runner was slow",
            rest="settings and reason",
        ),
        Command(
            "promote",
            "Make this run's version of the model, or another one, the champion, which production uses.",
            "maintain",
            "/promote better on last week's data",
            words=(_VERSION,),
            rest="reason",
        ),
        Command(
            "rollback",
            "Make the version before the champion, or another one, the champion again.",
            "maintain",
            "/rollback 2 too many false alarms",
            words=(_VERSION,),
            rest="reason",
        ),
        Command(
            "register",
            "Register this run's model as a version, should the registry have lost it.",
            "maintain",
            "/register the registry was reverted by mistake",
            rest="reason",
        ),
        Command(
            "unlock",
            "Free the model's lock, so that the next run of this model begins although another one has it.",
            "maintain",
            "/unlock its runner is gone for good",
            rest="reason",
        ),
        Command("status", "Say where the run is now.", "read", "/status"),
        Command(
            "plan",
            "Say what would run here and, from finished runs of this model, how long it would take and on what.",
            "read",
            "/plan",
        ),
        Command("history", "List the latest finished runs of this model.", "read", "/history"),
        Command(
            "compare",
            "Compare two models on the same rows.",
            "read",
            "/compare champion train-20261122-004",
            words=(
                Word("A", _RUN_OR_VERSION, _A_MODEL, required=True),
                Word("B", _RUN_OR_VERSION, _A_MODEL, required=True),
            ),
        ),
        Command("evaluate", "Measure this run's model once more.", "write", "/evaluate"),
        Command(
            "run",
            "Run one operation: one that only reads at once, one that computes on a runner.",
            "write",
            "/run list_model_versions name=churn limit=5",
            words=(Word("operation", r"([a-z][a-z0-9_]{0,99})", "An operation's name.", required=True),),
            rest="settings",
        ),
        Command("help", "List these commands.", "read", "/help"),
    )
}


@dataclass(frozen=True)
class ParsedCommand:
    """A known command as somebody gave it.

    Attributes
    ----------
    command
        Its declaration.
    words
        The words with a meaning of their own, by name.
    overrides
        The settings: what ``/approve`` changes for the next attempt, say.
    reason
        What the person gave as the reason; one line.
    wrong
        What is wrong with the arguments. If there is anything, the command is not to be carried out.
    arguments
        Those of an operation, where the command runs one.
    """

    command: Command
    words: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, Scalar] = field(default_factory=dict)
    reason: str = ""
    wrong: tuple[Problem, ...] = ()
    arguments: dict[str, Argument] = field(default_factory=dict)

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
    words, rest, wrong = _words(command, rest)
    if wrong or command.rest == "nothing":
        return ParsedCommand(command, words, wrong=tuple(wrong))
    if command.rest == "reason":
        return ParsedCommand(command, words, reason=rest)
    return _with_settings(command, words, rest)


def _words(command: Command, rest: str) -> tuple[dict[str, str], str, list[Problem]]:
    """Take the words with a meaning of their own off the line; return them, what is left, and what is wrong."""
    found: dict[str, str] = {}
    for word in command.words:
        first, _, after = rest.partition(" ")
        match = re.fullmatch(word.pattern, first)
        if match is not None:
            found[word.name], rest = match[1], after.lstrip()
        elif word.required or _meant(first):
            return found, rest, [_wrong(word.name, word.rule, first or "nothing", f"Write {command.usage}.")]
    return found, rest, []


def _meant(first: str) -> bool:
    """Tell whether what stands in an optional word's place was meant as one: `/promote #3` must not promote another."""
    return first.lower() == "version" or re.fullmatch(r"[vV#]?[0-9]+[^A-Za-z0-9]*", first) is not None


def _first_line(body: str) -> str:
    start = body[: LONGEST_LINE + 1].replace("\r", "\n").replace("\x00", "")
    return start.partition("\n")[0].encode("utf-8", "ignore").decode("utf-8").rstrip()


def _with_settings(command: Command, words: dict[str, str], rest: str) -> ParsedCommand:
    """Read ``name=value`` words, then the reason; a setting within the reason is told, lest it be overlooked."""
    overrides: dict[str, Scalar] = {}
    arguments: dict[str, Argument] = {}
    wrong: list[Problem] = []
    if len(rest) > LONGEST_LINE - 100:
        rule = f"A command is shorter than {LONGEST_LINE - 100:,} characters."
        return ParsedCommand(command, words, wrong=(_wrong(command.name, rule, rest, "Shorten the line."),))
    position = 0
    while name := _SETTING_NAME.match(rest, position):
        if command.rest == "settings":
            end = end_of_argument(rest, name.end())
            wrong += _argument(name[1], rest[name.end() : end], arguments)
        else:
            end = end_of_value(rest, name.end())
            wrong += _setting(name[1], rest[name.end() : end], overrides)
        position = end + len(rest[end:]) - len(rest[end:].lstrip())
    reason = rest[position:]
    if command.rest == "settings":
        if reason:
            wrong.append(_wrong("arguments", "Arguments are written name=value.", reason, f"Write {command.usage}."))
        return ParsedCommand(command, words, wrong=tuple(wrong), arguments=arguments)
    for word in reason.split():
        before, equals, after = word.partition("=")
        if word == "=" or (equals and after and is_name(before)):
            cure = "Write name=value without blanks, before the reason; or leave the = sign out of the reason."
            wrong.append(_wrong(before or "reason", "Settings come before the reason.", word, cure))
    return ParsedCommand(command, words, overrides, reason, tuple(wrong))


def _argument(name: str, value: str, arguments: dict[str, Argument]) -> Iterator[Problem]:
    """Put one of an operation's arguments to the others; whether it is one, the operation itself says."""
    if not is_name(name):
        yield _wrong(name, NAME_RULE, f"{name}={value}", "Write name=value, without blanks around the = sign.")
    elif name in arguments:
        yield _wrong(name, "Each argument stands once.", f"{name}={value}", "Remove one of the two.")
    else:
        try:
            arguments[name] = parse_argument(value)
        except ValueError as error:
            yield _wrong(name, str(error), f"{name}={value}", "Correct the value.")


def _setting(name: str, value: str, overrides: dict[str, Scalar]) -> Iterator[Problem]:
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


def _value(name: str, value: str, overrides: dict[str, Scalar]) -> Iterator[Problem]:
    found = f"{name}={value}"
    similar = nearest(name, OWN_SETTINGS, cutoff=0.75) if name not in OWN_SETTINGS else None
    if similar:
        yield _wrong(name, "A setting is named as the form has it.", found, f"Did you mean {similar}?")
        return
    try:
        scalar = parse_scalar(value)
    except ValueError as error:
        yield _wrong(name, str(error), found, "Correct the value.")
        return
    rule = broken_rule(BaseRequest, name, scalar) if name in OWN_SETTINGS else None
    if rule is not None:
        yield _wrong(name, rule, found, "Correct the value.")
    else:
        overrides[name] = scalar


def _wrong(name: str, rule: str, found: str, next_step: str) -> Problem:
    return invalid_field(brief(name), rule, brief(found), next_step)


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
    values = {**dict(request), **own, "hyperparameters": hyperparameters}
    try:
        return type(request).model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field, rule = ".".join(str(part) for part in first["loc"]), first["msg"]
        found = f"{len(hyperparameters)} hyperparameters" if field == "hyperparameters" else str(first["input"])
        if not field:  # fields that contradict each other: a shorter time-out than the search takes
            field, rule, _ = type(request).model_construct(**values).contradictions()[0]
            found = f"{field}: {values[field]}."
        raise InvalidInput(
            "invalid_override",
            rule=f"{rule[:1].upper()}{rule[1:].removesuffix('.')}.",
            found=brief(found),
            next_step="Change less.",
            field=field,
        ) from None
