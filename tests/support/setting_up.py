"""Hub and set-up over HTTP, and a browser of few words that goes through both as a person does."""

from __future__ import annotations

import base64
import contextlib
import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

from bot.admin.setup.server import Defaults, Setup
from bot.admin.setup.session import Session
from bot.parsing.repository_config import CONFIG_PATH
from tests.support.github_openapi import AsyncCheckedTransport
from tests.support.local_hub import RunningHub
from tests.support.serving import serving

NAME = "our-modelyard"


def configure(hub: RunningHub, repository: str = "owner/demo") -> None:
    """Give a repository a configuration, without which it gets no labels."""
    body = {"message": "Set up", "content": base64.b64encode(b"version: 1\n").decode()}
    hub.person("owner").put(f"/repos/{repository}/contents/{CONFIG_PATH}", json=body).raise_for_status()


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Person:
    """Somebody with a browser: cookies, forms, links."""

    client: httpx.Client
    address: str
    hub: RunningHub
    page: httpx.Response | None = field(default=None, repr=False)

    def get(self, path: str) -> httpx.Response:
        """Look at a page of the set-up, or at any address."""
        self.page = self.client.get(urljoin(self.address, path))
        return self.page

    def fields(self, action: str) -> dict[str, str]:
        """Return what the page's form for this address holds by itself."""
        assert self.page is not None
        form = re.search(
            rf'<form method="post" action="{re.escape(html.escape(action))}">(.*?)</form>', self.page.text, re.DOTALL
        )
        assert form is not None, self.page.text
        found = {}
        for tag in re.findall(r"<input [^>]*>", form[1]):
            attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
            if attributes["type"] != "radio" or " checked" in tag:
                found[attributes["name"]] = html.unescape(attributes.get("value", ""))
        return found

    def send(self, action: str, changes: Mapping[str, str] | None = None, **headers: str) -> httpx.Response:
        """Send the page's form, with some fields filled in."""
        fields = {**self.fields(action), **(changes or {})}
        self.page = self.client.post(urljoin(self.address, action), data=fields, headers=headers)
        return self.page

    def choose(self, **changes: str) -> httpx.Response:
        """Fill in the first page."""
        self.get("/setup")
        given = {"github": self.hub.url, "name": NAME, "public_url": f"{self.address}", **changes}
        return self.send("/setup", given)

    @property
    def register_url(self) -> str:
        """Where the page's button leads: GitHub, with the state."""
        assert self.page is not None
        found = re.search(r'<form method="post" action="(http[^"]+)">', self.page.text)
        assert found is not None, self.page.text
        return html.unescape(found[1])

    def agree(self) -> str:
        """Register the App on the hub; return where the hub sends the browser back to."""
        fields, url = self.fields(self.register_url), self.register_url
        shown = self.client.post(url, data=fields, headers={"origin": "null"})
        assert shown.status_code == httpx.codes.OK, shown.text
        token = re.search(r'name="token" value="([0-9a-f]+)"', shown.text)
        assert token is not None
        answer = self.client.post(str(shown.url), data={"token": token[1]}, follow_redirects=False)
        assert answer.status_code == httpx.codes.SEE_OTHER, answer.text
        return answer.headers["location"]

    def setup(self, **changes: str) -> httpx.Response:
        """Go the whole way to the page that says what is next."""
        self.choose(**changes)
        return self.get(self.agree())


@contextlib.contextmanager
def setting_up(
    hub: RunningHub,
    *,
    clock: Clock | None = None,
    enters: bool = True,
    transport: httpx.AsyncBaseTransport | None = None,
    **defaults: Any,
) -> Iterator[tuple[Person, Setup]]:
    """Serve a set-up; give somebody who has come in with its token, and the set-up itself."""
    session = Session(clock) if clock else Session()
    transport = transport or AsyncCheckedTransport(httpx.AsyncHTTPTransport())
    setup = Setup(Defaults(github=hub.url, **defaults), session, transport)
    with serving(setup.app()) as address, httpx.Client(timeout=20, follow_redirects=True) as client:
        person = Person(client, address, hub)
        if enters:
            person.get(f"/setup?token={session.token}")
        yield person, setup


def env_values(path: Path) -> dict[str, str | None]:
    """Return what an env file holds."""
    from dotenv import dotenv_values

    return dotenv_values(path)
