"""The App's credentials, and where they are stored: in an env file that only its owner can read, or AWS Secrets Manager.

Both are written completely or not at all. No error, log line or ``repr`` contains a secret's value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from actions.errors import OperationError

FIELDS = {
    "app_id": "MODELYARD_APP_ID",
    "webhook_secret": "MODELYARD_WEBHOOK_SECRET",
    "private_key": "MODELYARD_PRIVATE_KEY",
    "github_api_url": "MODELYARD_GITHUB_API_URL",
}
API_URL = FIELDS["github_api_url"]
ALL_VARIABLES = {*FIELDS.values(), "MODELYARD_PRIVATE_KEY_PATH"}
VARIABLES = ALL_VARIABLES - {API_URL}
"""The variables that show that an App is configured; an API address alone does not."""


class CredentialsError(OperationError):
    """Credentials could not be stored or read."""

    kind = "credentials_error"


class Credentials(BaseModel):
    """The credentials of the App on one GitHub."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    app_id: int = Field(ge=1)
    webhook_secret: SecretStr = Field(min_length=1)
    private_key: SecretStr = Field(min_length=1)
    github_api_url: str

    def plain(self) -> dict[str, str]:
        """Return everything as text, with secrets in plain text, for a store."""
        return {
            "app_id": str(self.app_id),
            "webhook_secret": self.webhook_secret.get_secret_value(),
            "private_key": self.private_key.get_secret_value(),
            "github_api_url": self.github_api_url,
        }

    def overridden_by(self, variables: Mapping[str, str]) -> list[str]:
        """Return the names of variables with other values than these."""
        own = {FIELDS[name]: value.strip() for name, value in self.plain().items()}
        return [
            name
            for name in sorted(ALL_VARIABLES)
            if (value := variables.get(name)) and value.replace("\\n", "\n").strip() != own.get(name)
        ]

    def secrets(self) -> list[str]:
        """Return every text that must never be shown."""
        key = self.private_key.get_secret_value()
        return [self.webhook_secret.get_secret_value(), key, *key.splitlines()]


class CredentialStore(Protocol):
    """A store for the credentials of one App."""

    @property
    def place(self) -> str:
        """Its name for people."""
        ...

    def exists(self) -> bool:
        """Return whether it has an App's credentials; CredentialsError if nothing can be stored there."""
        ...

    def save(self, credentials: Credentials, *, overwrite: bool) -> None:
        """Store them; CredentialsError if it already has credentials and ``overwrite`` is not set."""
        ...

    def load(self) -> Credentials:
        """Read them."""
        ...

    def start(self) -> Mapping[str, str]:
        """Return the environment variables with which ``modelyard serve`` finds them."""
        ...


def checked(value: object, place: str) -> Credentials:
    """Return stored values as credentials; CredentialsError names those that are missing or invalid."""
    try:
        return Credentials.model_validate(value)
    except ValidationError as error:
        names = ", ".join(sorted({str(part["loc"][0]) for part in error.errors(include_input=False) if part["loc"]}))
        raise CredentialsError(
            "credentials_incomplete",
            rule=f"Credentials must have {', '.join(FIELDS)}.",
            found=f"{place}: missing or invalid: {names or 'all of them'}.",
            next_step="Run `modelyard setup` again.",
        ) from None


def already_exist(place: str) -> CredentialsError:
    """Return the error for a store that already has credentials."""
    return CredentialsError(
        "credentials_exist",
        rule="The credentials of an App must not be replaced by accident.",
        found=f"{place} already has credentials.",
        next_step="Choose another place, or start `modelyard setup --overwrite`.",
    )
