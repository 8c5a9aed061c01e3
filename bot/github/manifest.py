"""The last step of registering an App from a manifest: exchanging the code for the App's id, key and secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr
from pydantic_core import from_json

from bot.credentials import Credentials
from bot.github import errors
from bot.github.models import integer, text

_CODE = re.compile(r"[A-Za-z0-9_-]{1,200}")
_REQUEST = "POST app-manifests/CODE/conversions"
_SECONDS = 20.0
_MAX_BODY = 2**20


@dataclass(frozen=True)
class NewApp:
    """A newly registered App."""

    credentials: Credentials
    slug: str
    html_url: str


async def convert(api_url: str, code: str, transport: httpx.AsyncBaseTransport | None = None) -> NewApp:
    """Exchange the code with which GitHub sent the browser back.

    Raises
    ------
    HubError
        If the code is unknown, used or older than an hour, or GitHub cannot be reached. The error never contains the code.
    """
    if not _CODE.fullmatch(code):
        raise errors.from_status(_REQUEST, 404, "not a code from GitHub", is_write=True)
    headers = {"Accept": "application/vnd.github+json", "User-Agent": "modelyard"}
    try:
        async with (
            httpx.AsyncClient(transport=transport, timeout=_SECONDS, headers=headers) as client,
            client.stream("POST", f"{api_url}/app-manifests/{code}/conversions") as response,
        ):
            body = await _limited(response)
    except httpx.HTTPError as error:
        raise errors.lost(_REQUEST, error, is_write=True) from None
    if response.status_code != httpx.codes.CREATED:
        raise errors.from_status(_REQUEST, response.status_code, errors.words(body), is_write=True)
    return _read(body, api_url)


async def _limited(response: httpx.Response) -> bytes:
    body = b""
    async for part in response.aiter_bytes():
        body += part
        if len(body) > _MAX_BODY:
            raise errors.malformed(_REQUEST, "larger than 1 MiB", is_write=True)
    return body


def _read(body: bytes, api_url: str) -> NewApp:
    try:
        data: Any = from_json(body)  # unlike json, it refuses deep nesting
    except ValueError:
        raise errors.malformed(_REQUEST, "no JSON", is_write=True) from None
    if not isinstance(data, dict):
        raise errors.malformed(_REQUEST, "no object", is_write=True)
    number, secret, key = integer(data, "id"), text(data, "webhook_secret"), text(data, "pem")
    if not number or not secret or not key:
        raise errors.malformed(_REQUEST, "no id, key or webhook secret", is_write=True)
    credentials = Credentials(
        app_id=number, webhook_secret=SecretStr(secret), private_key=SecretStr(key), github_api_url=api_url
    )
    return NewApp(credentials, text(data, "slug"), text(data, "html_url"))
