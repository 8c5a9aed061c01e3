"""A run whose request asks for a search: its model is trained with the best hyperparameters that were found."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from actions.errors import InvalidInput
from actions.models.saved_model import open_model
from actions.tasks.exchange import PublishedResult, WorkOrder
from actions.tasks.tabular.request import TabularRequest
from actions.tasks.tabular.results import TrainedPipeline
from tests.support.operating import REPOSITORY, RUN, Desk
from tests.support.stages import run_stage

ROOT = Path(__file__).parents[3]
MODELS = f"{REPOSITORY}/models/{RUN}"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "root").mkdir()
    return Desk(tmp_path / "root")


def asked(desk: Desk, attempt: int = 1, **request: Any) -> WorkOrder:
    usual: dict[str, Any] = {"data": "sklearn://wine", "metric": "log_loss", "search_trials": 4}
    return desk.order(attempt, **usual | request)


def trained(order: WorkOrder) -> TrainedPipeline:
    run_stage("prepare", order)
    return TrainedPipeline.model_validate(run_stage("train", order).record.result)


def tuning(desk: Desk, attempt: int = 1) -> Any:
    return json.loads((desk.root / MODELS / f"{attempt}/search/tuning.json").read_text(encoding="utf-8"))


def tried(desk: Desk, attempt: int = 1) -> list[Any]:
    return [(trial["state"], trial["hyperparameters"], trial["value"]) for trial in tuning(desk, attempt)["trials"]]


def cross_validated(desk: Desk, **hyperparameters: Any) -> float:
    """Return what scikit-learn alone says of a logistic regression on the run's training rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = pd.read_parquet(desk.root / f"{REPOSITORY}/processed/{RUN}/1/train.parquet")
    model = make_pipeline(StandardScaler(), LogisticRegression(**hyperparameters, random_state=42))
    folds = StratifiedKFold(5, shuffle=True, random_state=42)
    scores = cross_val_score(model, rows.drop(columns="target"), rows["target"], cv=folds, scoring="neg_log_loss")
    return float(-scores.mean())


def test_the_model_has_the_hyperparameters_that_were_found_which_are_better_in_cross_validation(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "server" / f"{REPOSITORY}.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(bare)], check=True)
    monkeypatch.setenv("GITHUB_SERVER_URL", f"file://{tmp_path}/server")
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    order = asked(desk, search_trials=8)
    for stage in ("prepare", "train", "evaluate", "judge", "publish"):
        outcome = run_stage(stage, order)
        if stage == "train":
            assert "| search | 8 trials" in outcome.summary_markdown()
    pushed = ["git", "-C", str(bare), "show", f"refs/modelyard/{RUN}/1:result.json"]
    result = PublishedResult.model_validate_json(subprocess.run(pushed, check=True, capture_output=True).stdout)
    search = result.search
    assert search is not None
    assert (search.trials, search.stopped_by, search.folds, search.metric) == (8, "trials", 5, "log_loss")
    assert search.baseline_score == pytest.approx(cross_validated(desk))
    assert search.value == pytest.approx(cross_validated(desk, **search.hyperparameters))
    assert search.value < cross_validated(desk)
    assert {"optimization_history.png", "parameter_importances.png"} <= set(result.plots)
    model = open_model(desk.root / result.model.uri, result.model.sha256)
    assert model.signature.hyperparameters == search.hyperparameters
    assert search.hyperparameters["C"] == model.pipeline[-1].C
    card = (desk.root / MODELS / "1/MODEL_CARD.md").read_text(encoding="utf-8")
    assert "## Hyperparameter search" in card
    assert f"| `C` | `{search.hyperparameters['C']}` |" in card
    assert (desk.root / MODELS / "1/search/study.journal").is_file()


def test_what_the_request_gives_stays_as_it_is(desk: Desk) -> None:
    made = trained(asked(desk, hyperparameters={"C": 0.25, "max_iter": 300}))
    assert made.search is not None
    assert made.search.hyperparameters.items() >= {"C": 0.25, "max_iter": 300}.items()
    assert all(set(varied) == {"class_weight"} for _, varied, _ in tried(desk))


def test_many_rows_are_compared_on_the_validation_rows(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actions.tasks.tabular.search._MAX_ROWS_IN_FOLDS", 100)
    made = trained(asked(desk, data="sklearn://breast_cancer"))
    assert made.search is not None
    assert made.search.folds is None
    assert made.search.value == made.metrics["validation_log_loss"]


def test_a_search_that_is_unchanged_is_skipped_and_another_budget_is_not(desk: Desk) -> None:
    order = asked(desk)
    trained(order)
    assert run_stage("train", order).skipped
    more = run_stage("train", asked(desk, search_trials=6))
    assert not more.skipped
    assert len(tried(desk)) == 6
    (desk.root / MODELS / "1/search/study.journal").unlink()
    assert not run_stage("train", asked(desk, search_trials=6)).skipped


@pytest.mark.slow
def test_a_study_of_other_data_starts_over(desk: Desk) -> None:
    trained(asked(desk))
    before = tried(desk)
    trained(asked(desk, seed=5))
    assert len(tried(desk)) == 4
    assert tried(desk) != before


@pytest.mark.slow
def test_a_later_attempt_has_its_own_study(desk: Desk) -> None:
    trained(asked(desk))
    first = (desk.root / MODELS / "1/search/study.journal").read_bytes()
    trained(asked(desk, attempt=2))
    assert tried(desk, 1) != tried(desk, 2)
    assert len(tried(desk, 2)) == 4
    assert (desk.root / MODELS / "1/search/study.journal").read_bytes() == first


@pytest.mark.slow
def test_the_time_ends_a_search_and_the_model_is_trained_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actions.tasks.tabular.search._SHARE_OF_TIME", 1 / 600)
    made = trained(asked(desk, search_trials=1_000))
    assert made.search is not None
    assert made.search.stopped_by == "time"
    assert made.search.trials < 1_000
    assert made.search.baseline_score is not None
    assert made.search.value <= made.search.baseline_score


@pytest.mark.slow
@pytest.mark.parametrize("kill_after", [2, 12], ids=["among the first", "once it learns from them"])
def test_a_killed_search_resumes_and_finds_what_an_uninterrupted_one_finds(
    desk: Desk, tmp_path: Path, kill_after: int
) -> None:
    order = asked(desk, search_trials=15, algorithm="random_forest", hyperparameters={"n_estimators": 10})
    run_stage("prepare", order)
    code = (
        "import sys; from actions.tasks.exchange import WorkOrder; from tests.support.stages import run_stage\n"
        "run_stage('train', WorkOrder.model_validate_json(sys.stdin.read()))"
    )
    journal = desk.root / MODELS / "1/search/study.journal"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin is not None
        process.stdin.write(order.model_dump_json().encode())
        process.stdin.close()
        # One line of the journal has the seconds of what was given, and one those of each trial.
        while not journal.is_file() or journal.read_bytes().count(b'"seconds"') < kill_after + 1:
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (desk.root / MODELS / "1/train.json").is_file()
    begun = journal.read_bytes()
    resumed = trained(order)
    assert journal.read_bytes().startswith(begun[: begun.rfind(b"\n") + 1])
    other = Desk(tmp_path / "whole")
    other.root.mkdir()
    whole = trained(order.model_copy(update={"storage_root": str(other.root)}))
    assert tried(desk) == tried(other)
    assert len(tried(desk)) == 15
    assert resumed.metrics == whole.metrics
    assert resumed.search is not None
    assert whole.search is not None
    assert resumed.search.hyperparameters == whole.search.hyperparameters


def test_a_search_that_has_nothing_to_vary_is_refused_before_anything_is_written(desk: Desk) -> None:
    order = asked(desk, hyperparameters={"C": 1.0, "class_weight": None})
    with pytest.raises(InvalidInput) as caught:
        run_stage("prepare", order)
    assert (caught.value.problem.reason, caught.value.problem.field) == ("nothing_to_search", "hyperparameters")
    assert [Path(uri).name for uri in desk.files()] == ["progress.json"]


def test_a_search_of_which_no_trial_ends_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actions.tasks.tabular.search._SHARE_OF_TIME", 0)
    order = asked(desk)
    run_stage("prepare", order)
    with pytest.raises(InvalidInput) as caught:
        run_stage("train", order)
    assert (caught.value.problem.reason, caught.value.problem.field) == ("no_trial_finished", "search_minutes")
    assert [Path(uri).name for uri in desk.files() if uri.startswith(MODELS)] == ["progress.json"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"search_minutes": 60}, "fewer than 60"),
        ({"search_minutes": 10, "timeout_minutes": 5}, "fewer than 5"),
        ({"search_trials": 1}, "greater than or equal to 2"),
        ({"search_trials": 1_001}, "less than or equal to 1000"),
        ({"search_minutes": 0}, "greater than or equal to 1"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(desk: Desk, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        asked(desk, **{"search_trials": None} | change)
    assert said in str(caught.value)


def test_a_budget_of_minutes_is_told_by_its_field_where_it_contradicts_the_time_out(desk: Desk) -> None:
    fine = asked(desk, search_trials=None, search_minutes=59).request
    assert isinstance(fine, TabularRequest)
    assert fine.is_searched
    assert fine.contradictions() == []
    wrong = fine.model_copy(update={"timeout_minutes": 30})
    assert [found.field for found in wrong.contradictions()] == ["search_minutes"]
