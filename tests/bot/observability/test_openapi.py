"""The App answers as its OpenAPI document says, whatever it is sent, signed or not: never with a 5xx."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from requests.auth import AuthBase
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bot.app import create_app
from bot.webhooks.http_limits import BoundedRequests
from runners.local.hub.hub import Hub
from tests.support.gateway import World
from tests.support.github_openapi import AsyncCheckedTransport
from tests.support.serving import serving

CONFORMS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
SECRET = "the secret of the webhook"


class Signed(AuthBase):
    """Signs what is really sent, as GitHub does."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        assert isinstance(body, bytes | str)
        body = body.encode() if isinstance(body, str) else body
        digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        request.headers["X-Hub-Signature-256"] = f"sha256={digest}"
        return request


@pytest.fixture(scope="module")
def api(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    """The App over HTTP, as its document describes it."""
    folder: Path = tmp_path_factory.mktemp("app")
    world = World.of(hub, folder, AsyncCheckedTransport)
    app = create_app(
        world.settings(
            webhook_secret=SECRET, database_url=f"sqlite:///{folder / 'app.db'}", storage_root=folder / "storage"
        )
    )
    schema = schemathesis.openapi.from_dict(app.openapi())
    with serving(app, http=BoundedRequests) as address:
        schema.config.update(base_url=address)
        yield schema


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("auth", [None, Signed()], ids=["unsigned", "signed"])
def test_webhooks_are_answered_as_documented(
    api: schemathesis.BaseSchema, mode: GenerationMode, auth: AuthBase | None
) -> None:
    seen = answers(api["/webhook"]["POST"], mode, auth)
    assert 401 in seen or auth is not None
    assert 202 in seen or auth is None or mode is GenerationMode.NEGATIVE


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/metrics"])
def test_health_and_metrics_routes_answer_as_documented(api: schemathesis.BaseSchema, path: str) -> None:
    assert answers(api[path]["GET"], GenerationMode.POSITIVE) == {200}


def answers(
    operation: schemathesis.APIOperation[Any, Any, Any, Any], mode: GenerationMode, auth: AuthBase | None = None
) -> set[int]:
    """Send what the document lets one send (or does not); return the statuses, each of which was as described."""
    seen: set[int] = set()

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(derandomize=True, database=None, max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case[Any]) -> None:
        response = case.call(auth=auth)
        seen.add(response.status_code)
        case.validate_response(response, checks=CONFORMS)

    ask()
    return seen
