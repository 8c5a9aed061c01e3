"""The server behind ``modelyard setup``: GitHub's App manifest flow, page by page. It serves ``/setup`` and nothing else.

A visitor needs the token that the terminal showed. The only secrets in this process are the new App's credentials, from
GitHub's response until they are stored.
"""

from __future__ import annotations

import os
import secrets
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import httpx
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from actions.errors import OperationError, Problem
from actions.text.hosts import LOOPBACK_HOSTS
from bot.admin.setup import pages
from bot.admin.setup.check import check_stored, start_command
from bot.admin.setup.form import Choices, read_choices, read_store
from bot.admin.setup.manifest import GITHUB, Hub, manifest
from bot.admin.setup.responses import html, is_own, not_found, read_form, redirect, refused, scheme, stranger, webhook
from bot.admin.setup.session import Session, same
from bot.credentials import VARIABLES, CredentialsError, CredentialStore
from bot.credentials.env_file import EnvFile
from bot.github.manifest import NewApp, convert
from bot.settings import env_file, variables

COOKIE = "modelyard_setup"
Page = Callable[[Request, Mapping[str, str]], Awaitable[Response]]


@dataclass(frozen=True)
class Defaults:
    """The initial values of the first page, and whether existing credentials may be replaced."""

    github: str = GITHUB
    public_url: str = ""
    env_file: str = ".env"
    overwrite: bool = False


@dataclass
class _Registered:
    """The new App, and the store of its credentials; ``stored`` is None until they are stored."""

    app: NewApp
    choices: Choices
    stored: CredentialStore | None = None
    problem: Problem | None = None
    """Why they could not be stored."""


class Setup:
    """One setup, from the first page to the check.

    Parameters
    ----------
    defaults
        See ``Defaults``.
    session
        Decides who may use it.
    transport
        Replaces the network to GitHub, for tests.
    """

    def __init__(
        self, defaults: Defaults, session: Session | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.session = session or Session()
        self._defaults = defaults
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
                Route("/setup/store", self._guarded(self._store_elsewhere), methods=["POST"]),
                Route("/setup/done", self._guarded(self._done), methods=["GET"]),
                Route("/webhook", webhook, methods=["POST"]),
                Route("/setup/check", self._guarded(self._check), methods=["GET", "POST"]),
            ],
            exception_handlers={404: not_found, 405: not_found},
        )

    # --- access ---------------------------------------------------------------------------------------------------

    def _guarded(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            if request.method == "GET" and (token := request.query_params.get("token")) is not None:
                return self._enter(request, token)
            if not self.session.knows(request.cookies.get(COOKIE, "")):
                return stranger()
            form: Mapping[str, str] = {}
            if request.method == "POST":
                form = await read_form(request)
                if not is_own(request) or not same(form.get("form_token", ""), self.session.form_token):
                    return refused(
                        HTTPStatus.FORBIDDEN,
                        "Form refused",
                        "This form was not sent from a page of this setup.",
                        "Reload the page and submit it again.",
                        again=True,
                    )
            return await page(request, form)

        return endpoint

    def _enter(self, request: Request, token: str) -> Response:
        cookie = self.session.enter(token)
        if cookie is None:
            # The same URL again, from the browser that has the session.
            return redirect("/setup") if self.session.knows(request.cookies.get(COOKIE, "")) else stranger()
        response = redirect("/setup")
        # Lax, not strict: GitHub sends the browser back here. A session that started over HTTPS stays on HTTPS.
        response.set_cookie(
            COOKIE, cookie, path="/setup", httponly=True, samesite="lax", secure=scheme(request) == "https"
        )
        return response

    # --- the pages -------------------------------------------------------------------------------------------------

    async def _first(self, request: Request, _: Mapping[str, str]) -> Response:
        if self._registered is not None:
            return self._after(self._registered)
        if place := await to_thread.run_sync(self._existing):
            return html(pages.already(self.session.form_token, place))
        given = {
            "github": self._defaults.github,
            "name": self._name,
            "public_url": self._defaults.public_url or self._reached_at(request),
            "env_file": self._defaults.env_file,
            "aws_region": os.environ.get("AWS_REGION", ""),
            "secrets_prefix": os.environ.get("MLOPS_SECRETS_PREFIX", ""),
            "store": "secrets_manager" if os.environ.get("MLOPS_SECRETS_PREFIX") else "env_file",
        }
        return html(pages.choose(self.session.form_token, given, {}))

    def _reached_at(self, request: Request) -> str:
        """Return the address that the browser uses, if webhooks can reach it as well."""
        address = f"{scheme(request)}://{request.headers.get('host', '')}"
        is_loopback = urllib.parse.urlsplit(address).hostname in LOOPBACK_HOSTS
        return "" if is_loopback and not Hub(self._defaults.github).is_local else address

    async def _chosen(self, request: Request, form: Mapping[str, str]) -> Response:
        if self._registered is not None:
            return redirect("/setup")
        if place := await to_thread.run_sync(self._existing):
            return html(pages.already(self.session.form_token, place), HTTPStatus.CONFLICT)
        choices, wrong = read_choices(form)
        if choices is not None:
            wrong = await self._store_errors(choices.store)
        if choices is None or wrong:
            return html(pages.choose(self.session.form_token, form, wrong), HTTPStatus.UNPROCESSABLE_ENTITY)
        state = self.session.send(choices)
        url = choices.hub.register_url(choices.organization, state)
        app_manifest = manifest(
            name=choices.name,
            public_url=choices.public_url,
            redirect_url=f"{scheme(request)}://{request.headers['host']}/setup/callback",
        )
        text = pages.confirm(register_url=url, manifest=app_manifest, place=choices.store.place)
        return HTMLResponse(text, headers=pages.headers(posts_to=choices.hub.url))

    async def _came_back(self, request: Request, _: Mapping[str, str]) -> Response:
        choices = self.session.came_back(request.query_params.get("state", ""))
        code = request.query_params.get("code", "")
        if choices is None or not code:
            return refused(
                HTTPStatus.BAD_REQUEST,
                "Unexpected response",
                "This response from GitHub belongs to no request sent from here within the last hour, or was already used.",
                "Start again. If GitHub has created an App meanwhile, delete it there.",
                again=True,
            )
        try:
            new_app = await convert(choices.hub.api_url, code, self._transport)
        except OperationError as error:
            return refused(
                HTTPStatus.BAD_GATEWAY,
                "GitHub did not return the App's credentials",
                error.problem.found,
                "The code is valid once, within an hour. Delete the App on GitHub and start again.",
                again=True,
            )
        self._registered = _Registered(new_app, choices)
        await self._save(self._registered, choices.store)
        return redirect("/setup")  # keeps the code out of the browser's address bar

    async def _save(self, registered: _Registered, store: CredentialStore) -> None:
        """Store the credentials. If that fails, they stay in memory and the page asks for another place."""
        try:
            await to_thread.run_sync(lambda: store.save(registered.app.credentials, overwrite=self._defaults.overwrite))
        except CredentialsError as error:
            registered.problem = error.problem
        except Exception as error:  # noqa: BLE001 - the outermost edge: there is no other copy of them, and the message may contain one
            registered.problem = CredentialsError(
                "credentials_not_stored",
                rule="The credentials must be stored.",
                found=f"{store.place}: {type(error).__name__}",
                next_step="Choose another place.",
            ).problem
        else:
            registered.stored = store

    def _after(self, registered: _Registered) -> Response:
        """Show the next step for a registered App."""
        if registered.stored is None and registered.problem is not None:
            return html(pages.store_elsewhere(self.session.form_token, registered.problem, {}, {}))
        return redirect("/setup/done")

    async def _store_elsewhere(self, _: Request, form: Mapping[str, str]) -> Response:
        registered = self._registered
        if registered is None or registered.stored is not None:
            return redirect("/setup")
        wrong: dict[str, str] = {}
        store = read_store(form, wrong)
        if store is not None:
            await self._save(registered, store)
            return redirect("/setup")
        if registered.problem is None:
            return redirect("/setup")
        text = pages.store_elsewhere(self.session.form_token, registered.problem, form, wrong)
        return html(text, HTTPStatus.UNPROCESSABLE_ENTITY)

    async def _done(self, _: Request, __: Mapping[str, str]) -> Response:
        registered = self._registered
        if registered is None or registered.stored is None:
            return redirect("/setup")
        app, hub = registered.app, registered.choices.hub
        page = app.html_url if hub.holds(app.html_url) else f"{hub.url}/apps/{urllib.parse.quote(app.slug, safe='')}"
        text = pages.done(
            self.session.form_token,
            slug=app.slug,
            place=registered.stored.place,
            install_url=f"{page}/installations/new",
            command=start_command(registered.stored),
        )
        return html(text)

    async def _check(self, request: Request, _: Mapping[str, str]) -> Response:
        registered = self._registered
        stored = registered.stored if registered is not None else None
        command = start_command(stored) if stored else "modelyard serve"
        if request.method == "GET":
            return html(pages.checked(self.session.form_token, [], ""))
        webhook = f"{registered.choices.public_url}/webhook" if registered is not None else ""
        findings = await check_stored(stored, webhook, self._transport)
        return html(pages.checked(self.session.form_token, findings, command))

    # --- existing credentials -------------------------------------------------------------------------------------

    def _existing(self) -> str:
        """Return the place of credentials that must not be replaced; empty if there are none, or they may be replaced."""
        if self._defaults.overwrite:
            return ""
        if any(os.environ.get(name) for name in VARIABLES):
            return "this program's environment"
        if any(variables().get(name) for name in VARIABLES):
            return str(env_file())
        return ""

    async def _store_errors(self, store: CredentialStore) -> dict[str, str]:
        """Check that the credentials can be stored there, before there is an App that needs it."""
        field = "env_file" if isinstance(store, EnvFile) else "secrets_prefix"
        try:
            exists = await to_thread.run_sync(store.exists)
        except CredentialsError as error:
            return {field: f"{error.problem.found}. {error.problem.next_step}"}
        if exists and not self._defaults.overwrite:
            return {field: "It already has an App's credentials. Choose another place, or use --overwrite."}
        return {}
