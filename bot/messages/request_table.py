"""A request as a table: its fields as its task declares them, without those that have no value (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic.fields import FieldInfo

from actions.contracts.features import RequestedFeatures
from actions.contracts.person import logins
from actions.contracts.request import BaseRequest, unit_of
from bot.messages.markup import FULL, Detail, Markdown, code, folded, joined, table, text
from bot.messages.run_page import RunPage
from bot.messages.words import Words
from bot.parsing.feature_fields import format_features

Rows = list[tuple[Markdown, Markdown]]
_PLAIN = ("algorithm", "notes")
"""Fields whose texts are shown as prose rather than as code."""
_LEFT_OUT = ("metric", "max_retries")
"""Fields that other rows and lines show."""


def request(page: RunPage) -> Markdown:
    """Return the request of a run, folded."""
    say, run = page.say, page.run
    rows = request_rows(run.request, say, page.detail, {"seed": lambda: _seed(page)})
    rows.append((say("request.requester"), text(logins(run.requesters), 200)))
    return folded(say("request.title"), table([say("request.field"), say("request.value")], rows))


def _seed(page: RunPage) -> Markdown:
    run = page.run
    if run.attempt == 1:
        return text(run.request.seed)
    seed, training_seed = run.request.seed, run.training_seed
    return page.say("request.seed_of_attempt", seed=seed, attempt=run.attempt, training_seed=training_seed)


def request_rows(
    request: BaseRequest, say: Words, detail: Detail = FULL, written: Mapping[str, Callable[[], Markdown]] | None = None
) -> Rows:
    """Return the name and the value of each field.

    Parameters
    ----------
    request, say, detail
        What to show, in which language, at what length.
    written
        Writes the values of fields that need more than their own value.
    """
    writers = {
        "task": lambda: say.name_of("task", request.task),
        "threshold": lambda: joined([request.metric, say.bound(request.judged_metric, request.threshold)], " "),
        **(written or {}),
    }
    rows = []
    for name, field in request.form_fields().items():
        value = writers[name]() if name in writers else _value(request, name, field, say, detail)
        if value and name not in _LEFT_OUT:
            rows.append((say.name_of("request", name, field.title or ""), value))
    return rows


def _value(request: BaseRequest, name: str, field: FieldInfo, say: Words, detail: Detail) -> Markdown:
    """Return a value; nothing for an empty one, and for a default of the task's own fields."""
    value = getattr(request, name)
    is_default = not field.is_required() and value == field.get_default(call_default_factory=True)
    if value is None or (is_default and name not in BaseRequest.model_fields):
        return Markdown("")
    if isinstance(value, RequestedFeatures):
        return joined([code(line, detail.cell) for line in format_features(value).split("\n")], ", ")
    if isinstance(value, dict):
        return say.settings(value, detail.cell)
    if isinstance(value, int | float):
        unit = unit_of(field)
        return joined([value, say.name_of("unit", unit)], " ") if unit else text(value)
    return text(value, detail.text) if name in _PLAIN else code(value, detail.cell)
