"""One webhook delivery: its signature, and what the App must know about it before it is stored (pure, no I/O)."""

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

from actions.github_integration.app_needs import EVENTS

USED_EVENTS = frozenset(event.name for event in EVENTS)
"""The events that the App acts on. Others are counted and acknowledged, but not stored."""
DISPATCH = "modelyard-train"
"""The ``event_type`` of a ``repository_dispatch`` meant for the App. GitHub delivers it as the event's action."""

WAKE_EVENTS = frozenset({"workflow_run", "workflow_job"})
"""Events that only wake the run they concern; their payload is not needed later. GitHub sends several per job."""
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


class _WakePayload(TypedDict, total=False):
    action: object
    repository: _Identified | None
    installation: _Identified | None
    workflow_run: _Identified | None
    workflow_job: _Identified | None


_WAKE_DECODER = msgspec.json.Decoder(_WakePayload)
"""Builds objects for these fields only, which takes an eighth of the time of parsing the whole payload."""


REFUSAL_STATUS: dict[str, int] = {
    "delivery_header_missing": 400,
    "event_header_missing": 400,
    "form_without_payload": 400,
    "not_json": 400,
    "not_an_object": 400,
    "body_incomplete": 400,
    "signature_missing": 401,
    "signature_wrong": 401,
    "body_too_slow": 408,
    "body_too_large": 413,
    "content_type_not_json": 415,
    "busy": 503,
    "not_stored": 503,
}
"""Why a delivery can be refused, with the HTTP status for each reason."""


class RefusedDelivery(Exception):
    """A delivery that the App does not accept, with the reason and the HTTP status."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = REFUSAL_STATUS[reason]


@dataclass(frozen=True)
class Delivery:
    """A webhook that GitHub signed.

    Attributes
    ----------
    id
        GitHub's delivery id; a redelivery has the same one.
    event, action
        Such as ``issues`` and ``opened``.
    repository
        ``owner/name``, if the event concerns a repository.
    installation
        The installation of the App that it was sent to.
    payload
        The JSON text as it was signed.
    received_at
        When it arrived, in UTC.
    workflow_run
        The id of the workflow run that an event in ``WAKE_EVENTS`` concerns.
    holder
        The id of the repository that had the name when the delivery was read; None if none was known.
    """

    id: str
    event: str
    action: str | None
    repository: str | None
    installation: int | None
    payload: bytes
    received_at: datetime
    workflow_run: int | None = None
    holder: int | None = None


class EventInfo(Protocol):
    """Anything that has the event and action of a webhook."""

    @property
    def event(self) -> str: ...
    @property
    def action(self) -> str | None: ...


def is_used(delivery: EventInfo) -> bool:
    """Return whether the App acts on a delivery. A dispatch meant for another receiver may contain anything and is not stored."""
    if delivery.event == "repository_dispatch":
        return delivery.action == DISPATCH
    return delivery.event in USED_EVENTS


InboxResult = Literal["stored", "repeated", "ignored"]
"""What happened to a delivery: stored; already known by its id; new, but the App does nothing about it."""


def is_signed(body: bytes, signature: bytes, secret: bytes) -> bool:
    """Return whether ``X-Hub-Signature-256`` matches the body, comparing in constant time."""
    match = _SIGNATURE.fullmatch(signature)
    if match is None:
        return False
    expected = hmac.new(secret, body, hashlib.sha256).hexdigest().encode("ascii")
    return hmac.compare_digest(match[1], expected)


def is_well_formed_signature(signature: bytes) -> bool:
    """Return whether a header looks like a signature, which is known before the body is read."""
    return _SIGNATURE.fullmatch(signature) is not None


def check_headers(event: str, delivery_id: str) -> None:
    """Raise RefusedDelivery if one of GitHub's two headers is missing or malformed."""
    if not _DELIVERY_ID.fullmatch(delivery_id):
        raise RefusedDelivery("delivery_header_missing")
    if not _EVENT.fullmatch(event):
        raise RefusedDelivery("event_header_missing")


def unwrapped(body: bytes, content_type: str) -> bytes:
    """Return the JSON text of a body. GitHub can be configured to send it as a form with the field ``payload``."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return body
    if kind != "application/x-www-form-urlencoded":
        raise RefusedDelivery("content_type_not_json")
    if not body.startswith(b"payload=") or b"&" in body:
        raise RefusedDelivery("form_without_payload")
    return urllib.parse.unquote_to_bytes(body.removeprefix(b"payload=").replace(b"+", b" "))


def read(delivery_id: str, event: str, text: bytes, received_at: datetime) -> Delivery:
    """Read what the App must know about a signed delivery.

    Raises
    ------
    RefusedDelivery
        If the text is not a JSON object, or is nested absurdly deep.
    """
    payload = _parsed_wake_payload(text) if event in WAKE_EVENTS else _parsed(text)
    action = payload.get("action")
    repository = _part(payload, "repository").get("full_name")
    installation = _part(payload, "installation").get("id")
    workflow_run = _part(payload, event).get(_RUN_ID[event]) if event in WAKE_EVENTS else None
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


def _parsed_wake_payload(text: bytes) -> dict[str, Any]:
    try:
        return {**_WAKE_DECODER.decode(text)}
    except msgspec.ValidationError:
        raise RefusedDelivery("not_an_object") from None
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise RefusedDelivery("not_json") from None


def _parsed(text: bytes) -> dict[str, Any]:
    # The worker parses this payload again later, so it must be valid: this parser is strict and refuses more than 200
    # levels of nesting (GitHub's payloads have fewer than ten).
    try:
        payload = from_json(text, allow_inf_nan=False)
    except ValueError:
        raise RefusedDelivery("not_json") from None
    if not isinstance(payload, dict):
        raise RefusedDelivery("not_an_object")
    return payload


def _part(payload: dict[str, Any], name: str) -> dict[str, Any]:
    part = payload.get(name)
    return part if isinstance(part, dict) else {}


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63
