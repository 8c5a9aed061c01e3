"""Checks the App with its stored credentials."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import httpx
from anyio import to_thread

from bot.admin.app_check import check_app, make_labels
from bot.admin.findings import Finding
from bot.credentials import CredentialsError, CredentialStore
from bot.credentials.env_file import EnvFile
from bot.settings import Settings, SettingsError, env_file, load_settings, variables


async def check_stored(
    stored: CredentialStore | None, webhook_url: str, transport: httpx.AsyncBaseTransport | None
) -> list[Finding]:
    """Check the App with the credentials read back from the store."""
    from bot.github import GitHub

    try:
        settings = await to_thread.run_sync(lambda: _settings(stored))
        findings = await to_thread.run_sync(lambda: list(_shadows(stored)))
    except CredentialsError as error:
        return [Finding.from_problem("Credentials", error.problem)]
    except SettingsError as error:
        return [Finding.from_problem(problem.field or "Settings", problem) for problem in error.problems]
    async with GitHub(settings, transport) as github:
        findings += [finding async for finding in check_app(github, settings, webhook_url)]
        return findings + [finding async for finding in make_labels(github)]


def _settings(stored: CredentialStore | None) -> Settings:
    """Return settings with only the stored credentials; without a store, those of the environment."""
    if stored is None:
        return load_settings()
    credentials = stored.load()
    return load_settings(
        app_id=credentials.app_id,
        webhook_secret=credentials.webhook_secret,
        private_key=credentials.private_key,
        private_key_path=None,
        github_api_url=credentials.github_api_url,
        storage_root=Path(".modelyard/storage"),
    )


def _shadows(stored: CredentialStore | None) -> Iterator[Finding]:
    """Report variables that would override the stored credentials: of the environment, and over AWS those of the env file."""
    if stored is None:
        return
    overriding = os.environ if isinstance(stored, EnvFile) else variables()
    names = stored.load().overridden_by(overriding)
    if names:
        place = "the environment" if isinstance(stored, EnvFile) else f"the environment or {env_file()}"
        found = f"{', '.join(names)} in {place} would be used instead of those in {stored.place}"
        yield Finding.error(
            "Credentials",
            "The App must start with the stored credentials.",
            found,
            "Remove these variables, then start the App.",
        )


def start_command(stored: CredentialStore) -> str:
    """Return the command that starts the App with the stored credentials."""
    assignments = [f"{name}={shlex.quote(value)}" for name, value in stored.start().items()]
    return " ".join([*assignments, "modelyard serve"])
