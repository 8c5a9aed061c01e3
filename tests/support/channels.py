"""Slack and a mail server on this machine: what speaks as they do, and keeps what it was told."""

from __future__ import annotations

import contextlib
import email
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

TOKEN = "xoxb-only-for-tests-0123456789"
USER, PASSWORD = "modelyard", "pass word/only:for@tests"

Plan = tuple[int, dict[str, str], dict[str, Any] | str]
"""A planned answer: status, headers, body."""


def refused(error: str) -> Plan:
    return 200, {}, {"ok": False, "error": error}


LIMITED: Plan = (429, {"Retry-After": "7"}, {"ok": False, "error": "ratelimited"})
BROKEN: Plan = (500, {}, "<html>oops</html>")


@dataclass
class LocalSlack:
    """What ``chat.postMessage`` was told, and how it answers."""

    url: str = ""
    posted: list[dict[str, Any]] = field(default_factory=list)
    """The messages that were taken."""
    asked: list[str] = field(default_factory=list)
    """The channel of every request, the refused ones too."""
    tokens: set[str] = field(default_factory=set)
    plans: list[Plan] = field(default_factory=list)
    """Answers to the next requests; after them everything is well."""
    always: Plan | None = None
    hangs: threading.Event = field(default_factory=threading.Event)
    """Cleared, no request is answered until it is set again."""

    def __post_init__(self) -> None:
        self.hangs.set()

    def reset(self) -> None:
        self.posted.clear()
        self.asked.clear()
        self.plans.clear()
        self.always = None
        self.hangs.set()

    def answer(self, path: str, body: dict[str, Any], token: str) -> Plan:
        assert path == "/api/chat.postMessage", path
        self.asked.append(body["channel"])
        self.tokens.add(token)
        if not self.hangs.is_set():
            self.hangs.wait(20)
            return BROKEN  # to nobody: whoever asked has given up, and another test may go on by now
        plan = self.plans.pop(0) if self.plans else self.always
        if plan is not None:
            return plan
        self.posted.append(body)
        return 200, {}, {"ok": True, "channel": body["channel"], "ts": f"{len(self.posted)}.000100"}


@contextlib.contextmanager
def local_slack() -> Iterator[LocalSlack]:
    """Serve ``chat.postMessage`` on a free port."""
    slack = LocalSlack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, content = slack.answer(self.path, body, self.headers["Authorization"])
            raw = (content if isinstance(content, str) else json.dumps(content)).encode()
            with contextlib.suppress(ConnectionError):  # whoever asked may have given up meanwhile
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    slack.url = f"http://127.0.0.1:{server.server_port}/api/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield slack
    finally:
        slack.hangs.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class LocalMail:
    """What a mail server was given, and what it refuses."""

    host: str = "127.0.0.1"
    port: int = 0
    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    """Each mail with the recipients of its envelope."""
    refuses: dict[str, str] = field(default_factory=dict)
    """Recipient to reply, such as ``450 4.2.1 later``."""
    replies: list[str] = field(default_factory=list)
    """Replies to the next mails' content; after them everything is well."""
    logins: list[str] = field(default_factory=list)
    farewell: str = "221 Bye"

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    @property
    def recipients(self) -> list[str]:
        return [address for addresses, _ in self.taken for address in addresses]

    def reset(self) -> None:
        self.taken.clear()
        self.refuses.clear()
        self.replies.clear()
        self.farewell = "221 Bye"

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the same
        if self.replies:
            return self.replies.pop(0)
        assert isinstance(envelope.content, bytes)
        self.taken.append((list(envelope.rcpt_tos), email.message_from_bytes(envelope.content, policy=default)))
        return "250 taken"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the same
        return self.farewell

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password.decode() == PASSWORD, handled=False)


@contextlib.contextmanager
def local_mail(*, certificate: tuple[Path, Path] | None = None) -> Iterator[LocalMail]:
    """Take mail on a free port; with a certificate and its key only after STARTTLS and a login."""
    mail = LocalMail()
    more: dict[str, Any] = {}
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        more = {
            "tls_context": context,
            "require_starttls": True,
            "auth_required": True,
            "authenticator": mail.authenticate,
        }
        mail.host = "localhost"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        mail.port = free.getsockname()[1]
    controller = Controller(mail, hostname="127.0.0.1", port=mail.port, **more)
    controller.start()
    try:
        yield mail
    finally:
        controller.stop()


@contextlib.contextmanager
def mute_mail() -> Iterator[int]:
    """Take connections and say nothing: the port of a mail server that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for localhost that vouches for itself, and its key; return both files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def body_of(message: EmailMessage, kind: str = "plain") -> str:
    """Return a mail's text, or its HTML."""
    part = message.get_body((kind,))
    assert isinstance(part, EmailMessage)
    return str(part.get_content())
