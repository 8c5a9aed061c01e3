"""Invalid settings in words that people can act on. No secret's value is ever shown."""

from __future__ import annotations

import os
import re
from typing import Any

from actions.errors import OperationError, Problem
from actions.text.suggestions import nearest
from actions.text.validation import rule_of
from bot.settings.model import PREFIX, Settings

_SECRETS = {"WEBHOOK_SECRET", "PRIVATE_KEY", "DATABASE_URL", "DASHBOARD_TOKEN", "SLACK_TOKEN", "SMTP_URL"}
_ALIASES = {str(info.validation_alias): name for name, info in Settings.model_fields.items() if info.validation_alias}
"""The variables without our prefix, with their fields."""


class SettingsError(OperationError):
    """One or more settings are invalid or missing; ``problems`` lists all of them."""

    kind = "settings_error"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(
            "settings_invalid",
            rule="The configuration must be valid.",
            found="; ".join(f"{problem.field}: {problem.found}" for problem in problems),
            next_step="Correct it in the environment or in .env, then start again.",
        )
        self.problems = problems


def variable(name: str) -> str:
    """Return the environment variable for a setting's name in upper case."""
    return name if name in _ALIASES else PREFIX + name


def problem(name: str, *, rule: str, found: str, next_step: str) -> Problem:
    """Return a problem with a setting, by its name in upper case."""
    reason = f"setting_{name.lower()}"
    return Problem(
        kind=SettingsError.kind, reason=reason, rule=rule, found=found, next_step=next_step, field=variable(name)
    )


def problem_of(error: Any) -> Problem:
    """Return one of Pydantic's errors as a problem."""
    match error["type"]:
        case "one_key":
            return key_problem("both" if error["input"].get("private_key") else "neither")
        case "no_sender":
            return _missing("MAIL_FROM")
        case "s3_bucket":
            return _bucket(error["input"].get("s3_bucket") or error["input"].get("MLOPS_S3_BUCKET"))
        case "missing":
            return _missing(str(error["loc"][0]).upper())
        case _:
            return _invalid(str(error["loc"][0]).upper(), error)


def _invalid(name: str, error: Any) -> Problem:
    info = Settings.model_fields.get(_ALIASES.get(name, name.lower()))
    about = f" It is {info.description}." if info and info.description else ""
    return problem(
        name,
        rule=rule_of(variable(name), error["msg"]) + about,
        found=f"{_shown(name, error.get('input'))}.",
        next_step=f"Correct {variable(name)}.",
    )


def _missing(name: str) -> Problem:
    others = [other for other, value in os.environ.items() if other.startswith(PREFIX) and value]
    similar = nearest(variable(name), others, cutoff=0.8)
    return problem(
        name,
        rule=f"{variable(name)} is required: {Settings.model_fields[name.lower()].description}.",
        found=f"nothing, but {similar} is set." if similar else "nothing.",
        next_step=f"Set {variable(name)}.",
    )


def key_problem(found: str) -> Problem:
    """Return the problem of having both keys or neither of them."""
    return problem(
        "PRIVATE_KEY",
        rule="Exactly one of MODELYARD_PRIVATE_KEY and MODELYARD_PRIVATE_KEY_PATH must be set.",
        found=f"{found}.",
        next_step="Generate a private key on the App's settings page and set MODELYARD_PRIVATE_KEY_PATH to its file.",
    )


def _bucket(name: object) -> Problem:
    return problem(
        "MLOPS_S3_BUCKET",
        rule="The storage root must be a folder that the App and the runners share; S3 is not supported yet.",
        found=f"the bucket {name!r}, and no folder.",
        next_step="Set MODELYARD_STORAGE_ROOT to the folder, which takes precedence, or unset MLOPS_S3_BUCKET.",
    )


def _shown(name: str, value: object) -> str:
    if name in _SECRETS or isinstance(value, dict):
        return "a value that is not shown"
    # A URL may contain a password where none is allowed.
    return repr(re.sub(r"(?<=//).*@", "***@", str(value), flags=re.DOTALL))[:200]
