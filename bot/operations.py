"""The operations that the App's own modules carry out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from actions.errors import Problem
from actions.operation import Result, operation
from actions.tasks.registry import TrainingRequest


class FieldProblem(Problem):
    """One thing that is wrong in an issue's body; the label is the form's heading."""

    label: str


class ParsedIssue(Result):
    """What an issue's body says: a request, or everything that is wrong with it."""

    outcome: str
    request: TrainingRequest | None
    wrong: list[FieldProblem]


@operation(where="app", read_only=True, open_to_agents="It only reads.")
def parse_issue(body: Annotated[str, Field(max_length=1_000_000)]) -> ParsedIssue:
    r"""Read the text of an issue as the App would and return what it understands, without starting a run.

    The outcome is ``request``, ``wrong_fields`` (each of them is listed) or ``not_a_form``.

    Parameters
    ----------
    body
        The issue's body, as the form writes it: a heading with three # for each field, its value below.

    Examples
    --------
    >>> parse_issue("Please train something.").outcome
    'not_a_form'
    >>> found = parse_issue("### Metric\n\naccurracy")
    >>> [one.next_step for one in found.wrong if one.field == "metric"]
    ['Did you mean accuracy?']
    """
    from bot.parsing.form import parse_form
    from bot.parsing.form_fields import label_of

    parsed = parse_form(body)
    if parsed.not_a_form:
        return ParsedIssue(outcome="not_a_form", request=None, wrong=[])
    wrong = [FieldProblem(label=label_of(str(problem.field)), **dict(problem)) for problem in parsed.wrong]
    return ParsedIssue(outcome="wrong_fields" if wrong else "request", request=parsed.request, wrong=wrong)
