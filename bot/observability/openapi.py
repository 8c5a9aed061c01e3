"""What the App answers, as an OpenAPI document. It is not served: there is nothing to look up for a person; tests read it."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from bot.version import version

_Object = dict[str, Any]


def description(app: Starlette) -> _Object:
    """Return the OpenAPI 3.1 document of the App's routes.

    Raises
    ------
    KeyError
        For a route that nobody has described here.
    """
    routes = [route for route in app.routes if isinstance(route, Route)]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Modelyard", "version": version()},
        "paths": {
            route.path: {method: _OPERATIONS[method, route.path] for method in _methods(route)} for route in routes
        },
    }


def _methods(route: Route) -> list[str]:
    return sorted(method.lower() for method in (route.methods or ()) if method != "HEAD")


def _header(name: str, pattern: str) -> _Object:
    return {"name": name, "in": "header", "required": True, "schema": {"type": "string", "pattern": pattern}}


def _answer(meaning: str, **properties: _Object) -> _Object:
    schema = {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip
    return {"description": meaning, "content": {"application/json": {"schema": schema}}}


def _page(meaning: str, content_type: str) -> _Object:
    nowhere = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    return {
        "200": {"description": meaning, "content": {content_type: {"schema": {"type": "string"}}}},
        "401": {"description": "not from this machine, and without the dashboard's token", **nowhere},
        "404": {"description": "not from this machine, and there is no token that would help", **nowhere},
    }


def _one_of(*words: str) -> _Object:
    return {"type": "string", "enum": list(words)}


_OPERATIONS: dict[tuple[str, str], _Object] = {
    ("post", "/webhook"): {
        "summary": "Take a webhook delivery from GitHub: it is durable before it is accepted.",
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
        "responses": {
            "202": _answer(
                "accepted", delivery={"type": "string"}, result=_one_of("stored", "repeated", "ignored")
            ),
            "400": _answer(
                "no delivery of GitHub's",
                error=_one_of(
                    "delivery_header_missing", "event_header_missing", "form_without_payload", "not_json",
                    "not_an_object", "body_incomplete",
                ),
            ),
            "401": _answer("not signed by GitHub", error=_one_of("signature_missing", "signature_wrong")),
            "408": _answer("the body did not come in time", error=_one_of("body_too_slow")),
            "413": _answer("larger than any of GitHub's", error=_one_of("body_too_large")),
            "415": _answer("neither JSON nor a form", error=_one_of("content_type_not_json")),
            "503": _answer("not accepted: deliver it again later", error=_one_of("busy", "not_stored")),
        },
    },
    ("get", "/healthz"): {
        "summary": "Tell that the process lives and answers.",
        "responses": {"200": _answer("it does", status=_one_of("alive"))},
    },
    ("get", "/readyz"): {
        "summary": "Tell whether the App can do its work.",
        "responses": {
            "200": _answer("it can", status=_one_of("ready")),
            "503": _answer(
                "it cannot; by part what is in the way",
                status=_one_of("not_ready"),
                troubles={"type": "object", "additionalProperties": {"type": "string"}},
            ),
        },
    },
    ("get", "/"): {
        "summary": "Show a person how everything stands.",
        "responses": _page("the dashboard", "text/html"),
    },
    ("get", "/metrics"): {
        "summary": "Tell Prometheus how everything stands.",
        "responses": _page("the metrics", "text/plain"),
    },
}  # fmt: skip
