"""The preprocessing steps that scikit-learn does not have; a saved model contains them.

Heavy: imported inside functions alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_selection import SelectorMixin

from actions.data_preparation.checks import MOST_CATEGORIES
from actions.data_preparation.columns import Kind, conformed
from actions.data_preparation.feature_plan import PLAIN, FeaturePlan
from actions.errors import InvalidInput
from actions.text.suggestions import nearest_first

DATE_PARTS = ("year", "month", "day", "weekday", "hour", "days_since_1970")
"""What a date is turned into where nothing else is asked for."""


class RawColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Takes raw rows and hands on the columns that the model uses, each in its known form.

    Parameters
    ----------
    kinds : dict of str to str
        What each column holds (``actions.data_preparation.columns.Kind``), in the order of the data. Ignored columns
        may be absent.
    """

    def __init__(self, kinds: dict[str, Kind]) -> None:
        self.kinds = kinds

    def fit(self, rows: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002  # scikit-learn's signature
        """Remember the columns; nothing is learnt from the rows."""
        self.feature_names_in_ = np.asarray(rows.columns, dtype=object)
        return self

    def transform(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the used columns.

        Raises
        ------
        InvalidInput
            ``missing_columns``, ``unknown_columns``, ``wrong_type`` or ``infinite_values``.
        """
        names = [str(name) for name in rows.columns]
        needed = [name for name, kind in self.kinds.items() if kind != "ignored"]
        _check_columns(names, needed, list(self.kinds))
        columns = {name: conformed(rows[name], self.kinds[name]) for name in needed}
        return pd.DataFrame(columns, index=rows.index, copy=False)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "feature_names_in_")


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Turns each date into numbers; a missing date into NaN.

    Parameters
    ----------
    parts : sequence of str
        What to take of a date: ``actions.data_preparation.feature_plan.DatePart``. Those that end in ``_sin`` and ``_cos`` go
        around with the year, week or day, so that December is next to January.
    """

    parts: Sequence[str] = DATE_PARTS  # what was saved before there was a choice has none

    def __init__(self, parts: Sequence[str] = DATE_PARTS) -> None:
        self.parts = parts

    def fit(self, dates: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002  # scikit-learn's signature
        self.feature_names_in_ = np.asarray(dates.columns, dtype=object)
        return self

    def transform(self, dates: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Return a number for each part of each date."""
        found = [_date_part(pd.to_datetime(dates[name]), part) for name in dates.columns for part in self.parts]
        return np.column_stack([np.asarray(part, dtype=float) for part in found])

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray[Any, Any]:  # noqa: ARG002
        names = [f"{name}_{part}" for name in self.feature_names_in_ for part in self.parts]
        return np.asarray(names, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "feature_names_in_")


def _date_part(day: pd.Series[Any], part: str) -> Any:
    if part == "days_since_1970":
        moments = day.to_numpy(dtype="datetime64[us]")  # nanoseconds end in 2262
        return np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 86_400_000_000)
    if part.endswith(("_sin", "_cos")):
        name, _, turn = part.rpartition("_")
        length = {"month": 12, "weekday": 7, "hour": 24}[name]
        angle = 2 * np.pi * np.asarray(_date_part(day, name), dtype=float) / length
        return np.sin(angle) if turn == "sin" else np.cos(angle)
    if part == "week":
        return day.dt.isocalendar().week.astype(float)
    return getattr(day.dt, {"weekday": "day_of_week"}.get(part, part))


class Frequencies(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Turns each category into its share of the rows that were learnt from; one that was not among them into 0.

    A missing value is a category of its own.
    """

    def fit(self, categories: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002  # scikit-learn's signature
        self.feature_names_in_ = np.asarray(categories.columns, dtype=object)
        counts = [categories[name].value_counts() for name in categories.columns]
        self.categories_ = [np.asarray(count.index, dtype=object) for count in counts]
        self.shares_ = [count.to_numpy(dtype=float) / len(categories) for count in counts]
        self.missing_shares_ = np.asarray([categories[name].isna().mean() for name in categories.columns])
        return self

    def transform(self, categories: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Return a share for each category."""
        columns = []
        known = zip(self.categories_, self.shares_, self.missing_shares_, strict=True)
        for name, (labels, shares, missing) in zip(categories.columns, known, strict=True):
            values = categories[name]
            share = values.map(dict(zip(labels, shares, strict=True))).astype(float).fillna(0.0)
            columns.append(np.where(values.isna(), missing, share))
        return np.column_stack(columns)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray[Any, Any]:  # noqa: ARG002
        return np.asarray([f"{name}_share" for name in self.feature_names_in_], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "shares_")


class MutualInformation(SelectorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Keeps the features that tell most about the target, each for itself, in nats.

    Features with few different values are taken as discrete. Estimated on at most 20,000 rows, for the nearest neighbours
    of each row are looked for (Kraskov et al. 2004, Ross 2014; scikit-learn's ``mutual_info_classif`` and
    ``mutual_info_regression``).

    Parameters
    ----------
    keep : int
        How many features to keep; all where there are fewer.
    task : str
        ``classification`` or ``regression``.
    seed : int
        Of the choice of rows, and of the noise that parts equal numbers.
    """

    most_rows = 20_000
    few_values = 20

    def __init__(self, keep: int = 20, task: str = "classification", seed: int = 0) -> None:
        self.keep = keep
        self.task = task
        self.seed = seed

    def fit(self, features: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> Self:
        from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

        self.n_features_in_ = features.shape[1]
        rows = np.random.default_rng(self.seed).permutation(len(features))[: self.most_rows]
        some, target = features[rows], np.asarray(y)[rows]
        discrete = np.zeros(self.n_features_in_, dtype=bool)
        for place, column in enumerate(some.T):
            values, codes = np.unique(column, return_inverse=True)
            discrete[place] = len(values) <= self.few_values
            if discrete[place]:
                some[:, place] = codes
        estimate = mutual_info_classif if self.task == "classification" else mutual_info_regression
        self.scores_ = estimate(some, target, discrete_features=discrete, random_state=self.seed)
        self.kept_ = np.zeros(self.n_features_in_, dtype=bool)
        self.kept_[np.argsort(-self.scores_, kind="stable")[: self.keep]] = True
        return self

    def _get_support_mask(self) -> np.ndarray[Any, Any]:
        return self.kept_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "kept_")


def _check_columns(names: list[str], needed: list[str], known: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    missing = [name for name in needed if name not in names]
    unknown = [name for name in names if name not in known]
    if not (twice or missing or unknown):
        return
    parts = {"missing": missing, "unknown": unknown, "repeated": twice}
    found = "; ".join(f"{what}: {nearest_first('', some)}" for what, some in parts.items() if some)
    reason = "missing_columns" if missing else "unknown_columns" if unknown else "duplicate_columns"
    first = (missing or unknown or twice)[0]
    raise InvalidInput(
        reason,
        rule="Rows have the columns that the model was trained on, without the target.",
        found=f"{found}.",
        next_step=f"The model's columns, those like {first!r} first: {nearest_first(first, known)}.",
        field=first,
    )


def build_preprocessor(kinds: dict[str, Kind], plan: FeaturePlan = PLAIN, seed: int = 42) -> Any:
    """Return an unfitted preprocessor for raw columns.

    Numbers: median where missing, then scaled. Categories: one-hot, at most 100 a column, a missing value is a category,
    unseen ones are ignored. Dates: their parts, then as numbers.

    Parameters
    ----------
    kinds
        What each raw column holds.
    plan
        Which further features to make. A column that is encoded by the target or by its share is not one-hot encoded;
        numbers in polynomials and interactions are among these; binned ones are there as numbers, too.
    seed
        Of target encoding's folds and of mutual information.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    steps = [(name, step, columns) for name, step, columns in _branches(kinds, plan, seed) if columns]
    pipeline = [("columns", RawColumns(dict(kinds))), ("features", ColumnTransformer(steps))]
    if plan.selection == "mutual_information":
        pipeline.append(("select", MutualInformation(plan.keep, plan.task or "classification", seed)))
    elif plan.selection == "variance":
        from sklearn.feature_selection import VarianceThreshold

        pipeline.append(("select", VarianceThreshold(plan.minimum_variance)))
    return Pipeline(pipeline)


def _branches(kinds: dict[str, Kind], plan: FeaturePlan, seed: int) -> Iterator[tuple[str, Any, list[str]]]:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, PolynomialFeatures, StandardScaler

    def filled() -> tuple[str, Any]:
        return "impute", SimpleImputer(strategy="median", keep_empty_features=True)

    def scaled() -> tuple[str, Any]:
        return "scale", StandardScaler()

    def products(*, interaction_only: bool, degree: int) -> Any:
        made = PolynomialFeatures(degree, interaction_only=interaction_only, include_bias=False)
        return Pipeline([filled(), scaled(), ("products", made), ("scale_products", StandardScaler())])

    combined, encoded = {*plan.polynomial, *plan.interactions}, {*plan.target_encoding, *plan.frequency_encoding}
    by_kind: dict[Kind, list[str]] = {
        kind: [name for name, known in kinds.items() if known == kind] for kind in ("number", "category", "date")
    }
    yield "number", Pipeline([filled(), scaled()]), [name for name in by_kind["number"] if name not in combined]
    one_hot = OneHotEncoder(handle_unknown="ignore", max_categories=MOST_CATEGORIES, sparse_output=False)
    yield "category", one_hot, [name for name in by_kind["category"] if name not in encoded]
    yield "date", Pipeline([("parts", DateParts(plan.date_parts or DATE_PARTS)), filled(), scaled()]), by_kind["date"]
    yield "polynomial", products(interaction_only=False, degree=plan.degree), list(plan.polynomial)
    yield "interaction", products(interaction_only=True, degree=2), list(plan.interactions)
    for name, bins in plan.bins.items():
        binned = KBinsDiscretizer(bins, encode="onehot-dense", quantile_method="averaged_inverted_cdf")
        yield f"bins {name}", Pipeline([filled(), ("bins", binned)]), [name]
    yield "share", Pipeline([("share", Frequencies()), scaled()]), list(plan.frequency_encoding)
    if plan.target_encoding:
        yield "target", Pipeline([("encode", _target_encoder(plan, seed)), scaled()]), list(plan.target_encoding)


def _target_encoder(plan: FeaturePlan, seed: int) -> Any:
    """Return scikit-learn's encoder, which encodes training rows by the targets of other folds than their own."""
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.preprocessing import TargetEncoder

    kind = "continuous" if plan.task == "regression" else "binary" if plan.classes == 2 else "multiclass"  # noqa: PLR2004
    encoder = TargetEncoder(target_type=kind)
    if encoder.random_state == "deprecated":  # scikit-learn 1.9 takes the folds themselves
        folds = KFold if plan.task == "regression" else StratifiedKFold
        return encoder.set_params(cv=folds(5, shuffle=True, random_state=seed))
    return encoder.set_params(random_state=seed)


def fit_preprocessor(preprocessor: Any, rows: pd.DataFrame) -> Any:
    """Fit a preprocessor that reads no target, and return it: as its ``fit``, in less time and memory.

    ``ColumnTransformer.fit`` makes the features of all rows, a table many times as large as theirs, and throws it away.
    Here each branch is fitted by itself; put together by ``FrozenEstimator``, two rows tell the transformer how wide they
    are.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.frozen import FrozenEstimator

    columns, features = preprocessor[0].fit(rows), preprocessor[1]
    known = columns.transform(rows)
    branches = [(name, step.fit(known[names]), names) for name, step, names in features.transformers]
    frozen = ColumnTransformer([(name, FrozenEstimator(step), names) for name, step, names in branches])
    frozen.fit(known.head(2))
    frozen.transformers = branches
    frozen.transformers_ = [(name, step, names) for name, step, names in branches]
    preprocessor.steps[1] = ("features", frozen)
    return preprocessor


def training_features(preprocessor: Any, rows: pd.DataFrame, target: Any) -> np.ndarray[Any, Any]:
    """Return the features of the rows that a preprocessor was fitted on, to train on.

    Where a column is encoded by the target, ``transform`` would show each row a mean that its own target is in. Such a
    preprocessor is fitted once more on the same rows, which gives the same one, for scikit-learn's cross-fitted encoding of
    them comes out of fitting alone.

    Parameters
    ----------
    preprocessor
        A fitted preprocessor.
    rows
        The rows that it was fitted on, without the target.
    target : array-like of shape (rows,)
        Labels or numbers.
    """
    from sklearn.base import clone

    branches = dict(preprocessor[1].named_transformers_)
    if "target" not in branches:
        features: np.ndarray[Any, Any] = preprocessor.transform(rows)
    else:
        task = "regression" if branches["target"][0].target_type == "continuous" else "classification"
        features = clone(preprocessor).fit_transform(rows, learnable(target, task))
    return features


def learnable(target: Any, task: str) -> np.ndarray[Any, Any]:
    """Return a target as numbers: floats for regression, for classification the places of the labels in their order."""
    if task == "regression":
        return np.asarray(target, dtype=float)
    codes: np.ndarray[Any, Any] = pd.factorize(pd.Series(np.asarray(target)).astype(str), sort=True)[0]
    return codes
