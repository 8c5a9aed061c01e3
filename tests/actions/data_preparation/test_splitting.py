"""How split_dataset parts rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.support.operating import Desk, people


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def parts(desk: Desk, found: Any) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(desk.root / getattr(found, name).uri) for name in ("train", "validation", "test")}


def rows_of(frame: pd.DataFrame) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in frame.astype(str).itertuples(index=False)}


@pytest.mark.parametrize(
    ("strategy", "column"), [("random", None), ("stratified", "pays"), ("grouped", "joined"), ("time", "joined")]
)
def test_each_row_is_in_one_part(desk: Desk, strategy: str, column: str | None) -> None:
    uri = desk.data("people.csv", people(200))
    split = parts(desk, desk.call("split_dataset", data=uri, destination="out", strategy=strategy, column=column))
    assert sum(len(part) for part in split.values()) == 200
    assert rows_of(pd.concat(split.values())) == rows_of(pd.read_csv(desk.root / uri))
    assert 20 <= len(split["test"]) <= 60


def test_the_same_seed_gives_the_same_parts_and_another_others(desk: Desk) -> None:
    uri = desk.data("people.csv", people(200))
    first, again, other = (
        desk.call("split_dataset", data=uri, destination=f"out{place}", seed=seed)
        for place, seed in enumerate((1, 1, 2))
    )
    assert [first.train.sha256, first.test.sha256] == [again.train.sha256, again.test.sha256]
    assert first.test.sha256 != other.test.sha256


def test_each_class_is_in_training_and_in_test_even_one_of_two_rows(desk: Desk) -> None:
    labels = ["a"] * 40 + ["b"] * 8 + ["c"] * 2
    content = "x,y\n" + "".join(f"{row},{label}\n" for row, label in enumerate(labels))
    split = parts(
        desk,
        desk.call(
            "split_dataset", data=desk.data("a.csv", content), destination="out", strategy="stratified", column="y"
        ),
    )
    assert split["train"]["y"].value_counts().to_dict() == {"a": 28, "b": 5, "c": 1}
    assert split["test"]["y"].value_counts().to_dict() == {"a": 8, "b": 2, "c": 1}


def test_a_group_stays_together(desk: Desk) -> None:
    uri = desk.data("people.csv", people(200))
    split = parts(desk, desk.call("split_dataset", data=uri, destination="out", strategy="grouped", column="joined"))
    assert not set(split["train"]["joined"]) & set(split["test"]["joined"])


def test_by_time_the_latest_rows_are_the_test_rows(desk: Desk) -> None:
    uri = desk.data("people.csv", people(200))
    split = parts(desk, desk.call("split_dataset", data=uri, destination="out", strategy="time", column="joined"))
    assert split["train"]["joined"].max() <= split["validation"]["joined"].min()
    assert split["validation"]["joined"].max() <= split["test"]["joined"].min()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"strategy": "stratified"}, "split_column_missing"),
        ({"strategy": "grouped", "column": "town"}, "split_column_missing"),
        ({"test_fraction": 0.6, "validation_fraction": 0.5}, "fractions_out_of_range"),
        ({"test_fraction": 0}, "fractions_out_of_range"),
        ({"destination": "../out"}, "outside_storage"),
        ({"destination": "/tmp/out"}, "outside_storage"),
        ({"destination": "s3://bucket/out"}, "outside_storage"),
        ({"strategy": "stratified", "column": "joined"}, "target_wrong_kind"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused_and_writes_nothing(
    desk: Desk, arguments: dict[str, Any], reason: str
) -> None:
    uri = desk.data("people.csv", people(60))
    assert desk.refusal("split_dataset", **{"data": uri, "destination": "out"} | arguments).body.reason == reason
    assert desk.files() == {}


def test_nine_rows_are_too_few(desk: Desk) -> None:
    uri = desk.data("people.csv", people(9))
    assert desk.refusal("split_dataset", data=uri, destination="out").body.reason == "too_few_rows"
