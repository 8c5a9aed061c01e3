"""Sends an operation to a runner, for ``/run``, ``/compare`` and ``/evaluate``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from actions.operation import Operation
from bot.events.command_context import CommandContext
from bot.runs.workflow_names import OPERATION_WORKFLOW


class PublicRepositoryError(Exception):
    """The repository is public, and its configuration does not allow that."""


async def dispatch_operation(operation: Operation, arguments: Mapping[str, Any], context: CommandContext) -> str:
    """Start the operation's workflow and return the URL of the workflow run.

    Raises
    ------
    InvalidInput
        If an argument is missing, unknown or of the wrong type.
    PublicRepositoryError
        If anybody could start work on the repository's runners.
    """
    operation.validated(arguments)
    repository, invocation = context.repository, context.invocation
    info = await repository.info()
    if not (info.private or context.config.public_repository):
        raise PublicRepositoryError
    # The runner can only reach this repository's part of the storage. URIs there start with the repository's name.
    own = {name: _relative_to(repository.name, value) for name, value in arguments.items()}
    inputs = {
        "operation": operation.name,
        "arguments": json.dumps(own).replace("$", "\\u0024"),
        "runs_on": json.dumps([context.config.runners[0]]),
        "storage_root": str(context.services.settings.storage_root / repository.name),
        "dispatch": f"for comment {invocation.comment}",
    }
    # If this comment was handled before, the workflow run with this title exists and is reused.
    title = f"{operation.name} for comment {invocation.comment}"
    workflow_run = await repository.dispatch(
        OPERATION_WORKFLOW, info.default_branch, inputs, find_by=title, sent_before=invocation.is_repeat
    )
    return f"{info.html_url}/actions/runs/{workflow_run}"


def _relative_to(repository: str, value: Any) -> Any:
    if isinstance(value, str):
        return value.removeprefix(f"{repository}/")
    if isinstance(value, list):
        return [_relative_to(repository, item) for item in value]
    if isinstance(value, dict):
        return {name: _relative_to(repository, item) for name, item in value.items()}
    return value
