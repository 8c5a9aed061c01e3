"""The gateway to GitHub, GHES or the local hub. Every write can be repeated safely: it first looks for an earlier result.

``async with GitHub(settings) as github: repository = github.repository("owner/name")``. githubkit is loaded when a
connection is opened, so importing this package is cheap.
"""

from __future__ import annotations

from bot.github.app import GitHub, Repository
from bot.github.errors import HubError
from bot.github.identity import Identity
from bot.github.models import (
    Comment,
    Issue,
    Job,
    LabelDefinition,
    Permission,
    PublishedCommit,
    RepoInfo,
    Runner,
    SentDelivery,
    Step,
    WorkflowRun,
)

__all__ = [
    "Comment",
    "GitHub",
    "HubError",
    "Identity",
    "Issue",
    "Job",
    "LabelDefinition",
    "Permission",
    "PublishedCommit",
    "RepoInfo",
    "Repository",
    "Runner",
    "SentDelivery",
    "Step",
    "WorkflowRun",
]
