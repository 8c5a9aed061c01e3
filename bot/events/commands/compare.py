"""``/compare``: compare two models on the newer one's test set, by the run's metric and the repository's gate."""

from __future__ import annotations

from actions.contracts.run_id import RUN_ID
from actions.errors import Conflict
from actions.operation import find_operation
from bot.events.command_context import CommandContext
from bot.events.operation_dispatch import dispatch_operation
from bot.events.published_models import find_model
from bot.messages import answers
from bot.parsing.command import Command, Positional

_MODEL = rf"({RUN_ID}|v?[1-9][0-9]{{0,8}}|[a-z][a-z0-9_-]{{0,62}})"
_RULE = "A model must be named by a run's id, a version's number or an alias, such as champion."

COMMAND = Command(
    name="compare",
    permission="write",
    example="/compare champion train-20261122-004",
    positionals=(Positional("A", _MODEL, _RULE, required=True), Positional("B", _MODEL, _RULE, required=True)),
)


async def handle(context: CommandContext) -> str:
    names = context.invocation.parsed.positionals
    branch = await context.history_branch()
    models = [await find_model(names[position], context.current_run, context.repository, branch) for position in "AB"]
    if models[0].uri == models[1].uri:
        raise Conflict(
            "same_model",
            rule="The two models must be different.",
            found=f"{models[0].label} and {models[1].label} are the same file.",
            next_step="Name another run, version or alias. `/history` lists them.",
        )
    older, newer = sorted(models, key=lambda model: model.age)
    arguments = {
        "challenger": newer.uri,
        "challenger_sha256": newer.sha256,
        "champion": older.uri,
        "champion_sha256": older.sha256,
        "metric": context.current_run.request.metric,
        "alpha": context.config.gate.alpha,
        "margin": context.config.gate.margin,
    }
    url = await dispatch_operation(find_operation("compare_models"), arguments, context)
    return answers.compare_sent(newer.label, older.label, url, context.config.language)
