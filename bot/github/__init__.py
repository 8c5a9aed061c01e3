"""The thin gateway to GitHub, GHES or the local hub. Every write is safe to repeat: what is there is looked for first.

``async with GitHub(settings) as github: repository = github.repository("owner/name")``. githubkit is loaded when a
connection is opened, so that reading these names stays cheap.
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
