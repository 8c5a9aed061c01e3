"""The registry's operations, which read and change ``training_history/models/<name>.yaml`` on the history branch."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Protocol, runtime_checkable

from pydantic import Field

from actions.context import Context, Reader
from actions.contracts.request import Identifier, ModelName, Sha256
from actions.contracts.run_id import RunId
from actions.errors import InvalidInput, NotFound, Unavailable
from actions.model_registry import model_file
from actions.model_registry.model_file import Alias, ModelFile, Version
from actions.operation import Result, operation
from actions.storage.folder import make_write_once
from actions.storage.skops_file import check_model_file

_SIGNATURE_FILE = "model.json"


class RegisteredModel(Result):
    """A version of a model, and the commit that contains it."""

    name: str
    version: int
    commit: str
    aliases: list[str]


class ModelVersion(Result):
    """A version of a model, and the aliases that refer to it."""

    name: str
    version: int
    run: str
    attempt: int
    uri: str
    sha256: str
    data_sha256: str | None
    algorithm: Identifier | None
    created: str
    aliases: list[str]


class ModelVersions(Result):
    """A page of a model's versions, newest first."""

    name: str
    total: int
    aliases: dict[str, int]
    versions: list[ModelVersion]


class AliasChange(Result):
    """The version that an alias refers to, the one before, and the commit that contains the change."""

    name: str
    alias: str
    version: int
    before: int | None
    commit: str


@runtime_checkable
class DatedHistory(Protocol):
    """A history that can also be read as of a moment in the past."""

    def read_on(self, path: str, moment: datetime) -> bytes | None:
        """Return a file's content on the branch at a moment, or None if there was no such file."""


@operation(where="app", idempotent=True)
def register_model(  # noqa: PLR0913  # an operation's parameters are its public arguments
    name: ModelName,
    run: RunId,
    attempt: Annotated[int, Field(ge=1)],
    uri: Annotated[str, Field(min_length=1, max_length=1_000)],
    sha256: Sha256,
    context: Context,
    data_sha256: Sha256 | None = None,
    *,
    algorithm: Identifier | None = None,
    created: str | None = None,
) -> RegisteredModel:
    """Register a trained model as the next version, and as candidate.

    An attempt is registered once, no matter how often this is called.

    Parameters
    ----------
    name
        The model's name.
    run
        The run that trained it, such as train-20261122-001.
    attempt
        The run's attempt, from 1.
    uri
        The model file under the storage root.
    sha256
        The model file's SHA-256, which is checked now and whenever the model is loaded.
    data_sha256
        The SHA-256 of the data that it was trained on.
    algorithm
        The algorithm that it was trained with.
    created
        When it was trained (ISO 8601); now by default.

    Raises
    ------
    Unavailable
        ``history_unavailable``: no git repository was given.
    InvalidInput
        ``invalid_model_file``: the registry's file for the model is inconsistent. ``invalid_model_name``: the name
        is not a valid model name. ``task_differs``: the model's latest version is for another task.
        ``digest_mismatch``, ``invalid_yaml``, ``outside_storage``.
    NotFound
        ``model_not_found``.
    Conflict
        ``branch_busy``: the branch kept moving while the commit was made. ``local_changes``: a file to write has
        uncommitted changes. ``version_differs``: the attempt is already registered with another artifact.
        ``work_tree_left_behind``: the commit was made, but the files could not be updated. ``history_path_taken``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.history_management.local import LocalHistory
    >>> from actions.storage.folder import Storage, sha256_of, write_atomically
    >>> storage = Storage(Path("storage"))
    >>> context = Context(storage, history=LocalHistory.at(Path.cwd()))  # in a git checkout
    >>> uri = "acme/flowers/models/train-20261122-001/1/model.skops"
    >>> write_atomically(storage.path(uri), "a model")
    >>> registered = register_model("flowers", "train-20261122-001", 1, uri, sha256_of(storage.path(uri)), context)
    >>> registered.version, registered.aliases
    (1, ['candidate'])
    """
    path = model_file.path_of(name)
    artifact = _artifact(uri, sha256, context)
    _check_task(name, uri, context)
    make_write_once(artifact)
    moment = created or datetime.now(tz=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def change(read: Reader) -> dict[str, bytes | None]:
        text, _ = model_file.register(
            read(path),
            name=name,
            run=run,
            attempt=attempt,
            uri=uri,
            sha256=sha256,
            created=moment,
            data_sha256=data_sha256,
            algorithm=algorithm,
        )
        return {path: text.encode()}

    history = context.require_history()
    commit = history.commit(f"Register {name} from {run} [skip ci]", change)
    file = _file(name, history.read(path))
    version = next(known.version for known in file.versions if (known.run, known.attempt) == (run, attempt))
    return RegisteredModel(name=name, version=version, commit=commit, aliases=file.aliases_of(version))


@operation(where="app", read_only=True, open_to_agents="It only reads.")
def get_model_version(
    name: ModelName, context: Context, version: int | str = "champion", on_date: date | None = None
) -> ModelVersion:
    """Return one version of a model: its file, the run that trained it, and the aliases that refer to it.

    Parameters
    ----------
    name
        The model's name.
    version
        A version number, or an alias such as champion, candidate or previous.
    on_date
        Answer as of the end of that day (UTC), from the repository's history: what was in production then?

    Raises
    ------
    Unavailable
        ``history_undated``: the past can only be read in a git checkout. ``history_unavailable``.
    InvalidInput
        ``date_in_the_future``: the date is after today. ``invalid_model_file``, ``invalid_model_name``,
        ``invalid_yaml``.
    NotFound
        ``alias_not_found``: the model has no such alias. ``no_history_then``: the repository had no commits at that
        time. ``version_not_found``: the model has no such version. ``model_not_found``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.history_management.local import LocalHistory
    >>> from actions.storage.folder import Storage, sha256_of, write_atomically
    >>> storage = Storage(Path("storage"))
    >>> context = Context(storage, history=LocalHistory.at(Path.cwd()))  # in a git checkout
    >>> for run in ("train-20261122-001", "train-20261122-002"):
    ...     uri = f"acme/flowers/models/{run}/1/model.skops"
    ...     write_atomically(storage.path(uri), "a model")
    ...     registered = register_model("flowers", run, 1, uri, sha256_of(storage.path(uri)), context)
    >>> candidate = get_model_version("flowers", context, version="candidate")
    >>> candidate.version, candidate.run
    (2, 'train-20261122-002')
    """
    file = _file_on(name, context, on_date)
    return _describe(file, file.version(version))


@operation(where="app", read_only=True, open_to_agents="It only reads.")
def list_model_versions(
    name: ModelName,
    context: Context,
    limit: Annotated[int, Field(ge=1, le=1_000)] = 50,
    offset: Annotated[int, Field(ge=0)] = 0,
) -> ModelVersions:
    """List a model's versions, newest first, and its aliases.

    Parameters
    ----------
    name
        The model's name.
    limit
        The maximum number of versions to return.
    offset
        The number of newest versions to skip.

    Raises
    ------
    Unavailable
        ``history_unavailable``.
    InvalidInput
        ``invalid_model_file``, ``invalid_model_name``, ``invalid_yaml``.
    NotFound
        ``model_not_found``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.history_management.local import LocalHistory
    >>> from actions.storage.folder import Storage, sha256_of, write_atomically
    >>> storage = Storage(Path("storage"))
    >>> context = Context(storage, history=LocalHistory.at(Path.cwd()))  # in a git checkout
    >>> for run in ("train-20261122-001", "train-20261122-002"):
    ...     uri = f"acme/flowers/models/{run}/1/model.skops"
    ...     write_atomically(storage.path(uri), "a model")
    ...     registered = register_model("flowers", run, 1, uri, sha256_of(storage.path(uri)), context)
    >>> flowers = list_model_versions("flowers", context, limit=10)
    >>> flowers.total, flowers.versions[0].run, flowers.aliases
    (2, 'train-20261122-002', {'candidate': 2})
    """
    file = _file_on(name, context, None)
    newest_first = file.versions[::-1][offset : offset + limit]
    return ModelVersions(
        name=name,
        total=len(file.versions),
        aliases=file.aliases,
        versions=[_describe(file, version) for version in newest_first],
    )


@operation(where="app", destructive=True, idempotent=True)
def set_model_alias(
    name: ModelName, alias: Alias, version: Annotated[int, Field(ge=1)], context: Context
) -> AliasChange:
    """Set an alias to a version of a model; champion is the version that production uses.

    When champion moves, the alias previous is set to the version that it moves from.

    Parameters
    ----------
    name
        The model's name.
    alias
        The alias: champion, candidate, or one of your own such as staging.
    version
        The version number.

    Raises
    ------
    Unavailable
        ``history_unavailable``.
    InvalidInput
        ``invalid_model_file``, ``invalid_model_name``, ``invalid_yaml``.
    Conflict
        ``branch_busy``, ``history_path_taken``, ``local_changes``, ``work_tree_left_behind``.
    NotFound
        ``model_not_found``, ``version_not_found``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.history_management.local import LocalHistory
    >>> from actions.storage.folder import Storage, sha256_of, write_atomically
    >>> storage = Storage(Path("storage"))
    >>> context = Context(storage, history=LocalHistory.at(Path.cwd()))  # in a git checkout
    >>> for run in ("train-20261122-001", "train-20261122-002"):
    ...     uri = f"acme/flowers/models/{run}/1/model.skops"
    ...     write_atomically(storage.path(uri), "a model")
    ...     registered = register_model("flowers", run, 1, uri, sha256_of(storage.path(uri)), context)
    >>> change = set_model_alias("flowers", "staging", 2, context)
    >>> change.version, change.before
    (2, None)
    """
    return _change_alias(context, name, alias, f"Set {alias} of {name} to version {version}", version)


@operation(where="app", destructive=True)
def rollback_model(name: ModelName, context: Context, on_date: date | None = None) -> AliasChange:
    """Roll champion back to the previous version, or to the version that was in production on a date.

    Parameters
    ----------
    name
        The model's name.
    on_date
        Roll back to the version that was champion at the end of that day (UTC); by default, to the alias previous.

    Raises
    ------
    Unavailable
        ``history_unavailable``, ``history_undated``.
    InvalidInput
        ``date_in_the_future``, ``invalid_model_file``, ``invalid_model_name``, ``invalid_yaml``.
    Conflict
        ``already_champion``: the version is already in production. ``branch_busy``, ``history_path_taken``, ``local_changes``,
        ``work_tree_left_behind``.
    NotFound
        ``no_champion``: no version is in production. ``no_previous``: the version before the champion is unknown.
        ``alias_not_found``, ``model_not_found``, ``no_history_then``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.history_management.local import LocalHistory
    >>> from actions.storage.folder import Storage, sha256_of, write_atomically
    >>> storage = Storage(Path("storage"))
    >>> context = Context(storage, history=LocalHistory.at(Path.cwd()))  # in a git checkout
    >>> for run in ("train-20261122-001", "train-20261122-002"):
    ...     uri = f"acme/flowers/models/{run}/1/model.skops"
    ...     write_atomically(storage.path(uri), "a model")
    ...     registered = register_model("flowers", run, 1, uri, sha256_of(storage.path(uri)), context)
    >>> for version in (1, 2):
    ...     promoted = set_model_alias("flowers", "champion", version, context)
    >>> rollback_model("flowers", context).version
    1
    """
    to = _file_on(name, context, on_date).version("champion").version if on_date else None
    return _change_alias(context, name, "champion", f"Roll {name} back", to, roll_back=True)


def _artifact(uri: str, sha256: Sha256, context: Context) -> Path:
    """Return the model file, after checking its digest."""
    try:
        path = context.storage.path(uri)
    except ValueError as error:
        raise InvalidInput(
            "outside_storage",
            rule="The model must be a file under the storage root.",
            found=f"{error}.",
            next_step="Use the URI that save_model returned.",
            field="uri",
        ) from None
    check_model_file(path, sha256)
    return path


def _check_task(name: str, uri: str, context: Context) -> None:
    """Refuse a file whose task differs from that of the model's latest version."""
    present = context.require_history().read(model_file.path_of(name))
    versions = _file(name, present).versions if present is not None else ()
    before = _task_of(versions[-1].uri, context) if versions else None
    task = _task_of(uri, context)
    if before is not None and task != before:
        raise InvalidInput(
            "task_differs",
            rule=f"All versions of a model must be for the same task; {name} is for {before}.",
            found=f"a file for {task or 'an unknown task, without a readable model.json'}.",
            next_step="Register it under another name, or name the file that save_model returned.",
            field="uri",
        )


def _task_of(uri: str, context: Context) -> str | None:
    """Return the task in the signature next to a model file; None if it cannot be read."""
    try:
        signature = json.loads(context.storage.path(f"{uri.rpartition('/')[0]}/{_SIGNATURE_FILE}").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    task = signature.get("task") if isinstance(signature, dict) else None
    return task if isinstance(task, str) else None


def _change_alias(
    context: Context, name: str, alias: str, message: str, version: int | None, *, roll_back: bool = False
) -> AliasChange:
    path = model_file.path_of(name)
    before: list[int | None] = []

    def change(read: Reader) -> dict[str, bytes | None]:
        text = read(path) or b""
        before.append(_file(name, text).aliases.get(alias))
        changed = (
            model_file.set_alias(text, alias, version)
            if version is not None and not roll_back
            else model_file.roll_back(text, version)
        )
        return {path: changed.encode()}

    history = context.require_history()
    commit = history.commit(f"{message} [skip ci]", change)
    now = _file(name, history.read(path)).aliases[alias]
    return AliasChange(name=name, alias=alias, version=now, before=before[-1], commit=commit)


def _file_on(name: str, context: Context, on_date: date | None) -> ModelFile:
    history = context.require_history()
    path = model_file.path_of(name)
    if on_date is None:
        return _file(name, history.read(path))
    if not isinstance(history, DatedHistory):
        raise Unavailable(
            "history_undated",
            rule="The past can only be read in a git checkout.",
            found="access to the branch's current files only.",
            next_step="Run `modelyard run get_model_version --on_date ...` in a checkout.",
            field="on_date",
        )
    if on_date > datetime.now(tz=UTC).date():
        raise InvalidInput(
            "date_in_the_future",
            rule="The date must not be in the future.",
            found=f"{on_date.isoformat()}.",
            next_step="Choose a day up to today.",
            field="on_date",
        )
    return _file(name, history.read_on(path, datetime.combine(on_date, time(23, 59, 59), UTC)))


def _file(name: str, text: bytes | None) -> ModelFile:
    if not text:
        raise NotFound(
            "model_not_found",
            rule="The model must be registered.",
            found=f"no file {model_file.path_of(name)}.",
            next_step="Train it, or correct the name.",
            field="name",
        )
    return model_file.parse(text, model_file.path_of(name))


def _describe(file: ModelFile, version: Version) -> ModelVersion:
    return ModelVersion(name=file.name, aliases=file.aliases_of(version.version), **version.model_dump())
