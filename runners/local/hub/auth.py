"""Credentials: an App's JWT, installation tokens, personal tokens and the tokens of running jobs."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jwt

from runners.local.hub.errors import ApiError, bad_credentials, suspended
from runners.local.hub.ids import read_number
from runners.local.hub.permissions import ANONYMOUS, Actor
from runners.local.hub.records import App, Installation, Repository, Token, User, later, now

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

HOUR = 3_600
JWT_LIFE = 600
CLOCK_SKEW = 5


def new_key_pair() -> tuple[str, str]:
    """Return a new RSA key pair as PEM: private, public."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode("ascii"), public.decode("ascii")


class Authentication:
    """Issues credentials and identifies who presents one."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    # --- issuing -----------------------------------------------------------------------------------------------------

    def issue_personal_token(self, user: User) -> str:
        """Return a new personal token; it does not expire."""
        return self._issue("ghp_", Token(digest="", kind="personal", user_id=user.id))

    def issue_installation_token(
        self,
        installation: Installation,
        *,
        permissions: Mapping[str, str] | None = None,
        repository_ids: Sequence[int] = (),
    ) -> tuple[str, Token]:
        """Return a token valid for an hour, with the installation's permissions and repositories or a subset of them."""
        app = self._hub.apps.need(installation.app_id)
        token = Token(
            digest="",
            kind="installation",
            user_id=app.bot_id,
            installation_id=installation.id,
            permissions=dict(installation.permissions if permissions is None else permissions),
            repository_ids=list(repository_ids),
            expires_at=later(HOUR),
        )
        return self._issue("ghs_", token), token

    def issue_job_token(self, repository: Repository, permissions: Mapping[str, str], run_id: int) -> str:
        """Return the GITHUB_TOKEN of a run's job.

        ``permissions`` uses the REST names (``pull_requests``); ``metadata: read`` is always granted. Valid until
        ``revoke_job_tokens`` is called for the run.
        """
        token = Token(
            digest="",
            kind="job",
            user_id=self._hub.job_account().id,
            run_id=run_id,
            permissions={**permissions, "metadata": "read"},
            repository_ids=[repository.id],
        )
        return self._issue("ghs_", token)

    def change_job_token(self, text: str, permissions: Mapping[str, str]) -> None:
        """Change a job token's permissions, for example when the next job of the same process starts."""
        token = self._hub.tokens.first(digest=_digest(text))
        if token is not None and token.kind == "job":
            self._hub.tokens.update(token.id, permissions={**permissions, "metadata": "read"})

    def revoke_job_tokens(self, run_id: int) -> None:
        """Revoke all tokens of a run's jobs."""
        for token in self._hub.tokens.find(run_id=run_id):
            self._hub.tokens.delete(token.id)

    # --- identifying -------------------------------------------------------------------------------------------------

    def actor(self, header: str | None) -> Actor:
        """Return who sent this Authorization header: 401 if it is invalid, anonymous if there is none."""
        if not header:
            return ANONYMOUS
        scheme, _, value = header.partition(" ")
        value = value.strip()
        if scheme.lower() == "basic":
            return self._by_token(_password(value))
        if scheme.lower() not in ("bearer", "token"):
            raise bad_credentials()
        return self._by_jwt(value) if "." in value else self._by_token(value)

    def app(self, actor: Actor) -> App:
        """Return the App that authenticated with a JWT; 401 otherwise."""
        if actor.kind != "app" or actor.app is None:
            raise ApiError(401, "A JSON web token could not be decoded")
        return actor.app

    def _by_token(self, text: str) -> Actor:
        token = self._hub.tokens.first(digest=_digest(text))
        if token is None or (token.expires_at is not None and token.expires_at <= now()):
            raise bad_credentials()
        user = self._hub.users.need(token.user_id)
        if token.kind == "personal":
            return Actor("person", user, token=token)
        if token.kind == "job":
            return Actor("job", user, token=token)
        installation = self._hub.installations.get(token.installation_id or 0)
        if installation is None:
            raise bad_credentials()
        if installation.suspended_at is not None:
            raise suspended()
        app = self._hub.apps.need(installation.app_id)
        return Actor("installation", user, app, installation, token)

    def _by_jwt(self, text: str) -> Actor:
        try:
            claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            raise ApiError(401, "A JSON web token could not be decoded") from None
        app = self._issuer(str(claims.get("iss", "")))
        if app is None:
            raise ApiError(404, "Integration not found")
        _check_times(claims)
        try:
            jwt.decode(text, app.public_key, algorithms=["RS256"], options={"verify_iat": False}, leeway=CLOCK_SKEW)
        except jwt.ExpiredSignatureError:
            raise _times("Expiration time", "exp", "must be a numeric value representing the future time") from None
        except jwt.InvalidTokenError:
            raise ApiError(401, "A JSON web token could not be decoded") from None
        return Actor("app", self._hub.users.need(app.bot_id), app)

    def _issuer(self, issuer: str) -> App | None:
        return self._hub.apps.get(read_number(issuer) or 0)

    def _issue(self, prefix: str, token: Token) -> str:
        from dataclasses import replace

        text = prefix + secrets.token_urlsafe(30).replace("-", "x").replace("_", "y")[:36]
        self._hub.tokens.add(replace(token, digest=_digest(text)))
        return text


def _check_times(claims: Mapping[str, Any]) -> None:
    issued, expires, clock = claims.get("iat"), claims.get("exp"), time.time()
    if not isinstance(issued, int | float) or issued > clock + CLOCK_SKEW:
        raise _times("Issued at", "iat", "must be an Integer representing the time that the assertion was issued")
    if not isinstance(expires, int | float):
        raise _times("Expiration time", "exp", "must be a numeric value representing the future time")
    if expires > clock + JWT_LIFE + CLOCK_SKEW:
        raise _times("Expiration time", "exp", "is too far in the future")


def _times(name: str, claim: str, rule: str) -> ApiError:
    return ApiError(401, f"'{name}' claim ('{claim}') {rule}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _password(value: str) -> str:
    """Return the token in Basic credentials: the password, or the user name if the password is empty or a placeholder."""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise bad_credentials() from None
    return user if password in ("", "x-oauth-basic") else password
