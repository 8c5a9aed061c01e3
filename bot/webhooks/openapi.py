"""How ``POST /webhook`` appears in the App's OpenAPI document: its headers, its body and every response."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from bot.webhooks.delivery import REFUSAL_STATUS, InboxResult

_MEANINGS = {
    HTTPStatus.BAD_REQUEST: "not a delivery from GitHub",
    HTTPStatus.UNAUTHORIZED: "not signed by GitHub",
    HTTPStatus.REQUEST_TIMEOUT: "the body did not arrive in time",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "larger than GitHub's limit",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "neither JSON nor a form",
    HTTPStatus.SERVICE_UNAVAILABLE: "not accepted: deliver it again later",
}


class Accepted(BaseModel):
    """The delivery was accepted."""

    model_config = ConfigDict(extra="forbid")

    delivery: str
    result: InboxResult


def _refused(status: int) -> type[BaseModel]:
    reasons = [reason for reason, known in REFUSAL_STATUS.items() if known == status]
    error = Annotated[str, Field(json_schema_extra={"enum": list(reasons)})]
    return create_model(f"Refused{int(status)}", __config__=ConfigDict(extra="forbid"), error=(error, ...))


def _header(name: str, pattern: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": True, "schema": {"type": "string", "pattern": pattern}}


RESPONSES: dict[int | str, dict[str, Any]] = {
    int(status): {"model": _refused(status), "description": meaning} for status, meaning in _MEANINGS.items()
}
REQUEST: dict[str, Any] = {
    "parameters": [
        _header("X-GitHub-Event", "^[a-z][a-z0-9_]{0,63}$"),
        _header("X-GitHub-Delivery", "^[A-Za-z0-9-]{1,100}$"),
        _header("X-Hub-Signature-256", "^sha256=[0-9a-f]{64}$"),
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "application/x-www-form-urlencoded": {
                "schema": {"type": "object", "properties": {"payload": {"type": "string"}}, "required": ["payload"]}
            },
        },
    },
}
"""The endpoint reads its request itself, so FastAPI cannot derive this from a signature."""
