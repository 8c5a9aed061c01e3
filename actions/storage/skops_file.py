"""Fitted estimators as files: written by skops, and read back only if every type in them is trusted."""

from __future__ import annotations

from collections.abc import Collection
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from actions.contracts.request import Sha256
from actions.errors import InvalidInput, NotFound
from actions.storage.folder import replacing, sha256_of

TRUSTED_TYPES = (
    "actions.data_preparation.transformers.DateParts",
    "actions.data_preparation.transformers.FrequencyEncoder",
    "actions.data_preparation.transformers.MutualInformationSelector",
    "actions.data_preparation.transformers.RawColumns",
    "numpy.dtype",
    "sklearn.model_selection._split.KFold",  # folds of target encoding
    "sklearn.model_selection._split.StratifiedKFold",
)
"""The types that any file's preprocessor may contain, besides those that skops itself trusts: scikit-learn's public
estimators, numpy's types and built-in ones. Saved files refer to these classes by import path: they must not move.
"""

MAX_UNPACKED_BYTES = 16 << 30
MIN_UNPACKED_BYTES = 64 << 20
MAX_RATIO = 100
"""How far a file may unpack: skops does not compress, so a file that it wrote unpacks to its own size."""


def save_fitted(estimator: Any, path: Path) -> Sha256:
    """Write a fitted estimator to a file, replacing it if it exists, and return its SHA-256.

    Importing skops lists all of scikit-learn's estimators, which adds about a second to a stage. Its ``dump`` and
    ``load`` are not available without that.
    """
    from actions.storage.skops_import import dump

    with replacing(path) as temporary:
        dump(estimator, temporary)
    return sha256_of(path)


def fitted_to_bytes(estimator: Any) -> bytes:
    """Return a fitted estimator as bytes."""
    from actions.storage.skops_import import dumps

    return bytes(dumps(estimator))


def fitted_from_bytes(content: bytes, trusted_types: Collection[str]) -> Any:
    """Return the estimator that ``fitted_to_bytes`` wrote; skops refuses types that are not trusted."""
    from actions.storage.skops_import import loads

    _check_unpacked_size(BytesIO(content), len(content))
    return loads(content, trusted=[*TRUSTED_TYPES, *trusted_types])


def open_fitted(path: Path, sha256: Sha256 | None, trusted_types: Collection[str] = ()) -> Any:
    """Read a fitted estimator.

    Parameters
    ----------
    path
        The file.
    sha256
        The SHA-256 that the file must have; None skips the check.
    trusted_types
        The types that its algorithm adds to ``TRUSTED_TYPES``.

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
        _check_unpacked_size(path, path.stat().st_size)
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
        RecursionError,  # JSON nested thousands of levels deep
    ) as error:
        raise InvalidInput(
            "model_unreadable",
            rule="The model file could not be read. It must have been written by skops, with compatible library versions.",
            found=f"{type(error).__name__}: {str(error)[:300]}",
            next_step="Train the model again, or install the versions that its model.json names.",
            field="model",
        ) from None


def _check_unpacked_size(file: Path | BytesIO, size: int) -> None:
    """Refuse an archive whose members are too large together. Nothing is unpacked: no more is read than they declare."""
    with ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    allowed = min(MAX_UNPACKED_BYTES, max(MIN_UNPACKED_BYTES, MAX_RATIO * size))
    if unpacked > allowed:
        raise InvalidInput(
            "model_unreadable",
            rule=f"A model file must unpack to at most {MAX_UNPACKED_BYTES >> 30} GiB, and to at most {MAX_RATIO} times its "
            f"size if that is more than {MIN_UNPACKED_BYTES >> 20} MiB.",
            found=f"{unpacked} bytes in a file of {size} bytes; it was not unpacked.",
            next_step="Do not use this file; train the model with Modelyard.",
            field="model",
        )


def check_model_file(path: Path, sha256: Sha256 | None) -> None:
    """Raise NotFound if a model file does not exist, or InvalidInput if its SHA-256 differs from the given one."""
    if not path.is_file():
        raise NotFound(
            "model_not_found",
            rule="The model must be a file under the storage root.",
            found=f"no file {path.name} in {path.parent.name}/.",
            next_step="Use the URI that the training returned.",
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
