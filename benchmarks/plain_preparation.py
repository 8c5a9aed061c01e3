"""What `preparation` compares Modelyard with: pandas and scikit-learn as a script uses them.

``python plain_preparation.py TABLE.csv FOLDER [c|pyarrow]``: read, look at each column, refuse what cannot be learnt from, split,
fit the preprocessor on the training rows, write. It knows the columns beforehand, and keeps neither digests nor records.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

TARGET, DATES, CATEGORIES = "y", ["day"], ["city", "plan", "shop"]


def date_parts(dates: pd.DataFrame) -> pd.DataFrame:
    """Return what a model can learn from a date."""
    day = dates.iloc[:, 0]
    since = (day - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    parts = {"year": day.dt.year, "month": day.dt.month, "day": day.dt.day, "weekday": day.dt.weekday}
    return pd.DataFrame({**parts, "hour": day.dt.hour, "since": since}, index=dates.index)


def checked(frame: pd.DataFrame) -> dict[str, Any]:
    """Describe each column; refuse empty ones, infinities and a target without two classes; count repeated rows."""
    columns = {
        str(name): {
            "type": str(column.dtype),
            "missing": int(column.isna().sum()),
            "distinct": int(column.nunique()),
            **({"range": [float(column.min()), float(column.max())]} if column.dtype.kind in "if" else {}),
        }
        for name, column in frame.items()
    }
    if any(column["missing"] == len(frame) for column in columns.values()):
        raise ValueError("a column holds nothing")
    if np.isinf(frame.select_dtypes("float").to_numpy()).any():
        raise ValueError("infinite values")
    classes = frame[TARGET].value_counts()
    if len(classes) < 2 or classes.min() < 2:  # noqa: PLR2004  # one to train on, one to test with
        raise ValueError("too few classes")
    return {"columns": columns, "classes": classes.to_dict(), "repeated": int(frame.duplicated().sum())}


def preprocessor(frame: pd.DataFrame) -> Any:
    """Return what Modelyard fits, put together by hand."""
    numbers = [name for name in frame.columns if name not in {TARGET, *DATES, *CATEGORIES}]
    filled = (SimpleImputer(strategy="median"), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", max_categories=100, sparse_output=False)
    dates = make_pipeline(FunctionTransformer(date_parts), SimpleImputer(strategy="median"), StandardScaler())
    return ColumnTransformer(
        [("number", make_pipeline(*filled), numbers), ("category", one_hot, CATEGORIES), ("date", dates, DATES)]
    )


def main(table: str, folder: str, engine: str = "c") -> None:
    """Prepare a table."""
    place = Path(folder)
    place.mkdir(parents=True)
    frame = pd.read_csv(table, parse_dates=DATES, engine=engine)  # type: ignore[call-overload] # a name of an engine
    found = checked(frame)
    frame = frame.dropna(subset=[TARGET])
    rest, test = train_test_split(frame, test_size=0.2, stratify=frame[TARGET], random_state=42)
    train, validation = train_test_split(rest, test_size=0.125, stratify=rest[TARGET], random_state=42)
    fitted = preprocessor(train).fit(train)
    parts = {"train": train, "validation": validation, "test": test}
    for name, rows in parts.items():
        rows.to_parquet(place / f"{name}.parquet", index=False)
    joblib.dump(fitted, place / "preprocessor.joblib")
    found |= {"rows": {name: len(rows) for name, rows in parts.items()}}
    found |= {"features": int(fitted.transform(train.head(1)).shape[1])}
    (place / "prepared.json").write_text(json.dumps(found), encoding="utf-8")
    print(json.dumps({"rows": found["rows"], "features": found["features"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
