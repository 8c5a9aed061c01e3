"""A figure that is not finite, or a run whose record is damaged, ends that run alone, and people are notified."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from actions.tasks.exchange import WorkOrder
from bot.database.tables import RUNS
from bot.runs.machine import END
from tests.support.loop import Loop
from tests.support.results import PNG, a_result
from tests.support.scripted_runs import Script, publishes


@pytest.mark.parametrize(
    ("part", "name", "figure"),
    [("metrics", "roc_auc", math.inf), ("metrics", "roc_auc", math.nan), ("model", "size_bytes", 10**400)],
    ids=["Infinity", "NaN", "401 digits"],
)
def test_a_result_with_a_figure_that_is_not_finite_is_refused_and_ends_its_run_alone(
    loop: Loop, model: str, part: str, name: str, figure: float
) -> None:
    def result(work: Any) -> Any:
        found = a_result(WorkOrder.model_validate_json(work.inputs["order"]), git_sha=work.sha)
        found[part][name] = figure
        return found

    loop.script(publish=Script(do=publishes(result, {"roc_curve.png": PNG})))

    issue = loop.open(model_name=model)

    assert loop.until_ended(issue).status == "failed"
    assert "result.json must match the schema" in loop.comments(issue)[-1]
    loop.script()
    assert loop.until_ended(loop.open(model_name=model)).status == "passed"


def test_a_run_whose_record_is_damaged_ends_alone_and_people_are_notified(
    loop: Loop, model: str, waiting: int, caplog: pytest.LogCaptureFixture
) -> None:
    loop.until_idle()
    run = loop.run(waiting)
    is_run = (RUNS.c.repository == loop.name) & (RUNS.c.id == run.id)
    damaged = run.model_dump_json().replace('"value":0.5', '"value":"Infinity and more"')
    assert damaged != run.model_dump_json()
    with loop.store.database.transaction() as connection:
        connection.execute(RUNS.update().where(is_run).values(document=damaged, poked=True))

    loop.until_label(waiting, "mlops:failed")

    def state() -> Any:
        with loop.store.database.transaction() as connection:
            return connection.execute(sa.select(RUNS.c.state).where(is_run)).scalar_one()

    loop.until(lambda: state() == END, "the damaged run has ended")
    loop.values.clear()
    assert "cannot be read" in loop.comments(waiting)[-1]
    assert sum("cannot be read" in record.message for record in caplog.records) <= 2
    assert httpx.get(loop.ready.app.webhook_url.removesuffix("webhook"), timeout=20).status_code == 200
    assert loop.until_ended(loop.open(model_name=model)).status == "passed"
    with loop.store.database.transaction() as connection:
        connection.execute(RUNS.update().where(is_run).values(document=run.replace(state=END).model_dump_json()))
