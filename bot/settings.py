"""The App's settings: from the environment (``MODELYARD_...``) and a ``.env`` file, all checked before anything starts."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from actions.contracts.channels import (
    SLACK_API,
    DeploymentChannels,
    MailServer,
    SenderAddress,
    SlackAccess,
    checked_slack_url,
)
from actions.errors import OperationError, Problem
from actions.text.hosts import LOOPBACK_HOSTS
from actions.text.suggestions import nearest

PREFIX = "MODELYARD_"
_SECRET = {"WEBHOOK_SECRET", "PRIVATE_KEY", "DATABASE_URL", "DASHBOARD_TOKEN", "SLACK_TOKEN", "SMTP_URL"}
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
_DATABASES = ("sqlite", "postgresql")


class SettingsError(OperationError):
    """One or more settings are wrong or missing; ``problems`` holds each of them."""

    kind = "settings_error"

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(
            "settings_invalid",
            rule="The App starts only with complete settings.",
            found="; ".join(f"{problem.field}: {problem.found}" for problem in problems),
            next_step="Correct them in the environment or in .env, then start again.",
        )
        self.problems = problems


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class Settings(BaseSettings):
    """What a deployment has to say. Each field is the variable ``MODELYARD_<NAME>``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        validate_by_name=True,
    )

    webhook_secret: SecretStr = Field(min_length=1, description="the secret that GitHub signs webhooks with")
    app_id: int = Field(ge=1, description="the App's number, shown on its settings page")
    private_key: SecretStr | None = Field(default=None, description="the App's private key, as PEM text")
    private_key_path: Path | None = Field(default=None, description="the file of the App's private key (instead)")
    dashboard_token: SecretStr | None = Field(
        default=None, min_length=16, description="what shows dashboard and metrics to others than this machine"
    )
    github_api_url: str = Field(default="https://api.github.com", description="GitHub's API, or GHES's or the hub's")
    database_url: str = Field(default="sqlite:///.modelyard/app.db", repr=False, description="the App's database")
    storage_root: Path = Field(default=Path(".modelyard/storage"), description="the folder shared with the runners")
    poll: bool = Field(default=False, description="fetch webhooks from GitHub, which then need not reach the App")
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = Field(default="INFO", description="what is logged")
    http_timeout_seconds: float = Field(default=15, gt=0, le=120, description="for one answer of GitHub")
    time_factor: float = Field(default=1, gt=0, le=100, description="stretches every waiting time and time-out")
    slack_token: SecretStr | None = Field(default=None, description="the token of the Slack app that posts messages")
    slack_api_url: str = Field(default=SLACK_API, description="Slack's API, or a proxy's in front of it")
    smtp_url: SecretStr | None = Field(default=None, description="the mail server: smtp://user:password@host:port")
    mail_from: SenderAddress | None = Field(default=None, description="the address that mails come from")
    notify_timeout_seconds: float = Field(default=10, gt=0, le=60, description="for one answer of Slack or mail server")
    write_burst: int = Field(default=15, ge=1, le=1_000, description="writes to GitHub at once, per installation")
    writes_per_second: float = Field(default=1, gt=0, le=100, description="writes to GitHub after that")
    # The usual names of deployments on AWS, read as they are.
    aws_region: str | None = Field(
        default=None, validation_alias="AWS_REGION", pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", description="AWS's region"
    )
    s3_bucket: str | None = Field(
        default=None,
        validation_alias="MLOPS_S3_BUCKET",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="the bucket that holds the storage root, where MODELYARD_STORAGE_ROOT names none",
    )
    secrets_prefix: str | None = Field(
        default=None,
        validation_alias="MLOPS_SECRETS_PREFIX",
        description="where AWS Secrets Manager keeps the App's credentials: PREFIX/github-app",
    )
    sagemaker_role_arn: str | None = Field(
        default=None,
        validation_alias="SAGEMAKER_ROLE_ARN",
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$",
        description="the role that SageMaker's jobs take on",
    )

    @field_validator("github_api_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise PydanticCustomError("address", "an http(s) address such as https://api.github.com")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise PydanticCustomError("address", "an address without user, password, query or fragment")
        return value.rstrip("/")

    @field_validator("github_api_url")
    @classmethod
    def _keeps_tokens_private(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
            raise PydanticCustomError("address", "https, except on this machine: tokens travel over it")
        return value

    @field_validator("slack_api_url")
    @classmethod
    def _is_slack(cls, value: str) -> str:
        try:
            return checked_slack_url(value)
        except ValueError as error:
            raise _words_of(error) from None

    @field_validator("smtp_url")
    @classmethod
    def _is_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            if value is not None:
                MailServer.at(value.get_secret_value(), "")
        except ValueError as error:
            raise _words_of(error) from None
        return value

    @field_validator("database_url")
    @classmethod
    def _is_known_database(cls, value: str) -> str:
        if value.partition(":")[0].partition("+")[0] not in _DATABASES:
            raise PydanticCustomError("database", "a URL that starts with sqlite:/// or postgresql://")
        return value

    @field_validator("storage_root")
    @classmethod
    def _is_absolute(cls, value: Path) -> Path:
        if value.parts[:1] == ("s3:",):  # a Path of one slash by now
            raise PydanticCustomError("folder", "a folder: storage in S3 is not there yet")
        path = value.expanduser().absolute()
        if path.exists() and not path.is_dir():
            raise PydanticCustomError("folder", "a folder, existing or to be made")
        return path

    @field_validator("private_key")
    @classmethod
    def _is_key(cls, value: SecretStr | None) -> SecretStr | None:
        # Where a variable has to fit on one line, its line ends are written as \n.
        return None if value is None else _checked_key(value.get_secret_value().replace("\\n", "\n"))

    @field_validator("private_key_path")
    @classmethod
    def _names_key(cls, value: Path | None) -> Path | None:
        if value is not None:
            _checked_key(_key_file(value))
        return value

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        if (self.private_key is None) == (self.private_key_path is None):
            raise PydanticCustomError("one_key", "exactly one of PRIVATE_KEY and PRIVATE_KEY_PATH")
        return self

    @model_validator(mode="after")
    def _has_sender(self) -> Self:
        if self.smtp_url is not None and self.mail_from is None:
            raise PydanticCustomError("no_sender", "MAIL_FROM beside SMTP_URL")
        return self

    @model_validator(mode="after")
    def _has_storage(self) -> Self:
        """Never take a folder of this machine for the bucket that was named."""
        if self.s3_bucket and "storage_root" not in self.model_fields_set:
            raise PydanticCustomError("s3_bucket", "a storage root beside MLOPS_S3_BUCKET")
        return self

    @property
    def has_local_hub(self) -> bool:
        """Tell whether the hub is on this machine: a trial, or a test."""
        return urlsplit(self.github_api_url).hostname in LOOPBACK_HOSTS

    @property
    def channels(self) -> DeploymentChannels:
        """The channels outside of GitHub by which this deployment can tell people something."""
        token, url, seconds = self.slack_token, self.smtp_url, self.notify_timeout_seconds
        slack = SlackAccess(token.get_secret_value(), self.slack_api_url, seconds) if token else None
        email = MailServer.at(url.get_secret_value(), self.mail_from, seconds) if url and self.mail_from else None
        return DeploymentChannels(slack, email)

    def key(self) -> str:
        """Return the private key as PEM text, from wherever it was given."""
        if self.private_key_path is not None:
            return _key_file(self.private_key_path)
        return self.private_key.get_secret_value() if self.private_key else ""

    def secrets(self) -> list[str]:
        """Return every text that must never be shown: a masked key must not appear line by line either."""
        key = self.key()
        lines = [line for line in key.splitlines() if line and not line.startswith("-----")]
        optional = (self.dashboard_token, self.slack_token, self.smtp_url)
        texts = [secret.get_secret_value() for secret in (self.webhook_secret, *optional) if secret is not None]
        email = self.channels.email
        return [*texts, key, *lines, *([email.password] if email else [])]


def _words_of(error: ValueError) -> PydanticCustomError:
    # Without braces in it that Pydantic would fill.
    return PydanticCustomError("address", "{words}", {"words": str(error)})


def _key_file(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise PydanticCustomError("key_file", "PRIVATE_KEY_PATH names a readable PEM file") from None


def _checked_key(pem: str) -> SecretStr:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise PydanticCustomError("key", "an RSA private key in PEM form, without a passphrase")
    return SecretStr(pem)


def load_settings(**given: Any) -> Settings:
    """Read and check the settings; ``given`` ones win over the environment.

    Raises
    ------
    SettingsError
        With every wrong or missing setting in ``problems``. No secret's value is ever shown.
    """
    stored = _from_secrets_manager(given)
    try:
        return Settings(_env_file=env_file(), **{**stored, **given})
    except ValidationError as error:
        problems = [_problem(item) for item in error.errors(include_url=False, include_context=False)]
    missing_key_unseen = not any("PRIVATE_KEY" in (problem.field or "") for problem in problems)
    if missing_key_unseen and not _has_key({**stored, **given}):
        # Pydantic checks fields before it checks how they go together: name this one in the same breath.
        problems.append(_two_keys("neither"))
    raise SettingsError(problems)


def settings_or_exit(**given: Any) -> Settings:
    """Read the settings; on a wrong one, say every one on stderr and end the process with code 2."""
    try:
        return load_settings(**given)
    except SettingsError as error:
        explain_and_exit(error)


def explain_and_exit(error: SettingsError) -> NoReturn:
    """Print each problem with rule, found and next step, and end with code 2."""
    for problem in error.problems:
        lines = (f"{problem.field}: {problem.rule}", f"  found: {problem.found}", f"  next:  {problem.next_step}")
        sys.stderr.write("\n".join(lines) + "\n")
    raise SystemExit(2) from error


def env_file() -> Path:
    """Return the file that is read beside the environment: ``.env`` here, or what ``MODELYARD_ENV_FILE`` names."""
    return Path(os.environ.get(PREFIX + "ENV_FILE") or ".env").expanduser()


def variables() -> dict[str, str]:
    """Return the variables that settings are read from: those of the env file, and the environment's, which win."""
    from dotenv import dotenv_values

    path = env_file()
    values = dotenv_values(path, encoding="utf-8") if path.is_file() else {}
    return {name: value for name, value in {**values, **os.environ}.items() if value}


def _has_key(given: dict[str, Any]) -> bool:
    names = ("private_key", "private_key_path")
    known = variables()
    return any(name in given or known.get(PREFIX + name.upper()) for name in names)


def _from_secrets_manager(given: dict[str, Any]) -> dict[str, Any]:
    """Return what AWS Secrets Manager keeps of the App, where a prefix is set and nothing of an App is set elsewhere."""
    known = variables()
    prefix = given.get("secrets_prefix") or known.get("MLOPS_SECRETS_PREFIX")
    names = ("app_id", "webhook_secret", "private_key", "private_key_path")
    elsewhere = [name for name in names if given.get(name) or known.get(PREFIX + name.upper())]
    if not prefix or ({"app_id", "webhook_secret"} < set(elsewhere)):
        return {}
    if elsewhere:
        problem = _body(
            "MLOPS_SECRETS_PREFIX",
            rule="An App's number, key and webhook secret come from one place: they have to be of one App.",
            found=f"{', '.join(_variable(name.upper()) for name in elsewhere)} beside it.",
            next_step="Unset what is beside it, or set all three and unset MLOPS_SECRETS_PREFIX.",
        )
        raise SettingsError([problem])
    from bot.credentials import CredentialsError, SecretsManager

    try:
        stored = SecretsManager(prefix, given.get("aws_region") or known.get("AWS_REGION")).load().plain()
    except CredentialsError as error:
        body = error.body
        problem = _body("MLOPS_SECRETS_PREFIX", rule=body.rule, found=body.found, next_step=body.next_step)
        raise SettingsError([problem]) from None
    if given.get("github_api_url") or known.get(PREFIX + "GITHUB_API_URL"):
        del stored["github_api_url"]
    return stored


def _two_keys(found: str) -> Problem:
    return _body(
        "PRIVATE_KEY",
        rule="Exactly one of MODELYARD_PRIVATE_KEY and MODELYARD_PRIVATE_KEY_PATH is set.",
        found=f"{found}.",
        next_step="Make a private key on the App's settings page and name its file in MODELYARD_PRIVATE_KEY_PATH.",
    )


def _problem(item: Any) -> Problem:
    """Say one of Pydantic's findings in our words."""
    kind = item["type"]
    if kind == "one_key":
        return _two_keys("both" if item["input"].get("private_key") else "neither")
    if kind == "no_sender":
        return _missing("MAIL_FROM")
    if kind == "s3_bucket":
        return _body(
            "MLOPS_S3_BUCKET",
            rule="Runs are stored in a folder that App and runners share: storage in S3 is not there yet.",
            found=f"the bucket {item['input'].get('s3_bucket') or item['input'].get('MLOPS_S3_BUCKET')!r}, and no folder.",
            next_step="Name the folder in MODELYARD_STORAGE_ROOT, which then wins, or unset MLOPS_S3_BUCKET.",
        )
    name = str(item["loc"][0]).upper()
    if kind == "missing":
        return _missing(name)
    field = Settings.model_fields.get(_AS_THEY_ARE.get(name, name.lower()))
    about = f" ({field.description})" if field and field.description else ""
    return _body(
        name,
        rule=f"It has to be {_rule(item)}{about}.",
        found=f"{_shown(name, item.get('input'))}.",
        next_step=f"Correct {_variable(name)}.",
    )


def _rule(item: Any) -> str:
    message = str(item["msg"])
    return message[:1].lower() + message[1:]


def _missing(name: str) -> Problem:
    field = Settings.model_fields[name.lower()]
    others = [known for known, value in os.environ.items() if known.startswith(PREFIX) and value]
    similar = nearest(PREFIX + name, others, cutoff=0.8)
    found = f"nothing, but {similar} is set" if similar else "nothing"
    return _body(
        name, rule=f"It is required: {field.description}.", found=f"{found}.", next_step=f"Set {PREFIX}{name}."
    )


def _shown(name: str, value: object) -> str:
    if name in _SECRET or isinstance(value, dict):
        return "a value that is not shown"
    # An address may hold a password where none belongs.
    return repr(re.sub(r"(?<=//).*@", "***@", str(value), flags=re.DOTALL))[:200]


def _body(name: str, *, rule: str, found: str, next_step: str) -> Problem:
    return Problem(
        kind=SettingsError.kind,
        reason=f"setting_{name.lower()}",
        rule=rule,
        found=found,
        next_step=next_step,
        field=_variable(name),
    )


_AS_THEY_ARE = {
    str(field.validation_alias): name for name, field in Settings.model_fields.items() if field.validation_alias
}
"""The fields whose variables have names of their own."""


def _variable(name: str) -> str:
    return name if name in _AS_THEY_ARE else PREFIX + name
