"""Strategies for requests that a person could type into the form."""

from __future__ import annotations

from hypothesis import strategies as st

from actions.contracts.algorithms import algorithm_names
from actions.contracts.features import RequestedFeatures
from actions.contracts.scalar import Scalar
from actions.contracts.supervised import METRICS, METRICS_OF, SupervisedTask
from actions.data_preparation.feature_plan import check_requested_features
from actions.data_preparation.sources import SKLEARN_DATASETS
from actions.errors import InvalidInput
from actions.tasks.registry import TrainingRequest, parse_request, tasks

ONE_LINE = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
SCALARS: st.SearchStrategy[Scalar] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30),
)


def _typed(limit: int) -> st.SearchStrategy[str]:
    """Text as a one-line field carries it: no blanks around it, and not what GitHub writes into an empty field."""
    return st.text(ONE_LINE, min_size=1, max_size=limit).filter(
        lambda text: text == text.strip() and text != "_No response_" and not text.startswith("### ")
    )


def _threshold(metric: str) -> st.SearchStrategy[float]:
    known = METRICS[metric]
    return st.floats(known.lowest, known.highest, allow_nan=False, allow_infinity=False)


COLUMNS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=8)


@st.composite
def asked_features(draw: st.DrawFn, but: frozenset[str]) -> RequestedFeatures:
    """Draw any features, of any columns but some, that do not contradict each other."""
    if draw(st.booleans()):
        return RequestedFeatures()
    names = draw(st.lists(COLUMNS.filter(lambda name: name not in but), unique=True, max_size=5))
    selection = draw(st.sampled_from([None, "variance", "mutual_information"]))
    number = draw(st.integers(2, 4))
    requested = RequestedFeatures.model_validate(
        {
            "polynomial": names[:2],
            "degree": number if names else 2,
            "interactions": names[2:4] if len(names) > 3 else [],
            "bins": dict.fromkeys(names[:2], number * 25),
            "date_parts": ["year", "hour_sin", "weekday"][:number],
            "target_encoding": names[4:],
            "frequency_encoding": names[1:],
            "selection": selection,
            "keep": number if selection == "mutual_information" else 20,
            "minimum_variance": number / 7 if selection == "variance" else 0.0,
        }
    )
    try:
        check_requested_features(requested, "")
    except InvalidInput:
        return RequestedFeatures()
    return requested


@st.composite
def requests(draw: st.DrawFn) -> TrainingRequest:
    """Draw any request that the form can carry."""
    task: SupervisedTask = draw(st.sampled_from(["classification", "regression"]))
    metric = draw(st.sampled_from(list(METRICS_OF[task])))
    data = st.sampled_from([f"sklearn://{name}" for name in SKLEARN_DATASETS]) | st.from_regex(
        r"[a-z0-9_-]{1,20}(/[a-z0-9_-]{1,20}){0,3}\.(csv|parquet|jsonl)", fullmatch=True
    )
    target = draw(_typed(200))
    split = draw(st.sampled_from(tasks()[task].options("split")))
    time_out = draw(st.integers(1, 1_440))
    minutes = st.none() | st.integers(1, time_out - 1) if time_out > 1 else st.none()
    # Where a request comes as texts, `null` means that no column is named.
    column = draw(_typed(200).filter(lambda name: name not in (target, "null"))) if split in ("group", "time") else None
    return parse_request(
        {
            "model_name": draw(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)),
            "task": task,
            "algorithm": draw(st.sampled_from(algorithm_names(task))),
            "data": draw(data),
            "target": target,
            "split": split,
            "split_column": column,
            "features": draw(asked_features(frozenset({target, *([column] if column else [])}))),
            "search_trials": draw(st.none() | st.integers(2, 1_000)),
            "search_minutes": draw(minutes),
            "metric": metric,
            "threshold": draw(_threshold(metric)),
            "max_retries": draw(st.integers(0, 10)),
            "runner": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)),
            "timeout_minutes": time_out,
            "seed": draw(st.integers(0, 2**31 - 1)),
            "hyperparameters": draw(st.dictionaries(NAMES, SCALARS, max_size=5)),
            "notes": draw(st.text(ONE_LINE | st.just("\n"), max_size=200).map(str.strip).filter(_is_answer)),
        }
    )


def _is_answer(text: str) -> bool:
    return text != "_No response_"
