"""Problems, as people are shown them: a list for one, a table for several (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actions.errors import Problem
from bot.messages.markup import FULL, Detail, Markdown, bullets, code, paragraphs, prose, table, text
from bot.messages.words import Words

MAX_SHOWN = 40


def problem_list(problem: Problem, say: Words, detail: Detail = FULL) -> Markdown:
    """Return one problem: the field, the rule, what was found, how to fix it, the code."""
    parts = [
        ("field", code(problem.field or "")),
        ("rule", prose(problem.rule, detail.text)),
        ("found", prose(problem.found, detail.text)),
        ("fix", prose(problem.next_step, detail.text)),
        ("code", code(problem.reason)),
    ]
    return bullets(
        Markdown(f"**{say(f'problem.{name}')}{say('list.colon')}** {value}") for name, value in parts if value
    )


def problem_table(problems: Sequence[Problem], say: Words, label: Callable[[str], str] = str) -> Markdown:
    """Return several problems, one per row; of very many the rest is counted.

    Parameters
    ----------
    problems, say
        What to show, in which language.
    label
        Returns what the reader knows a field by, such as the form's heading.
    """
    shown = problems[:MAX_SHOWN]
    header = [say("problem.field"), say("problem.rule"), say("problem.found"), say("problem.fix")]
    rows = [
        (
            text(label(problem.field or ""), 60),
            prose(problem.rule, 400),
            code(problem.found),
            prose(problem.next_step, 300),
        )
        for problem in shown
    ]
    rest = say("problem.more", count=len(problems) - len(shown)) if len(problems) > len(shown) else Markdown("")
    return paragraphs(table(header, rows), rest)
