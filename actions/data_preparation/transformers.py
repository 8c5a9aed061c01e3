"""The preprocessing steps that scikit-learn lacks.

Saved models contain these classes by their import path, so the module must not move. It imports heavy libraries; import
it inside functions only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_selection import SelectorMixin

from actions.data_preparation.checks import MAX_CATEGORIES
from actions.data_preparation.columns import Kind, conformed
from actions.data_preparation.feature_plan import PLAIN, FeaturePlan
from actions.errors import InvalidInput
from actions.text.suggestions import nearest_first

DATE_PARTS = ("year", "month", "day", "weekday", "hour", "days_since_1970")
"""The parts that a date is turned into by default."""


class RawColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Selects the columns that the model uses from raw rows, and converts each to its kind.

    Parameters
    ----------
    kinds : dict of str to str
        The kind of each column (``actions.data_preparation.columns.Kind``), in the order of the data. Ignored columns
        may be absent from the rows.
    """

    def __init__(self, kinds: dict[str, Kind]) -> None:
        self.kinds = kinds

    def fit(self, rows: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002  # scikit-learn's signature
        """Remember the columns; nothing is learned from the rows."""
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
    """Turns each date into numbers, and a missing date into NaN.

    Parameters
    ----------
    parts : sequence of str
        The parts to extract (``actions.contracts.features.DatePart``). Those ending in ``_sin`` and ``_cos`` are cyclic
        encodings, in which December is next to January.
    """

    def __init__(self, parts: Sequence[str] = DATE_PARTS) -> None:
        self.parts = parts

    def fit(self, dates: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002  # scikit-learn's signature
        self.feature_names_in_ = np.asarray(dates.columns, dtype=object)
        return self

    def transform(self, dates: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Return a number for each part of each date."""
        parts = [_date_part(pd.to_datetime(dates[name]), part) for name in dates.columns for part in self.parts]
        return np.column_stack([np.asarray(part, dtype=float) for part in parts])

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
        name, _, function = part.rpartition("_")
        period = {"month": 12, "weekday": 7, "hour": 24}[name]
        angle = 2 * np.pi * np.asarray(_date_part(day, name), dtype=float) / period
        return np.sin(angle) if function == "sin" else np.cos(angle)
    if part == "week":
        return day.dt.isocalendar().week.astype(float)
    return getattr(day.dt, {"weekday": "day_of_week"}.get(part, part))


class FrequencyEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Replaces each category with its share of the rows it was fitted on; unseen categories become 0.

    Missing values count as a category.
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


class MutualInformationSelector(SelectorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn carries no types
    """Keeps the features with the highest mutual information with the target, each considered individually.

    Features with few different values count as discrete. The estimate searches for the nearest neighbours of each row,
    so it uses at most 20,000 rows.

    Parameters
    ----------
    keep : int
        The number of features to keep; all if there are fewer.
    task : str
        ``classification`` or ``regression``.
    seed : int
        Seed for the choice of rows, and for the noise that separates equal numbers.

    References
    ----------
    .. [1] A. Kraskov, H. Stögbauer, P. Grassberger: Estimating mutual information, Physical Review E 69, 2004.
    .. [2] B. C. Ross: Mutual Information between Discrete and Continuous Data Sets, PLoS ONE 9(2), 2014.
    """

    max_rows = 20_000
    max_discrete_values = 20

    def __init__(self, keep: int = 20, task: str = "classification", seed: int = 0) -> None:
        self.keep = keep
        self.task = task
        self.seed = seed

    def fit(self, features: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> Self:
        from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

        self.n_features_in_ = features.shape[1]
        rows = np.random.default_rng(self.seed).permutation(len(features))[: self.max_rows]
        sample, target = features[rows], np.asarray(y)[rows]
        discrete = np.zeros(self.n_features_in_, dtype=bool)
        for index, column in enumerate(sample.T):
            values, codes = np.unique(column, return_inverse=True)
            discrete[index] = len(values) <= self.max_discrete_values
            if discrete[index]:
                sample[:, index] = codes
        estimate = mutual_info_classif if self.task == "classification" else mutual_info_regression
        self.scores_ = estimate(sample, target, discrete_features=discrete, random_state=self.seed)
        self.kept_ = np.zeros(self.n_features_in_, dtype=bool)
        self.kept_[np.argsort(-self.scores_, kind="stable")[: self.keep]] = True
        return self

    def _get_support_mask(self) -> np.ndarray[Any, Any]:
        return self.kept_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "kept_")


def _check_columns(names: list[str], needed: list[str], known: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    missing = [name for name in needed if name not in names]
    unknown = [name for name in names if name not in known]
    if not (repeated or missing or unknown):
        return
    groups = {"missing": missing, "unknown": unknown, "repeated": repeated}
    found = "; ".join(f"{problem}: {nearest_first('', columns)}" for problem, columns in groups.items() if columns)
    reason = "missing_columns" if missing else "unknown_columns" if unknown else "duplicate_columns"
    first = (missing or unknown or repeated)[0]
    raise InvalidInput(
        reason,
        rule="Rows must have the columns that the model was trained on, except the target.",
        found=f"{found}.",
        next_step=f"The model's columns, most similar to {first!r} first: {nearest_first(first, known)}.",
        field=first,
    )


def build_preprocessor(kinds: dict[str, Kind], plan: FeaturePlan = PLAIN, seed: int = 42) -> Any:
    """Return an unfitted preprocessor for raw columns.

    Numbers: missing values become the median, then all are scaled. Categories: one-hot encoding of at most 100
    categories per column, where a missing value is a category and unseen ones are ignored. Dates: their parts, treated
    as numbers.

    Parameters
    ----------
    kinds
        The kind of each raw column.
    plan
        Which further features to compute. Columns encoded by target or by frequency are not one-hot encoded. Columns in
        polynomials and interactions appear there only; binned columns also stay numbers.
    seed
        Seed of target encoding's folds and of mutual information.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    steps = [(name, step, columns) for name, step, columns in _branches(kinds, plan, seed) if columns]
    pipeline = [("columns", RawColumns(dict(kinds))), ("features", ColumnTransformer(steps))]
    if plan.selection == "mutual_information":
        pipeline.append(("select", MutualInformationSelector(plan.keep, plan.task or "classification", seed)))
    elif plan.selection == "variance":
        from sklearn.feature_selection import VarianceThreshold

        pipeline.append(("select", VarianceThreshold(plan.minimum_variance)))
    return Pipeline(pipeline)


def _branches(kinds: dict[str, Kind], plan: FeaturePlan, seed: int) -> Iterator[tuple[str, Any, list[str]]]:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, PolynomialFeatures, StandardScaler

    def impute() -> tuple[str, Any]:
        return "impute", SimpleImputer(strategy="median", keep_empty_features=True)

    def scale() -> tuple[str, Any]:
        return "scale", StandardScaler()

    def products(*, interaction_only: bool, degree: int) -> Any:
        features = PolynomialFeatures(degree, interaction_only=interaction_only, include_bias=False)
        return Pipeline([impute(), scale(), ("products", features), ("scale_products", StandardScaler())])

    combined, encoded = {*plan.polynomial, *plan.interactions}, {*plan.target_encoding, *plan.frequency_encoding}
    by_kind: dict[Kind, list[str]] = {
        kind: [name for name, known in kinds.items() if known == kind] for kind in ("number", "category", "date")
    }
    yield "number", Pipeline([impute(), scale()]), [name for name in by_kind["number"] if name not in combined]
    one_hot = OneHotEncoder(handle_unknown="ignore", max_categories=MAX_CATEGORIES, sparse_output=False)
    yield "category", one_hot, [name for name in by_kind["category"] if name not in encoded]
    yield "date", Pipeline([("parts", DateParts(plan.date_parts or DATE_PARTS)), impute(), scale()]), by_kind["date"]
    yield "polynomial", products(interaction_only=False, degree=plan.degree), list(plan.polynomial)
    yield "interaction", products(interaction_only=True, degree=2), list(plan.interactions)
    for name, bins in plan.bins.items():
        binned = KBinsDiscretizer(bins, encode="onehot-dense", quantile_method="averaged_inverted_cdf")
        yield f"bins {name}", Pipeline([impute(), ("bins", binned)]), [name]
    yield "share", Pipeline([("share", FrequencyEncoder()), scale()]), list(plan.frequency_encoding)
    if plan.target_encoding:
        yield "target", Pipeline([("encode", _target_encoder(plan, seed)), scale()]), list(plan.target_encoding)


def _target_encoder(plan: FeaturePlan, seed: int) -> Any:
    """Return scikit-learn's cross-fitting encoder: training rows are encoded with the targets of other folds only."""
    from sklearn.model_selection import KFold, StratifiedKFold
    from sklearn.preprocessing import TargetEncoder

    kind = "continuous" if plan.task == "regression" else "binary" if plan.classes == 2 else "multiclass"  # noqa: PLR2004
    encoder = TargetEncoder(target_type=kind)
    if encoder.random_state == "deprecated":  # from scikit-learn 1.9 on, the folds are passed instead
        folds = KFold if plan.task == "regression" else StratifiedKFold
        return encoder.set_params(cv=folds(5, shuffle=True, random_state=seed))
    return encoder.set_params(random_state=seed)


def fit_preprocessor(preprocessor: Any, rows: pd.DataFrame) -> Any:
    """Fit a preprocessor that does not read the target, like its ``fit`` but with less time and memory; return it.

    ``ColumnTransformer.fit`` computes the features of all rows, a table many times larger than the rows, and discards
    it. Here each branch is fitted separately. The branches are then assembled as ``FrozenEstimator``, and two rows are
    enough to tell the transformer how many features each has.
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
    """Return the features to train on, of the rows that a preprocessor was fitted on.

    With target encoding, ``transform`` would give each row a mean that includes the row's own target. scikit-learn
    computes the cross-fitted encoding only in ``fit_transform``, so the preprocessor is fitted again on the same rows,
    with the same result.

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
        features = clone(preprocessor).fit_transform(rows, encode_target(target, task))
    return features


def encode_target(target: Any, task: str) -> np.ndarray[Any, Any]:
    """Return a target as numbers: floats for regression; for classification, positions in the sorted list of labels."""
    if task == "regression":
        return np.asarray(target, dtype=float)
    codes: np.ndarray[Any, Any] = pd.factorize(pd.Series(np.asarray(target)).astype(str), sort=True)[0]
    return codes
