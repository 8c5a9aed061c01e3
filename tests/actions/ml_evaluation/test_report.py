"""Reports and cards: whole, read by machines and people, and literal in what others wrote."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from actions.models.saved_model import CARD_FILE
from tests.support.operating import REPOSITORY, RUN, Desk, people
from tests.support.stages import run_stage

EVIL = [
    "<script>alert(1)</script>",
    "| a | b |",
    "![x](http://127.0.0.1:9/x.png)",
    "@owner #1",
    "{{ 7 * 7 }}",
    "a&amp;b",
]
PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """What an HTML file is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def images(self) -> list[bytes]:
        sources = [value or "" for name, value in self.attributes if name == "src"]
        assert all(source.startswith("data:image/png;base64,") for source in sources)
        return [base64.b64decode(source.partition(",")[2], validate=True) for source in sources]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def evaluated(desk: Desk, kind: str = "classifier", algorithm: str = "xgboost", name: str = "m") -> str:
    """Train and evaluate on people, or on numbers; return the URI of results.json."""
    content = people(80) if kind == "classifier" else "x,y\n" + "".join(f"{n},{n * 3 % 17}\n" for n in range(80))
    data, target = desk.data(f"{kind}.csv", content), "pays" if kind == "classifier" else "y"
    asked = {"data": data, "target": target, "destination": name, "algorithm": algorithm}
    settings = {} if algorithm == "linear_regression" else {"n_estimators": 5}
    desk.call(f"train_supervised_{kind}", **asked, hyperparameters=settings)
    uri = desk.call("save_model", training=name, destination=name, name=name).uri
    desk.call(f"evaluate_{kind}", model=uri, data=data, destination=f"{name}/kept")
    return f"{name}/kept/results.json"


@pytest.mark.parametrize(
    ("kind", "algorithm", "plots"),
    [
        (
            "classifier", "xgboost",
            {"confusion_matrix", "roc", "precision_recall", "calibration", "importances", "learning_curves"},
        ),
        ("regressor", "xgboost", {"predicted_vs_true", "residuals", "importances", "learning_curves"}),
        ("regressor", "linear_regression", {"predicted_vs_true", "residuals", "importances"}),
    ],
)  # fmt: skip
def test_a_report_has_all_figures_and_plots_in_markdown_and_in_one_html_file(
    desk: Desk, kind: str, algorithm: str, plots: set[str]
) -> None:
    evaluation = evaluated(desk, kind, algorithm)
    found = desk.call("generate_evaluation_report", evaluation=evaluation, destination="report", title="People")
    text = (desk.root / found.markdown_uri).read_text(encoding="utf-8")
    page = Page((desk.root / found.html_uri).read_text(encoding="utf-8"))
    assert {Path(uri).stem for uri in found.plots} == plots
    linked = re.findall(r"\]\((plots/[a-z_]+\.png)\)", text)
    assert {Path(path).stem for path in linked} == plots
    assert page.images == [(desk.root / "report" / path).read_bytes() for path in linked]
    assert all(image.startswith(PNG) for image in page.images)
    metric = "accuracy" if kind == "classifier" else "rmse"
    shown = re.search(rf"\| {metric} \| (\S+) \| (\S+) to (\S+) \|", text)
    assert shown is not None
    value, low, high = (float(figure) for figure in shown.groups())
    assert low <= value <= high
    assert {shown[1], f"{shown[2]} to {shown[3]}"} <= set(page.words)
    again = desk.call("generate_evaluation_report", evaluation=evaluation, destination="again", title="People")
    assert (again.markdown_sha256, again.html_sha256) == (found.markdown_sha256, found.html_sha256)


def test_a_report_shows_the_comparison_where_there_is_one(desk: Desk) -> None:
    evaluation = evaluated(desk)
    evaluated(desk, algorithm="random_forest", name="other")
    found = desk.call(
        "compare_models",
        challenger="m/model.skops",
        champion="other/model.skops",
        data=f"{REPOSITORY}/datasets/classifier.csv",
    )
    values = found.model_dump(mode="json")
    report = desk.call("generate_evaluation_report", evaluation=evaluation, destination="report", comparison=values)
    text = (desk.root / report.markdown_uri).read_text(encoding="utf-8")
    assert "## Against the champion" in text
    assert "## Against the champion, accuracy per slice" in text
    assert "report/plots/comparison.png" in report.plots
    kept = desk.call("save_evaluation_results", evaluation=evaluation, destination="kept", comparison=values)
    again = desk.call(
        "generate_evaluation_report", evaluation=evaluation, destination="b", comparison=kept.comparison_uri
    )
    assert again.html_sha256 == report.html_sha256


def test_text_by_others_is_shown_and_never_active(desk: Desk) -> None:
    rows = "".join(f'{n % 11},"{EVIL[n % 2]}","{EVIL[2 + n % 4]}"\n' for n in range(120))
    data = desk.data("evil.csv", f'x,"{EVIL[4]}","{EVIL[0]}y"\n{rows}')
    asked = {"data": data, "target": f"{EVIL[0]}y", "destination": "m", "algorithm": "logistic_regression"}
    desk.call("train_supervised_classifier", **asked)
    uri = desk.call("save_model", training="m", destination="m", name="m", notes=EVIL[0]).uri
    found = desk.call("evaluate_classifier", model=uri, data=data)
    report = desk.call(
        "generate_evaluation_report", evaluation=found.model_dump(mode="json"), destination="report", title=EVIL[0]
    )
    page = Page((desk.root / report.html_uri).read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert not {name for name, _ in page.attributes if name.startswith("on")}
    assert {EVIL[0], *EVIL} <= set(page.words)
    for name in (report.markdown_uri, f"m/{CARD_FILE}"):
        text = re.sub(r"`[^`\n]*`", "", (desk.root / name).read_text(encoding="utf-8"))  # nothing is obeyed within code
        assert "<script>" not in text
        assert "![x]" not in text
        assert "@owner" not in text


def test_an_html_report_may_load_and_run_nothing(desk: Desk) -> None:
    report = desk.call("generate_evaluation_report", evaluation=evaluated(desk), destination="report")
    text = (desk.root / report.html_uri).read_text(encoding="utf-8")
    assert "default-src 'none'; img-src data:;" in text
    assert not re.search(r"(?:src|href)=\"(?!data:image/png)", text)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("none.json", None, "evaluation_not_found"),
        ("broken.json", "{", "evaluation_unreadable"),
        ("other.json", '{"task": "clustering"}', "evaluation_unreadable"),
    ],
)
def test_a_file_that_is_not_an_evaluation_leaves_no_report(
    desk: Desk, name: str, content: str | None, reason: str
) -> None:
    uri = f"{REPOSITORY}/datasets/{name}" if content is None else desk.data(name, content)
    before = desk.files()
    try:
        desk.call("generate_evaluation_report", evaluation=uri, destination="report")
    except Exception as error:  # noqa: BLE001 - NotFound or InvalidInput, told apart below
        problem: Any = getattr(error, "problem", None)
        assert problem is not None
        assert (problem.reason, problem.field) == (reason, "evaluation")
    else:
        pytest.fail("it was taken")
    assert desk.files() == before


# --- the card ----------------------------------------------------------------------------------------------------------


def card_of(desk: Desk, folder: str) -> tuple[dict[str, Any], str]:
    text = (desk.root / folder / CARD_FILE).read_text(encoding="utf-8")
    _, block, body = text.split("---\n", 2)
    return yaml.safe_load(block), body


def test_a_card_begins_with_what_hugging_face_reads(desk: Desk) -> None:
    order = desk.order(data="sklearn://iris", notes="Not for poisonous plants.")
    for stage in ("prepare", "train"):
        run_stage(stage, order)
    folder = f"{REPOSITORY}/models/{RUN}/1"
    before, _ = card_of(desk, folder)
    (result,) = before["model-index"][0]["results"]
    assert result["dataset"]["split"] == "validation"

    evaluated = run_stage("evaluate", order).record.result

    block, body = card_of(desk, folder)
    assert (block["library_name"], block["pipeline_tag"]) == ("sklearn", "tabular-classification")
    (index,) = block["model-index"]
    (result,) = index["results"]
    assert (index["name"], result["task"]["type"]) == ("flowers", "tabular-classification")
    assert (result["dataset"]["name"], result["dataset"]["split"]) == ("sklearn://iris (30 rows)", "test")
    figures = {one["type"]: one["value"] for one in result["metrics"]}
    assert figures == {name: value for name, value in evaluated["metrics"].items() if value is not None}
    assert "## Evaluation" in body
    assert "On 30 rows it has not seen" in body
    assert "Not for poisonous plants." in body
    assert run_stage("train", order).record.result["model"]["sha256"] in body.partition("## Columns")[0]


@pytest.mark.parametrize("name", ["yes", "1.10", "a-b.c"])
def test_names_that_yaml_would_read_as_something_else_stay_names(desk: Desk, name: str) -> None:
    evaluated(desk, name="m")
    desk.call("save_model", training="m", destination="m", name=name)
    block, _ = card_of(desk, "m")
    assert block["model-index"] == [{"name": name, "results": []}]
