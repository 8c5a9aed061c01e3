"""What the demo shows of jobs and comments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console

from runners.local.demo.hub_user import Job
from runners.local.demo.view import Row, comment_view, headline, metrics_view, rows, visible

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
COMMENT = """<!-- modelyard:run-1 -->
### ✅ Passed: `wine` version 1 is the new champion

**Verdict: passed.** asked was &gt;= 0.9.

| Metric | This model |
| --- | ---: |
| accuracy | 0.9735 |

![roc.png](http://127.0.0.1/roc.png)

<details><summary>Request</summary>

Folded away

</details>

The end
"""


def job(name: str, conclusion: str | None, run: int = 1, **changes: Any) -> Job:
    values: dict[str, Any] = {
        "run": run,
        "name": name,
        "status": "completed" if conclusion else "in_progress",
        "conclusion": conclusion,
        "started": NOON,
        "completed": NOON + timedelta(seconds=4),
        "step": "",
    }
    return Job(**values | changes)


def shown(thing: Any) -> str:
    console = Console(width=80, no_color=True)
    with console.capture() as captured:
        console.print(thing)
    return captured.get()


def test_a_stage_stands_as_the_last_workflow_run_that_did_it_left_it() -> None:
    first = [job("prepare", "success"), job("train", "failure"), job("evaluate", "skipped")]
    second = [job("prepare", "skipped", 2), job("train", None, 2, step="Fit"), job("publish", None, 2, status="queued")]
    assert rows(first)[:3] == [Row("prepare", "done", 4), Row("train", "failed", 4), Row("evaluate", "not run")]
    prepare, train, evaluate, judge, publish = rows([*first, *second])
    assert prepare == Row("prepare", "done", 4)
    assert (train.state, train.step) == ("running", "Fit")
    assert (evaluate.state, judge.state, publish.state) == ("not run", "waiting", "waiting")
    assert rows([job("train", "cancelled")])[1].state == "cancelled"


def test_of_a_comment_is_shown_what_github_shows_at_first_sight() -> None:
    text = shown(comment_view(COMMENT))
    assert "✅ Passed: wine version 1 is the new champion" in text
    assert "asked was >= 0.9." in text
    assert "0.9735" in text
    assert "The end" in text
    for hidden in ("<!--", "modelyard:run-1", "roc.png", "Folded away", "details"):
        assert hidden not in text
    assert "0.9735" not in shown(comment_view(COMMENT, tables=False))
    assert headline(COMMENT) == "✅ Passed: wine version 1 is the new champion"
    assert headline(visible("")) == ""


def test_metrics_are_shown_beside_the_champion_s_and_what_was_asked_for() -> None:
    verdict = {"metric": "log_loss", "threshold": 0.5}
    result = {
        "request": {"task": "classification"},
        "metrics": {"log_loss": 0.25, "f1": None},
        "champion_metrics": {"log_loss": 0.3},
        "verdict": verdict,
    }
    text = shown(metrics_view({"result": result}))
    assert text.split() == [
        "metric", "this", "model", "champion", "threshold",
        "log_loss", "0.2500", "0.3000", "at", "most", "0.5",
        "f1", "-", "-",
    ]  # fmt: skip
    assert metrics_view({}) is None
    assert metrics_view({"result": None}) is None
