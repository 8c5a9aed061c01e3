"""Sections of a run's main comment: its stages, its search for hyperparameters, its error (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from actions.contracts.results import SearchFacts
from bot.messages.markup import Markdown, code, fence, folded, joined, paragraphs, table, text
from bot.messages.problems import problem_list
from bot.messages.run_page import RunPage
from bot.messages.words import Words
from bot.runs.view import StageLine, StageStatus

_NOTHING = Markdown("")
_MAX_FIGURES = 12
_SYMBOLS: Mapping[StageStatus, str] = {
    "waiting": "⚪",
    "running": "🔵",
    "done": "✅",
    "failed": "❌",
    "skipped": "\u2796",  # a heavy minus sign
    "cached": "♻️",
}


# --- stages ------------------------------------------------------------------------------------------------------------


def stages(page: RunPage) -> Markdown:
    """Return the stages of the present attempt, and the figures that the running one has reported."""
    lines, say = page.view.stages, page.say
    with_notes = any(line.note for line in lines)
    header = [say("stages.stage"), say("stages.status"), say("stages.time"), say("stages.note")]
    rows = [(text(line.name, 40), _status(line, say), say.duration(line.seconds), _note(line, say)) for line in lines]
    columns = 4 if with_notes else 3
    shown = table(header[:columns], [row[:columns] for row in rows], right=(2,))
    return paragraphs(shown, _so_far(page))


def _status(line: StageLine, say: Words) -> Markdown:
    share = f" {line.percent}%" if line.status == "running" and line.percent is not None else ""
    return Markdown(f"{_SYMBOLS[line.status]} {say(f'stage.{line.status}')}{share}")


def _note(line: StageLine, say: Words) -> Markdown:
    if line.status != "running":
        return text(line.note, 120)
    note = text(line.note, 120)
    if note and line.total is not None:
        note = say("stages.round", note=note, done=line.done, total=line.total)
    left = say("stages.left", duration=say.duration(line.left)) if line.left is not None else _NOTHING
    return say.listed([part for part in (note, left) if part])


def _so_far(page: RunPage) -> Markdown:
    figures = sorted(page.view.progress.items())[:_MAX_FIGURES]
    if not figures or page.view.metrics:
        return _NOTHING
    say = page.say
    shown = say.listed([joined([text(name.replace("_", " "), 40), say.figure(value)], " ") for name, value in figures])
    return say("stages.so_far", figures=shown)


# --- the search for hyperparameters ------------------------------------------------------------------------------------


def search(page: RunPage) -> Markdown:
    """Return what the search for hyperparameters came to, if there was one."""
    facts, say = page.view.search, page.say
    if facts is None:
        return _NOTHING
    settings = (
        say.settings(facts.hyperparameters, page.detail.cell) if facts.hyperparameters else say("search.defaults")
    )
    sentences = say.sentences(
        say.count("search.tried", facts.trials),
        say.count("search.pruned", facts.pruned) if facts.pruned else _NOTHING,
        say("search.out_of_time") if facts.stopped_by == "time" else _NOTHING,
        _best(facts, say),
        say("search.trained", settings=settings),
    )
    return Markdown(f"**{say('search.title')}{say('list.colon')}** {sentences}")


def _best(facts: SearchFacts, say: Words) -> Markdown:
    rows = say("search.folds", folds=facts.folds) if facts.folds else say("search.validation_rows")
    metric, value = text(facts.metric, 40), say.figure(facts.value)
    if not facts.is_better:
        return say("search.none_better", metric=metric, value=value, rows=rows)
    if facts.baseline_score is None:
        return say("search.best", metric=metric, value=value, rows=rows)
    return say("search.better", metric=metric, value=value, rows=rows, requested=say.figure(facts.baseline_score))


# --- the error ---------------------------------------------------------------------------------------------------------


def error(page: RunPage, *, with_log: bool = False) -> Markdown:
    """Return which stage failed and why; nothing for a run that was cancelled."""
    stage_error, say, run = page.run.error, page.say, page.run
    if stage_error is None or run.status == "cancelled":
        return _NOTHING
    if stage_error.step:
        where = say("error.in_step", stage=code(stage_error.stage), step=code(stage_error.step))
    else:
        where = say("error.in_stage", stage=code(stage_error.stage))
    why = problem_list(stage_error.problem, say, page.detail) if stage_error.problem is not None else _NOTHING
    return paragraphs(where, why, _log(stage_error.log_tail, page) if with_log else _NOTHING)


def _log(tail: str, page: RunPage) -> Markdown:
    if not tail or not page.detail.log:
        return _NOTHING
    return folded(page.say("error.log"), fence(tail, page.detail.log), is_open=True)
