"""``/evaluate``: evaluate the run's model again, on its test set."""

from __future__ import annotations

from actions.errors import Conflict
from actions.operation import find_operation
from actions.tasks.registry import task_of
from bot.events.command_context import CommandContext
from bot.events.operation_dispatch import dispatch_operation
from bot.events.published_models import no_model
from bot.messages import answers
from bot.parsing.command import Command

COMMAND = Command(name="evaluate", permission="write", example="/evaluate")


async def handle(context: CommandContext) -> str:
    run = context.current_run
    if run.result is None:
        raise no_model(run.id)
    name = task_of(run.request).evaluate_operation
    if name is None:
        raise Conflict(
            "not_evaluable",
            rule="The task must have an operation that evaluates its models.",
            found=f"{run.request.task} has none.",
            next_step="Use the metrics that the run has published.",
        )
    arguments = {"model": run.result.model.uri, "sha256": run.result.model.sha256}
    url = await dispatch_operation(find_operation(name), arguments, context)
    return answers.operation_sent(name, url, context.config.language)
