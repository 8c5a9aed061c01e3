"""Who may see the dashboard and the metrics: holders of the dashboard's token or, without one, people on this machine.

An App that serves GitHub is behind a public address whose proxy may run on this machine, so a request from this machine
proves nothing there. It does only if the hub is on this machine too, and even then the request must be addressed to this
machine: a page in a browser can point its own host name at 127.0.0.1 (DNS rebinding), but cannot change the Host header.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress

from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request

_PROXY_HEADERS = ("forwarded", "via", "x-real-ip", "cf-connecting-ip", "true-client-ip")


def check_access(request: Request, token: SecretStr | None, *, is_trial: bool) -> None:
    """Raise HTTPException if a request may not see inside: 404 if no token would help, otherwise 401.

    Parameters
    ----------
    request
        The request.
    token
        The dashboard's token. If it is set, everybody needs it.
    is_trial
        Whether the hub is on this machine.
    """
    if token is None:
        if not is_trial or not is_from_this_machine(request):
            raise HTTPException(404)
    # Compared as bytes: a header may contain any character.
    elif not hmac.compare_digest(_token_of(request).encode(), token.get_secret_value().encode()):
        raise HTTPException(401, headers={"www-authenticate": 'Basic realm="Modelyard", charset="UTF-8"'})


def is_from_this_machine(request: Request) -> bool:
    """Return whether a request came from this machine, was addressed to it, and passed through no proxy."""
    has_proxy_header = any(name in _PROXY_HEADERS or name.startswith("x-forwarded-") for name in request.headers)
    # nginx's default configuration adds none of these headers, but it is the only client that speaks HTTP/1.0.
    is_old = request.scope.get("http_version") == "1.0"
    client = request.client.host if request.client else ""
    return not has_proxy_header and not is_old and _is_loopback(client) and _is_loopback(_host(request))


def _host(request: Request) -> str:
    host = request.headers.get("host", "")
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _token_of(request: Request) -> str:
    """Return a request's Bearer token, or the password of its Basic authorization; empty if it has neither."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return ""
