"""One webhook delivery: its signature, and what the App has to know of it before it is stored (pure, no I/O)."""

from __future__ import annotations

import hashlib
import hmac
import re
import urllib.parse
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypedDict

import msgspec
from pydantic_core import from_json

USED_EVENTS = frozenset(
    {
        "issues",
        "issue_comment",
        "push",
        "repository_dispatch",
        "workflow_run",
        "workflow_job",
        "installation",
        "installation_repositories",
    }
)
"""The events that the App acts on. Others are answered, counted and not stored."""
DISPATCH = "modelyard-train"
"""The ``event_type`` of a ``repository_dispatch`` that is for the App; GitHub hands it on as the event's action."""

NEWS = frozenset({"workflow_run", "workflow_job"})
"""Those that only have the run looked at which they are about. GitHub sends several for each job."""
_RUN_ID = {"workflow_run": "id", "workflow_job": "run_id"}

_EVENT = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ACTION = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_DELIVERY_ID = re.compile(r"[A-Za-z0-9-]{1,100}")
_SIGNATURE = re.compile(rb"sha256=([0-9a-f]{64})")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9._-]{1,100}")


class _Identified(TypedDict, total=False):
    id: object
    run_id: object
    full_name: object


class _News(TypedDict, total=False):
    action: object
    repository: _Identified | None
    installation: _Identified | None
    workflow_run: _Identified | None
    workflow_job: _Identified | None


_NEWS = msgspec.json.Decoder(_News)
"""Reads these parts of a payload and makes nothing of the others: an eighth of the time."""


class RefusedDelivery(Exception):
    """A delivery that the App does not take, with the status that it is answered with."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Delivery:
    """A webhook that was signed by GitHub.

    Attributes
    ----------
    id
        GitHub's delivery id; the same again is the same delivery.
    event, action
        Such as ``issues`` and ``opened``.
    repository
        ``owner/name``, where the event is about one.
    installation
        The App's installation that it is for.
    payload
        The JSON text as it was signed.
    received_at
        When it came, in UTC.
    workflow_run
        The id of the workflow run that news is about.
    """

    id: str
    event: str
    action: str | None
    repository: str | None
    installation: int | None
    payload: bytes
    received_at: datetime
    workflow_run: int | None = None


class Happened(Protocol):
    """Anything that tells what a webhook is about."""

    @property
    def event(self) -> str: ...
    @property
    def action(self) -> str | None: ...


def is_used(delivery: Happened) -> bool:
    """Tell whether there is anything to do about a delivery. A dispatch for others may hold anything, and is not kept."""
    if delivery.event == "repository_dispatch":
        return delivery.action == DISPATCH
    return delivery.event in USED_EVENTS


Taken = Literal["stored", "repeated", "ignored"]
"""What became of a delivery: new, there is something to do; its id was known already; new, but there is nothing to do."""


def is_signed(body: bytes, signature: bytes, secret: bytes) -> bool:
    """Tell whether ``X-Hub-Signature-256`` is the body's; the time does not depend on where they differ."""
    given = _SIGNATURE.fullmatch(signature)
    if given is None:
        return False
    expected = hmac.new(secret, body, hashlib.sha256).hexdigest().encode("ascii")
    return hmac.compare_digest(given[1], expected)


def is_well_formed_signature(signature: bytes) -> bool:
    """Tell whether a signature could be right at all, before the body is read."""
    return _SIGNATURE.fullmatch(signature) is not None


def check_headers(event: str, delivery_id: str) -> None:
    """Raise RefusedDelivery (400) where one of GitHub's two headers is missing or malformed."""
    if not _DELIVERY_ID.fullmatch(delivery_id):
        raise RefusedDelivery(400, "delivery_header_missing")
    if not _EVENT.fullmatch(event):
        raise RefusedDelivery(400, "event_header_missing")


def unwrapped(body: bytes, content_type: str) -> bytes:
    """Return the JSON text of a body, which GitHub may be set to send as a form with the field ``payload``."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return body
    if kind != "application/x-www-form-urlencoded":
        raise RefusedDelivery(415, "content_type_not_json")
    if not body.startswith(b"payload=") or b"&" in body:
        raise RefusedDelivery(400, "form_without_payload")
    return urllib.parse.unquote_to_bytes(body.removeprefix(b"payload=").replace(b"+", b" "))


def read(delivery_id: str, event: str, text: bytes, received_at: datetime) -> Delivery:
    """Read what the App has to know of a signed delivery.

    Raises
    ------
    RefusedDelivery
        With status 400 where the text is no JSON object, or one that is nested absurdly deep.
    """
    payload = _parsed_news(text) if event in NEWS else _parsed(text)
    action = payload.get("action")
    repository = _part(payload, "repository").get("full_name")
    installation = _part(payload, "installation").get("id")
    workflow_run = _part(payload, event).get(_RUN_ID[event]) if event in NEWS else None
    return Delivery(
        id=delivery_id,
        event=event,
        action=action if isinstance(action, str) and _ACTION.fullmatch(action) else None,
        repository=repository if isinstance(repository, str) and _REPOSITORY.fullmatch(repository) else None,
        installation=installation if _is_id(installation) else None,
        payload=text,
        received_at=received_at,
        workflow_run=workflow_run if _is_id(workflow_run) else None,
    )


def _parsed_news(text: bytes) -> dict[str, Any]:
    try:
        return {**_NEWS.decode(text)}
    except msgspec.ValidationError:
        raise RefusedDelivery(400, "not_an_object") from None
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise RefusedDelivery(400, "not_json") from None


def _parsed(text: bytes) -> dict[str, Any]:
    # The worker reads such a payload once more. This parser is strict, and refuses what is nested 200 levels deep
    # (GitHub's payloads are less than ten).
    try:
        payload = from_json(text, allow_inf_nan=False)
    except ValueError:
        raise RefusedDelivery(400, "not_json") from None
    if not isinstance(payload, dict):
        raise RefusedDelivery(400, "not_an_object")
    return payload


def _part(payload: dict[str, Any], name: str) -> dict[str, Any]:
    part = payload.get(name)
    return part if isinstance(part, dict) else {}


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63
