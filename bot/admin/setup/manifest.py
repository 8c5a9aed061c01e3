"""The manifest with which the GitHub App is registered, and the addresses of that GitHub (pure).

GitHub's flow: a browser posts the manifest to GitHub, a person confirms it there, GitHub sends the browser back with a code,
and the code is exchanged, once and within an hour, for the App's id, key and secrets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from actions.github_integration.app_needs import EVENTS, PERMISSIONS, wanted_events, wanted_permissions
from actions.text.hosts import LOOPBACK_HOSTS

GITHUB = "https://github.com"
MAX_NAME = 34
_ACCOUNT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")


@dataclass(frozen=True)
class Hub:
    """A GitHub by the address of its web pages: github.com, GHE.com, GHES or the local hub.

    Examples
    --------
    >>> Hub("https://github.com").api_url
    'https://api.github.com'
    >>> Hub("https://ghes.example.org").api_url
    'https://ghes.example.org/api/v3'
    """

    url: str

    @property
    def api_url(self) -> str:
        parts = urlsplit(self.url)
        host = (parts.hostname or "").lower()
        if host == "github.com" or host.endswith(".ghe.com"):
            return f"{parts.scheme}://api.{parts.netloc}"
        return f"{self.url}/api/v3"

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return urlsplit(self.url).hostname in LOOPBACK_HOSTS

    def register_url(self, organization: str, state: str) -> str:
        """Return the URL to which a browser posts the manifest."""
        path = f"/organizations/{quote(organization, safe='')}" if organization else ""
        return f"{self.url}{path}/settings/apps/new?state={quote(state, safe='')}"

    def holds(self, url: str) -> bool:
        """Return whether a URL that this GitHub returned is one of its own."""
        own, other = urlsplit(self.url), urlsplit(url)
        return (own.scheme, own.netloc.lower()) == (other.scheme, other.netloc.lower())


def is_account(name: str) -> bool:
    """Return whether a text can be the name of an account."""
    return _ACCOUNT.fullmatch(name) is not None


def manifest(*, name: str, public_url: str, redirect_url: str) -> dict[str, object]:
    """Return the manifest in GitHub's format.

    Parameters
    ----------
    name
        The App's name, unique on GitHub; a person may change it before the App is created.
    public_url
        The URL at which GitHub reaches the App.
    redirect_url
        The URL to which GitHub sends the browser back with the code.
    """
    return {
        "name": name[:MAX_NAME],
        "url": public_url,
        "hook_attributes": {"url": f"{public_url}/webhook", "active": True},
        "redirect_url": redirect_url,
        "description": "Open an issue, get a model.",
        "public": False,
        "default_permissions": wanted_permissions(),
        "default_events": list(wanted_events()),
    }


# --- the page about it ----------------------------------------------------------------------------------------------------


def permissions_page() -> str:
    """Return ``docs/permissions.md``."""
    lines = [
        "# What the App may do on GitHub, and why",
        "",
        "Generated from `actions/github_integration/app_needs.py` by `make generate`. The App requests nothing else;",
        "`modelyard doctor` and `/setup/check` report missing or superfluous permissions.",
        "",
    ]
    for title, of_organization in (("Repository permissions", False), ("Organisation permissions", True)):
        lines += [f"## {title}", "", "| Permission | Level | Why | Used in |", "| --- | --- | --- | --- |"]
        for each in PERMISSIONS:
            if each.of_organization is of_organization:
                name = f"`{each.name}`" + (" (optional, not requested)" if each.optional else "")
                files = ", ".join(f"`{path}`" for path in each.used_in)
                lines.append(f"| {name} | {each.level} | {each.why} | {files} |")
        lines.append("")
    lines += ["No account permission.", "", "## Events", "", "| Event | Why |", "| --- | --- |"]
    lines += [f"| `{each.name}`{' (sent to every App)' if each.always else ''} | {each.why} |" for each in EVENTS]
    return "\n".join(lines) + "\n"
