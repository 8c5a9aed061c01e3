"""The registry file of a run's model."""

from __future__ import annotations

from actions.context import Reader
from actions.contracts.order import Champion
from actions.history_management.record import utc
from actions.model_registry import model_file
from actions.tasks.exchange import PublishedResult
from bot.engine.effects.context import RunContext
from bot.runs.run import Run


async def champion(context: RunContext, run: Run) -> Champion | None:
    """Return the model's present champion."""
    text = await _read(context, run)
    return None if text is None else model_file.champion(text, model_file.path_of(run.model))


async def next_version(context: RunContext, run: Run, result: PublishedResult) -> tuple[int, bool]:
    """Return the version that the run's model will be, and whether it becomes the champion immediately.

    It does not if people have changed the champion meanwhile: the model was compared with another one.
    """
    text = await _read(context, run)
    _, version = model_file.register(
        text,
        name=run.model,
        run=run.id,
        attempt=run.attempt,
        uri=result.model.uri,
        sha256=result.model.sha256,
        data_sha256=result.data.sha256 if result.data is not None else None,
        algorithm=run.request.algorithm,
        created=utc(context.now()),
    )
    compared_with = run.dispatch.champion if run.dispatch is not None else None
    is_unchanged = model_file.champion(text, model_file.path_of(run.model)) == compared_with
    return version, run.config.promotion == "auto" and is_unchanged


async def withdraw(context: RunContext, run: Run) -> None:
    """Undo what this run did to the registry, and nothing else.

    Registry and history are one commit, so there is something to undo only if that commit succeeded and its response
    was lost.
    """
    text = await _read(context, run)
    path = model_file.path_of(run.model)
    if text is None or model_file.withdraw(text, run.id, path).encode() == text:
        return

    def change(read: Reader) -> dict[str, bytes | None]:
        present = read(path)
        return {} if present is None else {path: model_file.withdraw(present, run.id, path).encode()}

    message = f"Withdraw {run.model} of {run.id} [skip ci]"
    await context.repository.commit_files(await context.history_branch(run), message, change, reads=[path])


async def _read(context: RunContext, run: Run) -> bytes | None:
    return await context.repository.file(model_file.path_of(run.model), await context.history_branch(run))
