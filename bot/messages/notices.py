"""What people read about requests, the repository's set-up and Modelyard itself (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from actions.errors import Problem
from bot.messages.markup import Markdown, code, heading, prose, table, text
from bot.messages.problems import MAX_SHOWN, problem_list, problem_table
from bot.messages.words import Words
from bot.parsing.form_fields import label_of

_SUBJECTS = {
    "hyperparameters": "hyperparameters",
    "search_trials": "search",
    "search_minutes": "search",
    "target": "target",
}


# --- requests ----------------------------------------------------------------------------------------------------------


def invalid(problems: Sequence[Problem], language: str = "en") -> Markdown:
    """Return every problem of a form at once."""
    say = Words(language)
    return say.comment(
        heading("⚠️", say.count("invalid.title", len(problems))),
        say("invalid.next"),
        problem_table(problems, say, label_of),
    )


def invalid_data(problem: Problem, run: str = "", language: str = "en") -> Markdown:
    """Return what the runner found wrong with the data."""
    say = Words(language)
    title = say(f"invalid_data.{_SUBJECTS.get(problem.field or '', 'data')}")
    discarded = say("invalid_data.discarded", run=code(run)) if run else say("invalid_data.discarded_run")
    return say.comment(
        heading("⚠️", title), problem_list(problem, say), say.sentences(discarded, say("invalid_data.next"))
    )


def problem_fixed(language: str = "en") -> Markdown:
    """Return what replaces the description of a problem that is fixed."""
    return Words(language)("problem_fixed")


def not_a_form(language: str = "en") -> Markdown:
    """Return the answer to an issue that has the label but no form."""
    say = Words(language)
    return say.comment(heading("⚠️", say("not_a_form.title")), say("not_a_form.text"), say("not_a_form.next"))


def request_refused(has: str, needs: str = "write", language: str = "en") -> Markdown:
    """Return the answer to someone who may not request a training run."""
    say = Words(language)
    return say.comment(say("request_refused.text", needs=code(needs), has=code(has)), say("request_refused.next"))


def request_by_dispatch(by: str, key: str, form: str, language: str = "en") -> Markdown:
    """Return the body of the issue that the App opens for a ``repository_dispatch``; ``form`` is the request."""
    return _with_form(Words(language)("opened.dispatch", who=code(by), key=code(key)), form)


def request_by_schedule(name: str, cron: str, slot: datetime, form: str, language: str = "en") -> Markdown:
    """Return the body of the issue that the App opens when a schedule is due."""
    say = Words(language)
    return _with_form(say("opened.schedule", name=code(name), cron=code(cron), when=say.moment(slot)), form)


def _with_form(text: Markdown, form: str) -> Markdown:
    """Put a request's form below a text, unescaped and uncut: the App reads the issue like any other."""
    return Markdown(f"{text}\n\n{form}")


def invalid_dispatch(by: str, key: str, problems: Sequence[Problem], language: str = "en") -> Markdown:
    """Return the body of the issue that lists the problems of a ``repository_dispatch``."""
    say = Words(language)
    return say.comment(
        say.count("invalid_dispatch.text", len(problems), who=code(by), key=code(key)),
        say("invalid_dispatch.next"),
        problem_table(problems, say, label_of),
    )


def repository_replaced(name: str, aside: str, language: str = "en") -> tuple[str, Markdown]:
    """Return title and body of the issue about a repository whose name another one had before."""
    say = Words(language)
    body = say.comment(
        say("replaced.text", name=code(name)),
        say("replaced.storage", folder=code(aside)),
        say("replaced.next", datasets=code(f"{name}/datasets")),
    )
    return str(say("replaced.title")), body


# --- the repository's set-up -------------------------------------------------------------------------------------------


def public_repository_refused(language: str = "en") -> Markdown:
    """Return the answer in a public repository whose configuration does not allow it."""
    say = Words(language)
    return say.comment(heading("⚠️", say("public.title")), say("public.text"), say("public.next"))


def config_broken(problem: Problem, language: str = "en") -> Markdown:
    """Return the answer where ``.github/modelyard.yml`` is missing or invalid."""
    say = Words(language)
    title = say("config.missing") if problem.reason == "config_missing" else say("config.invalid")
    return say.comment(heading("⚠️", title), problem_list(problem, say), say("config.next"))


def run_waits_for_config(problem: Problem, run: str, language: str = "en") -> Markdown:
    """Return what is posted while a run waits for ``.github/modelyard.yml`` to be fixed."""
    say = Words(language)
    title = say("config.missing") if problem.reason == "config_missing" else say("config.invalid")
    return say.comment(heading("⚠️", title), problem_list(problem, say), say("config.run_waits", run=code(run)))


def run_unreadable(run: str, language: str = "en") -> Markdown:
    """Return what is posted where a run ends because its row in the database cannot be read."""
    say = Words(language)
    title = heading("❌", say("run_unreadable.title", run=code(run)))
    return say.comment(title, say("run_unreadable.text"), say("run_unreadable.next"))


def schedules_broken(problem: Problem, language: str = "en") -> Markdown:
    """Return the body of the issue that says why no schedule can be read."""
    say = Words(language)
    what = say("schedules.missing") if problem.reason == "config_missing" else say("schedules.invalid")
    return say.comment(what, problem_list(problem, say), say("schedules.next"))


def file_findings(problems: Sequence[Problem], language: str = "en") -> Markdown:
    """Return the summary of a check run about pushed files."""
    say = Words(language)
    if not problems:
        return say("files.fine")
    header = [say("files.file"), say("problem.rule"), say("problem.found"), say("problem.fix")]
    rows = [
        (code(problem.field or ""), prose(problem.rule), text(problem.found), prose(problem.next_step))
        for problem in problems[:MAX_SHOWN]
    ]
    return say.comment(table(header, rows))


def internal_trouble(reference: str, language: str = "en") -> Markdown:
    """Return what is posted when the App itself failed repeatedly."""
    say = Words(language)
    return say.comment(
        heading("❌", say("internal.title")), say("internal.text"), say("internal.next", reference=code(reference))
    )
