"""`make bench`: every benchmark can be run and gives its figures. How good they are is not asserted: machines differ."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actions.contracts.stage import Stage
from benchmarks import pipelines, plain_training, preparation, training
from benchmarks.__main__ import NAMES
from benchmarks.pipeline_peers import FOUR, dvc_yaml
from benchmarks.processes import Taken, plain_environment, taken
from benchmarks.report import percentile, written
from benchmarks.timeline import JobTimes, StageSeconds, Timeline, between, covered

ROOT = Path(__file__).parents[2]


def benchmarks(*arguments: str, limit: float = 120) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks", *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=limit,
    )  # fmt: skip


def figures(name: str, folder: Path, limit: float = 120) -> list[dict[str, Any]]:
    """Run a benchmark and return the rows of all its tables."""
    done = benchmarks(name, "--json", str(folder / "found.json"), limit=limit)
    assert done.returncode == 0, done.stderr
    assert name in done.stdout
    found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    assert found["machine"]["cores"] >= 1
    assert list(found["benchmarks"]) == [name]
    return [row for table in found["benchmarks"][name]["tables"] for row in table["rows"]]


def test_the_list_says_what_each_benchmark_measures() -> None:
    done = benchmarks("--list")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(NAMES)
    assert all(len(line.split()) > 3 for line in lines)


def test_an_unknown_benchmark_is_refused_with_those_that_there_are() -> None:
    done = benchmarks("lop")
    assert done.returncode == 2
    assert "no benchmark lop" in done.stderr
    assert "imports" in done.stderr


def test_the_docs_know_every_benchmark() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}`" not in text] == []


def test_the_parsers_take_every_worst_text(tmp_path: Path) -> None:
    rows = figures("parse", tmp_path)
    assert {row["text"].partition(":")[0] for row in rows} == {"form", "comment", "config"}
    assert all(row["ms"] >= 0 for row in rows)


@pytest.mark.slow
def test_the_mcp_door_is_measured_over_stdio(tmp_path: Path) -> None:
    found = {row["what"]: row["figure"] for row in figures("mcp", tmp_path)}
    assert found["tools"] > 10
    assert found["tools/list as JSON"] > found["of this output schemas"] > 0
    assert found["parse_issue, p50"] > 0


@pytest.mark.slow
def test_imports_are_measured_in_fresh_processes(tmp_path: Path) -> None:
    rows = {row["process"]: row for row in figures("imports", tmp_path, limit=280)}
    assert rows["imports of judge"]["heavy libraries"] == rows["imports of publish"]["heavy libraries"] == ""
    assert "sklearn" in rows["imports of train"]["heavy libraries"]
    assert "xgboost" not in rows["imports of prepare"]["heavy libraries"]


@pytest.mark.slow
def test_every_delivery_of_the_ingest_load_is_accepted(tmp_path: Path) -> None:
    rows = {row["server"].partition(" ")[0]: row for row in figures("ingest", tmp_path)}
    assert {row["refused"] for row in rows.values()} == {0}
    assert rows["Modelyard"]["requests"] > 0
    assert rows["Probot" if "Probot" in rows else "FastAPI"]["ratio"] == 1


@pytest.mark.slow
def test_a_burst_is_taken_without_a_refusal_and_worked_off(tmp_path: Path) -> None:
    found = {row["what"]: row["figure"] for row in figures("burst", tmp_path, limit=280)}
    assert found["refused"] == 0
    assert found["deliveries"] == found["worked off"] == 10_000


@pytest.mark.slow
def test_a_restart_with_waiting_runs_is_measured_until_the_worker_works(tmp_path: Path) -> None:
    found = {row["what"]: row["figure"] for row in figures("restart", tmp_path)}
    assert found["waiting runs"] == 10_000
    assert found["start to the work on the run that is due"] > 0


@pytest.mark.slow
def test_the_loop_is_measured_from_issue_to_closed_issue(tmp_path: Path) -> None:
    rows = figures("loop", tmp_path, limit=280)
    parts = {row["part"]: row["seconds"] for row in rows if "part" in row}
    assert parts["issue opened to closed"] > parts["jobs"] > parts["issue opened to dispatch"] > 0
    jobs = {row["job (seconds)"]: row for row in rows if "job (seconds)" in row}
    assert list(jobs) == ["prepare", "train", "evaluate", "judge", "publish"]
    assert all(job["imports"] is not None and job["checkout"] > 0 for job in jobs.values())
    assert next(row["what"] for row in rows if "what" in row) == "JudgeResults"


# --- how figures are made ----------------------------------------------------------------------------------------------


def test_the_parts_of_a_run_add_up() -> None:
    line = Timeline(opened=10, first_comment=11, dispatched=12, closed=30)
    line.jobs["prepare"] = JobTimes(queued=12, started=13, ended=18)
    line.jobs["train"] = JobTimes(queued=18, started=19, ended=27, steps={"Train": 6.0, "Set up Python": 1.0})
    parts = dict(line.parts())
    assert parts["jobs"] == 13
    assert parts["between jobs, all together"] == 1
    assert parts["of this, no job runs"] == 20 - 13
    train = line.job_rows({"train": StageSeconds(imports=3, work=2)})[1]
    assert train == ("train", 1, 1, None, 1.0, 1.0, 3, 2, 8)


def test_time_in_which_two_jobs_run_counts_once() -> None:
    assert covered([(0, 10), (5, 12), (20, 21), (6, 7)]) == 13


def test_requests_count_from_the_start_to_before_the_end() -> None:
    assert between([1, 2, 3], 1, 3) == 2


def test_figures_are_written_with_three_digits() -> None:
    assert [written(cell) for cell in (None, "x", 1234, 123.4, 12.34, 1.234, 0.1234)] == [
        "", "x", "1,234", "123", "12.3", "1.23", "0.123",
    ]  # fmt: skip


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99), percentile([7.0], 99)) == (51, 100, 7)


# --- supervised learning ---------------------------------------------------------------------------------------------


def took(wall: float, processor: float, said: str = "") -> Taken:
    return Taken(wall, processor, 100.0, said)


def test_what_a_process_and_its_children_took_is_measured_and_what_it_said_is_kept() -> None:
    work = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**6))']); print('done')"
    found = taken([sys.executable, "-c", work], plain_environment())
    assert found.said == "done\n"
    assert found.wall > 0
    assert found.processor > 0
    assert found.peak_mb > 1


def test_a_process_that_fails_ends_the_benchmark_with_what_it_said() -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3:\nout\nwhy"):
        taken(
            [sys.executable, "-c", "import sys; print('out'); print('why', file=sys.stderr); sys.exit(3)"],
            plain_environment(),
        )


def test_ratios_are_medians_of_those_of_each_turn() -> None:
    found = {"own": [took(2, 1), took(9, 2), took(4, 4)], "plain": [took(1, 1), took(9, 1), took(8, 2)]}
    rows = [list(row) for row in preparation.rows_of(found, "plain")]
    assert rows == [["own", 4, 1, 2, 2, 100], ["plain", 8, 1, 1, 1, 100]]


def test_a_training_counts_from_the_start_of_its_process() -> None:
    turn = training.Turn(own=took(7, 6), own_start=took(3, 2), script=took(4, 3), script_start=took(2, 1))
    row = dict(zip(training.COLUMNS, training.row_of("xgboost", 100, [turn, turn, turn], "equal"), strict=True))
    assert (row["Modelyard s"], row["script s"], row["ratio"], row["CPU ratio"]) == (4, 2, 2, 2)


def test_predictions_that_differ_are_told_by_how_much() -> None:
    assert training.difference([1.0, 2.0], [1.0, 2.0]) == "equal"
    assert training.difference([1.0, 2.0], [1.0, 2.25]) == "at most 0.2 apart"
    assert training.difference([1.0], [1.0, 2.0]).startswith("OTHER SHAPES")


def test_the_overhead_is_what_a_turn_took_beyond_its_four_commands() -> None:
    ways = pipelines.Ways()
    for floor, peer in ((10, 15), (20, 30), (10, 11)):
        ways.add(pipelines.FLOOR, took(floor, floor), took(1, 1))
        ways.add("DVC", took(peer, peer))
    rows = {row[0]: dict(zip(pipelines.COLUMNS, row, strict=True)) for row in pipelines.rows_of(ways)}
    assert rows["DVC"]["overhead s"] == 5
    assert rows["DVC"]["again s"] is None
    assert rows[pipelines.FLOOR]["overhead s"] is None


def test_dvc_is_told_that_each_stage_depends_on_the_record_of_the_one_before() -> None:
    commands: dict[Stage, list[str]] = {stage: ["run", stage] for stage in FOUR}
    records = {stage: Path(f"storage/{stage}.json") for stage in FOUR}
    stages = json.loads(dvc_yaml(commands, records))["stages"]
    assert list(stages) == list(FOUR)
    assert stages["prepare"] == {"cmd": "run prepare", "outs": ["storage/prepare.json"]}
    assert [stages[stage]["deps"] for stage in FOUR[1:]] == [[f"storage/{stage}.json"] for stage in FOUR[:-1]]


@pytest.mark.slow
def test_a_script_and_the_stage_prepare_do_the_same_work() -> None:
    outcome = preparation.measured(2_000, 1)
    assert outcome.notes[-1].endswith("the same in each.")
    assert all(row[1] and row[5] for row in outcome.tables[0].rows)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", plain_training.ALGORITHMS)
def test_a_script_and_the_stage_train_predict_the_same(algorithm: str) -> None:
    (row,) = training.measured({algorithm: 1_500}, 1).tables[0].rows
    # The script's own softmax may differ in the last digit.
    assert row[-1] in ("equal", "at most 1e-16 apart", "at most 2e-16 apart")


@pytest.mark.slow
def test_the_four_commands_pass_and_skip_themselves_the_second_time() -> None:
    rows = pipelines.measured(1, (), hub=False).tables[0].rows
    assert [row[0] for row in rows] == [pipelines.FLOOR, pipelines.ONE]
    assert all(row[1] and row[5] for row in rows)
