"""Which GitHub the hub behaves as: github.com, or a GitHub Enterprise Server (GHES)."""

from __future__ import annotations

from dataclasses import dataclass

OLDEST_VERSION = "2022-11-28"
"""The API version of requests that name none, as on GitHub."""
NEWEST_VERSION = "2026-03-10"


@dataclass(frozen=True)
class Edition:
    """What distinguishes one GitHub from another.

    Parameters
    ----------
    name
        How the command line calls it.
    versions
        The API versions that it knows; it answers any other one with 400.
    release
        The release of a GHES; empty for github.com.
    missing_keys
        Keys of bodies that it does not permit, by API version.
    """

    name: str
    versions: tuple[str, ...]
    release: str = ""
    missing_keys: tuple[tuple[str, frozenset[str]], ...] = ()

    def lacks(self, version: str, key: str) -> bool:
        """Tell whether a key that other GitHubs or versions permit is not permitted here."""
        return any(key in keys for since, keys in self.missing_keys if since == version)


GITHUB_COM = Edition(
    "github.com",
    (OLDEST_VERSION, NEWEST_VERSION),
    missing_keys=((NEWEST_VERSION, frozenset({"return_run_details", "assignee"})),),
)
GHES = Edition(
    "ghes-3.19",
    (OLDEST_VERSION,),
    release="3.19.0",
    missing_keys=((OLDEST_VERSION, frozenset({"return_run_details"})),),
)
EDITIONS = {edition.name: edition for edition in (GITHUB_COM, GHES)}
