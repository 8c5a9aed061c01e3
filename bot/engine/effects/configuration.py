"""What a run takes from its repository's configuration."""

from __future__ import annotations

import logging

from bot.engine.effects.context import RunContext
from bot.messages import notices
from bot.parsing.repository_config import ConfigError, read_config
from bot.runs.run import Run, RunConfig

log = logging.getLogger(__name__)

REPORTED = "configuration"
"""In ``Run.notified``: the people at the issue know that the configuration is broken."""


async def fix(context: RunContext, run: Run) -> tuple[Run, bool]:
    """Fix the configuration for the rest of the run, at its first dispatch, and tell whether it could be read.

    Whatever happens to the file afterwards, this run keeps its data roots, gate, promotion, channels and history's branch.
    While the file is broken, the run waits, and its issue says so.
    """
    if run.dispatches:
        return run, True
    try:
        config = RunConfig.of(await read_config(context.repository))
    except ConfigError as error:
        if REPORTED not in run.notified:
            log.warning("run %s waits for its repository's configuration: %s", run.id, error)
            text = notices.run_waits_for_config(error.problem, run.id, run.language)
            await context.repository.upsert_comment(run.issue, _marker(run), text)
            run = run.replace(notified=(REPORTED,))
        return run, False
    if REPORTED in run.notified:
        await context.repository.upsert_comment(run.issue, _marker(run), notices.problem_fixed(run.language))
    return run.replace(config=config, notified=()), True


def _marker(run: Run) -> str:
    return f"configuration-{run.id}"
