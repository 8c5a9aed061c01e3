"""How rows are parted and what is made of them, as a request asks for it: through the stages, on real data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from actions.contracts.stage import Stage
from actions.data_preparation.transformers import training_features
from actions.errors import InvalidInput
from actions.models.saved_model import open_model
from tests.support.operating import REPOSITORY, Desk
from tests.support.stages import run_stage

LEARNING: tuple[Stage, ...] = ("prepare", "train", "evaluate", "judge")
NUMBERS = {"task": "regression", "algorithm": "linear_regression", "metric": "r2", "threshold": 0.5}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def weather() -> pd.DataFrame:
    """Return four years of Seattle's weather, a row a day, as vega-datasets carries it; and the week of each."""
    from vega_datasets import data

    frame: pd.DataFrame = data.seattle_weather()
    return frame.assign(week=frame["date"].dt.strftime("%G-W%V"))


@pytest.fixture
def asked(desk: Desk, weather: pd.DataFrame) -> dict[str, Any]:
    """Return a request for a model of the day's weather, its data in the repository's folder."""
    desk.data("weather.csv", weather.to_csv(index=False))
    return {"data": "weather.csv", "target": "weather"}


def parts(desk: Desk, prepared: dict[str, Any]) -> dict[str, pd.DataFrame]:
    return {
        part: pd.read_parquet(desk.root / prepared[part]["uri"])
        for part in ("train", "validation", "test")
    }  # fmt: skip


def through(desk: Desk, **request: Any) -> dict[Stage, dict[str, Any]]:
    order = desk.order(**request)
    return {stage: run_stage(stage, order).record.result for stage in LEARNING}


def refused(desk: Desk, **request: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        run_stage("prepare", desk.order(**request))
    return caught.value


# --- the split -----------------------------------------------------------------------------------------------------------


def test_split_by_time_the_test_rows_are_the_latest(desk: Desk, asked: dict[str, Any]) -> None:
    done = through(desk, **asked, split="time", split_column="date")
    found = parts(desk, done["prepare"])
    assert found["train"]["date"].max() < found["validation"]["date"].min()
    assert found["validation"]["date"].max() < found["test"]["date"].min()
    assert [len(rows) for rows in found.values()] == [1023, 146, 292]
    assert done["evaluate"]["rows"] == 292


def test_split_by_group_no_group_is_parted_and_none_is_a_feature(
    desk: Desk, asked: dict[str, Any], weather: pd.DataFrame
) -> None:
    done = through(desk, **asked, split="group", split_column="week")
    found = {part: set(rows["week"]) for part, rows in parts(desk, done["prepare"]).items()}
    assert set.union(*found.values()) == set(weather["week"])
    assert sum(map(len, found.values())) == weather["week"].nunique()
    assert done["prepare"]["preprocessor"]["kinds"]["week"] == "ignored"
    model = open_model(desk.root / done["train"]["model"]["uri"], done["train"]["model"]["sha256"])
    rows = weather.drop(columns=["weather", "week"]).head(5)
    assert len(model.predict(rows)) == 5, "it asks for no group when it is used"


def test_a_random_split_and_the_usual_one_differ_in_their_test_rows(desk: Desk, asked: dict[str, Any]) -> None:
    usual = parts(desk, run_stage("prepare", desk.order(**asked)).record.result)
    random = parts(
        desk, run_stage("prepare", desk.order(run="train-20261122-002", **asked, split="random")).record.result
    )
    shares = [frame["test"]["weather"].value_counts()["snow"] for frame in (usual, random)]
    assert shares[0] == 5, "a fifth of 23, for it is stratified"
    assert set(usual["test"]["date"]) != set(random["test"]["date"])


def test_another_split_is_other_work(desk: Desk, asked: dict[str, Any]) -> None:
    first = desk.order(**asked)
    run_stage("prepare", first)
    assert run_stage("prepare", first).skipped
    assert not run_stage("prepare", desk.order(**asked, split="random")).skipped
    assert not run_stage("prepare", desk.order(**asked, features={"bins": {"wind": 5}})).skipped


@pytest.mark.parametrize(
    ("request_", "reason", "field", "found"),
    [
        ({"split": "group", "split_column": "wek"}, "split_column_missing", "split_column", "'wek'"),
        ({"split": "time", "split_column": "week"}, "split_column_wrong_kind", "week", "'2011-W52'"),
    ],
    ids=["no such column", "no dates"],
)
def test_a_column_that_cannot_part_the_rows_is_named(
    desk: Desk, asked: dict[str, Any], request_: dict[str, Any], reason: str, field: str, found: str
) -> None:
    problem = refused(desk, **asked, **request_).problem
    assert (problem.reason, problem.field) == (reason, field)
    assert found in problem.found
    assert problem.next_step


def test_a_class_that_only_the_latest_rows_have_is_named(desk: Desk) -> None:
    rows = [f"{day},{day % 7},{'late' if day > 90 else 'ab'[day % 2]}" for day in range(100)]
    desk.data("days.csv", "\n".join(["day,x,kind", *rows]) + "\n")
    problem = refused(desk, data="days.csv", target="kind", split="time", split_column="day").problem
    assert (problem.reason, problem.field) == ("class_not_in_training", "split")
    assert "'late'" in problem.found


def test_one_class_in_the_test_rows_is_reported(desk: Desk) -> None:
    rows = [f"{day},{day % 7},{'b' if day > 70 else 'ab'[day % 2]}" for day in range(100)]
    desk.data("days.csv", "\n".join(["day,x,kind", *rows]) + "\n")
    problem = refused(desk, data="days.csv", target="kind", split="time", split_column="day").problem
    assert problem.reason == "one_class_in_part"
    assert "'b'" in problem.found


# --- the features --------------------------------------------------------------------------------------------------------

FEATURES = {
    "interactions": ["wind", "precipitation"],
    "bins": {"temp_min": 4},
    "date_parts": ["month_sin", "month_cos"],
    "target_encoding": ["week"],
    "frequency_encoding": ["weather"],
}


def test_the_requested_features_are_in_the_saved_model(
    desk: Desk, asked: dict[str, Any], weather: pd.DataFrame
) -> None:
    request = asked | NUMBERS | {"target": "temp_max"}
    plain = through(desk, run="train-20261122-002", **request, split="time", split_column="date")
    done = through(desk, **request, split="time", split_column="date", features=FEATURES)
    model = open_model(desk.root / done["train"]["model"]["uri"], done["train"]["model"]["sha256"])
    names = set(model.pipeline[0][1].get_feature_names_out())
    assert {
        "interaction__wind precipitation", "date__date_month_sin", "share__weather_share", "target__week",
        "bins temp_min__temp_min_0.0",
    } <= names  # fmt: skip
    assert done["prepare"]["preprocessor"]["features"] == len(names)
    without, with_them = [made["evaluate"]["metrics"]["r2"] for made in (plain, done)]
    assert without < 0.2
    assert with_them > 0.6, "a year that goes around can be foretold, one that goes on cannot"
    assert len(model.predict(weather.drop(columns="temp_max").head(3))) == 3, "it takes raw rows"


def test_training_sees_no_row_s_own_target_in_its_encoding(desk: Desk, asked: dict[str, Any]) -> None:
    """A column that is another text in each row says nothing; encoded by its own target, it would say all."""
    frame = pd.read_csv(desk.root / REPOSITORY / "datasets" / "weather.csv").assign(
        day=lambda rows: "day " + rows["date"]
    )
    desk.data("days.csv", frame[["day", "wind", "temp_max"]].to_csv(index=False))
    request = NUMBERS | {"data": "days.csv", "target": "temp_max", "features": {"target_encoding": ["day"]}}
    done = through(desk, **request)
    figures = done["train"]["metrics"]
    assert figures["train_r2"] < 0.2
    model = open_model(desk.root / done["train"]["model"]["uri"], done["train"]["model"]["sha256"])
    train = parts(desk, done["prepare"])["train"]
    rows, target = train.drop(columns="temp_max"), train["temp_max"].to_numpy()
    leaking = model.pipeline[0].transform(rows)
    honest = training_features(model.pipeline[0], rows, target)
    correlation = [abs(np.corrcoef(made[:, -1], target)[0, 1]) for made in (leaking, honest)]
    assert correlation[0] > 0.9
    assert correlation[1] < 0.2
    made = np.asarray(model.pipeline[1].predict(honest), dtype=float)
    rest = float(((target - made) ** 2).sum() / ((target - target.mean()) ** 2).sum())
    assert figures["train_r2"] == pytest.approx(1 - rest), "these are the features that it was fitted on"


@pytest.mark.parametrize(
    ("features", "reason", "field", "found"),
    [
        ({"polynomial": ["wnd"]}, "unknown_column", "polynomial", "'wnd'"),
        ({"target_encoding": ["wind"]}, "column_wrong_kind", "target_encoding", "'wind' contains a number"),
        ({"bins": {"weather": 3}}, "features_contradict", "bins", "the target 'weather'"),
    ],
    ids=["no such column", "another kind", "the target"],
)
def test_features_that_cannot_be_made_are_named(
    desk: Desk, asked: dict[str, Any], features: dict[str, Any], reason: str, field: str, found: str
) -> None:
    problem = refused(desk, **asked, features=features).problem
    assert (problem.reason, problem.field) == (reason, field)
    assert found in problem.found
    assert not list((desk.root / REPOSITORY / "processed").rglob("*.parquet"))
