"""Email: a message as text and HTML, and sending it by SMTP."""

from __future__ import annotations

import contextlib
import hashlib
import html
import re
import smtplib
import ssl
from collections.abc import Collection, Mapping, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Annotated

from pydantic import Field

from actions.context import Context
from actions.contracts.channels import ChannelError, Line, MailAddress, MailServer, missing
from actions.notification.templates import Message, plain
from actions.operation import Result, operation

MAX_RECIPIENTS = 20
_TRANSIENT = range(400, 500)
"""SMTP replies that are temporary; those from 500 are permanent."""


def compose_mail(
    message: Message, footer: str, *, sender: str, to: Sequence[str], key: str = "", links: Collection[str] = ()
) -> EmailMessage:
    """Return an email with the same words as text and as HTML.

    Parameters
    ----------
    message, footer
        The content, as plain text.
    sender, to
        Plain addresses.
    key
        An id that is the same if the notification is sent again. It becomes part of the Message-ID, so that a mail
        program can show duplicates once.
    links
        The only addresses that become links.
    """
    domain = sender.rpartition("@")[2]
    made = EmailMessage(policy=SMTP)
    made["Subject"] = plain(message.title)
    made["From"] = Address("Modelyard", addr_spec=sender)
    made["To"] = ", ".join(to)
    if key:
        made["Message-ID"] = f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(f"{message.body}\n\n-- \n{footer}\n", cte="base64")
    made.add_alternative(_html(message, footer, links), subtype="html", cte="base64")
    return made


def _html(message: Message, footer: str, links: Collection[str]) -> str:
    paragraphs = [part for part in re.split(r"\n{2,}", message.body) if part.strip()]
    body = "".join(f"<p>{_linked(part, links)}</p>\n" for part in paragraphs)
    return (
        '<!doctype html>\n<html><head><meta charset="utf-8"></head>\n'
        '<body style="font-family: sans-serif; line-height: 1.5">\n'
        f'<h2 style="font-size: 1.2em">{html.escape(message.title)}</h2>\n{body}'
        f'<p style="color: #59636e; font-size: 0.85em">{_linked(footer, links)}</p>\n</body></html>\n'
    )


def _linked(text: str, links: Collection[str]) -> str:
    """Escape a text; only known addresses in it become links."""
    known = set(links)
    pieces = [
        f'<a href="{html.escape(piece)}">{html.escape(piece)}</a>' if piece in known else html.escape(piece)
        for piece in re.split(r"(\s+)", text)
    ]
    return "".join(pieces).replace("\n", "<br>\n")


def send(server: MailServer, message: EmailMessage, recipients: Sequence[str]) -> dict[str, ChannelError]:
    """Send an email; return the recipients that the server refused, with the reason. The others receive it.

    Raises
    ------
    ChannelError
        If nobody receives it.
    """
    try:
        smtp = _connected(server)
        try:
            if server.user:
                smtp.login(server.user, server.password)
            refused = smtp.send_message(message, server.sender, list(recipients))
        finally:
            _leave(smtp)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPResponseException as error:
        raise _refused(f"{error.smtp_code} {_text(error.smtp_error)}", error.smtp_code) from None
    except smtplib.SMTPNotSupportedError as error:
        raise _refused(str(error), 0, transient=False) from None
    except ssl.SSLCertVerificationError as error:
        raise _refused(f"an untrusted certificate: {error.verify_message}", 0, transient=False) from None
    except (OSError, ValueError) as error:
        raise _refused(f"{type(error).__name__}: {error}", 0) from None
    return {address: _refused(f"{code} {_text(text)}", code) for address, (code, text) in refused.items()}


def _connected(server: MailServer) -> smtplib.SMTP:
    trusted = ssl.create_default_context()
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=server.seconds, context=trusted)
    smtp = smtplib.SMTP(server.host, server.port, timeout=server.seconds)
    if server.security == "starttls":
        try:
            smtp.starttls(context=trusted)
        except BaseException:
            smtp.close()
            raise
    return smtp


def _leave(smtp: smtplib.SMTP) -> None:
    """Close the connection. The reply does not matter: by now the email is sent or it is not."""
    with contextlib.suppress(smtplib.SMTPException, OSError):
        smtp.quit()
    smtp.close()


def _text(reply: bytes | str) -> str:
    return plain(reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply)[:300]


def _refused(found: str, code: int, *, transient: bool | None = None) -> ChannelError:
    transient = (code == 0 or code in _TRANSIENT) if transient is None else transient
    return ChannelError(
        "mail_refused",
        rule="The mail server must accept the email.",
        found=found,
        next_step="Wait: Modelyard tries again."
        if transient
        else "Check MODELYARD_SMTP_URL, the sender and the recipient.",
        transient=transient,
    )


class SentMail(Result):
    """Who receives the email."""

    taken: list[str] = Field(description="recipients that the server accepted")
    refused: Mapping[str, str] = Field(description="recipients that the server refused, with the reason")


@operation(where="app", open_to_agents="It tells people something, and changes nothing.")
def notify_email(
    to: Annotated[list[MailAddress], Field(min_length=1, max_length=MAX_RECIPIENTS)],
    subject: Line,
    text: Annotated[str, Field(min_length=1, max_length=10_000)],
    context: Context,
    about: Annotated[str, Field(max_length=300)] = "",
) -> SentMail:
    """Send an email as text and HTML. The text is shown literally.

    Parameters
    ----------
    to
        Plain addresses.
    subject
        One line.
    text
        The message. Line breaks are kept; markup has no effect.
    about
        What the message is about, such as a run's id. Shown below the message.

    Raises
    ------
    ChannelError
        ``mail_refused``: the mail server rejected the mail.
    Unavailable
        ``channel_misconfigured``: a setting of the channel is invalid. ``email_not_configured``: no mail server is
        configured.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.contracts.channels import EnvironmentChannels  # MODELYARD_SMTP_URL, MODELYARD_MAIL_FROM
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path("storage")), channels=EnvironmentChannels())
    >>> notify_email(["team@example.org"], "flowers passed", "accuracy: 0.97", context).taken
    ['team@example.org']
    """
    server = context.channels.email if context.channels is not None else None
    if server is None:
        raise missing("email")
    body = "\n".join(plain(line) for line in text.splitlines())
    message = compose_mail(Message(plain(subject), body), plain(about) or "Modelyard", sender=server.sender, to=to)
    refused = send(server, message, to)
    return SentMail(
        taken=[address for address in to if address not in refused],
        refused={address: error.problem.found for address, error in refused.items()},
    )
