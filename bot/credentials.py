"""The App's credentials and where they are kept: an env file that its owner alone can read, or AWS Secrets Manager.

Both are written as a whole or not at all. No value of a secret is in any error, log line or ``repr``.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from actions.errors import OperationError

SECRET_NAME = "github-app"  # noqa: S105 - a name
"""Below the prefix; its value is one JSON object, so that id, key and secret can never be of different Apps."""
_ENV_FILE = re.compile(r"[A-Za-z0-9_-]*\.env(?:\.[A-Za-z0-9_-]+)?")
_PREFIX = re.compile(r"[A-Za-z0-9/_+=.@-]{1,400}")
_FIELDS = {
    "app_id": "MODELYARD_APP_ID",
    "webhook_secret": "MODELYARD_WEBHOOK_SECRET",
    "private_key": "MODELYARD_PRIVATE_KEY",
    "github_api_url": "MODELYARD_GITHUB_API_URL",
}
API_URL = _FIELDS["github_api_url"]
_REPLACED = {*_FIELDS.values(), "MODELYARD_PRIVATE_KEY_PATH"}
VARIABLES = _REPLACED - {API_URL}
"""What an App's credentials are called in the environment or in an env file; an address alone is no App's."""


class CredentialsError(OperationError):
    """Credentials could not be kept or read."""

    kind = "credentials_error"


class Credentials(BaseModel):
    """What identifies the App at one GitHub."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    app_id: int = Field(ge=1)
    webhook_secret: SecretStr = Field(min_length=1)
    private_key: SecretStr = Field(min_length=1)
    github_api_url: str

    def plain(self) -> dict[str, str]:
        """Return all of it as text, secrets in the clear: for a store alone."""
        return {
            "app_id": str(self.app_id),
            "webhook_secret": self.webhook_secret.get_secret_value(),
            "private_key": self.private_key.get_secret_value(),
            "github_api_url": self.github_api_url,
        }

    def overridden_by(self, variables: Mapping[str, str]) -> list[str]:
        """Return the names of variables that say something else than this."""
        own = {_FIELDS[name]: value.strip() for name, value in self.plain().items()}
        return [
            name
            for name in sorted(_REPLACED)
            if (value := variables.get(name)) and value.replace("\\n", "\n").strip() != own.get(name)
        ]

    def secrets(self) -> list[str]:
        """Return what must never be shown."""
        key = self.private_key.get_secret_value()
        return [self.webhook_secret.get_secret_value(), key, *key.splitlines()]


class CredentialStore(Protocol):
    """A place for the credentials of one App."""

    @property
    def place(self) -> str:
        """What people call it."""
        ...

    def exists(self) -> bool:
        """Tell whether an App's credentials are there already; CredentialsError where nothing could be kept there."""
        ...

    def save(self, credentials: Credentials, *, overwrite: bool) -> None:
        """Keep them; CredentialsError where some are there already and ``overwrite`` is not set."""
        ...

    def load(self) -> Credentials:
        """Read them back."""
        ...

    def start(self) -> Mapping[str, str]:
        """Return the environment variables by which ``modelyard serve`` finds them."""
        ...


# --- an env file ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EnvFile:
    """A file of ``NAME=value`` lines; lines about anything else stay as they are."""

    path: Path

    @property
    def place(self) -> str:
        return str(self.path.absolute())

    def exists(self) -> bool:
        self._check()
        values = self._values()
        return any(values.get(name) for name in VARIABLES)

    def save(self, credentials: Credentials, *, overwrite: bool) -> None:
        if self.exists() and not overwrite:
            raise _exist_already(self.place)
        text = _with(self._lines(), credentials)
        try:
            _replace_privately(self.path, text)
        except OSError as error:
            raise self._unusable(error.strerror or type(error).__name__) from None

    def load(self) -> Credentials:
        self._check()
        values = self._values()
        found = {field: values.get(name) or "" for field, name in _FIELDS.items()}
        return _checked({**found, "private_key": found["private_key"].replace("\\n", "\n")}, self.place)

    def start(self) -> Mapping[str, str]:
        is_default = str(self.path) == (os.environ.get("MODELYARD_ENV_FILE") or ".env")
        return {} if is_default else {"MODELYARD_ENV_FILE": str(self.path)}

    def _check(self) -> None:
        """Refuse what could be anything but an env file: its path was typed into a page."""
        if not _ENV_FILE.fullmatch(self.path.name):
            raise self._unusable("its name does not end in .env")
        try:
            if not self.path.absolute().parent.is_dir():
                raise self._unusable("its folder does not exist")
            if not os.access(self.path.absolute().parent, os.W_OK | os.X_OK):
                raise self._unusable("its folder cannot be written to")
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unusable(error.strerror or type(error).__name__) from None
        if not stat.S_ISREG(mode):
            raise self._unusable("it is no plain file")

    def _text(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise self._unusable(f"it cannot be read ({type(error).__name__})") from None

    def _values(self) -> dict[str, str | None]:
        from io import StringIO

        from dotenv import dotenv_values

        return dotenv_values(stream=StringIO(self._text()), interpolate=False)

    def _lines(self) -> list[str]:
        """Return what stands in the file beside the credentials, piece by piece; a value may span several lines."""
        from io import StringIO

        from dotenv.parser import parse_stream

        pieces = parse_stream(StringIO(self._text()))
        return [piece.original.string for piece in pieces if piece.key not in _REPLACED]

    def _unusable(self, found: str) -> CredentialsError:
        return CredentialsError(
            "env_file_unusable",
            rule="Credentials are kept in a plain file whose name ends in .env (or .env.NAME), in a folder that can be written to.",
            found=f"{self.place}: {found}",
            next_step="Name another file, or make its folder.",
        )


def _with(kept: list[str], credentials: Credentials) -> str:
    """Return the file's text: what was there, then the credentials, each value on one line."""
    before = "".join(kept).rstrip("\n")
    lines = [f"{_FIELDS[name]}='{_on_one_line(value)}'" for name, value in credentials.plain().items()]
    return "\n".join([*([before] if before else []), *lines]) + "\n"


def _on_one_line(value: str) -> str:
    value = value.strip().replace("\r\n", "\n")
    if "'" in value or "\\" in value or not value.replace("\n", "").isprintable():
        raise CredentialsError(
            "credentials_malformed",
            rule="An id, key or secret of GitHub holds no quotes, backslashes or control characters.",
            found="one that does.",
            next_step="Keep them elsewhere, or make new ones on the App's settings page.",
        )
    return value.replace("\n", "\\n")


def _replace_privately(path: Path, text: str) -> None:
    """Replace a file as a whole; at no moment could anybody else have read it."""
    # mkstemp makes it for its owner alone, under a name that was not there.
    handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --- AWS Secrets Manager ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SecretsManager:
    """One secret of AWS, ``PREFIX/github-app``; who may ask for it is AWS's matter (role, profile, AWS's own variables)."""

    prefix: str
    region: str | None = None

    @property
    def name(self) -> str:
        return f"{self.prefix.rstrip('/')}/{SECRET_NAME}"

    @property
    def place(self) -> str:
        return f"AWS Secrets Manager, {self.name}"

    def exists(self) -> bool:
        return self._value() is not None

    def save(self, credentials: Credentials, *, overwrite: bool) -> None:
        there = self.exists()
        if there and not overwrite:
            raise _exist_already(self.place)
        text = json.dumps(credentials.plain())
        if there:
            self._call("put_secret_value", SecretId=self.name, SecretString=text)
            return
        about = "Modelyard's GitHub App: id, private key and webhook secret"
        made = self._call(
            "create_secret", none_at="ResourceExistsException", Name=self.name, SecretString=text, Description=about
        )
        if made is None:  # somebody has made it beforehand, without a value
            self._call("put_secret_value", SecretId=self.name, SecretString=text)

    def load(self) -> Credentials:
        text = self._value()
        if text is None:
            raise self._failed(
                "there is no such secret", "Run `modelyard setup`, or correct MLOPS_SECRETS_PREFIX and AWS_REGION."
            )
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        return _checked(value, self.place)

    def start(self) -> Mapping[str, str]:
        region = {"AWS_REGION": self.region} if self.region else {}
        return {"MLOPS_SECRETS_PREFIX": self.prefix, **region}

    def _value(self) -> str | None:
        answer = self._call("get_secret_value", none_at="ResourceNotFoundException", SecretId=self.name)
        return None if answer is None else str(answer.get("SecretString", ""))

    def _call(self, what: str, *, none_at: str = "", **parameters: str) -> Any:
        if not _PREFIX.fullmatch(self.prefix) or not self.prefix.strip("/"):
            raise self._failed("the prefix holds what AWS does not allow", "Use letters, digits and /_+=.@- alone.")
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            cure = "In Modelyard's clone: pip install -c requirements/dev.txt '.[aws]'"
            raise self._failed("boto3 is not installed", cure) from None
        config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3})
        try:
            client = boto3.client("secretsmanager", region_name=self.region, config=config)
            return getattr(client, what)(**parameters)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            if code == none_at:
                return None
            # AWS's own words may repeat what was sent.
            raise self._failed(f"{what} was answered {code}", _cure(code)) from None
        except (BotoCoreError, ValueError) as error:
            raise self._failed(
                type(error).__name__, "Set AWS_REGION, and give this machine a role or a profile."
            ) from None

    def _failed(self, found: str, next_step: str) -> CredentialsError:
        return CredentialsError(
            "secrets_manager_failed",
            rule="AWS Secrets Manager keeps the App's credentials and gives them to this machine.",
            found=f"{self.name}: {found}",
            next_step=next_step,
        )


def _cure(code: str) -> str:
    if "AccessDenied" in code:
        return "Allow secretsmanager:GetSecretValue (and for set-up CreateSecret, PutSecretValue) on this name."
    if code == "InvalidRequestException":
        return "The secret may be scheduled for deletion: restore it, or use another prefix."
    return "See AWS's documentation of this error."


def _checked(value: object, place: str) -> Credentials:
    try:
        return Credentials.model_validate(value)
    except ValidationError as error:
        wrong = ", ".join(sorted({str(part["loc"][0]) for part in error.errors(include_input=False) if part["loc"]}))
        raise CredentialsError(
            "credentials_incomplete",
            rule=f"Credentials are {', '.join(_FIELDS)}.",
            found=f"{place}: missing or wrong: {wrong or 'all of it'}.",
            next_step="Run `modelyard setup` again.",
        ) from None


def _exist_already(place: str) -> CredentialsError:
    return CredentialsError(
        "credentials_exist",
        rule="Credentials of an App are not replaced by accident.",
        found=f"{place} holds some already.",
        next_step="Keep them elsewhere, or start `modelyard setup --overwrite`.",
    )
