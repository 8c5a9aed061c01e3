"""``/run OPERATION``: one that only reads is carried out here; one that computes goes to a runner."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

import anyio
from anyio import from_thread, to_thread

from actions.context import Context, Reader
from actions.errors import InvalidInput, NotAllowed, Unavailable
from actions.operation import Operation, find_operation
from actions.storage.folder import Storage
from bot.events.commands.invocation import Said
from bot.github import Repository
from bot.messages import answers
from bot.parsing.repository_config import RepositoryConfig
from bot.settings import Settings
from bot.version import APP_OPERATIONS

OPERATION_WORKFLOW = "modelyard-operation.yml"
SECONDS = 20.0
HERE = frozenset({"model_registry", "history_management", "github_integration"})
"""The capabilities whose reading operations need nothing but the repository."""
INSTEAD = {
    "register_model": "/register",
    "set_model_alias": "/promote",
    "rollback_model": "/rollback",
    "commit_training_history": "nothing: the App writes the history",
    "post_issue_comment": "a comment of your own",
}


class PublicRepository(Exception):
    """The repository is public, and its configuration does not say that this is meant."""


class OperationAnswers:
    """Runs operations for people.

    Parameters
    ----------
    settings
        The App's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._root = settings.storage_root

    async def run(self, said: Said, repository: Repository, branch: str, config: RepositoryConfig) -> str:
        """Carry an operation out, or send it to a runner; say what it answers, or where it runs.

        Raises
        ------
        OperationError
            Whatever the operation, or its arguments, are refused with.
        """
        operation = find_operation(said.command.words["operation"], *APP_OPERATIONS)
        arguments = said.command.arguments
        where = carried_out(operation)
        if where == "app":
            return await self._here(operation, arguments, repository, branch)
        if where == "nowhere":
            raise not_by_run(operation)
        url = await self.send(operation, arguments, said, repository, config)
        return answers.operation_sent(operation.name, url, config.language)

    async def _here(
        self, operation: Operation, arguments: Mapping[str, Any], repository: Repository, branch: str
    ) -> str:
        context = Context(storage=Storage(self._root / repository.name), history=_OnBranch(repository, branch))
        try:
            with anyio.fail_after(SECONDS):
                result = await to_thread.run_sync(operation.call, arguments, context, abandon_on_cancel=True)
        except ValueError as error:
            raise InvalidInput(
                "invalid_argument", rule="Every argument is usable.", found=str(error)[:300], next_step="Correct it."
            ) from None
        except TimeoutError:
            raise Unavailable(
                "took_too_long",
                rule=f"What the App carries out itself takes at most {SECONDS:g} seconds.",
                found=f"{operation.name} takes longer.",
                next_step=f"Use `modelyard run {operation.name}` in a checkout.",
            ) from None
        return answers.operation_result(
            operation.name, json.dumps(result.model_dump(mode="json"), indent=2, ensure_ascii=False)
        )

    async def send(
        self,
        operation: Operation,
        arguments: Mapping[str, Any],
        said: Said,
        repository: Repository,
        config: RepositoryConfig,
    ) -> str:
        """Send an operation to a runner; return the URL of its workflow run.

        Raises
        ------
        InvalidInput
            Where an argument is missing, unknown or of the wrong kind.
        PublicRepository
            Where everybody can ask for work on its runners.
        """
        operation.validated(arguments)
        info = await repository.info()
        if not (info.private or config.public_repository):
            raise PublicRepository
        title = f"{operation.name} for comment {said.comment}"
        # Nothing but this repository's part of the storage can be reached; its URIs begin with the repository's name.
        own = {name: _within(repository.name, value) for name, value in arguments.items()}
        inputs = {
            "operation": operation.name,
            "arguments": json.dumps(own).replace("$", "\\u0024"),
            "runs_on": json.dumps([config.runners[0]]),
            "storage_root": str(self._root / repository.name),
            "dispatch": f"for comment {said.comment}",
        }
        # A run with this title is taken, not started again: this comment may have been handled before.
        workflow_run = await repository.dispatch(
            OPERATION_WORKFLOW, info.default_branch, inputs, find_by=title, sent_before=said.again
        )
        return f"{info.html_url}/actions/runs/{workflow_run}"


def _within(repository: str, value: Any) -> Any:
    if isinstance(value, str):
        return value.removeprefix(f"{repository}/")
    if isinstance(value, list):
        return [_within(repository, one) for one in value]
    return {name: _within(repository, one) for name, one in value.items()} if isinstance(value, dict) else value


class _OnBranch:
    """``actions.context.History`` for reading alone, over the gateway; called from a worker thread."""

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
            rule="What `/run` carries out in the App only reads.",
            found="An operation wants to commit.",
            next_step="Report this as a bug.",
        )


def carried_out(operation: Operation) -> Literal["app", "runner", "nowhere"]:
    """Tell where ``/run`` has an operation carried out."""
    if operation.where == "runner":
        return "runner"
    return "app" if operation.read_only and operation.toolset in HERE else "nowhere"


def not_by_run(operation: Operation) -> Unavailable:
    """Return the error of an operation that ``/run`` does not carry out; it says what does."""
    instead = INSTEAD.get(operation.name, f"`modelyard run {operation.name}` in a checkout")
    return Unavailable(
        "not_by_run",
        rule="`/run` reads, or computes on a runner; what changes something has a command, and a gate, of its own.",
        found=f"{operation.name} changes something, or reads what the App does not show.",
        next_step=f"Use {instead}.",
    )
