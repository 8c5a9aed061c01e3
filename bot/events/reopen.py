"""What ``/train`` and ``/retry`` share: a new run for an issue."""

from __future__ import annotations

from collections.abc import Iterable

from actions.contracts.person import Person
from bot.events.command_context import CommandContext
from bot.events.training import RequestOutcome
from bot.parsing.issue_templates import REQUEST_LABEL


async def reopen(context: CommandContext, outcome: RequestOutcome, contributors: Iterable[Person]) -> None:
    """Reopen the issue and open a run for the request."""
    repository, run, invocation = context.repository, context.run, context.invocation
    training = context.services.training
    await repository.reopen_issue(context.issue)
    await repository.set_labels(context.issue, add=[REQUEST_LABEL])
    if run is None or run.status == "invalid":
        await training.report_corrected(repository, context.issue, run, outcome.language)
    await training.open(
        repository,
        invocation.installation,
        context.issue,
        invocation.user,
        outcome,
        contributors=contributors,
        request_comment=invocation.comment,
    )
