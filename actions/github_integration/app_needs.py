"""What the GitHub App needs on GitHub, and why: the one table of its permissions and events.

The App asks for it when it is registered, the checks compare what it was given with it, the local hub gives it, and
``docs/permissions.md`` is made from it.
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
    """Nothing but a hint is missing without it, so the App does not ask for it by itself."""
    of_organization: bool = False
    """GitHub lists it among the organisation's permissions, not among the repository's."""


@dataclass(frozen=True)
class Event:
    """A webhook event, and what the App does when it comes."""

    name: str
    why: str
    always: bool = False
    """GitHub sends it to every App: there is nothing to subscribe to."""


PERMISSIONS = (
    Permission(
        "actions", "write",
        "Sends the training workflow, follows its jobs and their logs, and cancels it where a run is stopped.",
        ("bot/github/workflow_runs.py",),
    ),
    Permission("checks", "write", "Shows the verdict as a check run on the commit that was trained.", ("bot/github/workflow_runs.py",)),
    Permission(
        "contents", "write",
        "Reads the configuration, checks what a run published, and commits history and registry.",
        ("bot/github/git.py",),
    ),
    Permission(
        "issues", "write",
        "Reads requests and commands, keeps one comment up to date, sets labels, reacts, and closes the issue.",
        ("bot/github/issues.py",),
    ),
    Permission(
        "metadata", "read",
        "GitHub gives it to every App. It shows which repositories there are, and what a person may do in them.",
        ("bot/github/issues.py",),
    ),
    Permission(
        "administration", "read",
        "Lists a repository's own runners, so that a run which none takes can say whether one is online at all.",
        ("bot/github/workflow_runs.py",),
        optional=True,
    ),
    Permission(
        "members", "read",
        "Tells whether somebody is in a team that `.github/modelyard.yml` names for a command.",
        ("bot/github/issues.py",),
        optional=True,
        of_organization=True,
    ),
)  # fmt: skip

EVENTS = (
    Event("issues", "A request is opened, corrected, labelled, closed or deleted."),
    Event("issue_comment", "Somebody writes a command."),
    Event("push", "A branch changes the configuration or the registry: a check run says whether that is right."),
    Event("repository_dispatch", "Another system asks for a training."),
    Event("workflow_job", "A job starts or ends: its run is looked at now, and not seconds later."),
    Event("workflow_run", "The whole workflow run ends: the same."),
    Event("installation", "The App is installed, removed, suspended or given new permissions.", always=True),
    Event("installation_repositories", "The App is given a repository, or loses one.", always=True),
)


def wanted_permissions() -> dict[str, str]:
    """Return the permissions that the App asks for, by name."""
    return {each.name: each.level for each in PERMISSIONS if not each.optional}


def wanted_events() -> tuple[str, ...]:
    """Return the events that the App subscribes to."""
    return tuple(each.name for each in EVENTS if not each.always)
