"""A run's history: Markdown that shows what was said and obeys none of it, an index, one commit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from actions.context import Context
from actions.errors import InvalidInput, NotFound
from actions.history_management import index
from actions.history_management.change import history_change
from actions.history_management.history import commit_training_history, format_training_history
from actions.history_management.local import LocalHistory
from actions.history_management.record import RunRecord
from actions.history_management.report import render
from actions.model_registry import model_file
from actions.storage.folder import Storage
from tests.support.records import RUN, record, request, result
from tests.support.repositories import commits, git, repository
from tests.support.results import PNG

GITHUB = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HOSTILE = (
    "a | b `c` *d* <img src=x onerror=alert(1)> @owner #1 ![x](http://e.vil/x.png)\n# Title\n```\n<!-- modelyard:x -->"
)


def no_file(_: str, /) -> bytes | None:
    return None


def text_of(files: dict[str, bytes | None], path: str) -> str:
    content = files[path]
    assert content is not None
    return content.decode()


def committed(folder: Path, what: RunRecord, plots: Path | None = None) -> Any:
    storage = Storage(plots.parent if plots else folder)
    context = Context(storage=storage, history=LocalHistory.at(folder))
    return commit_training_history(what, context, plots=plots.name if plots else None)


@pytest.fixture
def plots(tmp_path: Path) -> Path:
    folder = tmp_path / "storage" / "plots"
    folder.mkdir(parents=True)
    for name in ("roc_curve.png", "confusion_matrix.png"):
        (folder / name).write_bytes(PNG)
    return folder


SEARCH: dict[str, Any] = {
    "metric": "roc_auc", "value": 0.9931, "baseline_score": 0.9912, "folds": 5, "completed": 30, "pruned": 19, "failed": 1,
    "stopped_by": "trials", "seconds": 75.0, "hyperparameters": {"n_estimators": 200, "max_depth": 4},
    "importances": {"max_depth": 0.75, "subsample": 0.25},
}  # fmt: skip


def test_the_page_and_the_lineage_include_a_search() -> None:
    searched = record(request=request(search_trials=50, search_minutes=20), result=result(search=SEARCH))
    files = history_change(searched).files(no_file)
    page = text_of(files, f"training_history/{RUN}.md")
    for fact in (
        "| Search trials | 50 |",
        "| Search minutes | 20 min |",
        "## Search for hyperparameters",
        "| Trials | 50 (30 completed, 19 pruned, 1 failed), ended by trials after 1 min 15 s |",
        "| Compared on | 5 folds of the training rows |",
        "| `roc_auc` | **0.9931**; the requested hyperparameters: 0.9912 |",
        "| Trained with | `n_estimators: 200`<br>`max_depth: 4` |",
        "| Importance | `max_depth` 75%<br>`subsample` 25% |",
    ):
        assert fact in page, fact
    lineage = json.loads(text_of(files, f"training_history/{RUN}.json"))
    assert lineage["result"]["search"] == SEARCH
    assert "## Search" not in render(record())


def test_the_page_has_everything_needed_to_trust_a_model() -> None:
    files = history_change(record(promoted=True)).files(no_file)
    page = text_of(files, f"training_history/{RUN}.md")
    for fact in (
        "✅ **Passed**, registered as version 1 and made champion.",
        "| Requested by | writer |",
        "| Seed | 42 |",
        "| Threshold | ≥ 0.95 |",
        "| Champion | 0.9812 (version 3, may have seen these rows) |",
        "| `roc_auc` | 0.991235 |  | 0.9812 | this model |",
        "| `log_loss` | 0.1 |  | 0.08 | champion |",
        f"| SHA-256 | `{'c' * 64}` |",
        f"| Git commit | `{'a' * 40}` |",
        "| Packages | scikit-learn 1.9.1, xgboost 3.2.0 |",
        f"![roc curve]({RUN}/roc_curve.png)",
        "| Stage train | 1 min 15 s |",
        "- [Issue 1](https://github.example/owner/project/issues/1)",
        f"- [Lineage as JSON]({RUN}.json)",
    ):
        assert fact in page


def test_the_page_shows_confidence_intervals() -> None:
    figures: dict[str, Any] = {"metrics": {"accuracy": 0.96, "log_loss": 0.1}, "intervals": {"accuracy": [0.93, 0.985]}}
    page = render(record(result=result(**figures, champion_metrics=None)))
    assert "| Metric | This model | 95 % interval |" in page
    assert "| `accuracy` | 0.96 | 0.93 to 0.985 |" in page
    assert "| `log_loss` | 0.1 |  |" in page


def test_the_page_compares_the_model_with_the_champion() -> None:
    found = result()
    found["verdict"]["comparison"] = {
        "outcome": "accepted", "alpha": 0.05, "margin": 0.02, "allowed": 0.02, "difference": 0.01, "low": -0.0123,
        "high": 0.03, "rows": 114, "resamples": 2_000,
        "regressions": [{"column": "city", "value": "<b>@all</b>", "rows": 31, "difference": -0.25}],
    }  # fmt: skip
    page = render(record(result=found))
    assert "| Against the champion | accepted |" in page
    assert "| Difference | +0.01, between -0.0123 and +0.03 (above 0 this model is better) |" in page
    assert "| Allowed to be worse by | 0.02, with a risk of 0.05 |" in page
    assert "-0.25 on 31 rows |" in page
    assert "<b>" not in page


def test_a_failed_run_shows_the_stage_the_error_and_the_end_of_the_log() -> None:
    error = {
        "stage": "train",
        "step": "Train",
        "log_tail": "first\nMemoryError",
        "problem": {"kind": "crash", "reason": "crashed", "rule": "R.", "found": "F", "next_step": "N."},
    }
    page = render(record(status="failed", result=None, error=error))
    assert "⚠️ **Failed: no verdict**. R. Found: F" in page
    assert "| Stage | train |" in page
    assert "```text\nfirst\nMemoryError\n```" in page


def test_earlier_attempts_and_decisions_are_listed() -> None:
    verdict = result()["verdict"]
    page = render(
        record(
            attempt=2,
            verdicts=[
                {"attempt": 1, "verdict": {**verdict, "status": "rejected", "value": 0.9}},
                {"attempt": 2, "verdict": verdict},
            ],
            decisions=[
                {
                    "who": "owner",
                    "what": "approve",
                    "when": "2026-11-22T10:01:00Z",
                    "reason": "once more",
                    "overrides": {"max_depth": 3},
                }
            ],
        )
    )
    assert "| 1 | rejected | 0.9 |" in page
    assert "| owner | approve | 1 | `max_depth=3` | once more | 2026-11-22T10:01:00Z |" in page


def test_text_by_people_is_shown_and_never_active() -> None:
    error = {"stage": HOSTILE[:50], "step": HOSTILE, "log_tail": HOSTILE, "problem": None}
    hostile = record(
        requester=HOSTILE[:100],
        why=HOSTILE,
        status="failed",
        result=None,
        error=error,
        request=request(target=HOSTILE, data=HOSTILE, notes=HOSTILE, hyperparameters={HOSTILE: HOSTILE}),
        decisions=[{"who": "owner", "what": "reject", "when": "2026-11-22T10:01:00Z", "reason": HOSTILE}],
        links={"issue": "javascript:alert(1)"},
    )
    page = render(hostile)
    tokens = GITHUB.parse(page)
    inline = [child for token in tokens for child in token.children or []]
    assert not [child for child in inline if child.type == "image"]
    assert {child.content for child in inline if child.type == "html_inline"} <= {"<code>", "</code>", "<br>"}
    assert not [token for token in tokens if token.type == "html_block"]
    titles = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert titles == [f"{RUN}: breast-cancer failed", *titles[1:]]
    assert "Title" not in titles
    assert "<!--" not in page
    assert "javascript" not in page


@given(st.text(min_size=1, max_size=200))
def test_no_text_adds_a_heading(text: str) -> None:
    def headings(what: RunRecord) -> int:
        return sum(token.type == "heading_open" for token in GITHUB.parse(render(what)))

    odd = record(why=text, request=request(target=text, data=text, notes=text))
    assert headings(odd) == headings(record(why="x", request=request(notes="x")))


# --- the index -------------------------------------------------------------------------------------------------------


def test_the_index_has_the_newest_run_first_and_each_once() -> None:
    text = None
    for number in (2, 10, 1, 2):
        text = index.updated(text, record(f"train-20261122-{number:03}"))
    assert text is not None
    runs = [line.split("]")[0][3:] for line in text.splitlines() if line.startswith("| [")]
    assert runs == ["train-20261122-010", "train-20261122-002", "train-20261122-001"]


def test_the_index_is_the_same_in_whatever_order_runs_end() -> None:
    first, second = record("train-20261122-001"), record("train-20261122-002", status="rejected")
    assert index.updated(index.updated(None, first), second) == index.updated(index.updated(None, second), first)


def test_a_broken_index_is_rewritten() -> None:
    text = index.updated(b"\xff\x00 no table | [train-x](y)\n", record())
    assert text == index.updated(None, record())


# --- the commit ------------------------------------------------------------------------------------------------------


def test_one_commit_holds_page_lineage_plots_index_and_registry(tmp_path: Path, plots: Path) -> None:
    folder = repository(tmp_path / "project")
    done = committed(folder, record(), plots)
    assert commits(folder) == 2
    assert git(folder, "log", "-1", "--format=%s") == f"{RUN}: breast-cancer passed [skip ci]"
    assert done.version == 1
    assert git(folder, "show", "--name-only", "--format=", "HEAD").splitlines() == done.files
    assert done.files == [
        "training_history/index.md",
        "training_history/models/breast-cancer.yaml",
        f"training_history/{RUN}.json",
        f"training_history/{RUN}.md",
        f"training_history/{RUN}/confusion_matrix.png",
        f"training_history/{RUN}/roc_curve.png",
    ]
    assert (folder / "training_history" / RUN / "roc_curve.png").read_bytes() == PNG
    lineage = json.loads((folder / "training_history" / f"{RUN}.json").read_text(encoding="utf-8"))
    assert lineage["version"] == 1
    assert RunRecord.model_validate(lineage).result == record().result


def test_the_same_run_again_makes_no_second_commit(tmp_path: Path, plots: Path) -> None:
    folder = repository(tmp_path / "project")
    first = committed(folder, record(promoted=True), plots)
    assert committed(folder, record(promoted=True), plots).commit == first.commit
    assert commits(folder) == 2


def test_rewriting_a_run_does_not_change_production(tmp_path: Path) -> None:
    folder = repository(tmp_path / "project")
    committed(folder, record("train-20261122-001", promoted=True))
    committed(folder, record("train-20261122-002", promoted=True))
    committed(folder, record("train-20261122-001", promoted=True, why="Corrected."))
    text = LocalHistory.at(folder).read("training_history/models/breast-cancer.yaml")
    assert text is not None
    assert model_file.parse(text).aliases == {"candidate": 2, "champion": 2, "previous": 1}


@pytest.mark.parametrize("status", ["rejected", "failed", "cancelled"])
def test_only_a_passed_run_is_registered(tmp_path: Path, status: str) -> None:
    folder = repository(tmp_path / "project")
    done = committed(folder, record(status=status, promoted=True))
    assert done.version is None
    assert "training_history/models/breast-cancer.yaml" not in done.files


def test_plots_with_names_that_lead_elsewhere_are_left_out() -> None:
    change = history_change(record(result=result(plots=["../x.png", "a/b.png", ".png", "x.svg", "ok.png"])))
    assert dict(change.plots) == {"ok.png": f"training_history/{RUN}/ok.png"}


def test_a_plot_that_is_missing_or_no_picture_is_named(tmp_path: Path, plots: Path) -> None:
    folder = repository(tmp_path / "project")
    (plots / "roc_curve.png").write_text("<svg>", encoding="utf-8")
    with pytest.raises(InvalidInput) as wrong:
        committed(folder, record(), plots)
    assert wrong.value.problem.reason == "not_a_plot"
    (plots / "roc_curve.png").unlink()
    with pytest.raises(NotFound) as missing:
        committed(folder, record(), plots)
    assert missing.value.problem.reason == "plot_not_found"
    assert commits(folder) == 1


def test_the_page_can_be_rendered_without_a_commit() -> None:
    page = format_training_history(record())
    assert page.path == f"training_history/{RUN}.md"
    assert page.markdown.startswith(f"# {RUN}: breast-cancer passed\n")


# --- the change alone ----------------------------------------------------------------------------------------------------


def test_the_commit_links_the_issue_or_names_its_number() -> None:
    linked = record()
    assert f"\n\nIssue: {linked.links.issue}\n" in history_change(linked).message
    unlinked = linked.model_copy(update={"links": linked.links.model_copy(update={"issue": ""})})
    assert "\n\nIssue: 1\n" in history_change(unlinked).message


def test_the_lineage_of_a_run_that_failed_claims_neither_a_version_nor_a_promotion() -> None:
    files = history_change(record(status="failed", version=7, promoted=True)).files(no_file)
    lineage = json.loads(text_of(files, f"training_history/{RUN}.json"))
    assert (lineage["version"], lineage["promoted"]) == (None, False)


@pytest.mark.parametrize(("data", "digest"), [(result()["data"], "c" * 64), (None, None)])
def test_the_registry_keeps_the_digest_of_the_data(data: Any, digest: str | None) -> None:
    path = model_file.path_of("breast-cancer")
    files = history_change(record(result=result(data=data))).files(no_file)
    assert yaml.safe_load(text_of(files, path))["versions"][0].get("data_sha256") == digest
