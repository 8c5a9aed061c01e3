"""Carries out slash commands: checks permission, configuration and arguments, then calls the command's handler.

GitHub is asked for the permission each time. A command may be handled twice, because the App may crash in between, so every
handler checks what has been done before it acts.
"""

from __future__ import annotations

from actions.contracts.person import Person
from actions.errors import Conflict, OperationError
from bot.events.command_context import CommandContext, CommandInvocation
from bot.events.commands import HANDLERS
from bot.events.operation_dispatch import PublicRepositoryError
from bot.events.services import Services
from bot.github import HubError, Repository
from bot.messages import answers, notices
from bot.parsing.command import UnknownCommand
from bot.parsing.permissions import is_allowed, required_grants
from bot.parsing.repository_config import ConfigError, RepositoryConfig, language_of, read_config
from bot.runs.run import Run


async def answer_command(
    invocation: CommandInvocation, repository: Repository, issue: int, run: Run | None, services: Services
) -> str:
    """Carry out a command and return the reply, which is empty if the run's own comment will show the result."""
    config_problem = None
    try:
        config = await read_config(repository, services.commands)
    except ConfigError as error:
        config, config_problem = RepositoryConfig(), error.problem
    context = CommandContext(invocation, repository, issue, run, config, services)
    command, rule = invocation.parsed.command, config.commands.get(invocation.name)
    permission = await repository.permission(invocation.user)
    if not await _is_allowed(context, permission):
        return answers.refused(command.name, required_grants(command, rule), permission, context.language)
    if config_problem is not None and not command.works_without_config:
        return notices.config_broken(config_problem)
    if invocation.parsed.problems:
        return answers.wrong_arguments(invocation.parsed, context.language)
    return await _carry_out(context)


async def answer_unknown(command: UnknownCommand, user: Person, repository: Repository) -> str:
    """Suggest the nearest command, to users who may see the repository at all."""
    if await repository.permission(user) == "none":
        return ""
    return answers.unknown_command(command, await language_of(repository))


async def _is_allowed(context: CommandContext, permission: str) -> bool:
    invocation, rule = context.invocation, context.config.commands.get(context.invocation.name)
    if is_allowed(invocation.parsed.command, invocation.user.login, permission, rule):
        return True
    for team in rule.teams if rule is not None else ():
        if await context.repository.in_team(team, invocation.user.login):
            return True
    return False


async def _carry_out(context: CommandContext) -> str:
    try:
        if context.invocation.parsed.command.needs_run:
            if context.run is None:
                return answers.no_run(context.invocation.name, context.language)
            _check_is_about(context.run, context.invocation)
        return await HANDLERS[context.invocation.name](context)
    except PublicRepositoryError:
        return notices.public_repository_refused(context.language)
    except OperationError as error:
        if isinstance(error, HubError) and error.transient:
            raise
        return answers.not_done(context.invocation.name, error.problem, context.language)


def _check_is_about(run: Run, invocation: CommandInvocation) -> None:
    # Ids of comments increase: this one was written before the command that started the run, and arrived late.
    if invocation.comment < run.request_comment:
        raise Conflict(
            "about_an_earlier_run",
            rule="A command must be for the run that existed when it was posted.",
            found=f"{run.id} was requested later.",
            next_step="Repeat the command if it is meant for this run.",
        )
