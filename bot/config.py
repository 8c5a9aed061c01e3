"""``.github/modelyard.yml``: what a repository's owners have decided, read from the default branch alone."""

from __future__ import annotations

import difflib
import json
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from actions import safe_yaml
from actions.operation import InvalidInput
from actions.request import Label

CONFIG_PATH = ".github/modelyard.yml"
SIZE_LIMIT = 64 * 1024
MOST_VALUES = 2_000
"""Keys and values together; many times what a configuration needs."""

Promotion = Literal["auto", "approval"]


class ConfigError(InvalidInput):
    """The repository's configuration cannot be used; ``field`` names the key."""


def _data_root(text: str) -> str:
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or len(path.parts) < 2 or "\0" in text:  # noqa: PLR2004 - not "/"
        raise PydanticCustomError("data_root", "an absolute path of a folder on the runners, without '..'")
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


class RepositoryConfig(_Value):
    """What ``.github/modelyard.yml`` may say. Each default is the careful choice."""

    data_roots: list[DataRoot] = Field(
        default_factory=list, max_length=50, description="folders on the runners that runs may read data from"
    )
    runners: list[Label] = Field(
        default=["self-hosted"], min_length=1, max_length=50, description="labels of runners that a request may name"
    )
    promotion: Promotion = Field(
        default="approval", description="auto: a passed model becomes champion at once; approval: when somebody says so"
    )
    history: HistoryConfig = Field(default_factory=HistoryConfig)
    public_repository: Annotated[bool, BeforeValidator(_yes_or_no), Field(strict=True)] = Field(
        default=False, description="whether to work although everybody can open an issue here"
    )
    language: Literal["en"] = Field(default="en", description="the language that the bot speaks")


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
        body = error.body
        raise ConfigError(
            "config_unreadable", rule=body.rule, found=body.found, next_step=body.next_step, field=CONFIG_PATH
        ) from None
    try:
        return RepositoryConfig.model_validate({} if content is None else content)
    except ValidationError as error:
        raise _explained(error.errors(include_url=False, include_context=False)[0]) from None


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


def _explained(first: Any) -> ConfigError:
    place = [str(part) for part in first["loc"]]
    key = ".".join(place) or CONFIG_PATH
    if first["type"] == "extra_forbidden":
        known = _keys(place[:-1])
        near = difflib.get_close_matches(place[-1], known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(known)}."
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
        nested = model.model_fields[part].annotation
        if not (isinstance(nested, type) and issubclass(nested, BaseModel)):
            return []
        model = nested
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

# Folders on the runners that runs may read data from, beside this repository's own datasets/ in the storage root.
data_roots:{roots}

# Labels of runners that a request may name.
runners:
  - self-hosted

# What makes a passed model the champion, which production uses. auto: at once. approval: a person, by
# `modelyard run set_model_alias --name MODEL --alias champion --version N` in a checkout, or by pull request.
promotion: {promotion}

# The branch that holds training_history/. By default the default branch.
# history:
#   branch: training-history

# In a public repository anybody can open an issue, and so ask for work on your runners. It is refused unless this is
# true.
public_repository: false

# The language that the bot speaks.
language: en
"""
