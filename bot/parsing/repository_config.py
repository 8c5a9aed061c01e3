"""``.github/modelyard.yml``: what a repository's owners have decided, read from the default branch alone."""

from __future__ import annotations

import json
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
from bot.parsing.command import COMMANDS, Permission
from bot.parsing.schedule import ScheduleConfig

CONFIG_PATH = ".github/modelyard.yml"
SIZE_LIMIT = 64 * 1024
MOST_VALUES = 2_000
"""Keys and values together; many times what a configuration needs."""

Promotion = Literal["auto", "approval"]


class ConfigError(InvalidInput):
    """The repository's configuration cannot be used; ``field`` names the key."""


def _data_root(text: str) -> str:
    if is_s3(text):
        try:
            return str(S3Uri.parse(text))
        except ValueError:
            raise PydanticCustomError("data_root", "s3://bucket or s3://bucket/prefix, without '..'") from None
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or len(path.parts) < 2 or "\0" in text:  # noqa: PLR2004 - not "/"
        raise PydanticCustomError(
            "data_root", "an absolute path of a folder on the runners, without '..', or s3://bucket/prefix"
        )
    return str(path)


def _yes_or_no(value: object) -> object:
    """Take ``true`` and ``false`` alone: what else YAML has had for them over the years is better asked back."""
    known = {"true": True, "false": False}
    return known.get(value, value) if isinstance(value, str) else value


def _nothing(value: object) -> object:
    return None if value in ("", "null", "~") else value


DataRoot = Annotated[str, StringConstraints(min_length=1, max_length=1_000), AfterValidator(_data_root)]
Branch = Annotated[
    str, StringConstraints(pattern=r"^(?!.*(\.\.|//|@\{|\.lock$|/$))[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}$")
]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", regex_engine="python-re")


class HistoryConfig(_Value):
    """Where the history is kept."""

    branch: Annotated[Branch | None, BeforeValidator(_nothing)] = Field(
        default=None, description="the branch of training_history/; the default branch if it is not set"
    )


Login = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})$")]
Team = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_](?:[a-z0-9_-]{0,99})$")]


class CommandRule(_Value):
    """Who may say a command: everybody with the permission, and those that are named."""

    permission: Permission | None = Field(default=None, description="the least permission; none: only who is named")
    users: list[Login] = Field(default_factory=list, max_length=100, description="logins")
    teams: list[Team] = Field(default_factory=list, max_length=20, description="slugs of the organisation's teams")

    @model_validator(mode="before")
    @classmethod
    def _a_permission_alone(cls, value: object) -> object:
        return {"permission": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.permission in (None, "none") and not self.users and not self.teams:
            raise PydanticCustomError("nobody", "a permission from read to admin, or users, or teams")
        return self


def _command(name: str) -> str:
    if name not in COMMANDS:
        raise PydanticCustomError("command", "one of the commands: " + ", ".join(COMMANDS))
    return name


class SlackConfig(_Value):
    """Which channel of Slack is told what. The deployment has the token."""

    channel: SlackChannel = Field(description="the channel's id, or its name in quotes, such as '#models'")
    events: list[Event] = Field(
        default=list(EVENTS), min_length=1, max_length=len(EVENTS), description="what it is told"
    )


class EmailConfig(_Value):
    """Who is told what by mail. The deployment has the mail server."""

    to: list[MailAddress] = Field(min_length=1, max_length=20, description="plain addresses")
    events: list[Event] = Field(
        default=list(EVENTS), min_length=1, max_length=len(EVENTS), description="what they are told"
    )


class NotificationsConfig(_Value):
    """Who is told outside of GitHub that a person has to decide, that a model passed, or that a run ended otherwise."""

    slack: SlackConfig | None = None
    email: EmailConfig | None = None


class RepositoryConfig(_Value):
    """What ``.github/modelyard.yml`` may say. Each default is the careful choice."""

    data_roots: list[DataRoot] = Field(
        default_factory=list,
        max_length=50,
        description="folders on the runners, or places in S3, that runs may read data from",
    )
    runners: list[Label] = Field(
        default=["self-hosted"], min_length=1, max_length=50, description="labels of runners that a request may name"
    )
    promotion: Promotion = Field(
        default="approval", description="auto: a passed model becomes champion at once; approval: when somebody says so"
    )
    gate: Gate = Field(
        default_factory=Gate, description="how sure one has to be that a new model is no worse than the champion"
    )
    commands: dict[Annotated[str, AfterValidator(_command)], CommandRule] = Field(
        default_factory=dict, description="who may say which command, where it is not the usual permission"
    )
    approver: Literal["anyone", "another"] = Field(
        default="anyone",
        description="another: whoever asked for a run may neither approve it nor promote its model",
    )
    history: HistoryConfig = Field(default_factory=HistoryConfig)
    public_repository: Annotated[bool, BeforeValidator(_yes_or_no), Field(strict=True)] = Field(
        default=False, description="whether to work although everybody can open an issue here"
    )
    notifications: NotificationsConfig = Field(default_factory=NotificationsConfig)
    language: Language = Field(default="en", description="the language that the bot speaks")
    schedules: list[ScheduleConfig] = Field(
        default_factory=list, max_length=20, description="trainings that are asked for again and again, by cron"
    )

    @field_validator("schedules")
    @classmethod
    def _have_names_of_their_own(cls, value: list[ScheduleConfig]) -> list[ScheduleConfig]:
        names = [one.name for one in value]
        if len(set(names)) < len(names):
            raise PydanticCustomError("schedules", "each schedule has a name of its own")
        return value


def parse_config(text: str | bytes) -> RepositoryConfig:
    """Read the configuration. An empty file means: the defaults.

    Raises
    ------
    ConfigError
        With reason ``config_unreadable``, ``config_unknown_key`` or ``config_invalid``.
    """
    try:
        content = safe_yaml.load(text, source=CONFIG_PATH, limit=SIZE_LIMIT, most=MOST_VALUES)
    except InvalidInput as error:
        raise ConfigError.from_problem(error.body, reason="config_unreadable", field=CONFIG_PATH) from None
    try:
        return RepositoryConfig.model_validate({} if content is None else content)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
        # A misspelt key is also a missing one: the first of the two helps.
        first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
        raise _explained(first) from None


class Files(Protocol):
    """A repository on the hub, as far as its files are read."""

    async def file(self, path: str, ref: str | None = None) -> bytes | None: ...


async def read_config(repository: Files) -> RepositoryConfig:
    """Read a repository's configuration from its default branch.

    Raises
    ------
    ConfigError
        With reason ``config_missing`` where there is none; else as ``parse_config``.
    """
    text = await repository.file(CONFIG_PATH)
    if text is None:
        raise ConfigError(
            "config_missing",
            rule=f"A repository that uses Modelyard has {CONFIG_PATH} on its default branch.",
            found="It is not there.",
            next_step="Run `modelyard init` in a checkout of the repository and commit what it writes.",
            field=CONFIG_PATH,
        )
    return parse_config(text)


async def language_of(repository: Files) -> str:
    """Return the language that a repository's owners chose; English where that cannot be read."""
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
            "config_unknown_key", rule=f"{CONFIG_PATH} has known keys only.", found=key, next_step=hint, field=key
        )
    message = str(first["msg"])
    return ConfigError(
        "config_invalid",
        rule=f"{key} has to be right: {message[:1].lower()}{message[1:]}.",
        found=json.dumps(first.get("input"), ensure_ascii=False, default=str)[:200],
        next_step=f"Correct it in {CONFIG_PATH} on the default branch.",
        field=key,
    )


def _keys(place: list[str]) -> list[str]:
    model: type[BaseModel] = RepositoryConfig
    for part in place:
        if part not in model.model_fields:  # which of several it is
            continue
        nested = model.model_fields[part].annotation
        named = [one for one in (nested, *get_args(nested)) if isinstance(one, type) and issubclass(one, BaseModel)]
        if not named:
            return []
        model = named[0]
    return sorted(model.model_fields)


# --- the file that `modelyard init` writes ---------------------------------------------------------------------------


def render_config(data_roots: list[str], promotion: Promotion) -> str:
    """Return a documented configuration.

    Raises
    ------
    ConfigError
        Where a data root is none.
    """
    roots = "".join(f"\n  - {json.dumps(root, ensure_ascii=False)}" for root in data_roots) or " []"
    text = _TEMPLATE.format(roots=roots, promotion=promotion)
    parse_config(text)
    return text


_TEMPLATE = """\
# Modelyard in this repository. It is read from the default branch alone, so a pull request decides.

# Folders on the runners that runs may read data from, beside this repository's own datasets/ in the storage root; and places
# in S3 (s3://bucket/prefix), which runners need AWS credentials for.
data_roots:{roots}

# Labels of runners that a request may name.
runners:
  - self-hosted

# What makes a passed model the champion, which production uses. auto: at once. approval: a person, by `/promote` at the
# run's issue, or by pull request.
promotion: {promotion}

# A model passes where it reaches the threshold and, once there is a champion, is shown to be no worse than that on the same
# test rows: worse by more than the margin with a risk of alpha at most. The margin is in the metric's own points (0.02 of
# accuracy); of errors and losses it is a share of the champion's. The fewer test rows, the less can be shown.
gate:
  alpha: 0.05
  margin: 0.02

# Whether whoever asked for a run may also approve it and promote its model: anyone, or another person.
approver: anyone

# Who may say which command, where it is not the usual permission (`/help` lists those).
# commands:
#   approve: maintain
#   promote:
#     permission: admin
#     users: [octocat]
#     teams: [ml-leads]

# The branch that holds training_history/. By default the default branch.
# history:
#   branch: training-history

# In a public repository anybody can open an issue, and so ask for work on your runners. It is refused unless this is
# true.
public_repository: false

# Who is told outside of GitHub: waiting (somebody has to decide), success, failure. Whoever runs Modelyard gives it
# access to Slack and to a mail server; .github/modelyard/notifications/ may hold words of your own.
# notifications:
#   slack:
#     channel: "#models"
#     events: [waiting, success, failure]
#   email:
#     to: [team@example.org]
#     events: [failure]

# The language that the bot speaks: en or ja.
language: en

# Trainings that are asked for again and again: cron in UTC, at most every 15 minutes. The request has the form's fields by
# the names that `modelyard start --help` lists. Nobody is asked for permission then: who may change this file decides.
# schedules:
#   - name: nightly
#     cron: "30 2 * * *"
#     request:
#       model_name: breast-cancer
#       task: classification
#       algorithm: random_forest
#       data: sklearn://breast_cancer
#       target: target
#       metric: accuracy
#       threshold: 0.95
"""
