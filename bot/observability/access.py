"""Who may look inside: whoever knows the dashboard's token; without one, people who try Modelyard on their own machine.

An App that serves GitHub stands behind a public address, whose proxy may run on this machine: that a request comes from
here says nothing there. Only with a hub on this machine does it, and even then the request has to be meant for this machine: a
page in a browser can have its own host name lead to 127.0.0.1 (DNS rebinding), but cannot change the Host header.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress

from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request

_CAME_FURTHER = ("forwarded", "via", "x-real-ip", "cf-connecting-ip", "true-client-ip")


def check_may_look(request: Request, token: SecretStr | None, *, trying: bool) -> None:
    """Raise HTTPException where a request may not look inside: 404 where no token would help, else 401.

    Parameters
    ----------
    request
        Who asks.
    token
        The dashboard's; where there is one, everybody needs it.
    trying
        Whether the hub is one on this machine.
    """
    if token is None:
        if not trying or not is_from_this_machine(request):
            raise HTTPException(404)
    # Compared as bytes: a header may hold any character.
    elif not hmac.compare_digest(_given(request).encode(), token.get_secret_value().encode()):
        raise HTTPException(401, headers={"www-authenticate": 'Basic realm="Modelyard", charset="UTF-8"'})


def is_from_this_machine(request: Request) -> bool:
    """Tell whether a request came from here, for here, and by no proxy."""
    came_further = any(name in _CAME_FURTHER or name.startswith("x-forwarded-") for name in request.headers)
    # Nginx as it is set up by itself adds no such header, but speaks HTTP/1.0: nobody else does.
    is_old = request.scope.get("http_version") == "1.0"
    client = request.client.host if request.client else ""
    return not came_further and not is_old and _is_loopback(client) and _is_loopback(_host(request))


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


def _given(request: Request) -> str:
    """Return the token of a request: a Bearer's, or the password of a browser's Basic; empty where there is none."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return ""
