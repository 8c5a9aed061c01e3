"""What the bot says. The words are in ``texts/<language>/``; here they are chosen, escaped and capped (pure).

Every function returns the Markdown of one comment without its hidden marker, which whoever posts it puts before it. A
value in a template is escaped unless it went through one of the filters that make Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from actions.contracts.features import AskedFeatures
from actions.contracts.scalar import Scalar
from actions.errors import Problem
from actions.tasks.registry import TrainingRequest, tasks
from actions.text import formatting as wording
from actions.text import markdown
from bot.parsing.command import COMMANDS, ParsedCommand, UnknownCommand
from bot.parsing.feature_fields import format_features
from bot.parsing.form_fields import label_of
from bot.parsing.permissions import needs
from bot.parsing.scalars import format_scalar
from bot.runs.view import RunView, StageLine

if TYPE_CHECKING:
    from actions.history_management.record import RecordedDecision, RunRecord
    from actions.model_registry.model_file import Version
    from bot.parsing.repository_config import CommandRule
    from bot.runs.history import Estimate
    from bot.runs.run import Run

__all__ = ["RunView", "StageLine"]

LIMIT = markdown.COMMENT_LIMIT - 500
"""The longest text: a comment less some room for its marker."""

_TEXTS = Path(__file__).parent / "texts"
_MOST_WRONG = 40
_LONGEST_URL = 400
_CUT = {
    "en": "Cut here: it was longer than a comment may be.",
    "ja": "コメントの長さの上限を超えたため、ここで省略しました。",
}
_MORE = {"en": "and {} more", "ja": "ほか {} 件"}


def languages() -> list[str]:
    """Return the languages that the bot has words for; any other is answered in English."""
    return sorted(folder.name for folder in _TEXTS.iterdir() if folder.is_dir())


# --- about a run: in its own language, unless another is asked for --------------------------------------------------


def sticky(view: RunView, language: str = "", limit: int = LIMIT) -> str:
    """Return the run's one comment, for whatever state it is in."""
    return _about("sticky", view, language, limit)


def headline(view: RunView, language: str = "") -> str:
    """Return one line of plain text that says what happens now, for a title."""
    return _about("headline", view, language).replace("`", "")


def status_reply(view: RunView, language: str = "") -> str:
    """Return the answer to ``/status``."""
    return _about("status", view, language)


def decision_needed(view: RunView, language: str = "") -> str:
    """Return the question to the operator, a comment of its own, for an edited comment notifies nobody."""
    return _about("decision_needed", view, language)


def expiring(view: RunView, language: str = "") -> str:
    """Return the reminder that the question to the operator is about to lapse."""
    return _about("expiring", view, language)


def finished(view: RunView, language: str = "") -> str:
    """Return the short comment that says how the run ended."""
    return _about("finished", view, language)


def not_waiting(view: RunView, command: str, language: str = "") -> str:
    """Return the answer to ``/approve`` or ``/reject`` while nothing waits for it, or ``/cancel`` after the end."""
    return _about("not_waiting", view, language, command=command)


def request_frozen(view: RunView, language: str = "") -> str:
    """Return what is said when the issue is edited after its request was dispatched."""
    return _about("request_frozen", view, language)


def _capped(text: str, language: str, limit: int) -> str:
    return markdown.cap(text, limit, _CUT.get(language, _CUT["en"]))


def _about(template: str, view: RunView, language: str, limit: int = LIMIT, **more: object) -> str:
    """Render with less and less of the long parts (log, notes, values) until it fits."""
    text = ""
    for detail in (_FULL, _LESS, _LEAST):
        text = _rendered(template, language or view.run.language, view=view, run=view.run, **detail, **more)
        if len(text) <= limit:
            break
    return _capped(text, language or view.run.language, limit)


_FULL = {"log_limit": 12_000, "text_limit": 2_000, "cell_limit": 200}
_LESS = {"log_limit": 2_000, "text_limit": 500, "cell_limit": 80}
_LEAST = {"log_limit": 0, "text_limit": 100, "cell_limit": 20}


# --- about a request, a command, the set-up ----------------------------------------------------------------------------


def invalid(wrong: Sequence[Problem], language: str = "en") -> str:
    """Return what is said about a form with wrong fields: all of them, with what would be right."""
    rows = _rows(wrong, label_of)
    return _render("invalid", language, rows=rows, more=len(wrong) - len(rows))


def invalid_data(error: Problem, run: str = "", language: str = "en") -> str:
    """Return what is said where the runner found the data to be wrong."""
    return _render("invalid_data", language, error=error, run_id=run, text_limit=2_000)


def put_right(language: str = "en") -> str:
    """Return what stands, from then on, where something had been wrong."""
    return _render("put_right", language)


def not_a_form(language: str = "en") -> str:
    """Return what is said to an issue that has the label without the form."""
    return _render("not_a_form", language)


def may_not_ask(has: str, needs: str = "write", language: str = "en") -> str:
    """Return what is said to somebody who may not ask for a training."""
    return _render("may_not_ask", language, has=has, needs=needs)


def refused(command: str, needs: Sequence[str], has: str, language: str = "en") -> str:
    """Return what is said to somebody who may not say this command."""
    return _render("refused", language, command=command, has=has, needs=needs)


def wrong_arguments(parsed: ParsedCommand, language: str = "en") -> str:
    """Return what is said to a command whose arguments are wrong; nothing was done."""
    rows = _rows(parsed.wrong, str)
    return _render("wrong_arguments", language, command=parsed.command, rows=rows, more=len(parsed.wrong) - len(rows))


def unknown_command(command: UnknownCommand, language: str = "en") -> str:
    """Return what is said to a word after a slash that is no command."""
    return _render("unknown_command", language, word=command.word, nearest=command.nearest)


def help_text(rules: Mapping[str, CommandRule] | None = None, language: str = "en") -> str:
    """Return the answer to ``/help``, made from the commands' declarations and the repository's rules about them."""
    needed = {name: needs(command, (rules or {}).get(name)) for name, command in COMMANDS.items()}
    return _render("help", language, needed=needed)


def not_done(command: str, error: Problem, language: str = "en") -> str:
    """Return what is said to a command that was understood, but could not be carried out."""
    return _render("not_done", language, command=command, error=error, text_limit=2_000)


def plan(request: TrainingRequest, estimated: Estimate | None, champion: int | None, language: str = "en") -> str:
    """Return the answer to ``/plan``."""
    return _render("plan", language, request=request, estimated=estimated, champion=champion)


def past(model: str, records: Sequence[RunRecord], language: str = "en") -> str:
    """Return the answer to ``/history``: the latest finished runs of a model."""
    return _render("past", language, model=model, records=records)


def unlocked(model: str, holder: Run | None, now: datetime, language: str = "en") -> str:
    """Return the answer to ``/unlock``: who had the model's lock, if anybody."""
    return _render("unlocked", language, model=model, holder=holder, now=now)


def promoted(
    version: Version, record: RunRecord, decision: RecordedDecision, before: int | None = None, language: str = "en"
) -> str:
    """Return what is said when a version has become the champion by a person's word."""
    return _render("promoted", language, version=version, record=record, decision=decision, before=before)


def already_champion(version: Version, record: RunRecord, language: str = "en") -> str:
    """Return what is said where the version is the champion already."""
    return _render("already_champion", language, version=version, record=record)


def registered(model: str, version: int, run: str, language: str = "en") -> str:
    """Return the answer to ``/register``."""
    return _render("registered", language, model=model, version=version, run_id=run)


def operation_result(name: str, result: str, language: str = "en") -> str:
    """Return what an operation answered, as JSON."""
    return _render("operation_result", language, name=name, result=result)


def file_findings(findings: Sequence[Problem], language: str = "en") -> str:
    """Return the summary of a check run about files that were pushed."""
    return _render("file_findings", language, findings=findings[:_MOST_WRONG])


def operation_sent(name: str, url: str, language: str = "en") -> str:
    """Return what is said when an operation was sent to a runner."""
    return _render("operation_sent", language, name=name, url=url)


def compare_sent(newer: str, older: str, url: str, language: str = "en") -> str:
    """Return what is said when the comparison of two models was sent to a runner."""
    return _render("compare_sent", language, newer=newer, older=older, url=url)


def no_run(command: str, language: str = "en") -> str:
    """Return the answer to a command below an issue that has no run."""
    return _render("no_run", language, command=command)


def public_repository_refused(language: str = "en") -> str:
    """Return what is said where the repository is public and its configuration does not allow that."""
    return _render("public_repository_refused", language)


def config_broken(error: Problem, language: str = "en") -> str:
    """Return what is said where ``.github/modelyard.yml`` is missing or wrong."""
    return _render("config_broken", language, error=error, text_limit=2_000)


def asked_by_dispatch(by: str, key: str, form: str, language: str = "en") -> str:
    """Return the body of an issue that the App opens for a ``repository_dispatch``; ``form`` is the request."""
    return _rendered_whole("asked_by_dispatch", language, by=by, key=key, form=form)


def asked_by_schedule(name: str, cron: str, slot: datetime, form: str, language: str = "en") -> str:
    """Return the body of an issue that the App opens for a schedule's slot."""
    return _rendered_whole("asked_by_schedule", language, name=name, cron=cron, slot=slot, form=form)


def dispatch_wrong(by: str, key: str, wrong: Sequence[Problem], language: str = "en") -> str:
    """Return the body of the issue that says what is wrong with a ``repository_dispatch``."""
    rows = _rows(wrong, label_of)
    return _render("dispatch_wrong", language, by=by, key=key, rows=rows, more=len(wrong) - len(rows))


def schedules_broken(error: Problem, language: str = "en") -> str:
    """Return the body of the issue that says why no schedule can be read."""
    return _render("schedules_broken", language, error=error, text_limit=2_000)


def internal_trouble(reference: str, language: str = "en") -> str:
    """Return what is said where the App itself failed, time and again, at something about this issue."""
    return _render("internal_trouble", language, reference=reference)


def _rows(problems: Sequence[Problem], name: Callable[[str], str]) -> list[tuple[str, str, str, str]]:
    return [(name(one.field or ""), one.rule, one.found, one.next_step) for one in problems[:_MOST_WRONG]]


# --- templates ---------------------------------------------------------------------------------------------------------


class _Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def _finalized(value: object) -> str:
    return value if isinstance(value, _Markdown) else markdown.inline(value)


def _render(template: str, language: str, **values: object) -> str:
    return _capped(_rendered(template, language, **values), language, LIMIT)


def _rendered_whole(template: str, language: str, *, form: str, **values: object) -> str:
    """Render with a request's form, which has to stay as it is to the letter, below."""
    return f"{_render(template, language, **values)}\n\n{form}"


def _rendered(template: str, language: str, **values: object) -> str:
    text = _environment(language).get_template(f"{template}.md.j2").render(**values)
    return _without_spare_lines(text).strip()


def _without_spare_lines(text: str) -> str:
    """Leave at most one empty line in a row, but within code."""
    parts: list[str] = []
    fence = ""
    for line in text.split("\n"):
        mark = re.match(r"`{3,}", line)
        if mark and (not fence or line.rstrip() == fence):
            fence = "" if fence else mark[0]
        if line or fence or (parts and parts[-1]):
            parts.append(line)
    return "\n".join(parts)


@cache
def _environment(language: str) -> SandboxedEnvironment:
    known = language if language in languages() else "en"
    # Autoescape knows HTML alone; here every value is made safe for Markdown by _finalized.
    environment = SandboxedEnvironment(
        loader=FileSystemLoader([_TEXTS / known, _TEXTS / "en"], encoding="utf-8"),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    for function in (_code, _fence, _link, _image, _prose, _short):
        environment.filters[function.__name__.removeprefix("_")] = function
    environment.filters["text"] = _text
    environment.filters["figure"] = lambda value: _Markdown(wording.figure(value, known))
    environment.filters["signed"] = lambda value: _Markdown(f"{value:+.4g}")
    environment.filters["duration"] = lambda seconds: _Markdown(wording.duration(seconds, known))
    environment.filters["moment"] = lambda when: _Markdown(wording.moment(when, known))
    environment.filters["settings"] = partial(_settings, language=known)
    environment.filters["markdown"] = _Markdown
    environment.filters["features"] = _features
    environment.globals["lower_is_better"] = tuple(
        name for task in tasks().values() for name, metric in task.metrics.items() if not metric.higher_is_better
    )
    environment.globals["commands"] = tuple(COMMANDS.values())
    return environment


def _text(value: object, limit: int = 1_000) -> _Markdown:
    return _Markdown(markdown.inline(value, limit))


def _prose(value: object, limit: int = 1_000) -> _Markdown:
    """Write a sentence whose names stand in backticks, as rules and explanations have them; nothing else is obeyed."""
    parts = markdown.shorten(str(value), limit).split("`")
    if len(parts) % 2 == 0:
        return _text(value, limit)
    shown = [markdown.code(part) if number % 2 else _spaced(part) for number, part in enumerate(parts)]
    return _Markdown("".join(shown).strip())


def _spaced(part: str) -> str:
    before, after = (" " if edge.isspace() else "" for edge in (part[:1], part[-1:]))
    return before + markdown.inline(part) + (after if part.strip() else "")


def _code(value: object, limit: int = 200) -> _Markdown:
    return _Markdown(markdown.code(value, limit))


def _fence(value: object, limit: int = 10_000) -> _Markdown:
    return _Markdown(markdown.fence(value, "text", limit))


def _link(text: object, url: str) -> _Markdown:
    return _Markdown(markdown.link(text, url)) if len(url) <= _LONGEST_URL else _text(text)


def _image(text: object, url: str) -> _Markdown:
    """Show a plot at such a width that two stand side by side."""
    if len(url) > _LONGEST_URL:
        return _text(text, 60)
    return _Markdown(markdown.image(markdown.shorten(str(text), 60), url, width="49%"))


def _short(value: float) -> _Markdown:
    """Write a threshold as a person would."""
    return _Markdown(wording.short(value))


def _settings(values: Mapping[str, Scalar], limit: int = 80, most: int = 50, *, language: str) -> _Markdown:
    """Write hyperparameters or overrides on one line, the first ``most`` of them."""
    pairs = [markdown.code(f"{name}={format_scalar(value)}", limit) for name, value in values.items()]
    more = [_MORE.get(language, _MORE["en"]).format(len(pairs) - most)] if len(pairs) > most else []
    return _Markdown(", ".join([*pairs[:most], *more]))


def _features(asked: AskedFeatures, limit: int = 80) -> _Markdown:
    """Write the features that are asked for on one line."""
    return _Markdown(", ".join(markdown.code(line, limit) for line in format_features(asked).split("\n")))
