"""``modelyard doctor`` names what is missing or wrong, and the cure."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bot.cli import main
from bot.finding import Finding
from tests.support.local_hub import running_hub

SHA = "0123456789" * 4
INIT = ("init", "--source", f"owner/modelyard@{SHA}")


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MODELYARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MODELYARD_STORAGE_ROOT", str(tmp_path / "storage"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def examined(capsys: pytest.CaptureFixture[str], code: int) -> dict[str, Finding]:
    capsys.readouterr()
    assert main(["doctor", "--json"]) == code
    found = [Finding.model_validate(one) for one in json.loads(capsys.readouterr().out)]
    return {finding.what: finding for finding in found}


def test_a_machine_without_any_set_up_is_told_what_works_already(capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys, 0)
    assert [what for what, finding in found.items() if finding.level == "warning"] == ["Settings", "Repository"]
    assert "demo, run and mcp work without them" in found["Settings"].found
    assert "modelyard init" in found["Repository"].cure


def test_every_finding_that_is_not_well_has_a_cure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELYARD_APP_ID", "one")
    found = examined(capsys, 1)
    assert found["Setting MODELYARD_APP_ID"].level == "error"
    assert "'one'" in found["Setting MODELYARD_APP_ID"].found
    assert all(finding.cure for finding in found.values() if finding.level != "ok")


def test_a_storage_root_that_cannot_be_written_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    monkeypatch.setenv("MODELYARD_STORAGE_ROOT", str(tmp_path / "file" / "storage"))
    assert examined(capsys, 1)["Storage root"].level == "error"


def test_nothing_is_left_behind_in_storage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    examined(capsys, 0)
    assert list((tmp_path / "storage").iterdir()) == []


def test_git_is_missed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert examined(capsys, 1)["git"].cure == "Install git."


def test_a_prepared_repository_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    main([*INIT])
    found = examined(capsys, 0)
    assert {finding.level for what, finding in found.items() if what.startswith(".github/")} == {"ok"}
    assert len([what for what in found if what.startswith(".github/")]) == 4


@pytest.mark.parametrize(
    ("name", "before", "after", "level"),
    [
        ("workflows/modelyard-train.yml", f"train.yml@{SHA}", "train.yml@main", "error"),
        ("workflows/modelyard-operation.yml", "uses:", "runs:", "error"),
        ("modelyard.yml", "promotion: approval", "promotion: maybe", "error"),
        ("ISSUE_TEMPLATE/modelyard-train.yml", "Train a model", "Train", "warning"),
    ],
)
def test_a_file_that_was_changed_for_the_worse_is_named(
    capsys: pytest.CaptureFixture[str], name: str, before: str, after: str, level: str
) -> None:
    main([*INIT])
    path = Path(".github") / name
    path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    finding = examined(capsys, 1 if level == "error" else 0)[f".github/{name}"]
    assert finding.level == level
    assert finding.cure


def test_a_file_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    main([*INIT])
    Path(".github/workflows/modelyard-train.yml").unlink()
    assert examined(capsys, 1)[".github/workflows/modelyard-train.yml"].found == "missing"


def test_github_is_asked_whether_it_knows_the_app(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with running_hub(tmp_path / "hub", webhook_url="http://127.0.0.1:9/webhook", webhooks_enabled=False) as hub:
        monkeypatch.setenv("MODELYARD_GITHUB_API_URL", hub.api_url)
        monkeypatch.setenv("MODELYARD_WEBHOOK_SECRET", "secret")
        monkeypatch.setenv("MODELYARD_PRIVATE_KEY_PATH", str(hub.ready.private_key_path))
        monkeypatch.setenv("MODELYARD_APP_ID", str(hub.ready.app.id))
        well = examined(capsys, 0)
        monkeypatch.setenv("MODELYARD_APP_ID", str(hub.ready.app.id + 1))
        wrong = examined(capsys, 1)
    assert "is installed at owner" in well["GitHub"].found
    assert wrong["GitHub"].level == "error"
    assert wrong["GitHub"].cure


def test_for_people_each_finding_is_a_line_with_its_cure_below(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok       Python: 3.")
    assert any(line.startswith("         cure: ") for line in lines)
