"""The channels of a deployment: valid addresses, how to reach them, and their errors.

Server addresses and credentials only come from the deployment's settings; a repository names a channel or a recipient.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from email.errors import MessageError
from email.headerregistry import Address
from typing import Annotated, Literal, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BeforeValidator, StringConstraints
from pydantic_core import PydanticCustomError

from actions.errors import OperationError, Unavailable
from actions.text.hosts import LOOPBACK_HOSTS

Event = Literal["waiting", "success", "failure"]
EVENTS: tuple[Event, ...] = ("waiting", "success", "failure")
"""Someone must decide; the model passed; the run ended in any other way."""
ChannelName = Literal["slack", "email"]
Language = Literal["en", "ja"]

SLACK_API = "https://slack.com/api/"
SECONDS = 10.0
"""Seconds to wait for one response of a channel's server."""
_ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}"
_SLACK_NAME = r"#[^\s#@,.<>&:|]{1,80}|[CGD][A-Z0-9]{5,20}"


def _slack_channel(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(_SLACK_NAME, value):
        raise PydanticCustomError(
            "slack_channel", "a channel's id such as C0123456789, or its name in quotes: '#models'"
        )
    return value


def _mail_address(value: object) -> object:
    # Plain addresses only: the other forms of the standard allow header injection.
    if not isinstance(value, str) or not re.fullmatch(_ADDRESS, value) or len(value) > 254:  # noqa: PLR2004 - RFC 5321
        raise PydanticCustomError("mail_address", "one plain address such as team@example.org")
    return value


def _sender_address(value: object) -> object:
    address = _mail_address(value)
    try:  # stricter than for recipients, for example no two dots in a row
        Address(addr_spec=str(address))
    except (ValueError, MessageError):
        raise PydanticCustomError("mail_address", "one plain address such as modelyard@example.org") from None
    return address


SlackChannel = Annotated[str, BeforeValidator(_slack_channel)]
MailAddress = Annotated[str, BeforeValidator(_mail_address)]
SenderAddress = Annotated[str, BeforeValidator(_sender_address)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class ChannelError(OperationError):
    """A channel did not accept a message.

    Parameters
    ----------
    transient
        Whether a retry may help.
    retry_after
        Seconds to wait, as requested by the channel's server.
    """

    kind = "channel_error"

    def __init__(
        self, reason: str, *, rule: str, found: str, next_step: str, transient: bool, retry_after: float = 0
    ) -> None:
        super().__init__(reason, rule=rule, found=found, next_step=next_step)
        self.transient = transient
        self.retry_after = retry_after


@dataclass(frozen=True)
class SlackAccess:
    """Access to Slack."""

    token: str = field(repr=False)
    api_url: str = SLACK_API
    seconds: float = SECONDS


@dataclass(frozen=True)
class MailServer:
    """Access to a mail server.

    Attributes
    ----------
    security
        ``tls`` from the start (smtps), ``starttls``, or ``plain``.
    sender
        The sender's address.
    """

    host: str
    port: int
    security: Literal["tls", "starttls", "plain"]
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)
    seconds: float = SECONDS

    @classmethod
    def at(cls, url: str, sender: str, seconds: float = SECONDS) -> MailServer:
        """Read ``smtp://user:password@host:port`` or ``smtps://...``.

        ``smtp`` means STARTTLS, except for a server on this machine; ``?starttls=no`` (not with a password) and
        ``?starttls=yes`` override this.

        Raises
        ------
        ValueError
            With a description of a valid URL; it does not contain the URL, which may include a password.
        """
        wrong = "a URL such as smtp://user:password@mail.example.org:587 or smtps://..., special characters as %40"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # its message may contain a part of the password
            raise ValueError(wrong) from None
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.path not in {"", "/"} or parts.fragment:
            raise ValueError(wrong)
        if " " in parts.netloc or re.search(r"[\x00-\x1f\x7f]", unquote(parts.netloc)):
            raise ValueError("a URL without spaces or control characters")
        local = parts.hostname in LOOPBACK_HOSTS
        asked = parse_qs(parts.query, keep_blank_values=True)
        starttls = asked.pop("starttls", ["no" if local else "yes"])
        if asked or starttls not in (["yes"], ["no"]):
            raise ValueError("a URL with no other option than ?starttls=yes or ?starttls=no")
        if parts.scheme == "smtps":
            security: Literal["tls", "starttls", "plain"] = "tls"
        else:
            security = "starttls" if starttls == ["yes"] else "plain"
        if security == "plain" and parts.password and not local:
            raise ValueError("a URL whose password does not travel in the clear: without ?starttls=no")
        port = port or {"tls": 465, "starttls": 587, "plain": 25}[security]
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.hostname, port, security, sender, user, password, seconds)


def checked_slack_url(url: str) -> str:
    """Return the base URL of Slack's API as slack-sdk expects it.

    Raises
    ------
    ValueError
        With a description of a valid URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"an address such as {SLACK_API}")
    if parts.username or parts.password:
        raise ValueError("an address without user and password")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("https, except on this machine: the token travels over it")
    return url.rstrip("/") + "/"


class Channels(Protocol):
    """The channels of a deployment; None for those that are not configured."""

    @property
    def slack(self) -> SlackAccess | None: ...
    @property
    def email(self) -> MailServer | None: ...


@dataclass(frozen=True)
class DeploymentChannels:
    """``Channels`` as values."""

    slack: SlackAccess | None = None
    email: MailServer | None = None


class EnvironmentChannels:
    """``Channels`` of an operation run from the command line: read from the environment when needed."""

    @property
    def slack(self) -> SlackAccess | None:
        """Slack with ``MODELYARD_SLACK_TOKEN``."""
        token = os.environ.get("MODELYARD_SLACK_TOKEN")
        if not token:
            return None
        try:
            return SlackAccess(token, checked_slack_url(os.environ.get("MODELYARD_SLACK_API_URL") or SLACK_API))
        except ValueError as error:
            raise _wrong("MODELYARD_SLACK_API_URL", error) from None

    @property
    def email(self) -> MailServer | None:
        """The mail server of ``MODELYARD_SMTP_URL``, with ``MODELYARD_MAIL_FROM``."""
        url, sender = os.environ.get("MODELYARD_SMTP_URL"), os.environ.get("MODELYARD_MAIL_FROM", "")
        if not url:
            return None
        try:
            _sender_address(sender)
            return MailServer.at(url, sender)
        except PydanticCustomError as error:
            raise _wrong("MODELYARD_MAIL_FROM", error) from None
        except ValueError as error:
            raise _wrong("MODELYARD_SMTP_URL", error) from None


def _wrong(name: str, error: ValueError) -> Unavailable:
    return Unavailable(
        "channel_misconfigured",
        rule=f"{name} must be {error}.",
        found="Another value.",
        next_step=f"Correct {name} in the environment.",
    )


def missing(channel: ChannelName) -> Unavailable:
    """Return the error of a channel that is not configured."""
    needs = {"slack": "MODELYARD_SLACK_TOKEN", "email": "MODELYARD_SMTP_URL and MODELYARD_MAIL_FROM"}[channel]
    return Unavailable(
        f"{channel}_not_configured",
        rule=f"{needs} must be set to notify people by {channel}.",
        found="It is not set.",
        next_step=f"Set {needs} where Modelyard runs.",
    )
