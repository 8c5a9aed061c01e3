"""A task that is declared in one module goes everywhere: form, parsing, stages, publication, history and comments."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from actions.contracts.results import Published
from actions.contracts.stage import STAGES
from actions.errors import InvalidInput
from actions.history_management.change import history_change
from actions.history_management.record import RunRecord
from actions.model_registry import model_file
from actions.stages.runner import StageOutcome
from actions.tasks.exchange import PublishedResult, WorkOrder
from actions.tasks.registry import TrainingRequest, parse_request, tasks
from bot.events.commands import COMMANDS
from bot.github import PublishedCommit
from bot.messages import run_comments
from bot.messages.answers import plan
from bot.operations import parse_issue
from bot.parsing.command import ParsedCommand, parse_command
from bot.parsing.command_arguments import with_overrides
from bot.parsing.form import form_body, parse_form
from bot.parsing.form_fields import request_fields
from bot.parsing.issue_templates import form_files
from bot.parsing.mapping import read_request
from bot.runs.machines.training import State
from bot.runs.publication import check_ref, checked
from bot.runs.record import record_of
from bot.runs.run import AttemptVerdict, Run, WorkflowDispatch
from bot.runs.view import RunView
from tests.support.operating import REPOSITORY, RUN, Desk
from tests.support.runs import NOON
from tests.support.stages import run_stage
from tests.support.toy_task import TASK, RankingRequest

GIVEN: dict[str, Any] = {
    "model_name": "menu", "task": "ranking", "algorithm": "popularity", "choices": "aabaab", "shown": 2,
    "metric": "hit_rate", "threshold": 0.5, "notes": "Lunch.",
}  # fmt: skip


@pytest.fixture(autouse=True)
def ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find the toy task as a module of ``actions.tasks`` would be found."""
    monkeypatch.setitem(tasks(), TASK.name, TASK)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / f"server/{REPOSITORY}.git")], check=True)
    monkeypatch.setenv("GITHUB_SERVER_URL", f"file://{tmp_path}/server")
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    monkeypatch.setenv("GITHUB_SHA", "c" * 40)
    (tmp_path / "root").mkdir()
    return Desk(tmp_path / "root")


def order(desk: Desk, attempt: int = 1, **changes: Any) -> WorkOrder:
    values = {
        "run": RUN, "attempt": attempt, "repository": REPOSITORY, "issue": 7, "request": {**GIVEN, **changes},
        "storage_root": str(desk.root), "training_seed": 42,
    }  # fmt: skip
    return WorkOrder.model_validate_json(json.dumps(values))


def outcomes(work: WorkOrder) -> dict[str, StageOutcome]:
    return {stage: run_stage(stage, work) for stage in STAGES}


def published(desk: Desk, attempt: int = 1) -> bytes:
    server = desk.root.parent / f"server/{REPOSITORY}.git"
    show = ["git", "-C", str(server), "show", f"refs/modelyard/{RUN}/{attempt}:result.json"]
    return subprocess.run(show, check=True, capture_output=True).stdout


def a_run(request: TrainingRequest, **changes: Any) -> Run:
    values = {
        "id": RUN, "repository": REPOSITORY, "installation": 1, "issue": 7, "requester": "writer", "request": request,
        "created": NOON, "entered": NOON, **changes,
    }  # fmt: skip
    return Run.model_validate(values)


# --- form and parsing --------------------------------------------------------------------------------------------------


def test_its_form_asks_for_its_own_field_and_offers_its_own_choices() -> None:
    form = yaml.safe_load(form_files()[".github/ISSUE_TEMPLATE/ranking.yml"])
    fields = {item["id"]: item for item in form["body"] if "id" in item}
    assert form["name"] == "Train a ranking"
    assert list(fields)[:5] == ["model_name", "algorithm", "choices", "shown", "metric"]
    assert fields["algorithm"]["attributes"]["options"] == ["popularity", "newest"]
    assert fields["choices"]["validations"] == {"required": True}
    assert not {"data", "target", "split", "task"} & set(fields)


def test_an_issue_is_read_back_and_the_task_follows_from_the_metric() -> None:
    request = parse_request(GIVEN)
    body = form_body(request)
    assert "### Choices\n\naabaab" in body
    assert parse_form(body).request == request
    assert parse_form(body.replace("### Task\n\nranking\n\n", "")).request == request
    assert read_request(GIVEN).request == request
    assert parse_issue(body).request == request


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"Choices": ""}, "choices", "for example: abcabca"),
        ({"Algorithm": "popularty"}, "algorithm", "Did you mean popularity?"),
        ({"Algorithm": "xgboost"}, "algorithm", "Choose popularity, for example, or another task."),
        ({"Threshold": "2"}, "threshold", "Correct the number, or choose another metric."),
        ({"Items shown": "9"}, "shown", "Show fewer."),
        ({"Target column": "price"}, "target", "Remove it, or choose another task."),
    ],
)
def test_what_is_wrong_is_told_by_its_own_rules(changes: dict[str, str], field: str, told: str) -> None:
    texts = {field.title: str(GIVEN.get(name, "")) for name, field in request_fields().items()} | changes
    parsed = parse_form("\n\n".join(f"### {label}\n\n{text}" for label, text in texts.items()))
    assert [(problem.field, problem.next_step.endswith(told)) for problem in parsed.wrong] == [(field, True)]


# --- stages ------------------------------------------------------------------------------------------------------------


def test_stages_run_and_are_skipped_where_its_own_inputs_are_unchanged(desk: Desk) -> None:
    first = outcomes(order(desk))
    assert [outcome.skipped for outcome in first.values()] == [False] * 5
    assert "| items | 2 |" in first["evaluate"].summary_markdown()
    again = outcomes(order(desk))
    assert [stage for stage, outcome in again.items() if outcome.skipped] == ["prepare", "train", "evaluate", "judge"]
    other = run_stage("train", order(desk, algorithm="newest"))
    assert not other.skipped
    assert not run_stage("prepare", order(desk, choices="aabbab")).skipped


def test_invalid_input_ends_prepare_and_leaves_nothing_but_the_error(desk: Desk) -> None:
    with pytest.raises(InvalidInput) as caught:
        run_stage("prepare", order(desk, choices="a1b2"))
    assert caught.value.problem.field == "choices"
    assert [path.rpartition("/")[2] for path in desk.files()] == ["progress.json"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "passed"),
        ({"metric": "mean_rank", "threshold": 1.5}, "passed"),
        ({"threshold": 0.9, "shown": 1}, "rejected"),
    ],
)
def test_the_verdict_follows_its_own_metrics(desk: Desk, changes: dict[str, Any], status: str) -> None:
    verdict = outcomes(order(desk, **changes))["judge"].record.result["verdict"]
    assert (verdict["status"], verdict["champion_version"]) == (status, None)


# --- the App -----------------------------------------------------------------------------------------------------------


def test_what_it_publishes_is_checked_recorded_registered_and_shown(desk: Desk) -> None:
    request = parse_request(GIVEN)
    work = order(desk)
    outcomes(work)
    text = published(desk)
    sent = WorkflowDispatch(attempt=1, start_at="prepare", title="Train", sent_at=NOON)
    run = a_run(request, dispatches=(sent,))
    check_ref(run, Published(ref=f"refs/modelyard/{RUN}/1", sha="1" * 40), "1" * 40)

    async def read_blob(sha: str, most: int) -> bytes:
        return text

    commit = PublishedCommit("1" * 40, {"result.json": ("a" * 40, len(text))}, (), ())
    result = asyncio.run(checked(run, commit, "c" * 40, read_blob))
    assert isinstance(result.request, RankingRequest)
    assert (result.data, result.model.format, result.details) == (None, "json", {"items": 2, "most chosen": "a"})

    verdict = AttemptVerdict(attempt=1, verdict=result.verdict)
    ended = a_run(request, state=State.END, status="passed", result=result, verdicts=(verdict,), version=1)
    assert Run.model_validate_json(ended.model_dump_json()) == ended
    record = record_of(ended, "https://github.com/owner/demo")
    assert RunRecord.model_validate_json(record.model_dump_json()) == record
    files = history_change(record).files(lambda _: None)
    page = (files[f"training_history/{RUN}.md"] or b"").decode()
    assert "| Choices | `aabaab` |" in page
    assert "| most chosen | a |" in page
    assert "## Data" not in page
    version = model_file.parse(files["training_history/models/menu.yaml"] or b"").versions[0]
    assert (version.algorithm, version.data_sha256) == ("popularity", None)

    for language in ("en", "ja"):
        comment = run_comments.sticky(RunView(ended, updated=NOON), language)
        assert "| Choices | `aabaab` |" in comment
        assert "| Items shown | 2 |" in comment
        assert "hit_rate" in comment
        assert "`menu`" in plan(request, None, None, language)


def test_the_question_after_a_rejection_suggests_what_the_task_takes() -> None:
    run = a_run(parse_request(GIVEN), state=State.WAIT_FOR_OPERATOR_INPUT)
    question = run_comments.decision_needed(RunView(run, updated=NOON))
    (example,) = re.findall(r"/approve ([a-z_]+=[^ `]+)", question)
    parsed = parse_command(f"/approve {example}", COMMANDS)
    assert isinstance(parsed, ParsedCommand)
    assert isinstance(with_overrides(run.request, parsed.overrides), RankingRequest)


def test_a_result_that_says_another_task_is_refused(desk: Desk) -> None:
    outcomes(order(desk))
    forged = json.loads(published(desk))
    forged["request"]["task"] = "classification"
    with pytest.raises(ValueError, match="request"):
        PublishedResult.model_validate(forged)
