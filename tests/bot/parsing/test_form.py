"""What an issue's body says: a request, or every wrong field by its name."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actions.contracts.algorithms import algorithm_names
from actions.data_preparation.sources import SKLEARN_DATASETS
from actions.errors import InvalidInput, Problem
from actions.tasks.registry import TrainingRequest
from actions.tasks.tabular.request import TabularRequest
from bot.parsing.form import MAX_BODY, ParsedForm, form_body, looks_like_form, parse_form
from bot.parsing.form_fields import label_of, request_fields
from tests.support.requests import requests
from tests.support.run_views import a_request
from tests.support.work import work

LABELS = [field.title or name for name, field in request_fields().items()]


def body(**changes: str | None) -> str:
    """Return a right body but for some fields, given by their label's text; None leaves the heading out."""
    texts: dict[str, str | None] = {
        "Model name": "breast-cancer",
        "Task": "classification",
        "Algorithm": "xgboost",
        "Data": "sklearn://breast_cancer",
        "Target column": "target",
        "Split": "auto",
        "Split column": "_No response_",
        "Features": "_No response_",
        "Metric": "accuracy",
        "Threshold": "0.95",
        "Max retries": "2",
        "Runner label": "self-hosted",
        "Time-out": "60",
        "Seed": "42",
        "Hyperparameters": "_No response_",
        "Notes": "_No response_",
    }
    assert set(changes) <= {label.replace(" ", "_").replace("-", "_") for label in texts}
    changed = {label: changes.get(label.replace(" ", "_").replace("-", "_"), text) for label, text in texts.items()}
    return "\n\n".join(f"### {label}\n\n{text}" for label, text in changed.items() if text is not None)


def wrong(parsed: ParsedForm) -> list[Problem]:
    assert parsed.request is None
    return list(parsed.wrong)


def only(parsed: ParsedForm) -> Problem:
    (one,) = wrong(parsed)
    return one


# --- there and back ----------------------------------------------------------------------------------------------------


@given(requests())
def test_what_a_request_looks_like_as_an_issue_is_read_back_as_the_same_request(request: TrainingRequest) -> None:
    assert parse_form(form_body(request)).request == request


@given(requests())
def test_a_form_posted_with_windows_line_ends_is_the_same_request(request: TrainingRequest) -> None:
    assert parse_form(form_body(request).replace("\n", "\r\n")).request == request
    assert parse_form(form_body(request).replace("\n", "\r")).request == request


@pytest.mark.parametrize(
    ("text", "is_form"),
    [
        (body(), True),
        (body(Task=None, Split=None, Notes=None), True),
        ("\r\n" + body().replace("\n", "\r\n"), True),
        ("Look at this:\n\n" + body(), False),
        ("\n".join(line for line in body().split("\n") if line != "### Metric"), False),
        (body(Data=None), False),
        ("### Model name\n\nwine", False),
        ("", False),
    ],
)
def test_a_form_is_recognised_by_its_headings(text: str, is_form: bool) -> None:
    assert looks_like_form(text) is is_form


def test_a_body_may_begin_with_a_byte_order_mark() -> None:
    assert parse_form("\ufeff" + body()).request is not None


@pytest.mark.parametrize("fence", ["```", "~~~"])
def test_a_heading_inside_a_code_fence_is_part_of_the_value(fence: str) -> None:
    text = f"{fence}yaml\n### Threshold\nn_estimators: 5\n{fence}"
    request = parse_form(body(Hyperparameters=text)).request
    assert request is not None
    assert (request.hyperparameters, request.threshold) == ({"n_estimators": 5}, 0.95)


@pytest.mark.parametrize("fence", ["```", "~~~yaml", "```` "])
def test_a_code_fence_that_is_never_closed_swallows_no_heading(fence: str) -> None:
    request = parse_form(body(Data=fence)).request
    assert request is not None
    assert request.data_uris == (fence.strip(),)


def test_a_dropdown_without_a_choice_is_no_answer() -> None:
    parsed = parse_form(body(Split="None"))
    assert parsed.request is not None
    assert parsed.request.model_dump()["split"] == "auto"
    problem = only(parse_form(body(Metric="None")))
    assert (problem.field, problem.rule) == ("metric", "This field is required.")


def test_a_value_that_the_form_cannot_carry_is_refused_before_it_is_posted() -> None:
    with pytest.raises(InvalidInput) as refused:
        form_body(a_request(target="two\nlines"))
    assert refused.value.problem.reason == "not_expressible"
    with pytest.raises(InvalidInput):
        form_body(a_request(target=" blanks "))


def test_notes_may_hold_headings_even_those_of_the_form() -> None:
    notes = "see\n\n### Data\n\nold/file.csv\n\n### Notes\n\nmore"
    request = a_request(notes=notes)
    assert parse_form(form_body(request)).request == request


# --- hyperparameters ---------------------------------------------------------------------------------------------------


def test_hyperparameters_are_typed_as_yaml_types_them() -> None:
    text = """\
n_estimators: 200
learning_rate: 1e-3   # small steps
subsample: .5
bootstrap: true
max_depth: null
max_leaf_nodes: None
criterion: log_loss
booster: "gb # tree"
tree_method: 'it''s'

# a comment
seed_text: "42"
"""
    request = parse_form(body(Hyperparameters=text)).request
    assert request is not None
    assert request.hyperparameters == {
        "n_estimators": 200, "learning_rate": 0.001, "subsample": 0.5, "bootstrap": True, "max_depth": None,
        "max_leaf_nodes": None, "criterion": "log_loss", "booster": "gb # tree", "tree_method": "it's", "seed_text": "42",
    }  # fmt: skip
    kinds = [type(request.hyperparameters[name]) for name in ("n_estimators", "learning_rate", "bootstrap")]
    assert kinds == [int, float, bool]


@pytest.mark.parametrize(
    "text", ['{"a": 1, "b": "x"}', "a: 1\nb: x", "```yaml\na: 1\nb: x\n```", '```json\n{"a": 1, "b": "x"}\n```']
)
def test_hyperparameters_are_lines_or_a_json_object_perhaps_in_a_fence(text: str) -> None:
    request = parse_form(body(Hyperparameters=text)).request
    assert request is not None
    assert request.hyperparameters == {"a": 1, "b": "x"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("n_estimators 200", "line 1: n_estimators 200"),
        ("a: 1\n\nb", "line 3: b"),
        ("a:", "line 1: a:"),
        ("a: [1, 2]", "line 1: a: [1, 2]"),
        ("a: nan", "line 1: a: nan"),
        ("a: 1e999", "line 1: a: 1e999"),
        ("a: " + "9" * 19, "line 1: a: " + "9" * 19),
        ('a: "open', 'line 1: a: "open'),
        ('a: "closed" not', 'line 1: a: "closed" not'),
        (r'a: "\u0000"', r'line 1: a: "\u0000"'),
        (r'a: "\ud800"', r'line 1: a: "\ud800"'),
        (r'{"a": "\u0000"}', r'{"a": "\u0000"}'),
        (r'a: "\x"', r'line 1: a: "\x"'),
        ("1a: 2", "line 1: 1a"),
        ("a: 1\na: 2", "line 2: a a second time"),
        ('{"a": [1]}', "a: a list or an object"),
        ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
        ('{"a": NaN}', '{"a": NaN}'),
        ('{"a": 1', "Expecting ',' delimiter: line 1 column 8 (char 7)"),
    ],
)
def test_a_wrong_hyperparameter_is_reported_with_its_line(text: str, found: str) -> None:
    one = only(parse_form(body(Hyperparameters=text)))
    assert (one.field, one.found) == ("hyperparameters", found)
    assert one.rule
    assert one.next_step


def test_a_json_object_of_any_depth_is_refused_without_a_crash() -> None:
    deep = '{"a":' * 10_000
    assert only(parse_form(body(Hyperparameters=deep))).field == "hyperparameters"


@pytest.mark.parametrize(
    "text",
    [
        "polynomial: [age, 'blood, pressure']\nbins: {age: 5}  # years\nselection: variance",
        '```yaml\npolynomial: [age, "blood, pressure",]\nbins: {"age": 5}\nselection: variance\n```',
        '{"polynomial": ["age", "blood, pressure"], "bins": {"age": 5}, "selection": "variance"}',
    ],
)
def test_features_are_lines_or_a_json_object_perhaps_in_a_fence(text: str) -> None:
    request = parse_form(body(Features=text)).request
    assert isinstance(request, TabularRequest)
    assert request.features.model_dump(exclude_defaults=True) == {
        "polynomial": ("age", "blood, pressure"), "bins": {"age": 5}, "selection": "variance"
    }  # fmt: skip


def test_one_column_needs_no_brackets() -> None:
    request = parse_form(body(Features="target_encoding: town")).request
    assert isinstance(request, TabularRequest)
    assert request.features.target_encoding == ("town",)


def test_stratified_is_only_for_classes() -> None:
    text = body(Task=None, Algorithm="xgboost", Metric="rmse", Split="stratified")
    one = only(parse_form(text))
    assert (one.field, one.rule) == ("split", "For regression it must be one of auto, random, group, time.")


def test_data_in_s3_is_accepted() -> None:
    request = parse_form(body(Data="s3://bucket/a/b.csv.gz")).request
    assert isinstance(request, TabularRequest)
    assert request.data == "s3://bucket/a/b.csv.gz"


def test_too_many_hyperparameters_are_counted() -> None:
    lines = "\n".join(f"p{number}: 1" for number in range(51))
    one = only(parse_form(body(Hyperparameters=lines)))
    assert (one.rule, one.found) == ("There must be at most 50 of them.", "51 of them")


def test_many_bad_lines_are_shown_in_part_and_counted() -> None:
    found = wrong(parse_form(body(Hyperparameters="bad\n" * 500)))
    assert len(found) == 11
    assert found[-1].found == "490 more lines like these"


# --- what is wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "found", "told"),
    [
        ({"Model_name": "My Model!"}, "model_name", "My Model!", "For example: my-model"),
        ({"Model_name": "_No response_"}, "model_name", "Nothing.", "for example: breast-cancer"),
        ({"Model_name": "x" * 64}, "model_name", "x" * 64, "x" * 63),
        ({"Task": "clasification"}, "task", "clasification", "Did you mean classification?"),
        ({"Task": "poetry"}, "task", "poetry", "Write one of: classification, regression."),
        ({"Algorithm": "XGBoost"}, "algorithm", "XGBoost", "Did you mean xgboost?"),
        ({"Algorithm": "linear_regression"}, "algorithm", "linear_regression", "Choose logistic_regression"),
        ({"Metric": "rmse"}, "metric", "rmse", "Choose accuracy"),
        ({"Split": "groups"}, "split", "groups", "Did you mean group?"),
        ({"Split": "time"}, "split_column", "Nothing.", "Name a column"),
        ({"Split_column": "when"}, "split_column", "when", "leave it empty for the others"),
        ({"Split": "group", "Split_column": "target"}, "split_column", "target", "Name a column"),
        ({"Split": "group", "Split_column": "x" * 201}, "split_column", "x" * 199 + "…", "Correct it."),
        ({"Split": "group", "Split_column": "who", "Features": "bins: {who: 5}"}, "features", "bins: {who: 5}", "Remove the column"),
        ({"Features": "polynomial: [target]"}, "features", "polynomial: the target 'target'.", "other columns"),
        ({"Features": "interactions: [a]"}, "features", "interactions: only 'a'.", "at least two columns"),
        ({"Features": "polynomial: [a, a]"}, "features", "polynomial: 'a' twice.", "Name it once."),
        ({"Features": "keep: 5"}, "features", "keep: keep: 5 without selection: mutual_information.", "remove keep"),
        ({"Features": "degree: 9\npolynomial: a"}, "features", "degree: 9", "Correct the value."),
        ({"Features": "polynomal: [a]"}, "features", "polynomal", "Did you mean polynomial?"),
        ({"Features": "polynomial: 7"}, "features", "polynomial: 7", "as in [age, bmi]"),
        ({"Features": "bins: [a]"}, "features", "bins: several values", "as in {age: 5}"),
        ({"Features": "date_parts: [wekday]"}, "features", 'date_parts.0: "wekday"', "Did you mean weekday?"),
        ({"Features": "bins: {a: 5, a: 6}"}, "features", "line 1: bins: {a: 5, a: 6}", "Correct the value."),
        ({"Features": "polynomial: [a"}, "features", "line 1: polynomial: [a", "Correct the value."),
        ({"Features": "polynomial: [a, [b]]"}, "features", "line 1: polynomial: [a, [b]]", "Correct the value."),
        ({"Features": "polynomial: [a]\npolynomial: [b]"}, "features", "line 2: polynomial a second time", "Remove one"),
        ({"Features": '{"bins": {"a": 1, "a": 2}}'}, "features", '{"bins": {"a": 1, "a": 2}}', "Correct it"),
        ({"Threshold": "1.5"}, "threshold", "1.5", "Correct the number, or choose another metric."),
        ({"Threshold": "0,95"}, "threshold", "0,95", "Correct the number."),
        ({"Threshold": "nan"}, "threshold", "nan", "Correct the number."),
        ({"Threshold": "1e999"}, "threshold", "1e999", "Correct the number."),
        ({"Max_retries": "11"}, "max_retries", "11", "Correct it."),
        ({"Max_retries": "two"}, "max_retries", "two", "Correct the number."),
        ({"Seed": "-1"}, "seed", "-1", "Correct it."),
        ({"Seed": "1.5"}, "seed", "1.5", "Correct the number."),
        ({"Time_out": "0"}, "timeout_minutes", "0", "Correct it."),
        ({"Runner_label": "a b"}, "runner", "a b", "For example: a-b"),
        ({"Target_column": ""}, "target", "Nothing.", "for example: target"),
        ({"Target_column": "a\nb"}, "target", "2 lines, the first: a\nb", "Keep only the value."),
        ({"Data": "sklearn://brest_cancer"}, "data", "sklearn://brest_cancer", "Did you mean sklearn://breast_cancer?"),
        ({"Data": "sklearn://"}, "data", "sklearn://", "one of: breast_cancer"),
        ({"Data": "file:///etc/passwd"}, "data", "file:///etc/passwd", "Remove file://"),
        ({"Data": "s3://bucket/../x.csv"}, "data", "s3://bucket/../x.csv", "as `aws s3 ls` shows it"),
        ({"Data": "s3://bucket"}, "data", "s3://bucket", "as `aws s3 ls` shows it"),
        ({"Data": "S3://b@d/x.csv"}, "data", "S3://b@d/x.csv", "as `aws s3 ls` shows it"),
        ({"Data": "http://169.254.169.254/x"}, "data", "http://169.254.169.254/x", "Remove http://"),
        ({"Data": "../secret.csv"}, "data", "../secret.csv", "Write the path without `..`."),
        ({"Data": "x" * 1_001}, "data", "x" * 199 + "…", "Correct it."),
        ({"Notes": "x" * 10_001}, "notes", "x" * 199 + "…", "Correct it."),
    ],
)  # fmt: skip
def test_a_wrong_field_is_reported_with_what_was_found_and_a_fix(
    changes: dict[str, str], field: str, found: str, told: str
) -> None:
    one = only(parse_form(body(**changes)))
    assert (one.field, one.found) == (field, found)
    assert told in one.next_step
    assert label_of(str(one.field)) in LABELS


def test_all_wrong_fields_are_reported_at_once_in_the_order_of_the_form() -> None:
    parsed = parse_form(
        body(Model_name="A B", Task="regression", Algorithm="logistic_regression", Data="ftp://x/y", Metric="accuracy",
             Threshold="x", Seed="-1", Hyperparameters="a b")
    )  # fmt: skip
    assert [one.field for one in parsed.wrong] == [
        "model_name", "algorithm", "data", "metric", "threshold", "seed", "hyperparameters"
    ]  # fmt: skip


def test_a_wrong_algorithm_is_reported_even_if_metric_and_threshold_are_missing() -> None:
    parsed = parse_form("### Task\n\nregression\n\n### Algorithm\n\nlogistic_regression")
    by_field = {one.field: one for one in parsed.wrong}
    assert by_field["algorithm"].rule == f"For regression it must be one of {', '.join(algorithm_names('regression'))}."
    assert by_field["metric"].rule == "This field is required."


@pytest.mark.parametrize("name", SKLEARN_DATASETS)
def test_data_sets_of_scikit_learn_are_known(name: str) -> None:
    assert parse_form(body(Data=f"sklearn://{name}")).request is not None


def test_a_missing_required_heading_is_reported_and_a_missing_optional_one_means_the_default() -> None:
    one = only(parse_form(body(Target_column=None, Seed=None, Notes=None)))
    assert (one.field, one.next_step) == ("target", "Add the line ### Target column, with the value below it.")
    parsed = parse_form(body(Seed=None, Max_retries="_No response_", Notes=None))
    assert parsed.request is not None
    assert (parsed.request.seed, parsed.request.max_retries, parsed.request.notes) == (42, 2, "")


def test_an_unknown_heading_is_reported_once_with_the_nearest_known_one() -> None:
    one = only(parse_form(body().replace("### Target column", "### target colum")))
    assert (one.found, one.next_step) == ("### target colum", "Write ### Target column instead.")


def test_a_repeated_heading_is_reported() -> None:
    one = only(parse_form("### Seed\n\n1\n\n" + body()))
    assert (one.field, one.found) == ("seed", "### Seed more than once")


def test_a_field_below_the_notes_is_reported_with_a_fix() -> None:
    one = only(parse_form(body(Threshold=None) + "\n\n### Threshold\n\n0.9"))
    assert (one.field, one.next_step) == ("threshold", "Move Notes to the end.")


@pytest.mark.parametrize("text", ["", "please train a model", "### Hello\n\nx", "#### Task\n\nclassification"])
def test_a_body_without_a_form_heading_is_not_a_form(text: str) -> None:
    assert parse_form(text) == ParsedForm(not_a_form=True)


def test_a_body_beyond_github_s_limit_is_refused_unread() -> None:
    assert only(parse_form(body() + "x" * MAX_BODY)).field == "form"


# --- any text ----------------------------------------------------------------------------------------------------------


LINES = st.sampled_from(
    [f"### {label}" for label in LABELS] + ["### x", "", "_No response_", "{", '{"a":', "```", "a: 'b"]
)


@given(st.lists(LINES | st.text(), max_size=40).map("\n".join))
@example("\ud800### Task\n\udfff")
@example("### Hyperparameters\n" + '{"a": "\\ud800"}')
@example("### Features\n" + '{"\\ud800": 1}')
@example("### Features\n" + '{"bins": {"a": "\\ud800"}, "": [{}]}')
@example("### Features\n: 1")
def test_no_text_crashes_it_and_every_problem_is_complete(text: str) -> None:
    parsed = parse_form(text)
    assert (parsed.request is not None) + bool(parsed.wrong) + parsed.not_a_form == 1
    for one in parsed.wrong:
        assert all((one.field, one.rule, one.found, one.next_step))
        assert len(one.found) <= 250
        f"{one.rule}{one.found}{one.next_step}".encode()


WORST = {
    "features": "### Features\nbins: {a: 1, ",
    "columns": "### Features\npolynomial: [" + "a," * 50,
    "quoted columns": "### Features\npolynomial: [" + "'a''," * 50,
    "unknown features": '### Features\n{"a": 1, ',
    "headings": "### Modl name\n",
    "repeated headings": "### Task\n",
    "bad lines": "### Hyperparameters\n" + "a\n",
    "open quotes": 'a: "\\"\n',
    "spaces": " " * 50 + "\n",
    "colons": "a:::::::::::::\n",
    "nesting": '{"a":',
    "digits": "9",
}


@pytest.mark.parametrize("piece", WORST.values(), ids=WORST)
def test_twice_the_text_takes_about_twice_the_work(piece: str) -> None:
    start = "### Task\n\nclassification\n\n### Hyperparameters\n\n" if not piece.startswith("###") else "### Task\nx\n"
    small = start + piece * (4_000 // len(piece))
    large = start + piece * (8_000 // len(piece))
    assert work(parse_form, large) < 2.3 * work(parse_form, small) + 500


def seconds(parse: Callable[[str], object], text: str) -> float:
    started = process_time()
    parse(text)
    return process_time() - started


@pytest.mark.parametrize("piece", WORST.values(), ids=WORST)
def test_the_longest_body_is_read_at_once(piece: str) -> None:
    text = ("### Hyperparameters\n\n" + piece * MAX_BODY)[:MAX_BODY]
    assert min(seconds(parse_form, text) for _ in range(3)) < 0.05
