"""Which data a request may name: ``sklearn://NAME``, or a file under an allowed root (a folder or S3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import StringConstraints

from actions.context import Context
from actions.contracts.request import Repository
from actions.errors import InvalidInput
from actions.storage.folder import contained
from actions.text.suggestions import nearest_first

DataUri = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
"""``sklearn://NAME``, a path under the storage root, or an absolute path or ``s3://`` URI below an allowed data root.
"""

StorageUri = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
"""A path under the storage root; if that is in S3, also an ``s3://`` URI below it."""

SKLEARN_DATASETS = ("breast_cancer", "diabetes", "digits", "iris", "wine")
"""The data sets that ``sklearn://NAME`` names: those that scikit-learn carries itself."""

FORMATS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_KNOWN_FORMATS = "CSV (.csv, .tsv), JSON Lines (.jsonl, .ndjson), either of them with .gz, or Parquet (.parquet)"


@dataclass(frozen=True)
class Source:
    """Data that may be read: either a bundled data set (``toy``) or an existing file."""

    uri: str
    format: str
    toy: str | None = None
    path: Path | None = None
    gzipped: bool = False


def resolve(uri: str, context: Context, repository: Repository | None = None) -> Source:
    """Return the data that a URI names.

    Parameters
    ----------
    uri
        ``sklearn://NAME``; an absolute path below one of the context's data roots; or a relative path.
    context
        Provides the storage root and the allowed data roots.
    repository
        If given, relative paths are resolved in this repository's ``datasets/`` folder instead of the storage root.

    Raises
    ------
    InvalidInput
        ``unknown_dataset``, ``unsupported_scheme``, ``data_outside_roots``, ``data_not_found``, ``unsupported_format``.
    """
    if uri.startswith("sklearn://"):
        return Source(uri=uri, format="sklearn", toy=_toy_name(uri.removeprefix("sklearn://")))
    if ("://" in uri and not is_s3(uri)) or uri.lower().startswith("file:"):
        raise InvalidInput(
            "unsupported_scheme",
            rule="Data must be `sklearn://NAME`, a path, or `s3://bucket/key`.",
            found=f"{uri}.",
            next_step="Put the file into the repository's datasets/ folder, and name it by its path there.",
            field="data",
        )
    return _file_source(uri, existing_file(uri, context, repository))


def _file_source(uri: str, path: Path) -> Source:
    gzipped = path.suffix.lower() == ".gz"
    suffix = Path(path.stem).suffix.lower() if gzipped else path.suffix.lower()
    # Parquet compresses its own columns, and cannot be read from a stream.
    if suffix in FORMATS and not (gzipped and suffix == ".parquet"):
        return Source(uri=uri, format=FORMATS[suffix], path=path, gzipped=gzipped)
    raise InvalidInput(
        "unsupported_format",
        rule=f"A data file must be {_KNOWN_FORMATS}.",
        found=f"the suffix {''.join(path.suffixes[-2:] if gzipped else path.suffixes[-1:]) or '(none)'} in {uri}.",
        next_step="Convert the file, and use one of these suffixes.",
        field="data",
    )


def storage_path(uri: str, context: Context, field: str) -> Path:
    """Return the file or folder that a storage URI names; it need not exist.

    Raises
    ------
    InvalidInput
        ``outside_storage``.
    """
    try:
        return context.storage.path(uri)
    except (ValueError, OSError, RuntimeError):
        raise InvalidInput(
            "outside_storage",
            rule="A URI must be a path under the storage root, without `..` and without links that lead outside.",
            found=f"{uri}.",
            next_step="Use a path relative to the storage root; to write to S3, use a storage root in S3.",
            field=field,
        ) from None


def _toy_name(name: str) -> str:
    if name not in SKLEARN_DATASETS:
        raise InvalidInput(
            "unknown_dataset",
            rule="sklearn:// must be followed by the name of a data set that ships with scikit-learn.",
            found=f"{name or '(nothing)'}.",
            next_step=f"Choose one of these, most similar first: {nearest_first(name, list(SKLEARN_DATASETS))}.",
            field="data",
        )
    return name


def existing_file(uri: str, context: Context, repository: Repository | None, field: str = "data") -> Path:
    """Return the file that a path names, in a place where data may be.

    Raises
    ------
    InvalidInput
        ``data_outside_roots``, ``data_not_found``.
    """
    if is_s3(uri):
        return _object(uri, context, field)
    given = PurePosixPath(uri)
    if ".." in given.parts or "\x00" in uri or "\\" in uri:
        raise _outside(uri, field)
    try:
        path, base = _place(given, context, repository)
        exists = path.is_file()
        neighbours = sorted(item.name for item in path.parent.glob("*") if item.is_file()) if path != base else []
    except (ValueError, OSError, RuntimeError):  # RuntimeError: a loop of symbolic links
        raise _outside(uri, field) from None
    if not exists:
        hint = f" Files there: {nearest_first(given.name, neighbours, limit=5)}." if neighbours else ""
        raise InvalidInput(
            "data_not_found",
            rule="The file must exist on the runner's storage.",
            found=f"no file {uri}.{hint}",
            next_step="Correct the path, or put the file there.",
            field=field,
        )
    return path


def is_s3(uri: str) -> bool:
    """Return whether a URI is in S3."""
    return uri.lower().startswith("s3://")


def _object(uri: str, context: Context, field: str) -> Path:
    """Return the local copy of an object below the storage root or an allowed data root."""
    from actions.storage.s3 import S3Storage, below_roots

    own = (str(context.storage.base),) if isinstance(context.storage, S3Storage) else ()
    try:
        storage = below_roots(uri, (*own, *context.data_roots))
        path = storage.path(uri) if storage is not None else None
    except ValueError:
        path = None
    if path is None:
        raise _outside(uri, field)
    if not path.is_file():
        raise InvalidInput(
            "data_not_found",
            rule="The file must exist on the runner's storage.",
            found=f"no object {uri}.",
            next_step="Correct the URI, or put the file there.",
            field=field,
        )
    return path


def _place(given: PurePosixPath, context: Context, repository: Repository | None) -> tuple[Path, Path]:
    """Return the file that is meant and the root that it is in; raise ValueError if it is outside all allowed roots."""
    if not given.is_absolute():
        base = context.storage.path(f"{repository}/datasets") if repository else context.storage.root
        # Resolving it as a URI makes a storage root in S3 fetch the file.
        context.storage.path(f"{repository}/datasets/{given}" if repository else str(given))
        return contained(base / given, base), base.resolve()
    resolved = Path(given).resolve()
    for root in context.data_roots:
        if is_s3(root):
            continue
        if resolved.is_relative_to(Path(root).resolve()):
            return resolved, Path(root).resolve()
    raise ValueError(f"not below any data root: {given}")


def _outside(uri: str, field: str) -> InvalidInput:
    return InvalidInput(
        "data_outside_roots",
        rule="Data must be in the repository's datasets/ folder or in an allowed data root; links must not lead outside.",
        found=f"{uri}.",
        next_step="Move the file there, or add its folder to data_roots in .github/modelyard.yml.",
        field=field,
    )
