"""What `training` compares Modelyard with: each algorithm's library as a script uses it.

``python plain_training.py ALGORITHM DATA FOLDER``: read training and validation rows, bring them into form by a preprocessor
that was fitted before, fit, score on both, save. With ``start`` behind it, it imports the same and does nothing. A longer script
than it has to be, for it tells what Modelyard tells: the losses of each round, the scores of both parts.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

HYPERPARAMETERS: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 100},
    "xgboost": {"n_estimators": 300},
    "logistic_regression": {"C": 0.01, "max_iter": 200},
    "linear_regression": {},
    "neural_network": {"epochs": 15, "batch_size": 256},
}
SEED, CORES, TARGET = 42, -1, "y"
PREPROCESSOR = "preprocessor.joblib"
Rows = tuple[Any, Any]
Fit = Callable[[Rows, Rows], Any]


def forest() -> Fit:
    """Return scikit-learn's random forest."""
    from sklearn.ensemble import RandomForestClassifier

    def fit(train: Rows, _: Rows) -> Any:
        model = RandomForestClassifier(**HYPERPARAMETERS["random_forest"], random_state=SEED, n_jobs=CORES)
        return model.fit(*train)

    return fit


def boosted() -> Fit:
    """Return XGBoost, with the losses of each round."""
    from xgboost import XGBClassifier

    def fit(train: Rows, validation: Rows) -> Any:
        model = XGBClassifier(**HYPERPARAMETERS["xgboost"], random_state=SEED, n_jobs=CORES, verbosity=0)
        return model.fit(*train, eval_set=[train, validation], verbose=False)

    return fit


def logistic() -> Fit:
    """Return scikit-learn's logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return lambda train, _: LogisticRegression(**HYPERPARAMETERS["logistic_regression"], random_state=SEED).fit(*train)


def linear() -> Fit:
    """Return scikit-learn's linear regression."""
    from sklearn.linear_model import LinearRegression

    return lambda train, _: LinearRegression().fit(*train)


def network() -> Fit:
    """Return a loop over PyTorch: AdamW, a cosine schedule, the epoch of the lowest validation loss."""
    import torch
    from torch import nn
    from torch.nn import functional

    def fit(train: Rows, validation: Rows) -> Any:
        epochs, batch_size = (HYPERPARAMETERS["neural_network"][name] for name in ("epochs", "batch_size"))
        rows, target = torch.from_numpy(train[0].astype(np.float32)), torch.from_numpy(train[1])
        held_out, theirs = torch.from_numpy(validation[0].astype(np.float32)), torch.from_numpy(validation[1])
        torch.manual_seed(SEED)
        model = network_of(rows.shape[1])
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
        lowest, best = float("inf"), copy.deepcopy(model.state_dict())
        for epoch in range(1, epochs + 1):
            torch.manual_seed((SEED + 1) * 1_000_003 + epoch)
            model.train()
            total = 0.0
            for batch in torch.randperm(len(rows)).split(batch_size):
                optimizer.zero_grad(set_to_none=True)
                loss = functional.cross_entropy(model(rows[batch]), target[batch])
                loss.backward()
                optimizer.step()
                total += loss.item() * len(batch)
            model.eval()
            with torch.inference_mode():
                watched = float(functional.cross_entropy(model(held_out), theirs))
            if watched < lowest * (1 - 1e-4):
                lowest, best = watched, copy.deepcopy(model.state_dict())
            schedule.step()
        model.load_state_dict(best)
        return Network(model.eval())

    def network_of(inputs: int) -> nn.Sequential:
        hidden = [nn.Linear(inputs, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.1)]
        return nn.Sequential(*hidden, nn.Linear(128, 2))

    return fit


class Network:
    """A trained network that predicts as scikit-learn's classifiers do."""

    classes_ = np.array([0, 1])

    def __init__(self, module: Any) -> None:
        self.module = module

    def predict_proba(self, rows: Any) -> Any:
        import torch

        with torch.inference_mode():
            outputs = self.module(torch.from_numpy(rows.astype(np.float32))).double()
            return torch.softmax(outputs, dim=1).numpy()


ALGORITHMS: dict[str, Callable[[], Fit]] = {
    "random_forest": forest,
    "xgboost": boosted,
    "logistic_regression": logistic,
    "linear_regression": linear,
    "neural_network": network,
}


def scores(model: Any, rows: Rows) -> dict[str, float]:
    """Return what Modelyard's training tells of a part."""
    from sklearn import metrics

    if not hasattr(model, "predict_proba"):
        found = model.predict(rows[0])
        return {
            "rmse": metrics.root_mean_squared_error(rows[1], found),
            "mae": metrics.mean_absolute_error(rows[1], found),
            "mape": metrics.mean_absolute_percentage_error(rows[1], found),
            "r2": metrics.r2_score(rows[1], found),
        }
    chances = model.predict_proba(rows[0])
    found = model.classes_[chances.argmax(axis=1)]
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(rows[1], found, average="macro")
    return {
        "accuracy": metrics.accuracy_score(rows[1], found),
        "balanced_accuracy": metrics.balanced_accuracy_score(rows[1], found),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": metrics.roc_auc_score(rows[1], chances[:, 1]),
        "pr_auc": metrics.average_precision_score(rows[1], chances[:, 1]),
        "log_loss": metrics.log_loss(rows[1], chances),
    }


def part(folder: Path, name: str, preprocessor: Any) -> Rows:
    """Return a part's features and target."""
    frame = pd.read_parquet(folder / f"{name}.parquet")
    return preprocessor.transform(frame.drop(columns=TARGET)), frame[TARGET].to_numpy()


def predictions(algorithm: str, folder: Path, frame: pd.DataFrame) -> Any:
    """Return what a saved model says of rows: probabilities, or numbers."""
    preprocessor, model = joblib.load(folder / f"{algorithm}.joblib")
    if algorithm == "neural_network":
        model = Network(model)
    if hasattr(model, "n_jobs"):
        model.set_params(n_jobs=1)  # sums over threads differ in their last digits
    rows = preprocessor.transform(frame)
    return model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows)


def save_preprocessor(data: Path, folder: Path) -> None:
    """Fit what brings rows into form, and save it: a training finds it there, as Modelyard's does."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = pd.read_parquet(data / "train.parquet").drop(columns=TARGET)
    filled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    folder.mkdir(parents=True)
    joblib.dump(ColumnTransformer([("number", filled, list(frame))]).fit(frame), folder / PREPROCESSOR)


def main(algorithm: str, data: str, folder: str, only_start: str = "") -> None:
    """Train, or only start as a training does."""
    from sklearn import compose, impute, metrics, pipeline, preprocessing  # noqa: F401  # part of the start

    fit = ALGORITHMS[algorithm]()
    if only_start:
        return
    preprocessor = joblib.load(Path(folder) / PREPROCESSOR)
    train, validation = (part(Path(data), name, preprocessor) for name in ("train", "validation"))
    model = fit(train, validation)
    found = {"train": scores(model, train), "validation": scores(model, validation)}
    joblib.dump((preprocessor, getattr(model, "module", model)), Path(folder) / f"{algorithm}.joblib")
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
