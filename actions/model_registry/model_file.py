"""``training_history/models/<name>.yaml``: a model's versions and aliases, as functions from text to text.

The file is desired state: whoever changes it, by these functions or by pull request, decides what production uses. All
functions here are pure, so that a change can be computed again on whatever the branch holds now.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from actions.contracts.order import Champion
from actions.contracts.request import Identifier, ModelName, Sha256
from actions.contracts.run_id import RunId
from actions.errors import Conflict, InvalidInput, NotFound
from actions.text import safe_yaml

FOLDER = "training_history/models"
SIZE_LIMIT = 1_000_000
HEADER = """\
# The versions of this model, and which of them production uses (alias champion).
# Modelyard changes this file by commits; people change it by pull request.
"""

Alias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
# The reader gives every scalar as text; a number in text form is taken where a number is meant.
Number = Annotated[int, Field(ge=1), BeforeValidator(lambda value: int(value) if _is_number(value) else value)]


def _is_number(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10  # noqa: PLR2004 - no file has that many


class Version(BaseModel):
    """One registered version: which run made it and where the artifact lies."""

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
    def _holds_together(self) -> Self:
        numbers = [version.version for version in self.versions]
        if numbers != sorted(set(numbers)):
            raise ValueError("versions have to rise, each number once")
        for alias, number in self.aliases.items():
            if number not in numbers:
                raise ValueError(f"alias {alias} names version {number}, which is not there")
        return self

    def version(self, name: int | str) -> Version:
        """Return the version of that number, or the one that an alias names.

        Raises
        ------
        NotFound
            With reason ``version_not_found`` or ``alias_not_found``.
        """
        number = int(name) if isinstance(name, int) or _is_number(name) else self.aliases.get(name)
        if number is None:
            known = ", ".join(sorted(self.aliases)) or "none yet"
            raise _not_found("alias", f"{self.name} has no alias {name!r}.", f"Its aliases: {known}.")
        for version in self.versions:
            if version.version == number:
                return version
        known = ", ".join(str(version.version) for version in self.versions[-20:]) or "none yet"
        raise _not_found("version", f"{self.name} has no version {number}.", f"Its versions: {known}.")

    def aliases_of(self, number: int) -> list[str]:
        """Return the aliases that name a version."""
        return sorted(alias for alias, version in self.aliases.items() if version == number)

    def with_aliases(self, **aliases: int | None) -> ModelFile:
        """Return the file with aliases set, or removed where None."""
        merged = {**self.aliases, **aliases}
        kept = {alias: number for alias, number in merged.items() if number is not None}
        return ModelFile(name=self.name, aliases=kept, versions=self.versions)


def _not_found(what: str, found: str, next_step: str) -> NotFound:
    return NotFound(f"{what}_not_found", rule=f"The {what} has to exist.", found=found, next_step=next_step, field=what)


def path_of(name: str) -> str:
    """Return the path of a model's file in the repository.

    Raises
    ------
    InvalidInput
        With reason ``invalid_model_name``; such a name never becomes a path.
    """
    try:
        ModelFile(name=name)
    except ValidationError:
        raise InvalidInput(
            "invalid_model_name",
            rule="Model names are small letters, digits, '.', '_' and '-', and begin with a letter or a digit.",
            found=repr(name)[:200],
            next_step="Correct the name.",
            field="name",
        ) from None
    return f"{FOLDER}/{name}.yaml"


def parse(text: str | bytes) -> ModelFile:
    """Read a model's file.

    Raises
    ------
    InvalidInput
        With reason ``invalid_yaml`` or ``invalid_model_file``; ``field`` names the place.
    """
    content = safe_yaml.load(text, source="the model's file", limit=SIZE_LIMIT)
    try:
        return ModelFile.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InvalidInput(
            "invalid_model_file",
            rule=f"{place}: {first['msg']}.",
            found=repr(first.get("input"))[:200],
            next_step="Correct the file by a pull request.",
            field=place,
        ) from None


def render(file: ModelFile) -> str:
    """Write a model's file: fixed order of keys, so that a change is a small diff."""
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
    """A text that is quoted, so that no reader of YAML takes it for a number or a date."""

    __slots__ = ()


def _dumper() -> Any:
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML hands it in
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - as above
            super().increase_indent(flow, False)

    Dumper.add_representer(
        _Quoted, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style='"')
    )
    return Dumper


# --- the changes -----------------------------------------------------------------------------------------------------


def register(  # noqa: PLR0913  # a version has so many facts
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
    """Add a version and let the alias ``candidate`` name it; the same run and attempt again changes nothing.

    Parameters
    ----------
    text
        What the file holds now; None where there is none.

    Returns
    -------
    tuple of str and int
        The new text, and the version's number.

    Raises
    ------
    Conflict
        With reason ``version_differs`` where this attempt is registered with another artifact.
    """
    file = parse(text) if text is not None else ModelFile(name=name)
    for known in file.versions:
        if (known.run, known.attempt) == (run, attempt):
            if known.sha256 != sha256:
                raise Conflict(
                    "version_differs",
                    rule="An attempt of a run has one artifact.",
                    found=f"version {known.version} of {name} is {run} attempt {attempt} with sha256 {known.sha256}",
                    next_step="Train again: a new attempt makes a new version.",
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
    grown = ModelFile(name=file.name, aliases=file.aliases, versions=(*file.versions, new))
    return render(grown.with_aliases(candidate=number)), number


def set_alias(text: str | bytes, alias: str, version: int) -> str:
    """Let an alias name a version; where it is ``champion``, ``previous`` then names the one before."""
    file = parse(text)
    target = file.version(version).version
    if file.aliases.get(alias) == target:
        return _text(text)
    changed: dict[str, int | None] = {alias: target}
    if alias == "champion" and "champion" in file.aliases:
        changed["previous"] = file.aliases["champion"]
    return render(file.with_aliases(**changed))


def roll_back(text: str | bytes, to: int | None = None) -> str:
    """Let ``champion`` name the version before it (or ``to``); ``previous`` is then free, so that twice is not back again.

    Raises
    ------
    NotFound
        With reason ``no_champion`` or ``no_previous``.
    Conflict
        With reason ``already_champion``.
    """
    file = parse(text)
    champion_now = file.aliases.get("champion")
    if champion_now is None:
        raise NotFound(
            "no_champion",
            rule="Only a model in production can be rolled back.",
            found=f"{file.name} has no champion.",
            next_step="Promote a version with set_model_alias.",
        )
    target = to if to is not None else file.aliases.get("previous")
    if to is not None and to == champion_now:
        raise Conflict(
            "already_champion",
            rule="A roll-back changes the version in production.",
            found=f"version {to} of {file.name} is the champion already.",
            next_step="Choose another version or an earlier date.",
        )
    if target is None or target == champion_now:
        raise NotFound(
            "no_previous",
            rule="The version before the champion has to be known.",
            found=f"{file.name} version {champion_now} is the champion, and alias previous names no other version.",
            next_step="Choose a version with set_model_alias; list_model_versions names them.",
        )
    return render(file.with_aliases(champion=file.version(target).version, previous=None))


def withdraw(text: str | bytes, run: str) -> str:
    """Undo what a run did to the aliases, and nothing else: a champion of another run stays.

    The versions stay listed, since their numbers are never given twice.
    """
    file = parse(text)
    mine = {version.version for version in file.versions if version.run == run}
    aliases = dict(file.aliases)
    if aliases.get("champion") in mine and aliases.get("previous") is not None:
        aliases["champion"] = aliases.pop("previous")
    kept = {alias: number for alias, number in aliases.items() if number not in mine}
    if kept == file.aliases:
        return _text(text)
    return render(ModelFile(name=file.name, aliases=kept, versions=file.versions))


# --- the questions ---------------------------------------------------------------------------------------------------


def champion(text: str | bytes | None) -> Champion | None:
    """Return the version that production uses, or None where there is none."""
    if text is None:
        return None
    file = parse(text)
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
