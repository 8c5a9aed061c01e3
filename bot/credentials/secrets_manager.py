"""Credentials in AWS Secrets Manager."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.credentials import Credentials, CredentialsError, already_exist, checked

_SECRET_NAME = "github-app"  # noqa: S105 - a name
"""Below the prefix. Its value is one JSON object, so that id, key and secret always belong to the same App."""
_PREFIX = re.compile(r"[A-Za-z0-9/_+=.@-]{1,400}")


@dataclass(frozen=True)
class SecretsManager:
    """One secret of AWS, ``PREFIX/github-app``; AWS decides who may read it (role, profile, AWS's own variables)."""

    prefix: str
    region: str | None = None

    @property
    def name(self) -> str:
        return f"{self.prefix.rstrip('/')}/{_SECRET_NAME}"

    @property
    def place(self) -> str:
        return f"AWS Secrets Manager, {self.name}"

    def exists(self) -> bool:
        return self._value() is not None

    def save(self, credentials: Credentials, *, overwrite: bool) -> None:
        exists = self.exists()
        if exists and not overwrite:
            raise already_exist(self.place)
        text = json.dumps(credentials.plain())
        if exists:
            self._call("put_secret_value", SecretId=self.name, SecretString=text)
            return
        description = "Modelyard's GitHub App: id, private key and webhook secret"
        created = self._call(
            "create_secret",
            none_at="ResourceExistsException",
            Name=self.name,
            SecretString=text,
            Description=description,
        )
        if created is None:  # the secret was created beforehand, without a value
            self._call("put_secret_value", SecretId=self.name, SecretString=text)

    def load(self) -> Credentials:
        text = self._value()
        if text is None:
            raise self._failed(
                "the secret does not exist", "Run `modelyard setup`, or correct MLOPS_SECRETS_PREFIX and AWS_REGION."
            )
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        return checked(value, self.place)

    def start(self) -> Mapping[str, str]:
        region = {"AWS_REGION": self.region} if self.region else {}
        return {"MLOPS_SECRETS_PREFIX": self.prefix, **region}

    def _value(self) -> str | None:
        answer = self._call("get_secret_value", none_at="ResourceNotFoundException", SecretId=self.name)
        return None if answer is None else str(answer.get("SecretString", ""))

    def _call(self, what: str, *, none_at: str = "", **parameters: str) -> Any:
        if not _PREFIX.fullmatch(self.prefix) or not self.prefix.strip("/"):
            raise self._failed(
                "the prefix has characters that AWS does not allow", "Use only letters, digits and /_+=.@-."
            )
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
            # AWS's message may repeat what was sent.
            raise self._failed(f"{what}: AWS answered {code}", _cure(code)) from None
        except (BotoCoreError, ValueError) as error:
            raise self._failed(
                type(error).__name__, "Set AWS_REGION, and give this machine a role or a profile."
            ) from None

    def _failed(self, found: str, next_step: str) -> CredentialsError:
        return CredentialsError(
            "secrets_manager_failed",
            rule="AWS Secrets Manager must store the App's credentials and return them to this machine.",
            found=f"{self.name}: {found}",
            next_step=next_step,
        )


def _cure(code: str) -> str:
    if "AccessDenied" in code:
        return "Allow secretsmanager:GetSecretValue on this name, and for setup CreateSecret and PutSecretValue."
    if code == "InvalidRequestException":
        return "If the secret is scheduled for deletion, restore it or use another prefix."
    return "See the AWS documentation of this error."
