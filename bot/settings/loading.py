"""Reads the settings from the environment, the env file and AWS Secrets Manager, and reports every problem at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from bot.settings.model import PREFIX, Settings
from bot.settings.problems import SettingsError, key_problem, problem, problem_of, variable

_KEYS = ("private_key", "private_key_path")
_CREDENTIALS = ("app_id", "webhook_secret", *_KEYS)


def load_settings(**given: Any) -> Settings:
    """Read and check the settings; ``given`` ones take precedence over the environment.

    Raises
    ------
    SettingsError
        With every invalid or missing setting in ``problems``.
    """
    stored = _from_secrets_manager(given)
    try:
        return Settings(_env_file=env_file(), **{**stored, **given})
    except ValidationError as error:
        problems = [problem_of(item) for item in error.errors(include_url=False, include_context=False)]
    # Pydantic checks the fields before it checks how they go together: report a missing key at the same time.
    if not any("PRIVATE_KEY" in (found.field or "") for found in problems) and not _is_set(_KEYS, {**stored, **given}):
        problems.append(key_problem("neither"))
    raise SettingsError(problems)


def settings_or_exit(**given: Any) -> Settings:
    """Read the settings; if any are invalid, report all of them on stderr and exit with code 2."""
    try:
        return load_settings(**given)
    except SettingsError as error:
        explain_and_exit(error)


def explain_and_exit(error: SettingsError) -> NoReturn:
    """Print each problem with rule, found and next step, and exit with code 2."""
    for found in error.problems:
        lines = (f"{found.field}: {found.rule}", f"  found: {found.found}", f"  next:  {found.next_step}")
        sys.stderr.write("\n".join(lines) + "\n")
    raise SystemExit(2) from error


def env_file() -> Path:
    """Return the env file: ``MODELYARD_ENV_FILE``, by default ``.env`` in the current folder."""
    return Path(os.environ.get(PREFIX + "ENV_FILE") or ".env").expanduser()


def variables() -> dict[str, str]:
    """Return the variables of the env file and of the environment, which takes precedence."""
    from dotenv import dotenv_values

    path = env_file()
    values = dotenv_values(path, encoding="utf-8") if path.is_file() else {}
    return {name: value for name, value in {**values, **os.environ}.items() if value}


def _is_set(names: tuple[str, ...], given: dict[str, Any]) -> list[str]:
    """Return those of the settings that have a value, given or in a variable."""
    known = variables()
    return [name for name in names if given.get(name) or known.get(PREFIX + name.upper())]


def _from_secrets_manager(given: dict[str, Any]) -> dict[str, Any]:
    """Return the App's credentials from AWS Secrets Manager, if a prefix is set and no credentials are set elsewhere."""
    known = variables()
    prefix = given.get("secrets_prefix") or known.get("MLOPS_SECRETS_PREFIX")
    elsewhere = _is_set(_CREDENTIALS, given)
    if not prefix or {"app_id", "webhook_secret"} < set(elsewhere):
        return {}
    if elsewhere:
        found = problem(
            "MLOPS_SECRETS_PREFIX",
            rule="An App's id, key and webhook secret must come from one place, because they belong to one App.",
            found=f"{', '.join(variable(name.upper()) for name in elsewhere)} as well.",
            next_step="Unset those variables, or set all three of them and unset MLOPS_SECRETS_PREFIX.",
        )
        raise SettingsError([found])
    from bot.credentials import CredentialsError
    from bot.credentials.secrets_manager import SecretsManager

    try:
        stored = SecretsManager(prefix, given.get("aws_region") or known.get("AWS_REGION")).load().plain()
    except CredentialsError as error:
        failure = error.problem
        found = problem("MLOPS_SECRETS_PREFIX", rule=failure.rule, found=failure.found, next_step=failure.next_step)
        raise SettingsError([found]) from None
    if given.get("github_api_url") or known.get(PREFIX + "GITHUB_API_URL"):
        del stored["github_api_url"]
    return stored
