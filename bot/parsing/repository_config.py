"""``.github/modelyard.yml``: the decisions of a repository's owners, read from the default branch only."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Protocol, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from actions.contracts.channels import EVENTS, Event, Language, MailAddress, SlackChannel
from actions.contracts.order import Gate
from actions.contracts.request import Label
from actions.data_preparation.sources import is_s3
from actions.errors import InvalidInput, OperationError
from actions.storage.s3 import S3Uri
from actions.text import safe_yaml
from actions.text.suggestions import did_you_mean
from actions.text.validation import rule_of
from bot.github.models import RepoInfo
from bot.parsing.command import Permission
from bot.parsing.schedule import ScheduleConfig

CONFIG_PATH = ".github/modelyard.yml"
MAX_BYTES = 64 * 1024
MAX_VALUES = 2_000
"""Keys and values together: many times what a configuration needs."""

Promotion = Literal["auto", "approval"]


class ConfigError(InvalidInput):
    """The repository's configuration cannot be used; ``field`` names the key."""


def _data_root(text: str) -> str:
    if is_s3(text):
        try:
            return str(S3Uri.parse(text))
        except ValueError:
            raise PydanticCustomError(
                "data_root", "Input should be s3://bucket or s3://bucket/prefix, without '..'"
            ) from None
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or len(path.parts) < 2 or "\0" in text:  # noqa: PLR2004 - not "/"
        raise PydanticCustomError(
            "data_root",
            "Input should be the absolute path of a folder on the runners, without '..', or s3://bucket/prefix",
        )
    return str(path)


def _yes_or_no(value: object) -> object:
    """Accept only ``true`` and ``false``, not the other words that YAML has used for them over the years."""
    words = {"true": True, "false": False}
    return words.get(value, value) if isinstance(value, str) else value


def _nothing(value: object) -> object:
    return None if value in ("", "null", "~") else value


DataRoot = Annotated[str, StringConstraints(min_length=1, max_length=1_000), AfterValidator(_data_root)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _branch(name: str) -> str:
    """Accept what ``git check-ref-format --branch`` and GitHub accept, in plain ASCII: another branch loses the history."""
    parts = name.split("/")
    is_misleading = name == "HEAD" or parts[0] == "refs" or _SHA.fullmatch(name)
    is_refused_by_git = (
        ".." in name
        or name.endswith(".")
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    )
    if not _BRANCH.fullmatch(name) or is_misleading or is_refused_by_git:
        raise PydanticCustomError(
            "branch", "Input should be a branch's name that git accepts, such as models/history, without refs/heads/"
        )
    return name


_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}")
_SHA = re.compile(r"[0-9a-f]{40}")
Branch = Annotated[str, AfterValidator(_branch)]


class HistoryConfig(_Value):
    """Where the history is stored."""

    branch: Annotated[Branch | None, BeforeValidator(_nothing)] = Field(
        default=None, description="the branch that contains training_history/; by default the default branch"
    )


Login = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})$")]
Team = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_](?:[a-z0-9_-]{0,99})$")]


class CommandRule(_Value):
    """Who may use a command: everybody with the permission, and the users and teams listed."""

    permission: Permission | None = Field(
        default=None, description="the required permission; none: only the users and teams listed"
    )
    users: list[Login] = Field(default_factory=list, max_length=100, description="logins")
    teams: list[Team] = Field(default_factory=list, max_length=20, description="slugs of the organisation's teams")

    @model_validator(mode="before")
    @classmethod
    def _a_permission_alone(cls, value: object) -> object:
        return {"permission": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.permission in (None, "none") and not self.users and not self.teams:
            raise PydanticCustomError("nobody", "Input should have a permission from read to admin, users, or teams")
        return self


def _command(name: str, info: ValidationInfo) -> str:
    commands = (info.context or {}).get("commands")
    if commands is not None and name not in commands:
        raise PydanticCustomError("command", "Input should be one of the commands: " + ", ".join(commands))
    return name


class SlackConfig(_Value):
    """Which Slack channel is notified of what. The deployment has the token."""

    channel: SlackChannel = Field(description="the channel's id, or its name in quotes, such as '#models'")
    events: list[Event] = Field(
        default=list(EVENTS), min_length=1, max_length=len(EVENTS), description="what it is notified of"
    )


class EmailConfig(_Value):
    """Who is notified of what by email. The deployment has the mail server."""

    to: list[MailAddress] = Field(min_length=1, max_length=20, description="plain addresses")
    events: list[Event] = Field(
        default=list(EVENTS), min_length=1, max_length=len(EVENTS), description="what they are notified of"
    )


class NotificationsConfig(_Value):
    """Whom to notify outside GitHub when a person must decide, a model passed, or a run ended otherwise."""

    slack: SlackConfig | None = None
    email: EmailConfig | None = None


class RepositoryConfig(_Value):
    """The content of ``.github/modelyard.yml``. Every default is the cautious choice."""

    data_roots: list[DataRoot] = Field(
        default_factory=list,
        max_length=50,
        description="folders on the runners, or locations in S3, from which runs may read data",
    )
    runners: list[Label] = Field(
        default=["self-hosted"], min_length=1, max_length=50, description="labels of runners that a request may use"
    )
    promotion: Promotion = Field(
        default="approval",
        description="when a model that passed becomes champion. auto: immediately; approval: when a person decides",
    )
    gate: Gate = Field(
        default_factory=Gate, description="how certain it must be that a new model is no worse than the champion"
    )
    commands: dict[Annotated[str, AfterValidator(_command)], CommandRule] = Field(
        default_factory=dict, description="who may use a command, if not everyone with the usual permission"
    )
    approver: Literal["anyone", "another"] = Field(
        default="anyone",
        description="another: a run's requester may neither approve it nor promote its model",
    )
    history: HistoryConfig = Field(default_factory=HistoryConfig)
    public_repository: Annotated[bool, BeforeValidator(_yes_or_no), Field(strict=True)] = Field(
        default=False, description="whether to work in a public repository, where anyone can open an issue"
    )
    notifications: NotificationsConfig = Field(default_factory=NotificationsConfig)
    language: Language = Field(default="en", description="the language of the bot's comments")
    schedules: list[ScheduleConfig] = Field(default_factory=list, max_length=20, description="recurring training runs")

    @field_validator("schedules")
    @classmethod
    def _have_unique_names(cls, value: list[ScheduleConfig]) -> list[ScheduleConfig]:
        names = [schedule.name for schedule in value]
        if len(set(names)) < len(names):
            raise PydanticCustomError("schedules", "Input should have a unique name for each schedule")
        return value


def parse_config(text: str | bytes, commands: Collection[str] | None = None) -> RepositoryConfig:
    """Read a configuration; an empty file has the defaults.

    Parameters
    ----------
    text
        The file's content.
    commands
        The commands that it may name. If it is None, any name is accepted.

    Raises
    ------
    ConfigError
        With reason ``config_unreadable``, ``config_unknown_key`` or ``config_invalid``.
    """
    try:
        content = safe_yaml.load(text, source=CONFIG_PATH, limit=MAX_BYTES, most=MAX_VALUES)
    except InvalidInput as error:
        raise ConfigError.from_problem(error.problem, reason="config_unreadable", field=CONFIG_PATH) from None
    try:
        return RepositoryConfig.model_validate({} if content is None else content, context={"commands": commands})
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
        # A misspelt key is also a missing one; naming the misspelt one helps more.
        first = next((item for item in errors if item["type"] == "extra_forbidden"), errors[0])
        raise _explained(first) from None


class Files(Protocol):
    """The files of a repository on the hub."""

    async def file(self, path: str, ref: str | None = None) -> bytes | None: ...


async def has_config(repository: Files) -> bool:
    """Tell whether a repository has a configuration on its default branch, valid or not."""
    return await repository.file(CONFIG_PATH) is not None


async def read_config(repository: Files, commands: Collection[str] | None = None) -> RepositoryConfig:
    """Read a repository's configuration from its default branch; ``commands`` as in ``parse_config``.

    Raises
    ------
    ConfigError
        With reason ``config_missing`` if there is none, otherwise as ``parse_config``.
    """
    text = await repository.file(CONFIG_PATH)
    if text is None:
        raise ConfigError(
            "config_missing",
            rule=f"A repository that uses Modelyard must have {CONFIG_PATH} on its default branch.",
            found="The file is missing.",
            next_step="Run `modelyard init` in a checkout of the repository and commit what it writes.",
            field=CONFIG_PATH,
        )
    return parse_config(text, commands)


class Described(Protocol):
    """A repository whose description can be read."""

    async def info(self) -> RepoInfo: ...


async def history_branch(repository: Described, config: RepositoryConfig) -> str:
    """Return the branch that holds the registry and the training history."""
    return config.history.branch or (await repository.info()).default_branch


async def language_of(repository: Files) -> str:
    """Return the language that a repository's owners chose; English if the configuration cannot be read."""
    try:
        return (await read_config(repository)).language
    except OperationError:
        return "en"


def _explained(first: Any) -> ConfigError:
    place = [str(part) for part in first["loc"]]
    key = ".".join(place) or CONFIG_PATH
    if first["type"] == "extra_forbidden":
        known = _keys(place[:-1])
        hint = did_you_mean(place[-1], known, otherwise=f"Known keys: {', '.join(known)}.")
        return ConfigError(
            "config_unknown_key", rule=f"Keys in {CONFIG_PATH} must be known.", found=key, next_step=hint, field=key
        )
    return ConfigError(
        "config_invalid",
        rule=rule_of(key, str(first["msg"])),
        found=json.dumps(first.get("input"), ensure_ascii=False, default=str)[:200],
        next_step=f"Correct it in {CONFIG_PATH} on the default branch.",
        field=key,
    )


def _keys(place: list[str]) -> list[str]:
    model: type[BaseModel] = RepositoryConfig
    for part in place:
        if part not in model.model_fields:  # an index or a name
            continue
        nested = model.model_fields[part].annotation
        models = [
            kind for kind in (nested, *get_args(nested)) if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        if not models:
            return []
        model = models[0]
    return sorted(model.model_fields)
