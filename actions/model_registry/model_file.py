"""``training_history/models/<name>.yaml``: a model's versions and aliases.

The file is the desired state. Changing it, with these functions or by pull request, decides which version production
uses. All functions here are pure, so that a change can be recomputed if the branch has moved meanwhile.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from actions.contracts.order import Champion
from actions.contracts.request import Identifier, ModelName, Sha256
from actions.contracts.run_id import RunId
from actions.errors import Conflict, InvalidInput, NotFound
from actions.text import safe_yaml
from actions.text.validation import rule_of

FOLDER = "training_history/models"
MAX_BYTES = 1_000_000
HEADER = """\
# The versions of this model, and the one that production uses (alias champion).
# Modelyard changes this file with commits; people change it with pull requests.
"""

Alias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
Number = Annotated[int, Field(ge=1)]


def _is_number(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10  # noqa: PLR2004 - far more than any file has


class Version(BaseModel):
    """A registered version: the run that produced it, and where its artifact is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Number
    run: RunId
    attempt: Number
    uri: str = Field(min_length=1, max_length=1_000)
    sha256: Sha256
    data_sha256: Sha256 | None = None
    algorithm: Identifier | None = None
    created: str = Field(min_length=1, max_length=40)


class ModelFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ModelName
    aliases: dict[Alias, Number] = Field(default_factory=dict, max_length=100)
    versions: tuple[Version, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        numbers = [version.version for version in self.versions]
        if numbers != sorted(set(numbers)):
            raise ValueError("version numbers must be unique and ascending")
        for alias, number in self.aliases.items():
            if number not in numbers:
                raise ValueError(f"alias {alias} refers to version {number}, which does not exist")
        return self

    def version(self, name: int | str) -> Version:
        """Return the version with a number, or the one that an alias refers to.

        Raises
        ------
        NotFound
            ``version_not_found``, ``alias_not_found``.
        """
        number = int(name) if isinstance(name, int) or _is_number(name) else self.aliases.get(name)
        if number is None:
            known = ", ".join(sorted(self.aliases)) or "none yet"
            raise NotFound(
                "alias_not_found",
                rule="The alias must exist.",
                found=f"{self.name} has no alias {name!r}.",
                next_step=f"Choose an alias: {known}.",
                field="alias",
            )
        for version in self.versions:
            if version.version == number:
                return version
        known = ", ".join(str(version.version) for version in self.versions[-20:]) or "none yet"
        raise NotFound(
            "version_not_found",
            rule="The version must exist.",
            found=f"{self.name} has no version {number}.",
            next_step=f"Choose a version: {known}.",
            field="version",
        )

    def aliases_of(self, number: int) -> list[str]:
        """Return the aliases that refer to a version."""
        return sorted(alias for alias, version in self.aliases.items() if version == number)

    def with_aliases(self, **aliases: int | None) -> ModelFile:
        """Return a copy with some aliases set, or removed if None."""
        merged = {**self.aliases, **aliases}
        kept = {alias: number for alias, number in merged.items() if number is not None}
        return ModelFile(name=self.name, aliases=kept, versions=self.versions)


def path_of(name: str) -> str:
    """Return the path of a model's file in the repository.

    Raises
    ------
    InvalidInput
        ``invalid_model_name``; such a name never becomes a path.
    """
    try:
        ModelFile(name=name)
    except ValidationError:
        raise InvalidInput(
            "invalid_model_name",
            rule="A model name must consist of lower-case letters, digits, '.', '_' and '-', and start with a letter or digit.",
            found=f"{repr(name)[:200]}.",
            next_step="Correct the name.",
            field="name",
        ) from None
    return f"{FOLDER}/{name}.yaml"


def parse(text: str | bytes, path: str = "the model's file") -> ModelFile:
    """Read a model's file; ``path`` is what an error calls it.

    Raises
    ------
    InvalidInput
        ``invalid_yaml``, ``invalid_model_file``; ``field`` is the place in the file.
    """
    content = safe_yaml.load(text, source=path, limit=MAX_BYTES)
    try:
        return ModelFile.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InvalidInput(
            "invalid_model_file",
            rule=rule_of(place, first["msg"]),
            found=f"{repr(first.get('input'))[:200]} in {path}.",
            next_step="Correct the file with a pull request.",
            field=place,
        ) from None


def render(file: ModelFile) -> str:
    """Return the text of a model's file, with a fixed order of keys so that changes are small diffs."""
    import yaml

    content: dict[str, Any] = {"name": file.name, "aliases": dict(sorted(file.aliases.items())), "versions": []}
    for version in file.versions:
        entry = version.model_dump(exclude_none=True)
        content["versions"].append(
            {key: _Quoted(value) if isinstance(value, str) else value for key, value in entry.items()}
        )
    body = yaml.dump(content, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=10_000)
    return HEADER + body


class _Quoted(str):
    """Text to be quoted, so that no YAML reader takes it for a number or a date."""

    __slots__ = ()


def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML passes it
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - as above
            super().increase_indent(flow, False)

    Dumper.add_representer(
        _Quoted, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style='"')
    )
    return Dumper


# --- the changes -----------------------------------------------------------------------------------------------------


def register(  # noqa: PLR0913  # the fields of a version
    text: str | bytes | None,
    *,
    name: str,
    run: str,
    attempt: int,
    uri: str,
    sha256: str,
    created: str,
    data_sha256: str | None = None,
    algorithm: Identifier | None = None,
) -> tuple[str, int]:
    """Add a version and set the alias ``candidate`` to it; registering the same attempt again changes nothing.

    Parameters
    ----------
    text
        The file's current content; None if there is no file.

    Returns
    -------
    tuple of str and int
        The new content, and the version's number.

    Raises
    ------
    Conflict
        ``version_differs``: this attempt is already registered with another artifact.
    """
    file = parse(text, path_of(name)) if text is not None else ModelFile(name=name)
    for known in file.versions:
        if (known.run, known.attempt) == (run, attempt):
            if known.sha256 != sha256:
                raise Conflict(
                    "version_differs",
                    rule="An attempt of a run must have only one artifact.",
                    found=f"version {known.version} of {name} is {run} attempt {attempt} with SHA-256 {known.sha256}.",
                    next_step="Train again: a new attempt becomes a new version.",
                    field="sha256",
                )
            return (_text(text) if text is not None else render(file)), known.version
    number = max((version.version for version in file.versions), default=0) + 1
    new = Version(
        version=number,
        run=run,
        attempt=attempt,
        uri=uri,
        sha256=sha256,
        data_sha256=data_sha256,
        algorithm=algorithm,
        created=created,
    )
    extended = ModelFile(name=file.name, aliases=file.aliases, versions=(*file.versions, new))
    return render(extended.with_aliases(candidate=number)), number


def set_alias(text: str | bytes, alias: str, version: int) -> str:
    """Set an alias to a version; when ``champion`` moves, ``previous`` is set to the version that it moves from."""
    file = parse(text)
    target = file.version(version).version
    if file.aliases.get(alias) == target:
        return _text(text)
    changed: dict[str, int | None] = {alias: target}
    if alias == "champion" and "champion" in file.aliases:
        changed["previous"] = file.aliases["champion"]
    return render(file.with_aliases(**changed))


def roll_back(text: str | bytes, to: int | None = None) -> str:
    """Set ``champion`` to the previous version (or ``to``), and remove ``previous``, so that repeating it does not undo
    it.

    Raises
    ------
    NotFound
        ``no_champion``, ``no_previous``.
    Conflict
        ``already_champion``.
    """
    file = parse(text)
    champion_now = file.aliases.get("champion")
    if champion_now is None:
        raise NotFound(
            "no_champion",
            rule="A model must be in production to be rolled back.",
            found=f"{file.name} has no champion.",
            next_step="Promote a version with set_model_alias.",
        )
    target = to if to is not None else file.aliases.get("previous")
    if to is not None and to == champion_now:
        raise Conflict(
            "already_champion",
            rule="A rollback must change the version in production.",
            found=f"version {to} of {file.name} is already the champion.",
            next_step="Choose another version or an earlier date.",
        )
    if target is None or target == champion_now:
        raise NotFound(
            "no_previous",
            rule="The version before the champion must be known.",
            found=f"version {champion_now} of {file.name} is the champion, and the alias previous refers to no other version.",
            next_step="Choose a version from list_model_versions, and set it with set_model_alias.",
        )
    return render(file.with_aliases(champion=file.version(target).version, previous=None))


def withdraw(text: str | bytes, run: str, path: str = "the model's file") -> str:
    """Undo what a run did to the aliases, and nothing else: the champion of another run stays.

    Its versions stay listed, because version numbers are never reused.
    """
    file = parse(text, path)
    of_run = {version.version for version in file.versions if version.run == run}
    aliases = dict(file.aliases)
    if aliases.get("champion") in of_run and aliases.get("previous") is not None:
        aliases["champion"] = aliases.pop("previous")
    kept = {alias: number for alias, number in aliases.items() if number not in of_run}
    if kept == file.aliases:
        return _text(text)
    return render(ModelFile(name=file.name, aliases=kept, versions=file.versions))


# --- queries ---------------------------------------------------------------------------------------------------------


def champion(text: str | bytes | None, path: str = "the model's file") -> Champion | None:
    """Return the version that production uses, or None if there is none."""
    if text is None:
        return None
    file = parse(text, path)
    number = file.aliases.get("champion")
    if number is None:
        return None
    version = file.version(number)
    return Champion(
        version=version.version,
        run=version.run,
        uri=version.uri,
        sha256=version.sha256,
        data_sha256=version.data_sha256,
        algorithm=version.algorithm,
    )


def _text(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode()
