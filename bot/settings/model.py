"""The settings of a deployment, and what makes each of them valid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
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
from actions.text.hosts import LOOPBACK_HOSTS

PREFIX = "MODELYARD_"
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
_DATABASES = ("sqlite", "postgresql")


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class Settings(BaseSettings):
    """The settings of a deployment. Each field is the variable ``MODELYARD_<NAME>``."""

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
    app_id: int = Field(ge=1, description="the App's id, shown on its settings page")
    private_key: SecretStr | None = Field(default=None, description="the App's private key, as PEM text")
    private_key_path: Path | None = Field(default=None, description="the file with the App's private key")
    dashboard_token: SecretStr | None = Field(
        default=None, min_length=16, description="the token for viewing dashboard and metrics"
    )
    github_api_url: str = Field(default="https://api.github.com", description="the API of GitHub, GHES or the hub")
    database_url: str = Field(default="sqlite:///.modelyard/app.db", repr=False, description="the App's database")
    storage_root: Path = Field(default=Path(".modelyard/storage"), description="the folder shared with the runners")
    poll: bool = Field(default=False, description="fetch webhooks from GitHub instead of receiving them")
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = Field(
        default="INFO", description="the least severe messages to log"
    )
    http_timeout_seconds: float = Field(default=15, gt=0, le=120, description="the time-out for GitHub's response")
    time_factor: float = Field(default=1, gt=0, le=100, description="multiplies all waiting times and time-outs")
    slack_token: SecretStr | None = Field(default=None, description="the token of the Slack app that posts messages")
    slack_api_url: str = Field(default=SLACK_API, description="Slack's API, or a proxy for it")
    smtp_url: SecretStr | None = Field(default=None, description="the mail server: smtp://user:password@host:port")
    mail_from: SenderAddress | None = Field(default=None, description="the sender of emails")
    notify_timeout_seconds: float = Field(
        default=10, gt=0, le=60, description="the time-out for Slack and the mail server"
    )
    write_burst: int = Field(default=15, ge=1, le=1_000, description="writes to GitHub sent at once, per installation")
    writes_per_second: float = Field(default=1, gt=0, le=100, description="the rate of writes to GitHub after that")
    # These have the usual names of deployments on AWS.
    aws_region: str | None = Field(
        default=None, validation_alias="AWS_REGION", pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", description="the AWS region"
    )
    s3_bucket: str | None = Field(
        default=None,
        validation_alias="MLOPS_S3_BUCKET",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="the bucket of the storage root, if MODELYARD_STORAGE_ROOT is not set",
    )
    secrets_prefix: str | None = Field(
        default=None,
        validation_alias="MLOPS_SECRETS_PREFIX",
        description="the prefix of the App's credentials in AWS Secrets Manager, PREFIX/github-app",
    )
    sagemaker_role_arn: str | None = Field(
        default=None,
        validation_alias="SAGEMAKER_ROLE_ARN",
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$",
        description="the role that SageMaker's jobs assume",
    )

    @field_validator("github_api_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise PydanticCustomError("address", "Input should be an http(s) URL such as https://api.github.com")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise PydanticCustomError("address", "Input should be a URL without user, password, query or fragment")
        return value.rstrip("/")

    @field_validator("github_api_url")
    @classmethod
    def _keeps_tokens_private(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
            raise PydanticCustomError("address", "Input should use https, except on this machine: it receives tokens")
        return value

    @field_validator("slack_api_url")
    @classmethod
    def _is_slack(cls, value: str) -> str:
        try:
            return checked_slack_url(value)
        except ValueError as error:
            raise _as_custom_error(error) from None

    @field_validator("smtp_url")
    @classmethod
    def _is_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            if value is not None:
                MailServer.at(value.get_secret_value(), "")
        except ValueError as error:
            raise _as_custom_error(error) from None
        return value

    @field_validator("database_url")
    @classmethod
    def _is_known_database(cls, value: str) -> str:
        if value.partition(":")[0].partition("+")[0] not in _DATABASES:
            raise PydanticCustomError("database", "Input should be a URL that starts with sqlite:/// or postgresql://")
        return value

    @field_validator("storage_root")
    @classmethod
    def _is_absolute(cls, value: Path) -> Path:
        if value.parts[:1] == ("s3:",):  # Path has removed one slash
            raise PydanticCustomError("folder", "Input should be a folder: a storage root in S3 is not supported yet")
        path = value.expanduser().absolute()
        if path.exists() and not path.is_dir():
            raise PydanticCustomError("folder", "Input should be a folder, or not exist yet")
        return path

    @field_validator("private_key")
    @classmethod
    def _is_key(cls, value: SecretStr | None) -> SecretStr | None:
        # If a variable must fit on one line, its line ends are written as \n.
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
            raise PydanticCustomError("one_key", "Input should have exactly one of PRIVATE_KEY and PRIVATE_KEY_PATH")
        return self

    @model_validator(mode="after")
    def _has_sender(self) -> Self:
        if self.smtp_url is not None and self.mail_from is None:
            raise PydanticCustomError("no_sender", "Input should have MAIL_FROM with SMTP_URL")
        return self

    @model_validator(mode="after")
    def _has_storage(self) -> Self:
        """Never use a folder of this machine in place of the bucket."""
        if self.s3_bucket and "storage_root" not in self.model_fields_set:
            raise PydanticCustomError("s3_bucket", "Input should have a storage root with MLOPS_S3_BUCKET")
        return self

    @property
    def has_local_hub(self) -> bool:
        """Whether the hub is on this machine, as in a trial or a test."""
        return urlsplit(self.github_api_url).hostname in LOOPBACK_HOSTS

    @property
    def channels(self) -> DeploymentChannels:
        """The channels outside GitHub through which this deployment can notify people."""
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


def _as_custom_error(error: ValueError) -> PydanticCustomError:
    # Passed as a value, since Pydantic would fill in braces.
    return PydanticCustomError("address", "{words}", {"words": str(error)})


def _key_file(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise PydanticCustomError("key_file", "Input should be a readable PEM file") from None


def _checked_key(pem: str) -> SecretStr:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise PydanticCustomError("key", "Input should be an RSA private key in PEM form, without a passphrase")
    return SecretStr(pem)
