"""The five stages of a run, handing over through the storage root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import pytest

from actions.contracts.results import Heartbeat, Progress
from actions.contracts.stage import Stage
from actions.errors import InvalidInput, NotAllowed, NotFound, OperationError, Unavailable
from actions.stages.runner import StageOutcome
from actions.tasks.exchange import PublishedResult, WorkOrder
from tests.support.operating import REPOSITORY, RUN, Desk, people
from tests.support.stages import run_stage

STAGES: tuple[Stage, ...] = get_args(Stage)
ROOT = Path(__file__).parents[3]
CHAMPION_RUN = "train-20261121-001"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "root").mkdir()
    return Desk(tmp_path / "root")


@pytest.fixture(autouse=True)
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bare repository where the workflow's server would be."""
    bare = tmp_path / "server" / f"{REPOSITORY}.git"
    git("init", "--quiet", "--bare", str(bare))
    monkeypatch.setenv("GITHUB_SERVER_URL", f"file://{tmp_path}/server")
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    monkeypatch.setenv("GITHUB_TOKEN", "canary-token")
    monkeypatch.setenv("GITHUB_SHA", "a" * 40)
    monkeypatch.setenv("MODELYARD_SHA", "b" * 40)
    return bare


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A storage root where the usual request was judged, and the champion's run of it trained; `judged` copies it."""
    desk = Desk(tmp_path_factory.mktemp("shared"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_SHA", "a" * 40)
        patch.setenv("MODELYARD_SHA", "b" * 40)
        run(desk.order(), *STAGES[:-1])
        run(desk.order(run=CHAMPION_RUN), "prepare", "train")
    return desk


@pytest.fixture
def judged(desk: Desk, shared: Desk) -> WorkOrder:
    """Return the order of a run that has been judged, and not published yet."""
    shutil.copytree(shared.root, desk.root, dirs_exist_ok=True)
    return desk.order()


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True).stdout.decode(errors="replace").strip()


def run(order: WorkOrder, *stages: Stage) -> dict[str, StageOutcome]:
    return {stage: run_stage(stage, order) for stage in stages or STAGES}


def refused(stage: Stage, order: WorkOrder) -> OperationError:
    with pytest.raises(OperationError) as caught:
        run_stage(stage, order)
    return caught.value


def progress(desk: Desk, area: str, attempt: int = 1) -> Progress:
    path = desk.root / f"{REPOSITORY}/{area}/{RUN}/{attempt}/progress.json"
    return Progress.model_validate_json(path.read_bytes())


def published(remote: Path, attempt: int = 1) -> PublishedResult:
    text = git("-C", str(remote), "show", f"refs/modelyard/{RUN}/{attempt}:result.json")
    return PublishedResult.model_validate_json(text)


@pytest.mark.parametrize(
    "request_",
    [
        {"algorithm": "xgboost", "hyperparameters": {"n_estimators": 10}, "data": "sklearn://breast_cancer"},
        {"algorithm": "random_forest", "hyperparameters": {"n_estimators": 10}, "data": "sklearn://wine"},
        {"algorithm": "logistic_regression"},
        {
            "task": "regression",
            "algorithm": "linear_regression",
            "data": "sklearn://diabetes",
            "metric": "rmse",
            "threshold": 90,
        },
    ],
    ids=["breast_cancer", "wine", "iris", "diabetes"],
)
def test_a_run_goes_through_all_stages_and_publishes_its_result(
    desk: Desk, remote: Path, request_: dict[str, Any]
) -> None:
    order = desk.order(**request_)
    outcomes = run(order)
    result = published(remote)
    assert result.verdict.status == "passed"
    assert result.metrics[order.request.metric] == result.verdict.value
    assert result.data is not None
    assert result.data.rows == result.data.train_rows + result.data.validation_rows + result.data.test_rows
    assert (result.git_sha, result.modelyard_sha) == ("a" * 40, "b" * 40)
    assert result.environment.packages["scikit-learn"]
    assert set(result.durations) == {"prepare", "train", "evaluate", "judge"}
    listed = git("-C", str(remote), "ls-tree", "-r", "--name-only", f"refs/modelyard/{RUN}/1").splitlines()
    assert sorted(listed) == sorted(["result.json", *(f"plots/{name}" for name in result.plots)])
    for outcome in outcomes.values():
        assert not outcome.skipped
        assert outcome.summary_markdown().startswith(f"### {outcome.stage}: ")
    for area in ("processed", "models", "evaluations"):
        assert progress(desk, area).step == "done"


def test_the_published_commit_has_no_parent_and_stands_in_storage(desk: Desk, remote: Path, judged: WorkOrder) -> None:
    run(judged, "publish")
    sha = git("-C", str(remote), "rev-parse", f"refs/modelyard/{RUN}/1")
    assert git("-C", str(remote), "rev-list", "--count", sha) == "1"
    beside = json.loads((desk.root / f"{REPOSITORY}/evaluations/{RUN}/1/published.json").read_text(encoding="utf-8"))
    assert beside == {"ref": f"refs/modelyard/{RUN}/1", "sha": sha}


def test_publishing_twice_gives_the_same_commit_and_replaces_another(remote: Path, judged: WorkOrder) -> None:
    order = judged
    first = run(order, "publish")["publish"].record.result["published"]["sha"]
    assert run(order, "publish")["publish"].record.result["published"]["sha"] == first
    tree = git("-C", str(remote), "mktree")
    other = git("-c", "user.name=o", "-c", "user.email=o@o", "-C", str(remote), "commit-tree", tree, "-m", "other")
    git("-C", str(remote), "update-ref", f"refs/modelyard/{RUN}/1", other)
    run(order, "publish")
    assert git("-C", str(remote), "rev-parse", f"refs/modelyard/{RUN}/1") == first


def test_a_push_that_fails_says_so_without_the_token(
    desk: Desk, judged: WorkOrder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", f"file://{tmp_path}/nowhere/canary-token")
    monkeypatch.setattr("actions.stages.push.time.sleep", lambda _: None)
    error = refused("publish", judged)
    assert isinstance(error, Unavailable)
    assert error.problem.reason == "publish_failed"
    assert "canary-token" not in str(error)
    assert b"canary-token" not in b"".join(desk.files().values())


@pytest.mark.slow
def test_the_same_request_in_two_processes_gives_the_same_figures_byte_for_byte(tmp_path: Path) -> None:
    code = (
        "import sys; from actions.tasks.exchange import WorkOrder; from tests.support.stages import run_stage\n"
        "order = WorkOrder.model_validate_json(sys.stdin.read())\n"
        "for stage in ('prepare', 'train', 'evaluate'): run_stage(stage, order)"
    )
    desks, processes = [Desk(tmp_path / name) for name in ("one", "two")], []
    for desk in desks:
        desk.root.mkdir()
        order = desk.order(
            algorithm="xgboost", data="sklearn://wine", hyperparameters={"n_estimators": 10, "subsample": 0.7}
        )
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, cwd=ROOT)
        assert process.stdin is not None
        with process.stdin as stdin:
            stdin.write(order.model_dump_json().encode())
        processes.append(process)
    assert [process.wait() for process in processes] == [0, 0]
    first, second = (figures(desk) for desk in desks)
    assert first == second


def figures(desk: Desk) -> tuple[str, dict[str, float], dict[str, bytes]]:
    """Return what has to be the same in each process: figures, training metrics, splits and plots."""
    files = {Path(uri).name: content for uri, content in desk.files().items()}
    results = json.loads(files["results.json"])
    del results["model_sha256"]
    same = {name: content for name, content in files.items() if name.endswith((".png", ".parquet"))}
    return json.dumps(results), json.loads(files["training.json"])["metrics"], same


# --- skipping and later attempts ---------------------------------------------------------------------------------------


def test_a_stage_whose_inputs_are_unchanged_is_skipped(desk: Desk, judged: WorkOrder) -> None:
    before = {uri: content for uri, content in desk.files().items() if not uri.endswith("progress.json")}
    again = run(judged, "prepare", "train", "evaluate", "judge")
    assert all(outcome.skipped for outcome in again.values())
    assert {uri: content for uri, content in desk.files().items() if not uri.endswith("progress.json")} == before
    assert "skipped" in again["train"].summary_markdown()


def test_a_changed_file_is_made_again(desk: Desk, judged: WorkOrder) -> None:
    path = desk.root / f"{REPOSITORY}/processed/{RUN}/1/test.parquet"
    kept = path.read_bytes()
    path.write_bytes(b"broken")
    assert not run(judged, "prepare")["prepare"].skipped
    assert path.read_bytes() == kept


def test_changed_data_is_read_again(desk: Desk) -> None:
    desk.data("people.csv", people(60))
    order = desk.order(data="people.csv", target="pays")
    run(order, "prepare")
    desk.data("people.csv", people(90))
    outcome = run(order, "prepare")["prepare"]
    assert not outcome.skipped
    assert outcome.record.result["data"]["rows"] == 90


def test_a_later_attempt_trains_with_the_next_seed_on_the_same_split(desk: Desk, remote: Path) -> None:
    asked: dict[str, Any] = {"algorithm": "random_forest", "hyperparameters": {"n_estimators": 5}}
    first, second = desk.order(**asked), desk.order(attempt=2, **asked)
    run(first)
    outcomes = run(second)
    assert outcomes["prepare"].skipped
    assert outcomes["prepare"].record.reused_from == f"{REPOSITORY}/processed/{RUN}/1/prepare.json"
    assert not outcomes["train"].skipped
    assert [published(remote, attempt).training_seed for attempt in (1, 2)] == [42, 43]
    assert published(remote, 1).data == published(remote, 2).data


def test_a_later_attempt_may_start_at_train(desk: Desk, remote: Path, judged: WorkOrder) -> None:
    run(desk.order(attempt=2), "train", "evaluate", "judge", "publish")
    assert published(remote, 2).verdict.status == "passed"


def test_a_later_attempt_with_other_hyperparameters_checks_them_first(desk: Desk, judged: WorkOrder) -> None:
    error = refused("prepare", desk.order(attempt=2, hyperparameters={"Cc": 2}))
    assert error.problem.reason == "unknown_hyperparameter"


def test_a_stage_without_its_forerunner_says_which_is_missing(desk: Desk) -> None:
    error = refused("train", desk.order())
    assert isinstance(error, NotFound)
    assert error.problem.reason == "stage_missing"
    run(desk.order(seed=1), "prepare")
    assert refused("train", desk.order(attempt=2, seed=2)).problem.reason == "stage_missing"


# --- bad input ---------------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown data set": ({"data": "sklearn://irises"}, "unknown_dataset", "data"),
    "no file": ({"data": "none.csv"}, "data_not_found", "data"),
    "a file elsewhere": ({"data": "/etc/passwd"}, "data_outside_roots", "data"),
    "an empty file": ({"data": "empty.csv"}, "data_empty", "data"),
    "a broken file": ({"data": "broken.csv"}, "data_unreadable", "data"),
    "a missing target": ({"target": "species"}, "target_missing", "target"),
    "a target of the wrong kind": ({"target": "sepal length (cm)"}, "target_wrong_kind", "target"),
    "an unknown hyperparameter": ({"hyperparameters": {"depth": 3}}, "unknown_hyperparameter", "hyperparameters"),
    "a refused value": ({"hyperparameters": {"C": "big"}}, "hyperparameter_refused", "hyperparameters"),
    "values that do not go together": (
        {"hyperparameters": {"solver": "lbfgs", "l1_ratio": 1.0}},
        "hyperparameter_refused",
        "hyperparameters",
    ),
    "a value that only XGBoost itself refuses": (
        {"algorithm": "xgboost", "hyperparameters": {"max_depth": "deep"}},
        "hyperparameter_refused",
        "hyperparameters",
    ),
    "an unknown objective": (
        {
            "algorithm": "xgboost",
            "data": "sklearn://breast_cancer",
            "hyperparameters": {"objective": "binary:nothing"},
        },
        "hyperparameter_refused",
        "hyperparameters",
    ),
}


@pytest.mark.parametrize(("request_", "reason", "field"), BAD.values(), ids=BAD)
def test_bad_input_leaves_nothing_but_the_error_in_progress(
    desk: Desk, request_: dict[str, Any], reason: str, field: str
) -> None:
    desk.data("empty.csv", "")
    desk.data("broken.csv", "a,b\n1,2\n3\n")
    error = refused("prepare", desk.order(**request_))
    assert isinstance(error, InvalidInput)
    assert (error.problem.reason, error.problem.field) == (reason, field)
    assert list(desk.files()) == [f"{REPOSITORY}/processed/{RUN}/1/progress.json"]
    assert progress(desk, "processed").error == error.problem


def test_a_crash_is_seen_in_progress_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("actions.data_preparation.tables.replacing", no_space)
    with pytest.raises(OSError, match="No space"):
        run_stage("prepare", desk.order())
    error = progress(desk, "processed").error
    assert error is not None
    assert error.reason == "stage_crashed"
    assert "No space left" in error.found


def test_a_stage_gives_a_sign_of_life_as_long_as_it_works(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    heartbeat = desk.root / f"{REPOSITORY}/processed/{RUN}/1/heartbeat.json"
    seen = []

    def look(*_: object, **__: object) -> None:
        end = time.monotonic() + 10
        while not heartbeat.is_file() and time.monotonic() < end:
            time.sleep(0.01)
        seen.append(Heartbeat.model_validate_json(heartbeat.read_bytes()))
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("GITHUB_RUN_ID", "9000000001")
    monkeypatch.setattr("actions.data_preparation.tables.replacing", look)
    with pytest.raises(OSError, match="No space"):
        run_stage("prepare", desk.order())
    assert [(one.stage, one.workflow_run) for one in seen] == [("prepare", 9_000_000_001)]
    assert not heartbeat.exists()


def test_an_order_of_another_repository_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "outsider/demo")
    assert isinstance(refused("prepare", desk.order()), NotAllowed)
    assert desk.files() == {}


@pytest.mark.parametrize("root", ["s3://bucket/prefix", "relative", "/nowhere/at/all"])
def test_a_storage_root_that_the_runner_does_not_have_is_named(desk: Desk, root: str) -> None:
    order = desk.order().model_copy(update={"storage_root": root})
    assert refused("prepare", order).problem.reason == "storage_unavailable"


# --- champion ----------------------------------------------------------------------------------------------------------


def champion_of(desk: Desk, **asked: Any) -> dict[str, Any]:
    """Return a champion as the registry names it: of the run in `judged`, or of one that is made for other requests."""
    order = desk.order(run=CHAMPION_RUN, **asked)
    outcomes = run(order, "prepare", "train")
    model = outcomes["train"].record.result["model"]
    return {
        "version": 3,
        "run": order.run,
        "uri": model["uri"],
        "sha256": model["sha256"],
        "data_sha256": outcomes["prepare"].record.result["data"]["sha256"],
    }


def test_an_equal_champion_does_not_stand_in_the_way_and_has_not_seen_the_rows(
    desk: Desk, remote: Path, judged: WorkOrder
) -> None:
    run(desk.order(champion=champion_of(desk)))
    result = published(remote)
    assert result.verdict.status == "passed"
    assert result.verdict.champion_value == result.verdict.value
    assert result.verdict.champion_version == 3
    assert result.champion_metrics == result.metrics
    assert not result.verdict.champion_may_have_seen_rows


def test_a_better_champion_rejects(desk: Desk, remote: Path, judged: WorkOrder) -> None:
    champion = champion_of(desk)
    run(desk.order(champion=champion, hyperparameters={"C": 0.0001}, metric="log_loss", threshold=5))
    verdict = published(remote).verdict
    assert (verdict.status, verdict.reason) == ("rejected", "worse_than_champion")
    assert verdict.champion_value is not None
    assert verdict.value is not None
    assert verdict.champion_value < verdict.value


@pytest.mark.parametrize("change", ["seed", "unknown data"])
def test_a_champion_of_another_split_or_other_data_may_have_seen_the_rows(
    desk: Desk, remote: Path, change: str
) -> None:
    champion = champion_of(desk, seed=1 if change == "seed" else 42)
    if change == "unknown data":
        champion["data_sha256"] = None
    run(desk.order(champion=champion, threshold=0))
    assert published(remote).verdict.champion_may_have_seen_rows


def test_a_champion_that_cannot_be_scored_fails_the_verdict_and_says_why(desk: Desk, remote: Path) -> None:
    champion = champion_of(desk, data="sklearn://wine")
    run(desk.order(champion=champion))
    verdict = published(remote).verdict
    assert (verdict.status, verdict.reason) == ("failed", "champion_not_comparable")
    assert "missing" in verdict.explanation


def test_a_champion_whose_file_was_changed_is_not_opened(desk: Desk, remote: Path, judged: WorkOrder) -> None:
    champion = champion_of(desk) | {"sha256": "0" * 64}
    run(desk.order(champion=champion))
    verdict = published(remote).verdict
    assert (verdict.status, verdict.reason) == ("failed", "champion_not_comparable")
    assert "SHA-256" in verdict.explanation


def test_a_model_below_the_threshold_is_rejected(desk: Desk, remote: Path) -> None:
    run(desk.order(metric="log_loss", threshold=0.0001))
    assert (published(remote).verdict.status, published(remote).verdict.reason) == ("rejected", "below_threshold")


def test_a_metric_that_is_not_defined_fails(desk: Desk, remote: Path) -> None:
    rows = "".join(f"{row},{0 if row % 2 else row}\n" for row in range(60))
    desk.data("zeros.csv", f"x,y\n{rows}")
    run(
        desk.order(
            data="zeros.csv", target="y", task="regression", algorithm="linear_regression", metric="mape", threshold=9
        )
    )
    assert published(remote).verdict.reason == "metric_undefined"


# --- what a stage imports ----------------------------------------------------------------------------------------------

ELSEWHERE = {"boto3", "optuna", "pandera", "torch"}
"""What only S3, searches, schemas and neural networks need, where it is installed."""


NOT_LOADED: dict[Stage, set[str]] = {
    "prepare": {"matplotlib", "xgboost", *ELSEWHERE},
    "train": {"matplotlib", "xgboost", *ELSEWHERE},
    "evaluate": {"matplotlib.pyplot", "xgboost", *ELSEWHERE},
    "judge": {"numpy", "pandas", "sklearn", "skops", "matplotlib", "xgboost"},
    "publish": {"numpy", "pandas", "sklearn", "skops", "matplotlib", "xgboost"},
}


def test_each_stage_imports_what_it_needs_before_its_work_and_nothing_else(desk: Desk) -> None:
    order = desk.order()
    for stage, without in NOT_LOADED.items():
        loaded, late = imports_of(stage, order)
        assert not without & loaded, stage
        assert not {"pandas", "pyarrow", "sklearn", "skops", "matplotlib", "scipy", "numpy"} & late, stage


def imports_of(stage: Stage, order: WorkOrder) -> tuple[set[str], set[str]]:
    """Run a stage in a process; return all modules that it loaded, and the packages that only its work loaded."""
    code = f"""
import importlib, json, sys
from actions.tasks.exchange import WorkOrder
from tests.support.stages import run_stage
from actions.stages.specs import SPECS
order = WorkOrder.model_validate_json(sys.stdin.read())
for name in SPECS[{stage!r}].libraries(order):
    importlib.import_module(name)
tops = lambda: {{name.partition('.')[0] for name in sys.modules}}
early = tops()
run_stage({stage!r}, order)
print(json.dumps([sorted(sys.modules), sorted(tops() - early)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], input=order.model_dump_json().encode(), cwd=ROOT, check=True,
        capture_output=True, env=os.environ.copy(),
    )  # fmt: skip
    loaded, late = json.loads(done.stdout)
    return set(loaded), set(late)


def test_live_progress_of_training_can_be_asked_for(desk: Desk) -> None:
    order = desk.order(algorithm="xgboost", hyperparameters={"n_estimators": 3})
    run(order, "prepare")
    from actions.stages.records import ProgressFile
    from actions.stages.specs import SPECS
    from actions.storage.folder import Storage

    report = ProgressFile("train", SPECS["train"].folder(order, Storage(desk.root)))
    report("boosting", 2, 3, {"train_mlogloss": 0.5, "lost": float("nan")})
    found = desk.call("get_training_metrics", repository=REPOSITORY, run=RUN)
    assert (found.state, found.step, found.done, found.total) == ("running", "boosting", 2, 3)
    assert found.metrics == {"train_mlogloss": 0.5}


def test_progress_is_written_about_once_a_second(desk: Desk) -> None:
    from actions.stages.records import ProgressFile

    report = ProgressFile("train", desk.root / "here")
    for place in range(50):
        report("boosting", place, 50)
    assert Progress.model_validate_json((desk.root / "here/progress.json").read_bytes()).done == 0
    report.write("done")
    assert Progress.model_validate_json((desk.root / "here/progress.json").read_bytes()).step == "done"
