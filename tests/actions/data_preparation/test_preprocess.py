"""What preprocess_supervised learns, and from which rows; what save_processed_data writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from actions.data_preparation.columns import Kind
from actions.errors import InvalidInput
from actions.storage.folder import sha256_of
from actions.storage.skops_file import open_fitted
from tests.support.operating import Desk, people


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_saved_preprocessor_fills_scales_and_encodes(desk: Desk) -> None:
    uri = desk.data("train.csv", people(60))
    made = desk.call("preprocess_supervised", data=uri, target="pays", destination="out")
    assert made.kinds == {"age": "number", "city": "category", "joined": "date"}
    assert made.features == 1 + 3 + 6
    fitted = open_fitted(desk.root / made.uri, made.sha256)
    features = fitted.transform(pd.read_csv(desk.root / uri).drop(columns="pays"))
    assert features.shape == (60, 10)
    assert np.isfinite(features).all()
    assert features[:, 0].std() == pytest.approx(1)
    assert set(features[:, 1:4].sum(axis=1)) == {1.0}


def test_only_the_given_rows_are_used_for_fitting(desk: Desk) -> None:
    rows = [(1, "a"), (2, "b"), (3, "a")] * 10
    uri = desk.data("train.csv", "x,c,y\n" + "".join(f"{x},{c},{x % 2}\n" for x, c in rows))
    made = desk.call("preprocess_supervised", data=uri, target="y", destination="out")
    fitted = open_fitted(desk.root / made.uri, made.sha256)
    unseen = pd.DataFrame({"x": [2_000.0, np.nan], "c": ["never seen", None]})
    features = fitted.transform(unseen)
    mean, spread = np.mean([1, 2, 3]), np.std([1, 2, 3])
    assert features[:, 0] == pytest.approx([(2_000 - mean) / spread, 0])
    assert features[:, 1:].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("rows", "reason", "found"),
    [
        ({"x": [1]}, "missing_columns", "missing: c"),
        ({"x": [1], "c": ["a"], "d": [1]}, "unknown_columns", "unknown: d"),
        ({"x": ["many"], "c": ["a"]}, "wrong_type", "'many' in row 1"),
        ({"x": [float("inf")], "c": ["a"]}, "infinite_values", "row 1 of column 'x'"),
    ],
)
def test_rows_with_different_columns_are_refused_by_name(
    desk: Desk, rows: dict[str, list[object]], reason: str, found: str
) -> None:
    uri = desk.data("train.csv", "x,c,y\n" + "".join(f"{row},{'ab'[row % 2]},{row % 3}\n" for row in range(30)))
    made = desk.call("preprocess_supervised", data=uri, target="y", destination="out")
    fitted = open_fitted(desk.root / made.uri, made.sha256)
    with pytest.raises(InvalidInput) as caught:
        fitted.transform(pd.DataFrame(rows))
    assert caught.value.problem.reason == reason
    assert found in caught.value.problem.found


def test_a_column_that_is_empty_in_the_training_rows_alone_does_no_harm(desk: Desk) -> None:
    from actions.data_preparation.preprocess import fit_raw

    train = pd.DataFrame({"x": [np.nan] * 5, "c": [None] * 5, "d": [None] * 5, "z": [1.0, 2, 3, 4, 5]})
    fitted = fit_raw(train, {"x": "number", "c": "category", "d": "date", "z": "number"})
    later = pd.DataFrame({"x": [3.0], "c": ["a"], "d": ["2024-05-01"], "z": [1.0]})
    assert np.isfinite(fitted.transform(train)).all()
    assert np.isfinite(fitted.transform(later)).all()


@pytest.mark.parametrize("name", ["out/a.parquet", "out/a.csv"])
def test_saved_data_has_its_digest_and_schema_next_to_it(desk: Desk, name: str) -> None:
    uri = desk.data("people.csv", people(20))
    saved = desk.call("save_processed_data", data=uri, destination=name)
    assert saved.sha256 == sha256_of(desk.root / name)
    beside = json.loads((desk.root / f"{name}.schema.json").read_text(encoding="utf-8"))
    assert beside["sha256"] == saved.sha256
    assert [column["name"] for column in beside["columns"]] == ["age", "city", "joined", "pays"]
    assert desk.call("load_dataset", data=name).rows == 20


def test_data_can_be_saved_transformed(desk: Desk) -> None:
    uri = desk.data("people.csv", people(20))
    made = desk.call("preprocess_supervised", data=uri, target="pays", destination="out")
    saved = desk.call(
        "save_processed_data", data=uri, destination="out/b.parquet", preprocessor=made.uri, target="pays"
    )
    assert len(saved.columns) == made.features + 1
    assert saved.columns[-1].name == "pays"


def test_an_unknown_format_is_refused_and_leaves_the_old_file(desk: Desk) -> None:
    uri = desk.data("people.csv", people(20))
    desk.call("save_processed_data", data=uri, destination="out/a.csv")
    before = desk.files()
    assert (
        desk.refusal("save_processed_data", data=uri, destination="out/a.xlsx").problem.reason == "unsupported_format"
    )
    broken = desk.data("broken.csv", "a,b\n1\n")
    assert desk.refusal("save_processed_data", data=broken, destination="out/a.csv").problem.reason == "data_unreadable"
    assert desk.files() == before


def test_fitting_by_branches_gives_what_scikit_learns_fit_gives(desk: Desk) -> None:
    from actions.data_preparation.transformers import build_preprocessor, fit_preprocessor

    frame = pd.read_csv(desk.root / desk.data("train.csv", people(60))).drop(columns="pays")
    kinds: dict[str, Kind] = {"age": "number", "city": "category", "joined": "date"}
    ours, plain = fit_preprocessor(build_preprocessor(kinds), frame), build_preprocessor(kinds).fit(frame)
    later = frame.assign(city="never seen").head(5)
    for rows in (frame, later):
        assert (ours.transform(rows) == plain.transform(rows)).all()
    assert list(ours[1].get_feature_names_out()) == list(plain[1].get_feature_names_out())
    assert list(ours[1].named_transformers_) == list(plain[1].named_transformers_)
    assert (clone(ours).fit_transform(frame) == plain.transform(frame)).all()
    assert ours[1].output_indices_ == plain[1].output_indices_


def test_rows_without_a_target_are_preprocessed_with_what_is_left_out(desk: Desk) -> None:
    uri = desk.data("people.csv", people(60))
    made = desk.call("preprocess_unsupervised", data=uri, destination="out", leave_out=["pays"])
    assert made.kinds == {"age": "number", "city": "category", "joined": "date", "pays": "ignored"}
    fitted = open_fitted(desk.root / made.uri, made.sha256)
    frame = pd.read_csv(desk.root / uri)
    features = fitted.transform(frame)
    assert features.shape == (60, made.features) == (60, 10)
    assert (fitted.transform(frame.drop(columns="pays")) == features).all()


@pytest.mark.parametrize(
    ("content", "leave_out", "reason"),
    [
        (people(60), ["pay"], "unknown_column"),
        (people(60), ["age", "city", "joined", "pays"], "no_features"),
        ("x,y\n1,\n2,\n", [], "empty_column"),
        ("x\n1\ninf\n0.5\n", [], "infinite_values"),
    ],
)
def test_rows_without_a_target_that_cannot_be_used_are_refused(
    desk: Desk, content: str, leave_out: list[str], reason: str
) -> None:
    uri = desk.data("a.csv", content)
    refusal = desk.refusal("preprocess_unsupervised", data=uri, destination="out", leave_out=leave_out)
    assert refusal.problem.reason == reason
    assert desk.files() == {}
