"""Answers to commands (pure). Each function returns the Markdown of one comment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from actions.contracts.request import BaseRequest
from actions.errors import Problem
from bot.messages.markup import Markdown, code, fence, heading, link, paragraphs, table, text
from bot.messages.problems import problem_list, problem_table
from bot.messages.request_table import request_rows
from bot.messages.words import Words
from bot.parsing.command import Command, ParsedCommand, UnknownCommand
from bot.parsing.permissions import required_grants

if TYPE_CHECKING:
    from actions.history_management.record import RecordedDecision, RunRecord
    from actions.model_registry.model_file import Version
    from bot.parsing.repository_config import CommandRule
    from bot.runs.history import Estimate
    from bot.runs.run import Run

_MAX_RESULT = 20_000


# --- commands that were not carried out --------------------------------------------------------------------------------


def refused(command: str, needs: Sequence[str], has: str, language: str = "en") -> Markdown:
    """Return the answer to someone who lacks the permission for a command."""
    say = Words(language)
    required = say.either([code(part) for part in needs])
    return say.comment(
        say("refused.text", command=code(f"/{command}", 40), required=required, has=code(has)), say("refused.next")
    )


def wrong_arguments(command: ParsedCommand, language: str = "en") -> Markdown:
    """Return the answer to a command whose arguments are wrong."""
    say, declared = Words(language), command.command
    usage = say("usage", usage=code(declared.usage), example=code(declared.example))
    return say.comment(
        heading("⚠️", say("command_failed", command=code(f"/{declared.name}", 40))),
        problem_table(command.problems, say),
        say.sentences(usage, say("usage_next")),
    )


def not_done(command: str, problem: Problem, language: str = "en") -> Markdown:
    """Return the answer to a command that was understood but failed."""
    say = Words(language)
    title = say("command_failed", command=code(f"/{command}", 40))
    return say.comment(heading("⚠️", title), problem_list(problem, say))


def unknown_command(command: UnknownCommand, language: str = "en") -> Markdown:
    """Return the answer to a slash and a word that is not a command."""
    say = Words(language)
    guess = say("unknown_command.guess", command=code(f"/{command.nearest}")) if command.nearest else Markdown("")
    return say.sentences(
        say("unknown_command.text", command=code(f"/{command.word}")), guess, say("unknown_command.next")
    )


def no_run(command: str, language: str = "en") -> Markdown:
    """Return the answer to a command that needs a run, on an issue that has none."""
    return Words(language)("no_run", command=code(f"/{command}", 40))


# --- reports -----------------------------------------------------------------------------------------------------------


def help_text(
    commands: Mapping[str, Command], rules: Mapping[str, CommandRule] | None = None, language: str = "en"
) -> Markdown:
    """Return the answer to ``/help``, from the commands' declarations and the repository's rules for them."""
    say, rules = Words(language), rules or {}
    rows = [
        (
            code(command.usage),
            say(f"command.{name}"),
            say.either([code(part) for part in required_grants(command, rules.get(name))]),
        )
        for name, command in commands.items()
    ]
    return say.comment(
        Markdown(f"### {say('help.title')}"),
        say("help.text"),
        table([say("help.command"), say("help.effect"), say("help.permission")], rows),
        say("help.example", example=code(next(iter(commands.values())).example)),
    )


def plan(request: BaseRequest, estimated: Estimate | None, champion: int | None, language: str = "en") -> Markdown:
    """Return the answer to ``/plan``: what would run, and how long it usually takes."""
    say = Words(language)

    def model() -> Markdown:
        name = code(request.model_name)
        return say("plan.champion", model=name, version=champion) if champion else say("plan.new", model=name)

    def condition() -> Markdown:
        return say("plan.condition", metric=request.metric, bound=say.bound(request.judged_metric, request.threshold))

    rows = request_rows(request, say, written={"model_name": model, "threshold": condition})
    rows.append((say("plan.attempts"), say("plan.allowed", attempts=request.max_retries + 1)))
    return say.comment(Markdown(f"### {say('plan.title')}"), table(["", ""], rows), _estimate(estimated, say))


def _estimate(estimated: Estimate | None, say: Words) -> Markdown:
    if estimated is None:
        return say("estimate.none")
    rows = [(text(stage), say.duration(seconds)) for stage, seconds in estimated.seconds.items()]
    rows.append((Markdown(f"**{say('estimate.attempt')}**"), Markdown(f"**{say.duration(estimated.total)}**")))
    source = say.count("estimate.source", estimated.runs, runner=code(estimated.runner))
    return paragraphs(table([say("stages.stage"), say("estimate.time")], rows), source)


def past(model: str, records: Sequence[RunRecord], language: str = "en") -> Markdown:
    """Return the answer to ``/history``: the latest finished runs of a model."""
    say = Words(language)
    if not records:
        return say("history.none", model=code(model))
    header = [say(f"history.{name}") for name in ("run", "status", "score", "version", "requester")]
    return say.comment(
        Markdown(f"### {say('history.title', model=code(model))}"), table(header, [_past(one, say) for one in records])
    )


def _past(record: RunRecord, say: Words) -> tuple[Markdown, ...]:
    score = Markdown("")
    if record.result is not None:
        verdict = record.result.verdict
        score = Markdown(f"{code(verdict.metric)} {say.figure(verdict.value)}")
    version = text(record.version) if record.version else Markdown("")
    return code(record.run), say(f"status.{record.status}"), score, version, text(record.requester.login, 100)


# --- what commands have done -------------------------------------------------------------------------------------------


def unlocked(model: str, holder: Run | None, now: datetime, language: str = "en") -> Markdown:
    """Return the answer to ``/unlock``: which run held the model's lock, if any."""
    say = Words(language)
    if holder is None:
        return say("unlock.free", model=code(model))
    held = say(
        "unlock.held",
        model=code(model),
        run=code(holder.id),
        state=code(holder.status if holder.ended else holder.state),
        duration=say.duration((now - holder.lock_since).total_seconds()),
        requester=text(holder.requester.login, 100),
        issue=holder.issue,
    )
    return held if holder.ended else say.sentences(held, say("unlock.continues"))


def promoted(
    version: Version, record: RunRecord, decision: RecordedDecision, before: int | None = None, language: str = "en"
) -> Markdown:
    """Return the answer to ``/promote`` and ``/rollback``."""
    say = Words(language)
    title = say("champion.title", model=code(record.request.model_name), version=version.version)
    who = say(
        f"champion.{'promoted' if decision.what == 'promote' else 'rolled_back'}",
        who=text(decision.who.login, 100),
        run=code(version.run),
        attempt=version.attempt,
    )
    previous = say("champion.before", version=before) if before else Markdown("")
    reason = say("champion.reason", reason=text(decision.reason, 500)) if decision.reason else Markdown("")
    return say.comment(
        heading("🏆", title),
        say.sentences(who, previous, reason),
        say("champion.sha256", sha256=code(version.sha256)),
    )


def already_champion(version: Version, record: RunRecord, language: str = "en") -> Markdown:
    """Return the answer to ``/promote`` or ``/rollback`` to the version that is the champion."""
    return Words(language)("champion.already", model=code(record.request.model_name), version=version.version)


def registered(model: str, version: int, run: str, language: str = "en") -> Markdown:
    """Return the answer to ``/register``."""
    return Words(language)("registered", model=code(model), version=version, run=code(run))


def operation_result(name: str, result: str, language: str = "en") -> Markdown:
    """Return what an operation returned, as JSON."""
    say = Words(language)
    return say.comment(say("operation.result", name=code(name)), fence(result, _MAX_RESULT))


def operation_sent(name: str, url: str, language: str = "en") -> Markdown:
    """Return the answer to a command that started an operation on a runner."""
    say = Words(language)
    return say("operation.sent", name=code(name), workflow_run=link(say("link.this_workflow"), url))


def compare_sent(newer: str, older: str, url: str, language: str = "en") -> Markdown:
    """Return the answer to ``/compare``."""
    say = Words(language)
    return say("compare_sent", newer=code(newer), older=code(older), workflow_run=link(say("link.this_workflow"), url))
