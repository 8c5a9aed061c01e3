"""The rows that the trials of a search are compared on: validation rows, held-out rows, or folds.

The preprocessor is fitted again on the training rows of each fold: otherwise one that encodes or selects features by the
target would have seen the targets that trials are compared by.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from actions.errors import InvalidInput
from actions.ml_training.training_spec import TrainingSpec

if TYPE_CHECKING:
    import pandas as pd

    from actions.ml_training.algorithm import Parts

HELD_OUT = 0.2


def compared_parts(
    spec: TrainingSpec,
    preprocessor: Any,
    train: pd.DataFrame,
    validation: pd.DataFrame | None,
    folds: int | None = None,
) -> list[Parts]:
    """Return the parts that each trial is fitted and scored on, as arrays.

    Parameters
    ----------
    preprocessor
        Fitted on the training rows.
    validation
        Rows to compare trials on. Without them, and without folds, a fifth of the training rows is held out.
    folds
        The number of folds to split the training rows into, each of which is held out once; validation rows are then not used.

    Raises
    ------
    InvalidInput
        ``too_few_rows``, ``no_validation_rows``.
    """
    if folds is not None:
        return [_refitted_parts(spec, preprocessor, *pair) for pair in _folded(spec, train, folds)]
    if validation is None:
        return [_refitted_parts(spec, preprocessor, *_held_out(spec, train))]
    return [_parts(spec, preprocessor, train, validation)]


def _parts(spec: TrainingSpec, preprocessor: Any, train: pd.DataFrame, validation: pd.DataFrame) -> Parts:
    from actions.ml_training.fitting import prepared_parts

    parts, _ = prepared_parts(spec, preprocessor, train, validation)
    if "validation" not in parts:
        raise InvalidInput(
            "no_validation_rows",
            rule="Trials need validation rows of classes that the training rows have.",
            found="none.",
            next_step="Use other validation rows, or none: then a part of the training rows is held out.",
            field="validation",
        )
    return parts


def _refitted_parts(spec: TrainingSpec, preprocessor: Any, kept: pd.DataFrame, held: pd.DataFrame) -> Parts:
    return _parts(spec, _refitted(spec, preprocessor, kept), kept, held)


def _refitted(spec: TrainingSpec, preprocessor: Any, kept: pd.DataFrame) -> Any:
    """Return a preprocessor with the same steps, fitted on these rows only."""
    from sklearn.base import clone

    from actions.data_preparation.transformers import encode_target
    from actions.models.targets import target_values

    target = encode_target(target_values(kept, spec.target, spec.task), spec.task)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # already reported when it was fitted on all rows
        return clone(preprocessor).fit(kept.drop(columns=spec.target), target)


def _held_out(spec: TrainingSpec, train: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    from sklearn.model_selection import train_test_split

    classes = train[spec.target] if spec.task == "classification" else None
    try:
        kept, held = train_test_split(train, test_size=HELD_OUT, random_state=spec.seed, stratify=classes)
    except ValueError as error:
        raise _too_few("A fifth of the training rows of each class must be available", str(error)[:300]) from None
    return kept, held


def _folded(spec: TrainingSpec, train: pd.DataFrame, folds: int) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    from sklearn.model_selection import KFold, StratifiedKFold

    most_possible = max_folds(spec, train)
    if most_possible < folds:
        raise _too_few(f"{folds} folds need at least {folds} rows of each class", f"enough for {most_possible} folds.")
    splitter = StratifiedKFold if spec.task == "classification" else KFold
    drawn = splitter(folds, shuffle=True, random_state=spec.seed).split(train, train[spec.target])
    return [(train.iloc[kept], train.iloc[held]) for kept, held in drawn]


def max_folds(spec: TrainingSpec, train: pd.DataFrame) -> int:
    """Return the largest number of folds of which each has rows, of every class if there are classes."""
    target = train[spec.target]
    return int(target.value_counts().min()) if spec.task == "classification" else len(target)


def _too_few(rule: str, found: str) -> InvalidInput:
    return InvalidInput(
        "too_few_rows",
        rule=f"{rule} to compare trials on.",
        found=found,
        next_step="Use more rows, or add validation rows.",
        field="data",
    )
