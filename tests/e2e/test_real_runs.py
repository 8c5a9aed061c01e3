"""Issues become models, for real: the form over HTTP, hub, App, act, the real stages, git."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.comment_reading import read
from tests.support.real_loop import RealLoop

slow = pytest.mark.slow
CLASSES = {"confusion_matrix.png", "calibration.png", "roc.png", "precision_recall.png", "importances.png"}
BOOSTED = CLASSES | {"learning_curves.png"}
NUMBERS = {"predicted_vs_true.png", "residuals.png", "importances.png"}
TOKEN = re.compile(r"gh[spu]_[A-Za-z0-9]{8}")
HOSTILE = (
    "${{ github.token }} ${{ secrets.GITHUB_TOKEN }} $(touch /tmp/modelyard-pwned) `touch /tmp/modelyard-pwned`\n"
    "\"double\" 'single' \\ ; | & > < * ~ $HOME %PATH% {{ 7 * 7 }} {% raw %}\n"
    "@owner @everybody #1 <img src=x onerror=alert(1)> <!-- modelyard:run-train-20200101-001 -->\n"
    "### Threshold\n"
    "::error::no ::set-output name=a::b ::add-mask::e\n"
    "```text\n</details> ![x](http://127.0.0.1:9/x.png) | a | b |\n"
    "/approve"
)


def versions(loop: RealLoop, model: str) -> dict[str, Any]:
    registry: dict[str, Any] = yaml.safe_load(loop.text(f"training_history/models/{model}.yaml"))
    return registry


def pictures(loop: RealLoop, run: str) -> dict[str, bytes]:
    """Return the plots that were committed, each seen to be a whole PNG."""
    found = {}
    for name in loop.history(run)["result"]["plots"]:
        content = loop.file(f"training_history/{run}/{name}")
        assert content is not None
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert content[-8:-4] == b"IEND"
        assert len(content) > 5_000, name
        found[name] = content
    return found


def metrics(loop: RealLoop, run: str) -> dict[str, float]:
    found: dict[str, float] = loop.history(run)["result"]["metrics"]
    return found


# --- data sets -----------------------------------------------------------------------------------------------------------


def test_an_issue_becomes_a_registered_model_with_its_history(real: RealLoop, model: str) -> None:
    issue = real.open(model_name=model, threshold="0.93", notes="For the tests.")
    run = real.until_closed(issue, "mlops:passed")

    lineage = real.history(run)
    assert lineage["result"]["verdict"]["status"] == "passed"
    assert metrics(real, run)["accuracy"] > 0.95
    assert (lineage["request"]["notes"], lineage["result"]["training_seed"]) == ("For the tests.", 42)
    assert set(pictures(real, run)) == BOOSTED
    page = real.text(f"training_history/{run}.md")
    assert all(f"({run}/{plot})" in page for plot in BOOSTED)
    assert lineage["result"]["environment"]["python"] in page
    assert lineage["result"]["data"]["sha256"] in page
    assert run in real.text("training_history/index.md")

    (version,) = versions(real, model)["versions"]
    stored = real.workspace.folder / "storage" / version["uri"]
    assert (version["run"], version["sha256"]) == (run, lineage["result"]["model"]["sha256"])
    assert stored.stat().st_size == lineage["result"]["model"]["size_bytes"]
    assert versions(real, model)["aliases"] == {"candidate": 1, "champion": 1}

    sticky, told = real.comments(issue)
    assert "version 1 is the new champion" in sticky
    assert "✅ Passed" in told
    assert real.refs() == []
    jobs = {job["name"].rpartition(" / ")[2]: job for job in real.jobs(run)}
    assert list(jobs) == ["prepare", "train", "evaluate", "judge", "publish"]
    for name, job in jobs.items():
        assert re.search(r"modelyard: Python 3\.\d+\.\d+ at /\S+; cache warm", real.log(job)), "it says what it found"
        summary = re.search(rf'id="summary-{job["id"]}">(.*?)</div>', page_of(real, job), re.DOTALL)
        assert summary is not None
        assert f"{name}: <code>{run}</code>, attempt 1" in summary[1]


def page_of(loop: RealLoop, job: dict[str, Any]) -> str:
    return loop.page(f"/actions/runs/{job['run_id']}")


@slow
@pytest.mark.parametrize(
    ("data", "algorithm", "metric", "threshold", "plots"),
    [
        ("wine", "xgboost", "f1", "0.9", BOOSTED),
        ("digits", "random_forest", "accuracy", "0.96", CLASSES),
        ("diabetes", "linear_regression", "rmse", "62", NUMBERS),
    ],
)
def test_data_sets_of_scikit_learn_are_learnt(
    real: RealLoop, model: str, data: str, algorithm: str, metric: str, threshold: str, plots: set[str]
) -> None:
    task = "regression" if data == "diabetes" else "classification"
    issue = real.open(
        model_name=model, data=f"sklearn://{data}", algorithm=algorithm, metric=metric, threshold=threshold
    )
    run = real.until_closed(issue, "mlops:passed")
    assert real.history(run)["request"]["task"] == task, "it follows from the metric"
    assert set(pictures(real, run)) == plots
    assert f"**{metric}**" in real.comment(issue)


@slow
def test_a_search_that_the_form_asks_for_gives_the_model_its_hyperparameters(real: RealLoop, model: str) -> None:
    issue = real.open(
        model_name=model, algorithm="logistic_regression", data="sklearn://wine", metric="log_loss", threshold="0.5",
        hyperparameters="max_iter: 300", search_trials="8",
    )  # fmt: skip
    run = real.until_closed(issue, "mlops:passed")
    found = real.history(run)["result"]["search"]
    assert found["completed"] + found["pruned"] + found["failed"] == 8
    assert found["value"] <= found["baseline_score"]
    assert found["hyperparameters"]["max_iter"] == 300
    assert set(pictures(real, run)) >= {"optimization_history.png"}
    (version,) = versions(real, model)["versions"]
    beside = (real.workspace.folder / "storage" / version["uri"]).with_name("model.json")
    assert json.loads(beside.read_text(encoding="utf-8"))["hyperparameters"] == found["hyperparameters"]
    assert "## Search for hyperparameters" in real.text(f"training_history/{run}.md")
    assert "Tried 8 sets of hyperparameters." in real.comment(issue)


@slow
def test_a_csv_with_text_and_gaps_is_learnt(real: RealLoop, model: str) -> None:
    rows = ["colour,weight,bought,day,ripe"]
    for number in range(240):
        ripe = number % 3 == 0
        colour = "" if number % 17 == 0 else ("red" if ripe else "grün")
        weight = "" if number % 11 == 0 else f"{(120 if ripe else 95) + number % 7}"
        rows.append(f"{colour},{weight},{'' if number % 5 else 'shop, east'!r},2026-01-{number % 28 + 1:02},{ripe}")
    text = "\n".join(rows).replace("'shop, east'", '"shop, east"').replace("''", "")
    data = real.data("fruit/ripeness.csv", text + "\n")
    issue = real.open(model_name=model, data=data, target="ripe", algorithm="random_forest", metric="roc_auc")
    run = real.until_closed(issue, "mlops:passed")
    result = real.history(run)["result"]
    assert (result["data"]["rows"], result["data"]["columns"]) == (240, 5)
    assert result["metrics"]["roc_auc"] > 0.98
    assert set(pictures(real, run)) == CLASSES


# --- several runs --------------------------------------------------------------------------------------------------------


@slow
def test_two_models_train_side_by_side_and_the_same_request_gives_the_same_figures(real: RealLoop, model: str) -> None:
    names = [f"{model}-{letter}" for letter in "ab"]
    issues = [real.open(model_name=name, algorithm="random_forest", seed="7") for name in names]
    runs = [real.until_closed(issue, "mlops:passed") for issue in issues]
    (first, second) = [real.jobs(run) for run in runs]
    assert second[0]["started_at"] < first[-1]["completed_at"], "they overlap"
    results = [real.history(run)["result"] for run in runs]
    assert json.dumps(results[0]["metrics"]) == json.dumps(results[1]["metrics"])
    assert results[0]["data"] == results[1]["data"]
    assert pictures(real, runs[0]) == pictures(real, runs[1])
    assert [versions(real, name)["aliases"]["champion"] for name in names] == [1, 1]
    index = real.text("training_history/index.md")
    assert all(run in index for run in runs)


@slow
def test_a_second_run_of_a_model_queues_visibly_and_then_takes_its_turn(real: RealLoop, model: str) -> None:
    issues = [real.open(model_name=model, algorithm="logistic_regression") for _ in "12"]
    real.until_label(issues[1], "mlops:queued")
    ahead = real.until(lambda: real.run(issues[0]), "the first has a comment")
    assert f"⏳ Queued: waiting for `{ahead}`" in real.comment(issues[1])
    assert "To leave the queue, comment `/cancel`." in real.comment(issues[1])
    runs = [real.until_closed(issue, "mlops:passed") for issue in issues]
    assert real.jobs(runs[0])[-1]["completed_at"] <= real.jobs(runs[1])[0]["started_at"]
    assert [one["run"] for one in versions(real, model)["versions"]] == runs


@slow
@pytest.mark.timeout(600)
def test_a_champion_stays_until_a_better_model_passes(real: RealLoop, model: str) -> None:
    champion = real.until_closed(real.open(model_name=model), "mlops:passed")
    registry = real.file(f"training_history/models/{model}.yaml")
    assert versions(real, model)["aliases"]["champion"] == 1

    below = real.open(model_name=model, threshold="1", seed="3")
    rejected = real.until_closed(below, "mlops:failed")
    assert real.history(rejected)["result"]["verdict"]["reason"] == "below_threshold"
    assert real.file(f"training_history/models/{model}.yaml") == registry
    assert "Nothing has changed in production." in real.comment(below)

    stump = "n_estimators: 1\nmax_depth: 1\nlearning_rate: 0.01"
    worse = real.open(model_name=model, threshold="0.1", hyperparameters=stump)
    beaten = real.until_closed(worse, "mlops:failed")
    verdict = real.history(beaten)["result"]["verdict"]
    assert (verdict["status"], verdict["reason"]) == ("rejected", "worse_than_champion")
    assert verdict["champion_value"] == metrics(real, champion)["accuracy"] > verdict["value"]
    assert real.file(f"training_history/models/{model}.yaml") == registry
    assert "| Champion (version 1) |" in real.comment(worse)
    assert "**worse than the champion**" in real.comment(worse)
    assert f"{beaten}/comparison.png" in real.comment(worse)
    assert {"comparison.png"} < set(pictures(real, beaten))

    same = real.until_closed(real.open(model_name=model), "mlops:passed")
    assert versions(real, model)["aliases"] == {"candidate": 2, "champion": 2, "previous": 1}
    assert metrics(real, same) == metrics(real, champion)


@slow
@pytest.mark.timeout(600)
def test_a_rejected_model_is_trained_again_after_an_approval(real: RealLoop, model: str) -> None:
    weak = "n_estimators: 1\nmax_depth: 1"
    issue = real.open(model_name=model, threshold="0.95", max_retries="2", hyperparameters=weak)
    for attempt, answer in enumerate(("/approve", "/approve n_estimators=100 max_depth=4 more trees"), start=1):
        real.until(lambda: asked(real, issue, attempt), f"somebody is asked about attempt {attempt}")  # noqa: B023
        real.say(issue, answer)
    run = real.until_closed(issue, "mlops:passed")
    lineage = real.history(run)
    assert (lineage["attempt"], lineage["result"]["training_seed"]) == (3, 44)
    assert lineage["result"]["request"]["hyperparameters"] == {"n_estimators": 100, "max_depth": 4}
    statuses = [one["verdict"]["status"] for one in lineage["verdicts"]]
    assert statuses == ["rejected", "rejected", "passed"]
    assert "more trees" in real.text(f"training_history/{run}.md")
    prepared = [page_of(real, job) for job in real.jobs(run) if job["name"].endswith("prepare")]
    skipped = ["skipped: its inputs and code are unchanged" in page for page in prepared]
    assert skipped == [False, True, False], "the second attempt's data are the first one's"


def asked(loop: RealLoop, issue: int, attempt: int) -> bool:
    questions = [text for text in loop.comments(issue) if "modelyard:question-" in text]
    return len(questions) == attempt and "mlops:waiting" in loop.labels(issue)


# --- hostile text --------------------------------------------------------------------------------------------------------


@slow
def test_hostile_text_arrives_as_it_was_typed_and_nothing_of_it_happens(real: RealLoop, model: str) -> None:
    pwned = Path("/tmp/modelyard-pwned")
    pwned.unlink(missing_ok=True)
    issue = real.open(model_name=model, algorithm="logistic_regression", notes=HOSTILE)
    run = real.until_closed(issue, "mlops:passed")
    assert real.history(run)["request"]["notes"] == HOSTILE
    assert real.history(run)["result"]["request"]["notes"] == HOSTILE
    assert not pwned.exists()
    said = "\n".join(real.comments(issue))
    shown = read(said)
    assert (shown.mentions, shown.images.count("http://127.0.0.1:9/x.png")) == ([], 0)
    assert not any(tag.startswith("img") for tag in shown.tags)
    assert "<!-- modelyard:run-train-20200101-001" not in said
    pages = [real.page(f"/issues/{issue}"), real.page(f"/blob/main/training_history/{run}.md")]
    assert not any("<img src=x" in page for page in pages)
    texts = [said, *map(real.log, real.jobs(run)), *everything(real)]
    assert not any(TOKEN.search(text) for text in texts), "no token shows anywhere"


@slow
def test_a_hostile_hyperparameter_is_refused_in_its_own_words(real: RealLoop, model: str) -> None:
    pwned = Path("/tmp/modelyard-pwned")
    pwned.unlink(missing_ok=True)
    value = "$(touch /tmp/modelyard-pwned) ${{ github.token }}"
    issue = real.open(model_name=model, hyperparameters=f'n_estimators: "{value}"')
    real.until_label(issue, "mlops:invalid")
    (comment,) = real.comments(issue)
    assert "**Field:** `hyperparameters`" in comment
    assert f"'{value}'" in read(comment).text
    assert not pwned.exists()
    assert not TOKEN.search(comment)


def everything(loop: RealLoop) -> list[str]:
    """Return every file of storage, and every object of the repository."""
    git = loop.hub.git(loop.ready.repository)
    names = git.run("rev-list", "--objects", "--all", "--no-object-names").split()
    objects = git.run("cat-file", "--batch", data=b"\n".join(names) + b"\n")
    return [content.decode("latin-1") for content in (objects, *loop.stored().values())]
