"""Holds requests and responses against GitHub's own description of its REST API, in the version that the request names.

``Checker().check(request, response)`` takes an httpx pair (also Starlette's test client, which is httpx). An
``AssertionError`` says what GitHub would not have answered, or would have refused. As a transport it does so for every
call of a client: ``httpx.Client(transport=CheckedTransport(httpx.HTTPTransport()))`` and ``AsyncCheckedTransport``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
from jsonschema.validators import extend
from openapi_core import OpenAPI
from openapi_core.configurations import Config
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from openapi_core.validation.request.validators import V30RequestBodyValidator
from openapi_core.validation.schemas.exceptions import InvalidSchemaValue
from openapi_schema_validator import OAS30Validator
from werkzeug.datastructures import Headers, ImmutableMultiDict

from runners.local.hub.editions import OLDEST_VERSION
from runners.local.hub.faults import PLANNED

DATA = Path(__file__).parents[1] / "data"
PREFIX = "/api/v3"
SERVER = "https://api.github.com"
OBJECT = "application/vnd.github.object"
DEEP = ("path", "ref", "basehead", "branch", "tree_sha", "name")
"""Path parameters that may hold slashes, and ``name``, which holds what a URL has to escape."""

ID = re.compile(r"[0-9]{1,15}")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class _Request:
    """What openapi-core reads of a request; parameters with slashes are replaced by a word."""

    host_url: str
    path: str
    path_pattern: str
    method: str
    parameters: RequestParameters
    content_type: str
    body: bytes | None


@dataclass(frozen=True)
class _Route:
    pattern: re.Pattern[str]
    template: str
    methods: frozenset[str]


class Api:
    """One version of one GitHub's API, as it describes it."""

    def __init__(self, description: dict[str, Any]) -> None:
        self._description = description
        self._validator_class = _remembering_validator()
        self._validators: dict[tuple[str, ...], Any] = {}
        self._right_parameters: set[tuple[Any, ...]] = set()
        """Those of the requests that were checked; the description has no parameters in headers."""

    @functools.cached_property
    def _request_validators(self) -> tuple[Any, Any]:
        """The validator of whole requests, and that of their bodies alone."""
        # The description is GitHub's and was checked when it was cut; checking it again costs a second.
        found = OpenAPI.from_dict(self._description, config=Config(spec_validator_cls=None))
        return found.request_validator, V30RequestBodyValidator(found.spec, spec_validator_cls=None)

    @functools.cached_property
    def _routes(self) -> list[_Route]:
        """The routes, those with the fewest open parts first."""
        found = []
        for template, item in self._description["paths"].items():
            pattern = re.sub(r"\\{(\w+)\\}", _part, re.escape(template))
            methods = frozenset(method.upper() for method in item if method != "parameters")
            found.append(_Route(re.compile(pattern), template, methods))
        return sorted(found, key=lambda route: (route.template.count("{"), -len(route.template)))

    def route(self, method: str, path: str) -> _Route | None:
        return next((item for item in self._routes if item.pattern.fullmatch(path) and method in item.methods), None)

    def permitted_keys(self, method: str, template: str) -> set[str]:
        """Return the keys of a body that is an object."""
        body = self._description["paths"][template][method.lower()].get("requestBody", {})
        return _keys(body.get("content", {}).get("application/json", {}).get("schema", {}))

    def check_request(self, what: str, request: _Request) -> None:
        """Check a request; if its parameters were right before, only the body: parameters take ten times as long."""
        whole, body = self._request_validators
        words = ((name, _alike(value)) for name, value in sorted(request.parameters.path.items()))
        parameters = (request.method, request.path_pattern, *words, str(request.parameters.query))
        if parameters not in self._right_parameters:
            _run(f"{what}: the request", whole.validate, request)
            self._right_parameters.add(parameters)
        elif request.body is not None:
            _run(f"{what}: the request", body.validate, request)

    def check_response(self, what: str, route: _Route, request: _Request, response: httpx.Response) -> None:
        status = str(response.status_code)
        known = self._description["paths"][route.template][request.method]["responses"]
        if status == "304" or (status in known and not _is_json(response)):
            return  # Not modified, no body, or a file as it is.
        if status not in known:
            # The description leaves out most refusals; all of them have this body.
            assert response.status_code >= 400, f"{what}: GitHub's description has no such status"
            self._hold_error(response)
            return
        where: tuple[str, ...] = ("paths", route.template, request.method, "responses", status)
        if "$ref" in known[status]:
            where = tuple(known[status]["$ref"].split("/")[1:])
        content = functools.reduce(lambda found, name: found[name], where, self._description).get("content", {})
        if not content and response.status_code >= 400:
            self._hold_error(response)
            return
        as_object = request.parameters.header.get("accept", "").startswith(OBJECT) and OBJECT in content
        wanted = OBJECT if as_object else "application/json"
        assert wanted in content, f"{what}: GitHub's description has no JSON body here"
        self.hold(what, (*where, "content", wanted, "schema"), response.json())

    def _hold_error(self, response: httpx.Response) -> None:
        self.hold("basic-error", ("components", "schemas", "basic-error"), response.json())

    def hold(self, what: str, where: tuple[str, ...], value: Any) -> None:
        """Hold a value against the schema at a place of the description."""
        if where not in self._validators:
            pointer = "/".join(part.replace("~", "~0").replace("/", "~1") for part in where)
            # The validator of the whole description, told where to begin; openapi-core's own refuses some right unions.
            schema = {"$ref": f"#/{pointer}", **self._description}
            self._validators[where] = self._validator_class(schema, format_checker=OAS30Validator.FORMAT_CHECKER)
        errors = list(self._validators[where].iter_errors(value))
        assert not errors, f"{what}: not as GitHub describes it: " + "; ".join(_told(error) for error in errors[:5])


def _remembering_validator() -> Any:
    """Return a class of validators that validate no value against the same schema twice.

    Answers repeat the same users, repositories and comments, and validating them is slow. All validators of one class must
    share a description: schemas are remembered by name.
    """
    validate = OAS30Validator.VALIDATORS["$ref"]
    valid: set[bytes] = set()

    def remember(validator: Any, name: str, value: Any, schema: Any) -> Iterator[Any]:
        pair = hashlib.blake2b(f"{name} {json.dumps(value)}".encode(), digest_size=16).digest()
        if pair in valid:
            return
        is_valid = True
        for error in validate(validator, name, value, schema):
            is_valid = False
            yield error
        if is_valid:
            valid.add(pair)

    return extend(OAS30Validator, {"$ref": remember})


def _keys(schema: dict[str, Any]) -> set[str]:
    unions = (part for kind in ("anyOf", "allOf") for part in schema.get(kind, ()))
    return set(schema.get("properties", {})).union(*map(_keys, unions))


class Checker:
    """Checks pairs; ``seen`` collects the routes and statuses that were."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str, int]] = set()

    def check(self, request: httpx.Request, response: httpx.Response) -> None:
        """Check one pair; what is not under ``/api/v3`` is left alone. Both bodies have to be read already."""
        path = request.url.raw_path.decode("ascii").partition("?")[0]
        if not path.startswith(PREFIX + "/"):
            return
        what = f"{request.method} {path} -> {response.status_code}"
        api = api_of(request, response)
        route = api.route(request.method, path.removeprefix(PREFIX))
        assert route is not None, f"{what}: GitHub's description has no such route"
        assert response.status_code < 500 or PLANNED in response.headers, f"{what}: {response.text[:500]}"
        self.seen.add((request.method, route.template, response.status_code))
        plain = _plain(request, route, path)
        if response.status_code < 400:
            api.check_request(what, plain)
        api.check_response(what, route, plain, response)


class CheckedTransport(httpx.BaseTransport):
    """Checks everything that a client sends and receives."""

    def __init__(self, inner: httpx.BaseTransport, checker: Checker | None = None) -> None:
        self.inner = inner
        self.checker = checker or Checker()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        response = self.inner.handle_request(request)
        response.read()
        return _checked(self.checker, request, response)

    def close(self) -> None:
        self.inner.close()


class AsyncCheckedTransport(httpx.AsyncBaseTransport):
    """The same for an asynchronous client, such as githubkit's (``async_transport=``)."""

    def __init__(self, inner: httpx.AsyncBaseTransport, checker: Checker | None = None) -> None:
        self.inner = inner
        self.checker = checker or Checker()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        response = await self.inner.handle_async_request(request)
        await response.aread()
        return _checked(self.checker, request, response)

    async def aclose(self) -> None:
        await self.inner.aclose()


def _checked(checker: Checker, request: httpx.Request, response: httpx.Response) -> httpx.Response:
    checker.check(request, response)
    whole = httpx.Response(response.status_code, headers=response.headers, content=response.content, request=request)
    whole.extensions.update({"http_version": b"HTTP/1.1"})
    return whole


def api_of(request: httpx.Request, response: httpx.Response) -> Api:
    """Return the API that a request was sent to."""
    ghes = response.headers.get("x-github-enterprise-version", "").removeprefix("enterprise-server@").rpartition(".")[0]
    version = request.headers.get("x-github-api-version", OLDEST_VERSION)
    return api(ghes, version if response.status_code != 400 else OLDEST_VERSION)


@functools.cache
def api(ghes: str = "", version: str = OLDEST_VERSION) -> Api:
    """Return a GHES release's API (by default github.com's) in a version."""
    name = f"github-openapi-ghes-{ghes}-subset.json" if ghes else "github-openapi-subset.json"
    content: dict[str, Any] = json.loads((DATA / name).read_text(encoding="utf-8"), object_hook=_mended)
    for operation in (operation for item in content["paths"].values() for operation in item.values()):
        for change in operation.pop("x-github-breaking-changes", ()) if isinstance(operation, dict) else ():
            if change["version"] <= version:
                _change(operation, change["patch"])
    return Api(content)


def _change(operation: Any, patch: Any) -> None:
    """Apply GitHub's change to an operation: a merge patch (RFC 7396), or a list of steps (RFC 6902)."""
    for step in patch if isinstance(patch, list) else ():
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:])
        holder = functools.reduce(lambda found, name: found.get(name, {}), parents, operation)
        if step["op"] == "remove":
            holder.pop(last, None)
        else:
            holder[last] = step["value"]
    for name, value in patch.items() if isinstance(patch, dict) else ():
        if value is None:
            operation.pop(name, None)
        elif isinstance(value, dict):
            _change(operation.setdefault(name, {}), value)
        else:
            operation[name] = value


def _mended(schema: dict[str, Any]) -> dict[str, Any]:
    """Let ``nullable`` mean null also beside ``enum``, ``anyOf`` and the like, as GitHub means it: OpenAPI does not.

    In one place it asks for an account that is a user and an enterprise at once: either will do.
    """
    if {item.get("title") for item in schema.get("allOf", ())} == {"Simple User", "Enterprise"}:
        schema["anyOf"] = schema.pop("allOf")
    if "oneOf" in schema:  # Its members overlap: every basic error is one of the special errors as well.
        schema["anyOf"] = [*schema.get("anyOf", ()), *schema.pop("oneOf")]
    schema.pop("discriminator", None)  # Where a body may be an array, it has no property to tell the kinds apart.
    if schema.get("nullable") is True:
        if "enum" in schema and None not in schema["enum"]:
            schema["enum"].append(None)
        if "anyOf" in schema:
            schema["anyOf"].append({"enum": [None], "nullable": True})
        if "allOf" in schema:
            schema["anyOf"] = [{"allOf": schema.pop("allOf")}, {"enum": [None], "nullable": True}]
    return schema


def check_shape(name: str, value: Any) -> None:
    """Hold a value, such as a webhook's ``issue``, against one of the description's schemas."""
    api().hold(name, ("components", "schemas", name), value)


def _part(match: re.Match[str]) -> str:
    if match[1] == "path":
        return "(?P<path>.*)"  # Empty: the repository's own folder.
    return f"(?P<{match[1]}>.+)" if match[1] in DEEP else f"(?P<{match[1]}>[^/]+)"


def _plain(request: httpx.Request, route: _Route, path: str) -> _Request:
    match = route.pattern.fullmatch(path.removeprefix(PREFIX))
    found = match.groupdict() if match else {}
    words = {name: "x" if name in DEEP else value for name, value in found.items()}
    query = parse_qs(request.url.query.decode("ascii"), keep_blank_values=True)
    # The description calls `created` a date-time; GitHub's documentation has it take the syntax of a search (>=...).
    pairs = [
        (name, value.lstrip("<>=") if name == "created" else value)
        for name, values in query.items()
        for value in values
    ]
    return _Request(
        host_url=SERVER,
        path=re.sub(r"\{(\w+)\}", lambda part: words[part[1]], route.template),
        path_pattern=route.template,
        method=request.method.lower(),
        parameters=RequestParameters(
            query=ImmutableMultiDict(pairs), header=Headers(list(request.headers.items())), path=words
        ),
        content_type=request.headers.get("content-type", "application/json"),
        body=request.content or None,
    )


def _alike(word: str) -> str:
    """Return the same word for all ids and for all commits: the description puts no bounds on them."""
    return "id" if ID.fullmatch(word) else "commit" if COMMIT.fullmatch(word) else word


def _is_json(response: httpx.Response) -> bool:
    given: str = response.headers.get("content-type", "")
    return given.partition(";")[0] == "application/json"


def _told(error: Any) -> str:
    """Say where a value is wrong, and why; of a union, why each of its members is."""
    place, reasons = "/".join(map(str, error.absolute_path)), [error.message[-300:]]
    reasons += [f"{'/'.join(map(str, item.absolute_path))}: {item.message[-200:]}" for item in error.context or ()]
    return f"{place}: " + " | ".join(reasons[:6])


def _run(what: str, validate: Any, *pair: Any) -> None:
    try:
        validate(*pair)
    except OpenAPIError as error:
        raise AssertionError(f"{what} is not as GitHub describes it: " + "; ".join(_causes(error))) from error


def _causes(error: BaseException) -> Iterator[str]:
    """Say what was wrong, from the outermost error to the fields."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InvalidSchemaValue):
            for item in list(cause.schema_errors)[:5]:
                yield f"{'/'.join(map(str, getattr(item, 'path', ())))}: {str(getattr(item, 'message', item))[:300]}"
        else:
            yield str(cause)[:300] or type(cause).__name__
        cause = cause.__cause__
