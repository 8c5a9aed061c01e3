"""``training_history/index.md``: one row per run, newest first; a pure function of the file's current content."""

from __future__ import annotations

import re

from actions.contracts.run_id import RUN_ID, number_of
from actions.history_management.record import RunRecord, utc
from actions.history_management.report import SIGNS, number
from actions.text.markdown import code, inline, link, table

ROWS = 2_000
"""Maximum of listed runs, newest first; GitHub renders Markdown files up to 512 kB."""

_HEADER = ("Run", "Model", "Verdict", "Metric", "Version", "Requested by", "Finished")
_ROW = re.compile(rf"^\| \[({RUN_ID})\]\(")
_TEXT = """\
# Training history

Each run has a page; versions of the models are in [models](models). Written by Modelyard; manual changes are overwritten.

"""


def updated(present: str | bytes | None, record: RunRecord) -> str:
    """Return the index with this run's row, new or replaced."""
    text = present.decode(errors="replace") if isinstance(present, bytes) else present or ""
    rows = {found[1]: line for line in text.splitlines() if (found := _ROW.match(line))}
    rows[record.run] = _row(record)
    newest_first = sorted(rows, key=_order, reverse=True)[:ROWS]
    head = table(_HEADER, [[""] * len(_HEADER)]).splitlines()[:2]
    return _TEXT + "\n".join([*head, *(rows[run] for run in newest_first)]) + "\n"


def _order(run: str) -> tuple[int, str]:
    return number_of(run), run


def _row(record: RunRecord) -> str:
    verdict = record.result.verdict if record.result is not None else None
    cells = (
        link(record.run, f"{record.run}.md"),
        code(record.request.model_name),
        f"{SIGNS[record.status]} {record.status}",
        f"{code(verdict.metric)} {number(verdict.value)}" if verdict else "",
        "" if record.version is None else f"{record.version}{' (champion)' if record.promoted else ''}",
        inline(record.requester.login),
        utc(record.finished),
    )
    return table(_HEADER, [cells]).splitlines()[2]
