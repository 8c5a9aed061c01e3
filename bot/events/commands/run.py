"""``/run``: run one operation; in the App if it only reads, on a runner if it computes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Literal

import anyio
from anyio import from_thread, to_thread

from actions.context import Context, Reader
from actions.errors import InvalidInput, NotAllowed, Unavailable
from actions.operation import Operation, find_operation
from actions.storage.folder import Storage
from bot.events.command_context import CommandContext
from bot.events.operation_dispatch import dispatch_operation
from bot.github import Repository
from bot.messages import answers
from bot.parsing.command import Command, Positional
from bot.version import APP_OPERATIONS

MAX_SECONDS = 20.0
APP_TOOLSETS = frozenset({"model_registry", "history_management", "github_integration"})
"""The capabilities whose reading operations need nothing but the repository."""
ALTERNATIVES = {
    "register_model": "/register",
    "set_model_alias": "/promote",
    "rollback_model": "/rollback",
    "commit_training_history": "nothing: the App writes the history",
    "post_issue_comment": "a comment of your own",
}

COMMAND = Command(
    name="run",
    permission="write",
    example="/run list_model_versions name=churn limit=5",
    positionals=(
        Positional(
            "operation", r"([a-z][a-z0-9_]{0,99})", "The operation must be named, such as load_dataset.", required=True
        ),
    ),
    rest="arguments",
    needs_run=False,
)


async def handle(context: CommandContext) -> str:
    parsed = context.invocation.parsed
    operation = find_operation(parsed.positionals["operation"], *APP_OPERATIONS)
    where = where_it_runs(operation)
    if where == "nowhere":
        raise not_by_run(operation)
    if where == "app":
        return await _run_in_app(operation, context)
    url = await dispatch_operation(operation, parsed.arguments, context)
    return answers.operation_sent(operation.name, url, context.config.language)


def where_it_runs(operation: Operation) -> Literal["app", "runner", "nowhere"]:
    """Return where ``/run`` runs an operation."""
    if operation.where == "runner":
        return "runner"
    return "app" if operation.read_only and operation.toolset in APP_TOOLSETS else "nowhere"


def not_by_run(operation: Operation) -> Unavailable:
    """Return the error for an operation that ``/run`` does not offer, with the alternative."""
    alternative = ALTERNATIVES.get(operation.name, f"`modelyard run {operation.name}` in a checkout")
    return Unavailable(
        "not_by_run",
        rule="The operation must only read, or compute on a runner. Changes are made with their own commands, which check them.",
        found=f"{operation.name} makes a change, or reads data that the App does not show.",
        next_step=f"Use {alternative}.",
    )


async def _run_in_app(operation: Operation, context: CommandContext) -> str:
    root = context.services.settings.storage_root / context.repository.name
    branch = _ReadOnlyBranch(context.repository, await context.history_branch())
    arguments = context.invocation.parsed.arguments
    try:
        with anyio.fail_after(MAX_SECONDS):
            result = await to_thread.run_sync(
                operation.call, arguments, Context(storage=Storage(root), history=branch), abandon_on_cancel=True
            )
    except ValueError as error:
        raise InvalidInput(
            "invalid_argument",
            rule="The arguments must be valid.",
            found=str(error)[:300],
            next_step="Correct the argument.",
        ) from None
    except TimeoutError:
        raise Unavailable(
            "took_too_long",
            rule=f"An operation in the App must finish within {MAX_SECONDS:g} seconds.",
            found=f"{operation.name} took longer.",
            next_step=f"Use `modelyard run {operation.name}` in a checkout.",
        ) from None
    return answers.operation_result(
        operation.name, json.dumps(result.model_dump(mode="json"), indent=2, ensure_ascii=False)
    )


class _ReadOnlyBranch:
    """``actions.context.History`` through the gateway, read-only; called from a worker thread."""

    def __init__(self, repository: Repository, branch: str) -> None:
        self._repository = repository
        self._branch = branch

    def read(self, path: str) -> bytes | None:
        return from_thread.run(self._repository.file, path, self._branch)

    def list(self, folder: str) -> list[str]:
        return from_thread.run(self._repository.folder, folder, self._branch)

    def commit(self, message: str, change: Callable[[Reader], Mapping[str, bytes | None]]) -> str:  # noqa: ARG002 - the protocol's
        raise NotAllowed(
            "read_only",
            rule="An operation that the App runs must only read.",
            found="It tried to commit.",
            next_step="Report this as a bug.",
        )
