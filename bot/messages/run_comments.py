"""Comments about a run: the one that follows it to its end, and those that notify people (pure).

Each function returns the Markdown of one comment, without the hidden marker that whoever posts it adds. The language is
the run's unless another is passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.messages.markup import LEVELS, MAX_LENGTH, Markdown, bullets, code, image, joined, link, paragraphs, text
from bot.messages.next_step import next_step, question
from bot.messages.request_table import request
from bot.messages.run_page import RunPage, Situation, situation
from bot.messages.run_sections import error, search, stages
from bot.messages.verdict import earlier_attempts, explanation, metrics, verdict
from bot.messages.words import Words
from bot.runs.run import Decision
from bot.runs.view import RunView

_MAX_PLOTS, _MAX_DECISIONS = 12, 12
_SYMBOLS: Mapping[Situation, str] = {
    "asking": "✋",
    "registering": "✅",
    "champion": "✅",
    "candidate": "✅",
    "not_registered": "❌",
    "rejected": "❌",
    "cancelled": "⏹️",
    "invalid": "⚠️",
    "failed_in_stage": "❌",
    "not_judged": "❌",
    "failed": "❌",
}
_BY_VERDICT: Mapping[str, Situation] = {"passed": "registering", "rejected": "rejected", "failed": "not_judged"}
"""The first line while a run finishes: its verdict is news, even before its status is set."""


def sticky(view: RunView, language: str = "", limit: int = MAX_LENGTH) -> Markdown:
    """Return the run's main comment, for whatever state it is in."""
    return _written(_sticky, view, language, limit)


def headline(view: RunView, language: str = "") -> str:
    """Return one line of plain text that says what is happening, for a title."""
    return _headline(_page(view, language)).replace("`", "")


def status_reply(view: RunView, language: str = "") -> Markdown:
    """Return the answer to ``/status``."""
    return _written(_status, view, language)


def decision_needed(view: RunView, language: str = "") -> Markdown:
    """Return the question whether to train again: a comment of its own, because an edited comment notifies nobody."""
    return _written(_decision_needed, view, language)


def expiring(view: RunView, language: str = "") -> Markdown:
    """Return the reminder that the question is about to expire."""
    return _written(_expiring, view, language)


def finished(view: RunView, language: str = "") -> Markdown:
    """Return the short comment that says how the run ended."""
    return _written(_finished, view, language)


def not_waiting(view: RunView, command: str, language: str = "") -> Markdown:
    """Return the answer to a command that does nothing in the run's present state, such as ``/cancel`` after the end."""
    return _written(lambda page: _not_waiting(page, command), view, language)


def request_frozen(view: RunView, language: str = "") -> Markdown:
    """Return the answer to an edit of the issue after its request was dispatched."""
    return _written(lambda page: page.say("request_frozen", run=code(page.run.id)), view, language)


def _page(view: RunView, language: str) -> RunPage:
    return RunPage(view, Words(language or view.run.language))


def _written(write: Callable[[RunPage], Markdown], view: RunView, language: str, limit: int = MAX_LENGTH) -> Markdown:
    """Write with less and less detail until the text fits."""
    page = _page(view, language)
    written = Markdown("")
    for detail in LEVELS:
        written = write(replace(page, detail=detail))
        if len(written) <= limit:
            break
    return page.say.comment(written, limit=limit)


def _sticky(page: RunPage) -> Markdown:
    view = page.view
    plots = joined([image(name, url) for name, url in view.plots[:_MAX_PLOTS]], "\n")
    return paragraphs(
        Markdown(f"### {_headline(page)}"),
        next_step(page),
        error(page, with_log=True),
        verdict(page),
        metrics(page),
        earlier_attempts(page),
        search(page),
        plots,
        stages(page),
        _decisions(page),
        request(page),
        _footer(page),
    )


def _headline(page: RunPage) -> Markdown:
    run, view = page.run, page.view
    now = situation(view)
    if now == "finishing" and view.verdict is not None:
        now = _BY_VERDICT.get(view.verdict.status, now)
    line = page.say(
        f"headline.{now}",
        model=code(run.model),
        version=run.version,
        stage=code(run.error.stage) if run.error is not None else "",
        ahead=code(view.ahead.id) if view.ahead is not None else "",
        attempt=run.attempt,
        attempts=run.attempts_allowed,
    )
    return Markdown(f"{_SYMBOLS.get(now, '⏳')} {line}")


def _decisions(page: RunPage) -> Markdown:
    if not page.run.decisions:
        return Markdown("")
    items = [_decision(page, decision) for decision in page.run.decisions[-_MAX_DECISIONS:]]
    return paragraphs(page.say("decisions"), bullets(items))


def _decision(page: RunPage, decision: Decision) -> Markdown:
    say, limit = page.say, page.detail.cell
    sentence = say(
        f"decision.{decision.what}",
        when=say.moment(decision.when),
        who=text(decision.who.login, 40),
        attempt=decision.attempt,
    )
    changes = say("decision.with", settings=say.settings(decision.overrides, limit, 10)) if decision.overrides else ""
    reason = say("decision.because", reason=text(decision.reason, limit)) if decision.reason else ""
    return Markdown(f"{sentence}{changes}{reason}")


def _footer(page: RunPage) -> Markdown:
    say, view = page.say, page.view
    pages = [("workflow", view.workflow_url), ("history", view.history_url), ("registry", view.registry_url)]
    links = [link(say(f"link.{name}"), url) for name, url in pages if url]
    return joined([*_place(page), *links, say("as_of", when=say.moment(view.updated)), say("see_help")], " · ")


def _place(page: RunPage) -> tuple[Markdown, Markdown]:
    """Return which run and which of its attempts a text is about."""
    run = page.run
    return code(run.id), page.say("attempt_of", attempt=run.attempt, attempts=run.attempts_allowed)


def _status(page: RunPage) -> Markdown:
    footer = joined([*_place(page), page.say("as_of", when=page.say.moment(page.view.updated))], " · ")
    return paragraphs(_headline(page), next_step(page), error(page), stages(page), footer)


def _decision_needed(page: RunPage) -> Markdown:
    return paragraphs(
        Markdown(f"### {_headline(page)}"),
        error(page),
        verdict(page),
        metrics(page),
        earlier_attempts(page),
        question(page),
    )


def _expiring(page: RunPage) -> Markdown:
    until = page.say.moment(page.view.waiting_until) if page.view.waiting_until is not None else Markdown("")
    return paragraphs(page.say("expiring.text", model=code(page.run.model), until=until), page.say("expiring.next"))


def _finished(page: RunPage) -> Markdown:
    view = page.view
    history = link(page.say("link.history_of_run"), view.history_url) if view.history_url else Markdown("")
    why = Markdown("") if view.run.status == "cancelled" else explanation(page)
    return paragraphs(_headline(page), why, next_step(page), error(page), history)


def _not_waiting(page: RunPage, command: str) -> Markdown:
    say, run = page.say, page.run
    if command in ("approve", "reject") and run.answer is not None and run.answer.attempt == run.attempt:
        why = say("not_waiting.answered", who=text(run.answer.who.login, 40), command=code(f"/{run.answer.what}"))
    else:
        why = say(f"not_waiting.{_REASONS.get(command, 'no_question')}")
    line = say("not_waiting.text", command=code(f"/{command}", 40), why=why)
    return paragraphs(line, say("not_waiting.now", headline=_headline(page)))


_REASONS = {"cancel": "ended", "train": "in_progress", "retry": "not_retryable"}
