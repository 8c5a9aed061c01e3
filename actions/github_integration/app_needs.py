"""What the App needs on GitHub, and why: the one table of its permissions and events.

The App's manifest requests them, checks compare them with what was granted, the local hub grants them, and
``docs/permissions.md`` is generated from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["read", "write"]


@dataclass(frozen=True)
class Permission:
    """A permission by its name in GitHub's API, why it is needed, and the files that need it."""

    name: str
    level: Level
    why: str
    used_in: tuple[str, ...]
    optional: bool = False
    """Only a hint is missing without it, so the App does not request it by default."""
    of_organization: bool = False
    """An organisation permission rather than a repository permission."""


@dataclass(frozen=True)
class Event:
    """A webhook event, and what it means for the App."""

    name: str
    why: str
    always: bool = False
    """GitHub sends it to every App without a subscription."""


PERMISSIONS = (
    Permission(
        "actions", "write",
        "Dispatches the training workflow, follows its jobs and logs, and cancels it if a run is stopped.",
        ("bot/github/workflow_runs.py",),
    ),
    Permission("checks", "write", "Shows the verdict as a check run on the trained commit.", ("bot/github/workflow_runs.py",)),
    Permission(
        "contents", "write",
        "Reads the configuration, validates what a run published, and commits history and registry.",
        ("bot/github/git.py",),
    ),
    Permission(
        "issues", "write",
        "Reads requests and commands, keeps one comment up to date, sets labels, reacts, and closes the issue.",
        ("bot/github/issues.py",),
    ),
    Permission(
        "metadata", "read",
        "Granted to every App. Lists repositories and people's permissions.",
        ("bot/github/issues.py",),
    ),
    Permission(
        "administration", "read",
        "Lists a repository's runners, so that a run without a runner can report whether one is online.",
        ("bot/github/workflow_runs.py",),
        optional=True,
    ),
    Permission(
        "members", "read",
        "Tells whether a person is in a team that `.github/modelyard.yml` names for a command.",
        ("bot/github/issues.py",),
        optional=True,
        of_organization=True,
    ),
)  # fmt: skip

EVENTS = (
    Event("issues", "A request is opened, corrected, labelled, closed or deleted."),
    Event("issue_comment", "A command is posted."),
    Event(
        "push", "A branch changes the configuration or the registry: a check run reports whether the change is valid."
    ),
    Event("repository_dispatch", "Another system requests a run."),
    Event("workflow_job", "A job starts or ends: its run is updated immediately."),
    Event("workflow_run", "A workflow run ends: its run is updated immediately."),
    Event("installation", "The App is installed, removed, suspended or given new permissions.", always=True),
    Event("installation_repositories", "A repository is added to or removed from the installation.", always=True),
)


def wanted_permissions() -> dict[str, str]:
    """Return the permissions that the App requests, by name."""
    return {each.name: each.level for each in PERMISSIONS if not each.optional}


def wanted_events() -> tuple[str, ...]:
    """Return the events that the App subscribes to."""
    return tuple(each.name for each in EVENTS if not each.always)
