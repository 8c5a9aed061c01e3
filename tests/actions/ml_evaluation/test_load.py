"""Which model files load_model opens."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from actions.errors import NotFound
from actions.storage.folder import sha256_of
from tests.support.operating import Desk, people


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    uri = desk.data("train.csv", people(60))
    desk.call(
        "train_supervised_classifier", data=uri, target="pays", destination="out", algorithm="logistic_regression"
    )
    desk.call("save_model", training="out", destination="out", name="people")
    return desk


def replaced(desk: Desk, write: Any) -> None:
    """Put another file in the model's place, and its digest beside it, as somebody who can write storage could."""
    path = desk.root / "out/model.skops"
    write(path)
    beside = desk.root / "out/model.json"
    signature = json.loads(beside.read_text(encoding="utf-8")) | {"model_sha256": sha256_of(path)}
    beside.write_text(json.dumps(signature), encoding="utf-8")


def test_a_model_describes_itself_and_predicts_raw_rows(desk: Desk) -> None:
    rows = [{"age": 75, "city": "Bern", "joined": "2024-03-04"}, {"age": 20, "city": "Lima", "joined": None}]
    found = desk.call("load_model", model="out/model.skops", rows=rows)
    assert found.signature.target == "pays"
    assert found.predictions == ["yes", "no"]
    assert "# people" in found.card


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"age": 3, "city": "Oslo"}, "missing_columns"),
        ({"age": 3, "city": "Oslo", "joined": None, "pays": "yes"}, "unknown_columns"),
        ({"age": "old", "city": "Oslo", "joined": None}, "wrong_type"),
        ({"age": 3, "city": "Oslo", "joined": "yesterday"}, "wrong_type"),
    ],
)
def test_rows_that_do_not_fit_are_refused(desk: Desk, row: dict[str, Any], reason: str) -> None:
    assert desk.refusal("load_model", model="out/model.skops", rows=[row]).problem.reason == reason


def test_a_changed_file_is_not_opened(desk: Desk) -> None:
    digest = sha256_of(desk.root / "out/model.skops")
    replaced(desk, lambda path: path.write_bytes(path.read_bytes() + b"\0"))
    assert desk.refusal("load_model", model="out/model.skops", sha256=digest).problem.reason == "digest_mismatch"


def test_without_a_digest_the_stored_one_is_checked(desk: Desk) -> None:
    path = desk.root / "out/model.skops"
    path.write_bytes(path.read_bytes() + b"\0")
    assert desk.refusal("load_model", model="out/model.skops").problem.reason == "digest_mismatch"


def test_an_untrusted_type_is_refused_and_not_run(desk: Desk, tmp_path: Path) -> None:
    from sklearn.preprocessing import FunctionTransformer
    from skops.io import dump

    replaced(desk, lambda path: dump(FunctionTransformer(Path.touch), path))
    refusal = desk.refusal("load_model", model="out/model.skops")
    assert refusal.problem.reason == "untrusted_types"


@pytest.mark.parametrize("content", [b"", b"no zip", b"\x80\x04K\x01.", b"cposix\nsystem\n(S'touch pwned'\ntR."])
def test_a_pickle_or_anything_else_is_refused_and_not_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(desk.root)
    replaced(desk, lambda path: path.write_bytes(content))
    assert desk.refusal("load_model", model="out/model.skops").problem.reason == "model_unreadable"
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    "schema",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": [' * 400 + "]}" * 400,
    ],
    ids=["lists", "what skops reads"],
)
def test_a_model_nested_thousands_of_levels_deep_is_refused(desk: Desk, schema: str) -> None:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("schema.json", schema)

    replaced(desk, write)
    assert desk.refusal("load_model", model="out/model.skops").problem.reason == "model_unreadable"


def test_a_model_file_that_unpacks_too_far_is_refused_before_it_is_unpacked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("schema.json", b"0" * (65 << 20))

    replaced(desk, write)
    size = (desk.root / "out/model.skops").stat().st_size
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unpacked"))
    problem = desk.refusal("load_model", model="out/model.skops").problem
    assert (problem.reason, problem.found) == (
        "model_unreadable", f"{65 << 20} bytes in a file of {size} bytes; it was not unpacked.",
    )  # fmt: skip


def test_a_zip_without_a_model_is_refused(desk: Desk) -> None:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("schema.json", "{}")

    replaced(desk, write)
    assert desk.refusal("load_model", model="out/model.skops").problem.reason == "model_unreadable"


def test_no_file_is_not_found_and_outside_is_refused(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.call("load_model", model="out/other.skops")
    assert desk.refusal("load_model", model="../model.skops").problem.reason == "outside_storage"


def test_a_model_without_its_signature_is_refused(desk: Desk) -> None:
    (desk.root / "out/model.json").unlink()
    assert desk.refusal("load_model", model="out/model.skops").problem.reason == "signature_unreadable"
