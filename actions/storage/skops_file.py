"""Fitted estimators as files: written by skops, read back only if every type in them is trusted."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from actions.contracts.request import Sha256
from actions.errors import InvalidInput, NotFound
from actions.storage.folder import replacing, sha256_of

TRUSTED_TYPES = (
    "actions.data_preparation.transformers.DateParts",
    "actions.data_preparation.transformers.FrequencyEncoder",
    "actions.data_preparation.transformers.MutualInformationSelector",
    "actions.data_preparation.transformers.RawColumns",
    "numpy.dtype",
    "sklearn.model_selection._split.KFold",  # the folds of target encoding
    "sklearn.model_selection._split.StratifiedKFold",
)
"""What the preprocessor of any file may contain, beside the types that skops trusts itself: scikit-learn's public
estimators, numpy's and plain ones.
"""


def save_fitted(estimator: Any, path: Path) -> Sha256:
    """Write a fitted estimator in place of what is there and return the file's SHA-256.

    skops lists all of scikit-learn's estimators when it is imported, which costs about a second on top of what a stage
    imports anyway; its ``dump`` and ``load`` cannot be had without that.
    """
    from actions.storage.skops_import import dump

    with replacing(path) as temporary:
        dump(estimator, temporary)
    return sha256_of(path)


def fitted_to_bytes(estimator: Any) -> bytes:
    """Return a fitted estimator as the content of a file."""
    from actions.storage.skops_import import dumps

    return bytes(dumps(estimator))


def fitted_from_bytes(content: bytes, trusted_types: Collection[str]) -> Any:
    """Return the fitted estimator of ``fitted_to_bytes``; skops refuses types that are not trusted."""
    from actions.storage.skops_import import loads

    return loads(content, trusted=[*TRUSTED_TYPES, *trusted_types])


def open_fitted(path: Path, sha256: Sha256 | None, trusted_types: Collection[str] = ()) -> Any:
    """Read a fitted estimator.

    Parameters
    ----------
    path
        The file.
    sha256
        The digest that it must have; None: any.
    trusted_types
        The types that it may contain beside ``TRUSTED_TYPES``: those of its algorithm.

    Raises
    ------
    NotFound
        ``model_not_found``.
    InvalidInput
        ``digest_mismatch``, ``untrusted_types``, ``model_unreadable``.
    """
    check_model_file(path, sha256)
    from actions.storage.skops_import import UnsupportedTypeException, UntrustedTypesFoundException, load

    try:
        return load(path, trusted=[*TRUSTED_TYPES, *trusted_types])
    except UntrustedTypesFoundException as error:
        raise InvalidInput(
            "untrusted_types",
            rule="The model file contains types that Modelyard does not trust. It was not loaded.",
            found=str(error)[:500],
            next_step="Do not use this file; train the model with Modelyard.",
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
            rule="The model file could not be read. It must have been written by skops, with compatible library versions.",
            found=f"{type(error).__name__}: {str(error)[:300]}",
            next_step="Train the model again, or install the versions that its model.json names.",
            field="model",
        ) from None


def check_model_file(path: Path, sha256: Sha256 | None) -> None:
    """Raise if a model file is missing, or has another digest than the given one."""
    if not path.is_file():
        raise NotFound(
            "model_not_found",
            rule="The model file does not exist.",
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
            rule=f"The model file was changed: its SHA-256 must be {sha256}.",
            found=f"{found}.",
            next_step="Do not use this file; train the model again.",
            field="model",
        )
