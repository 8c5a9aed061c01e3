"""``modelyard setup``: serves ``/setup`` and nothing else, walks through GitHub's App manifest flow, keeps the credentials.

Whoever finds it can do nothing: it takes the token that the terminal showed. What this process knows of secrets is the
new App's credentials, from GitHub's answer until they are kept.
"""

from __future__ import annotations

import os
import secrets
import shlex
import sys
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import httpx
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from actions.errors import OperationError, Problem
from actions.text.hosts import LOOPBACK_HOSTS
from bot.admin.app_check import check_app, make_labels
from bot.admin.findings import Finding, ill, of_error
from bot.admin.setup import pages
from bot.admin.setup.form import Choices, read_choices, read_store
from bot.admin.setup.manifest import GITHUB, Hub, manifest
from bot.admin.setup.session import Session, same
from bot.credentials import VARIABLES, Credentials, CredentialsError, CredentialStore, EnvFile
from bot.github.manifest import NewApp, convert
from bot.settings import Settings, SettingsError, env_file, load_settings, variables

COOKIE = "modelyard_setup"
_LARGEST_FORM = 64_000
Page = Callable[[Request, Mapping[str, str]], Awaitable[Response]]


@dataclass(frozen=True)
class Offers:
    """What the first page holds before anybody writes, and whether credentials that exist may be replaced."""

    github: str = GITHUB
    public_url: str = ""
    env_file: str = ".env"
    overwrite: bool = False


@dataclass
class _Registered:
    """The new App, and where its credentials are; ``kept`` None: nowhere yet."""

    app: NewApp
    choices: Choices
    kept: CredentialStore | None = None
    trouble: Problem | None = None
    """Why they could not be kept."""


class SetUp:
    """One set-up, from the first page to the check.

    Parameters
    ----------
    offers
        See ``Offers``.
    session
        Who may use it.
    transport
        Replaces the network to GitHub, for tests.
    """

    def __init__(
        self, offers: Offers, session: Session | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.session = session or Session()
        self._offers = offers
        self._transport = transport
        self._registered: _Registered | None = None
        self._name = f"modelyard-{secrets.token_hex(2)}"

    def app(self) -> Starlette:
        """Return the web application."""
        return Starlette(
            routes=[
                Route("/setup", self._guarded(self._first), methods=["GET"]),
                Route("/setup", self._guarded(self._chosen), methods=["POST"]),
                Route("/setup/callback", self._guarded(self._came_back), methods=["GET"]),
                Route("/setup/store", self._guarded(self._keep_elsewhere), methods=["POST"]),
                Route("/setup/done", self._guarded(self._done), methods=["GET"]),
                Route("/setup/check", self._guarded(self._check), methods=["GET", "POST"]),
            ],
            exception_handlers={404: _nothing, 405: _nothing},
        )

    # --- who may ---------------------------------------------------------------------------------------------------

    def _guarded(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            if request.method == "GET" and (token := request.query_params.get("token")) is not None:
                return self._enter(request, token)
            if not self.session.knows(request.cookies.get(COOKIE, "")):
                return _stranger()
            form: Mapping[str, str] = {}
            if request.method == "POST":
                form = await _read_form(request)
                if not _is_own(request) or not same(form.get("form_token", ""), self.session.form_token):
                    return _refused(
                        HTTPStatus.FORBIDDEN,
                        "Not from here",
                        "This form was not sent from a page of this set-up.",
                        "Load the page again, and send it again.",
                        again=True,
                    )
            return await page(request, form)

        return endpoint

    def _enter(self, request: Request, token: str) -> Response:
        cookie = self.session.enter(token)
        if cookie is None:
            # A second look at the same address, by whoever has come in already.
            return _to("/setup") if self.session.knows(request.cookies.get(COOKIE, "")) else _stranger()
        response = _to("/setup")
        # Lax, not strict: GitHub sends the browser back here. To other machines it goes over HTTPS where that was used.
        response.set_cookie(
            COOKIE, cookie, path="/setup", httponly=True, samesite="lax", secure=_scheme(request) == "https"
        )
        return response

    # --- the pages -------------------------------------------------------------------------------------------------

    async def _first(self, request: Request, _: Mapping[str, str]) -> Response:
        if self._registered is not None:
            return self._after(self._registered)
        if place := await to_thread.run_sync(self._existing):
            return _page(pages.already(self.session.form_token, place))
        given = {
            "github": self._offers.github,
            "name": self._name,
            "public_url": self._offers.public_url or self._reached_at(request),
            "env_file": self._offers.env_file,
            "aws_region": os.environ.get("AWS_REGION", ""),
            "secrets_prefix": os.environ.get("MLOPS_SECRETS_PREFIX", ""),
            "store": "secrets_manager" if os.environ.get("MLOPS_SECRETS_PREFIX") else "env_file",
        }
        return _page(pages.choose(self.session.form_token, given, {}))

    def _reached_at(self, request: Request) -> str:
        """Return the address that the browser uses, where webhooks could come to it, too."""
        address = f"{_scheme(request)}://{request.headers.get('host', '')}"
        own = urllib.parse.urlsplit(address).hostname in LOOPBACK_HOSTS
        return "" if own and not Hub(self._offers.github).is_local else address

    async def _chosen(self, request: Request, form: Mapping[str, str]) -> Response:
        if self._registered is not None:
            return _to("/setup")
        if place := await to_thread.run_sync(self._existing):
            return _page(pages.already(self.session.form_token, place), HTTPStatus.CONFLICT)
        choices, wrong = read_choices(form)
        if choices is not None:
            wrong = await self._wrong_place(choices.store)
        if choices is None or wrong:
            return _page(pages.choose(self.session.form_token, form, wrong), HTTPStatus.UNPROCESSABLE_ENTITY)
        state = self.session.send(choices)
        url = choices.hub.register_url(choices.organization, state)
        what = manifest(
            name=choices.name,
            public_url=choices.public_url,
            redirect_url=f"{_scheme(request)}://{request.headers['host']}/setup/callback",
        )
        text = pages.confirm(register_url=url, manifest=what, place=choices.store.place)
        return HTMLResponse(text, headers=pages.headers(posts_to=choices.hub.url))

    async def _came_back(self, request: Request, _: Mapping[str, str]) -> Response:
        choices = self.session.came_back(request.query_params.get("state", ""))
        code = request.query_params.get("code", "")
        if choices is None or not code:
            return _refused(
                HTTPStatus.BAD_REQUEST,
                "Not what was asked for",
                "This answer of GitHub's belongs to no request that was sent from here within the last hour, or was used.",
                "Start again. If GitHub has made an App meanwhile, delete it there.",
                again=True,
            )
        try:
            made = await convert(choices.hub.api_url, code, self._transport)
        except OperationError as error:
            return _refused(
                HTTPStatus.BAD_GATEWAY,
                "GitHub did not hand the App over",
                error.body.found,
                "Its code is good once, within an hour. Delete the App on GitHub, and start again.",
                again=True,
            )
        self._registered = _Registered(made, choices)
        await self._keep(self._registered, choices.store)
        return _to("/setup")  # so that the code does not stay in the browser's address

    async def _keep(self, registered: _Registered, store: CredentialStore) -> None:
        """Keep the credentials; where that fails they stay in memory, and the page asks for another place."""
        try:
            await to_thread.run_sync(lambda: store.save(registered.app.credentials, overwrite=self._offers.overwrite))
        except CredentialsError as error:
            registered.trouble = error.body
        except Exception as error:  # noqa: BLE001 - the outermost edge: there is no other copy of them; its words may hold one
            registered.trouble = CredentialsError(
                "credentials_not_kept",
                rule="What was asked for keeps the credentials.",
                found=f"{store.place}: {type(error).__name__}",
                next_step="Name another place.",
            ).body
        else:
            registered.kept = store

    def _after(self, registered: _Registered) -> Response:
        """Show what is next for an App that is registered."""
        if registered.kept is None and registered.trouble is not None:
            return _page(pages.keep_elsewhere(self.session.form_token, registered.trouble, {}, {}))
        return _to("/setup/done")

    async def _keep_elsewhere(self, _: Request, form: Mapping[str, str]) -> Response:
        registered = self._registered
        if registered is None or registered.kept is not None:
            return _to("/setup")
        wrong: dict[str, str] = {}
        store = read_store(form, wrong)
        if store is not None:
            await self._keep(registered, store)
            return _to("/setup")
        if registered.trouble is None:
            return _to("/setup")
        text = pages.keep_elsewhere(self.session.form_token, registered.trouble, form, wrong)
        return _page(text, HTTPStatus.UNPROCESSABLE_ENTITY)

    async def _done(self, _: Request, __: Mapping[str, str]) -> Response:
        registered = self._registered
        if registered is None or registered.kept is None:
            return _to("/setup")
        app, hub = registered.app, registered.choices.hub
        page = app.html_url if hub.holds(app.html_url) else f"{hub.url}/apps/{urllib.parse.quote(app.slug, safe='')}"
        text = pages.done(
            self.session.form_token,
            slug=app.slug,
            place=registered.kept.place,
            install_url=f"{page}/installations/new",
            command=_command(registered.kept),
        )
        return _page(text)

    async def _check(self, request: Request, _: Mapping[str, str]) -> Response:
        registered = self._registered
        kept = registered.kept if registered is not None else None
        command = _command(kept) if kept else "modelyard serve"
        if request.method == "GET":
            return _page(pages.checked(self.session.form_token, [], ""))
        webhook = f"{registered.choices.public_url}/webhook" if registered is not None else ""
        findings = await self._findings(kept, webhook)
        return _page(pages.checked(self.session.form_token, findings, command))

    async def _findings(self, kept: CredentialStore | None, webhook_url: str) -> list[Finding]:
        """Check the App with what was kept, read back from there."""
        from bot.github import GitHub

        try:
            settings = await to_thread.run_sync(lambda: _settings(kept))
            found = await to_thread.run_sync(lambda: list(_shadows(kept)))
        except CredentialsError as error:
            return [of_error("Credentials", error.body)]
        except SettingsError as error:
            return [of_error(problem.field or "Settings", problem) for problem in error.problems]
        async with GitHub(settings, self._transport) as github:
            found += [finding async for finding in check_app(github, settings, webhook_url)]
            return found + [finding async for finding in make_labels(github)]

    # --- what is there already -------------------------------------------------------------------------------------

    def _existing(self) -> str:
        """Return where credentials are that must not be replaced; empty where there are none, or they may be."""
        if self._offers.overwrite:
            return ""
        if any(os.environ.get(name) for name in VARIABLES):
            return "this program's environment"
        if any(variables().get(name) for name in VARIABLES):
            return str(env_file())
        return ""

    async def _wrong_place(self, store: CredentialStore) -> dict[str, str]:
        """Look whether the credentials can be kept there, before there is an App that needs it."""
        field = "env_file" if isinstance(store, EnvFile) else "secrets_prefix"
        try:
            there = await to_thread.run_sync(store.exists)
        except CredentialsError as error:
            return {field: f"{error.body.found}. {error.body.next_step}"}
        if there and not self._offers.overwrite:
            return {field: "An App's credentials are there already. Choose another place, or use --overwrite."}
        return {}


def _settings(kept: CredentialStore | None) -> Settings:
    """Return settings made of what was kept alone; without that, those of the environment."""
    if kept is None:
        return load_settings()
    found: Credentials = kept.load()
    return load_settings(
        app_id=found.app_id,
        webhook_secret=found.webhook_secret,
        private_key=found.private_key,
        private_key_path=None,
        github_api_url=found.github_api_url,
        storage_root=Path(".modelyard/storage"),
    )


def _shadows(kept: CredentialStore | None) -> Iterator[Finding]:
    """Name what would win over what was kept when the App is started: the environment, and over AWS the env file, too."""
    if kept is None:
        return
    wins = os.environ if isinstance(kept, EnvFile) else variables()
    names = kept.load().overridden_by(wins)
    if names:
        place = "the environment" if isinstance(kept, EnvFile) else f"the environment or {env_file()}"
        found = f"{', '.join(names)} in {place} would be used instead of what {kept.place} holds"
        yield ill(
            "Credentials", "The App starts with what was kept.", found, "Remove what is named, then start the App."
        )


def _command(kept: CredentialStore) -> str:
    """Return what starts the App with what was kept."""
    variables_ = [f"{name}={shlex.quote(value)}" for name, value in kept.start().items()]
    return " ".join([*variables_, "modelyard serve"])


# --- requests and answers -------------------------------------------------------------------------------------------------


def _scheme(request: Request) -> str:
    """Return how the browser speaks to us, or to the proxy before us: it decides where the browser comes back to."""
    return "https" if request.headers.get("x-forwarded-proto", request.url.scheme) == "https" else "http"


def _is_own(request: Request) -> bool:
    """Tell whether a form comes from one of our own pages, as far as the browser says."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "")
    return site == "same-origin" and (not origin or urllib.parse.urlsplit(origin).netloc == request.headers.get("host"))


async def _read_form(request: Request) -> Mapping[str, str]:
    """Return a form's fields; none where it is too large or no form."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_FORM:
            return {}
    try:
        pairs = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return {}
    return dict(pairs)


def _page(text: str, status: int = HTTPStatus.OK) -> Response:
    return HTMLResponse(text, status, pages.headers())


def _to(path: str) -> Response:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER, {"cache-control": "no-store", "referrer-policy": "no-referrer"})


def _refused(status: int, title: str, why: str, cure: str, *, again: bool = False) -> Response:
    return _page(pages.refused(title, why, cure, again=again), status)


def _stranger() -> Response:
    return _refused(
        HTTPStatus.FORBIDDEN,
        "Not for everybody",
        "This set-up is open to whoever started it.",
        "Open the address that modelyard setup printed in the terminal. It works once, in one browser; start the program again "
        "for another one.",
    )


async def _nothing(_: Request, error: Exception) -> Response:
    status = cast("Any", error).status_code
    return PlainTextResponse("There is nothing but /setup here.\n", status)


# --- the command ------------------------------------------------------------------------------------------------------------


def serve(offers: Offers, host: str, port: int) -> int:
    """Serve ``/setup`` until it is told to stop; print the address that lets one in.

    Parameters
    ----------
    offers
        What the first page holds.
    host, port
        Where to listen; 0 takes a free port.

    Returns
    -------
    int
        The process's exit code.
    """
    import uvicorn

    from bot.observability import log_format as logs

    logs.set_up("WARNING", [])
    set_up = SetUp(offers)

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                listening = self.servers[0].sockets[0].getsockname()[1]
                _say(host, listening, set_up.session.token)

    config: dict[str, Any] = {"log_config": None, "access_log": False, "server_header": False, "proxy_headers": False}
    server = Server(
        uvicorn.Config(set_up.app(), host=host, port=port, lifespan="off", timeout_graceful_shutdown=2, **config)
    )
    server.run()
    return 0 if server.started else 1


def _say(host: str, port: int, token: str) -> None:
    named = "127.0.0.1" if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host  # noqa: S104
    sys.stdout.write(
        f"Open this address in your browser; it works once:\n\n  http://{named}:{port}/setup?token={token}\n\n"
        "Ctrl-C ends this program.\n"
    )
    sys.stdout.flush()
