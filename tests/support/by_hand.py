"""Tables as they come, and each algorithm as a plain script would use its library on them."""

from __future__ import annotations

import io
import json
import warnings
from typing import Any

import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from actions.ml_training.registry import algorithm_named

PLAIN: dict[str, Any] = {  # any other is its library's own estimator
    "linear_regression": LinearRegression(),
    "logistic_regression": LogisticRegression(),
    "random_forest": {
        "classifier": RandomForestClassifier(50, random_state=0),
        "regressor": RandomForestRegressor(50, random_state=0),
    },
    "xgboost": {
        "classifier": XGBClassifier(n_estimators=50, random_state=0),
        "regressor": XGBRegressor(n_estimators=50, random_state=0),
    },
    "neural_network": {
        "classifier": MLPClassifier(hidden_layer_sizes=(128, 128), early_stopping=True, random_state=0),
        "regressor": MLPRegressor(hidden_layer_sizes=(128, 128), max_iter=500, random_state=0),
    },
}
TASKS = {"classifier": "classification", "regressor": "regression"}
GIVEN: dict[str, dict[str, Any]] = {"random_forest": {"n_estimators": 50}, "xgboost": {"n_estimators": 50}}
"""The hyperparameters with which Modelyard trains what ``by_hand`` trains."""


def cars() -> tuple[pd.DataFrame, str]:
    """406 cars with gaps, a name of which there are 311, and a date; how far they go on a gallon."""
    from vega_datasets import data

    content = data.cars.raw()
    return pd.DataFrame(json.loads(content)), "Miles_per_Gallon"


def votes() -> tuple[pd.DataFrame, str]:
    """944 people of the American National Election Study of 1996, and whom they voted for."""
    from statsmodels.api import datasets

    return datasets.anes96.load_pandas().data, "vote"


def weather() -> tuple[pd.DataFrame, str]:
    """1,461 days in Seattle with their date, and five kinds of weather, one of them on 23 days."""
    from vega_datasets import data

    content = data.seattle_weather.raw()
    days = pd.read_csv(io.BytesIO(content))
    return days.assign(date=days["date"].str.replace("/", "-")), "weather"


def by_hand(kind: str, algorithm: str, train: pd.DataFrame, test: pd.DataFrame, target: str) -> float:
    """Return accuracy, or R2, of the library as a plain script would use it."""
    known = PLAIN.get(algorithm) or algorithm_named(algorithm).build(TASKS[kind], {}, 0, 1)
    estimator = clone(known[kind] if isinstance(known, dict) else known)
    if kind == "classifier":  # XGBoost takes codes alone
        labels = sorted(train[target].unique())
        train, test = (part.assign(**{target: part[target].map(labels.index)}) for part in (train, test))
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore", max_categories=100, sparse_output=False)
    features = ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include="number")),
            ("texts", texts, make_column_selector(dtype_exclude="number")),
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = make_pipeline(features, estimator).fit(train.drop(columns=target), train[target])
        return float(fitted.score(test.drop(columns=target), test[target]))
