"""Git over HTTP: ``git http-backend`` behind the hub's tokens, streamed both ways."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from runners.local.hub import permissions
from runners.local.hub.errors import ApiError
from runners.local.hub.git import push_events
from runners.local.hub.git.objects import NOTHING
from runners.local.hub.git.repository import ENVIRONMENT, PUSHED
from runners.local.hub.permissions import Actor, Need
from runners.local.hub.records import Repository

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

READ = Need.of("contents:read")
WRITE = Need.of("contents:write")
SERVICES = {"git-upload-pack": READ, "git-receive-pack": WRITE}
CHUNK = 64 * 1024


def mount(hub: Hub) -> list[BaseRoute]:
    """Return the routes: ``/OWNER/REPO(.git)/info/refs`` and the two services."""
    server = SmartHttp(hub)
    return [
        Route("/{owner}/{repo}/info/refs", server.advertise, methods=["GET"]),
        Route("/{owner}/{repo}/git-upload-pack", server.upload_pack, methods=["POST"]),
        Route("/{owner}/{repo}/git-receive-pack", server.receive_pack, methods=["POST"]),
    ]


class _Stream(Response):
    """Streams chunks as they arrive. Unlike Starlette's response, it does not consume the request's body:
    git responds before it has read all of it.
    """

    def __init__(self, parts: AsyncIterator[bytes], status: int, headers: dict[str, str]) -> None:
        super().__init__(status_code=status, headers=headers)
        del self.headers["content-length"]
        self.parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for part in self.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class SmartHttp:
    """Serves fetch and push."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._pushing: dict[int, asyncio.Lock] = {}

    async def advertise(self, request: Request) -> Response:
        """Serve the refs at the start of a fetch or push."""
        service = request.query_params.get("service", "")
        if service not in SERVICES:
            return PlainTextResponse("Please upgrade your git client.", 403)
        return await self._guarded(request, service, "info/refs")

    async def upload_pack(self, request: Request) -> Response:
        """Serve a fetch."""
        return await self._guarded(request, "git-upload-pack", "git-upload-pack")

    async def receive_pack(self, request: Request) -> Response:
        """Accept a push, one at a time per repository, so that its events can be emitted."""
        return await self._guarded(request, "git-receive-pack", "git-receive-pack")

    async def _guarded(self, request: Request, service: str, path: str) -> Response:
        try:
            actor, repository = await run_sync(self._admit, request, SERVICES[service])
        except ApiError as error:
            headers = {"WWW-Authenticate": 'Basic realm="GitHub"'} if error.status == 401 else {}  # noqa: PLR2004
            return PlainTextResponse(f"{error.message}\n", error.status, headers)
        if path != "git-receive-pack":
            return await self._backend(request, repository, actor, path)
        async with self._pushing.setdefault(repository.id, asyncio.Lock()):
            return await self._push(request, repository, actor)

    def _admit(self, request: Request, need: Need) -> tuple[Actor, Repository]:
        """Identify the actor and the repository; request authentication first if there is none."""
        actor = self._hub.auth.actor(request.headers.get("authorization"))
        name = request.path_params["repo"].removesuffix(".git")
        repository = self._hub.repository(f"{request.path_params['owner']}/{name}")
        if actor.kind == "anonymous" and (repository is None or repository.private or need is WRITE):
            raise ApiError(401, "Authentication required")
        if repository is None:
            raise ApiError(404, "Repository not found.")
        permissions.require(self._hub, actor, repository, need)
        return actor, repository

    async def _push(self, request: Request, repository: Repository, actor: Actor) -> Response:
        """Complete the push before responding, so that its events are stored when the client gets the response."""
        with tempfile.NamedTemporaryFile(prefix="hub-push-", mode="r", encoding="utf-8") as pushed:
            answer = await self._backend(request, repository, actor, "git-receive-pack", {PUSHED: pushed.name})
            if not isinstance(answer, _Stream):
                return answer
            body = b"".join([part async for part in answer.parts])
            moves = [line.split(" ", 2) for line in pushed.read().splitlines()]
        for old, new, ref in moves:
            await run_sync(push_events.tell, self._hub, actor, repository, ref, _there(old), _there(new))
        return Response(body, answer.status_code, dict(answer.headers))

    async def _backend(
        self, request: Request, repository: Repository, actor: Actor, path: str, more: Mapping[str, str] | None = None
    ) -> Response:
        process = await asyncio.create_subprocess_exec(
            "git",
            "http-backend",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**self._environment(request, repository, actor, path), **(more or {})},
        )
        feeding = asyncio.create_task(_feed(request, process))
        try:
            status, headers = await _head(process)
        except (ValueError, asyncio.IncompleteReadError):
            await _end(process, feeding)
            return PlainTextResponse("git http-backend gave no answer\n", 500)
        return _Stream(_body(process, feeding), status, headers)

    def _environment(self, request: Request, repository: Repository, actor: Actor, path: str) -> dict[str, str]:
        root = self._hub.config.root / "repositories"
        variables = {
            "GIT_PROJECT_ROOT": str(root.resolve()),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{repository.full_name}.git/{path}",
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": request.url.query,
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": actor.user.login if actor.user else "",
        }
        passed = {"content-encoding": "HTTP_CONTENT_ENCODING", "content-length": "CONTENT_LENGTH"}
        passed |= {"git-protocol": "GIT_PROTOCOL"}
        given = {variable: request.headers[name] for name, variable in passed.items() if name in request.headers}
        return {**ENVIRONMENT, **variables, **given}


async def _feed(request: Request, process: asyncio.subprocess.Process) -> None:
    """Pass the request's body on as it arrives."""
    if process.stdin is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError, ClientDisconnect):
        async for part in request.stream():
            process.stdin.write(part)
            await process.stdin.drain()
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.close()


async def _head(process: asyncio.subprocess.Process) -> tuple[int, dict[str, str]]:
    """Read the CGI header: the status (default 200) and the other fields."""
    if process.stdout is None:
        raise ValueError("no output")
    raw = await process.stdout.readuntil(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in raw.decode("latin-1").splitlines() if ": " in line)
    status = fields.pop("Status", "200 OK")
    return int(status.split()[0]), fields


async def _body(process: asyncio.subprocess.Process, feeding: asyncio.Task[None]) -> AsyncIterator[bytes]:
    try:
        while process.stdout is not None and (part := await process.stdout.read(CHUNK)):
            yield part
    finally:
        await _end(process, feeding)


async def _end(process: asyncio.subprocess.Process, feeding: asyncio.Task[None]) -> None:
    """Clean up, also if the client disconnected."""
    feeding.cancel()
    if process.returncode is None:
        with suppress(ProcessLookupError, TimeoutError):
            await asyncio.wait_for(process.wait(), 1)
    if process.returncode is None:
        process.kill()
        await process.wait()


def _there(sha: str) -> str | None:
    return None if sha == NOTHING else sha
