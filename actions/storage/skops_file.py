"""Fitted estimators as files: written by skops, read back only if every type in them is trusted here."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from actions.contracts.request import Sha256
from actions.errors import InvalidInput, NotFound
from actions.storage.folder import replacing, sha256_of

TRUSTED_TYPES = (
    "actions.data_preparation.transformers.DateParts",
    "actions.data_preparation.transformers.Frequencies",
    "actions.data_preparation.transformers.MutualInformation",
    "actions.data_preparation.transformers.RawColumns",
    "actions.ml_training.algorithms.registry.ClassLabels",
    "actions.ml_training.algorithms.neural_network.NeuralNetworkClassifier",
    "actions.ml_training.algorithms.neural_network.NeuralNetworkRegressor",
    "collections.OrderedDict",  # XGBoost's loss curves
    "numpy.dtype",
    "sklearn.model_selection._split.KFold",  # the folds of target encoding
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRegressor",
)
"""The types, beside scikit-learn's public estimators, numpy's and the plain ones that skops trusts, that a file may hold."""


def save_fitted(estimator: Any, path: Path) -> Sha256:
    """Write a fitted estimator in place of what is there and return the file's SHA-256.

    skops lists all of scikit-learn's estimators when it is imported, which costs about a second on top of what a stage
    imports anyway; its ``dump`` and ``load`` cannot be had without that.
    """
    from actions.storage.skops_import import dump

    with replacing(path) as temporary:
        dump(estimator, temporary)
    return sha256_of(path)


def open_fitted(path: Path, sha256: Sha256 | None) -> Any:
    """Read a fitted estimator.

    Raises
    ------
    NotFound
        ``model_not_found``.
    InvalidInput
        ``digest_mismatch`` where a digest is given and the file's is another; ``untrusted_types``; ``model_unreadable``.
    """
    check_model_file(path, sha256)
    from actions.storage.skops_import import UnsupportedTypeException, UntrustedTypesFoundException, load

    try:
        return load(path, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        raise InvalidInput(
            "untrusted_types",
            rule="A model file holds types that Modelyard trusts, and no other; nothing of it was executed.",
            found=str(error)[:500],
            next_step="Train the model with Modelyard; do not load this file.",
            field="model",
        ) from None
    except (
        BadZipFile,
        UnsupportedTypeException,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ImportError,
    ) as error:
        raise InvalidInput(
            "model_unreadable",
            rule="A model file is what skops wrote, with library versions that fit.",
            found=f"{type(error).__name__}: {str(error)[:300]}",
            next_step="Train the model again, or install the versions that its model.json names.",
            field="model",
        ) from None


def check_model_file(path: Path, sha256: Sha256 | None) -> None:
    """Raise where a model file is absent, or where its digest is not the given one."""
    if not path.is_file():
        raise NotFound(
            "model_not_found",
            rule="A model is a file under the storage root.",
            found=f"no file {path.name} in {path.parent.name}/.",
            next_step="Name the URI that the training returned.",
            field="model",
        )
    if sha256 is None:
        return
    found = sha256_of(path)
    if found != sha256:
        raise InvalidInput(
            "digest_mismatch",
            rule=f"The model file's SHA-256 is {sha256}.",
            found=f"{found}.",
            next_step="The file was changed after it was saved: do not use it, train the model again.",
            field="model",
        )
