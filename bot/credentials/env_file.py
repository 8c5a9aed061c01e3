"""Credentials in an env file, which is replaced atomically and readable only by its owner."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.credentials import ALL_VARIABLES, FIELDS, VARIABLES, Credentials, CredentialsError, already_exist, checked

_ENV_FILE = re.compile(r"[A-Za-z0-9_-]*\.env(?:\.[A-Za-z0-9_-]+)?")


@dataclass(frozen=True)
class EnvFile:
    """A file of ``NAME=value`` lines; other lines are left unchanged."""

    path: Path

    @property
    def place(self) -> str:
        return str(self.path.absolute())

    def exists(self) -> bool:
        self._check()
        values = self._values()
        return any(values.get(name) for name in VARIABLES)

    def save(self, credentials: Credentials, *, overwrite: bool) -> None:
        if self.exists() and not overwrite:
            raise already_exist(self.place)
        text = _with(self._lines(), credentials)
        try:
            _replace_privately(self.path, text)
        except OSError as error:
            raise self._unusable(error.strerror or type(error).__name__) from None

    def load(self) -> Credentials:
        self._check()
        values = self._values()
        found = {field: values.get(name) or "" for field, name in FIELDS.items()}
        return checked({**found, "private_key": found["private_key"].replace("\\n", "\n")}, self.place)

    def start(self) -> Mapping[str, str]:
        is_default = str(self.path) == (os.environ.get("MODELYARD_ENV_FILE") or ".env")
        return {} if is_default else {"MODELYARD_ENV_FILE": str(self.path)}

    def _check(self) -> None:
        """Refuse anything that may not be an env file: its path was typed into a page."""
        if not _ENV_FILE.fullmatch(self.path.name):
            raise self._unusable("its name must end in .env or .env.NAME")
        try:
            if not self.path.absolute().parent.is_dir():
                raise self._unusable("its folder does not exist")
            if not os.access(self.path.absolute().parent, os.W_OK | os.X_OK):
                raise self._unusable("its folder is not writable")
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unusable(error.strerror or type(error).__name__) from None
        if not stat.S_ISREG(mode):
            raise self._unusable("it is not a regular file")

    def _text(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise self._unusable(f"it cannot be read ({type(error).__name__})") from None

    def _values(self) -> dict[str, str | None]:
        from io import StringIO

        from dotenv import dotenv_values

        return dotenv_values(stream=StringIO(self._text()), interpolate=False)

    def _lines(self) -> list[str]:
        """Return the file's other entries; a value may span several lines."""
        from io import StringIO

        from dotenv.parser import parse_stream

        entries = parse_stream(StringIO(self._text()))
        return [entry.original.string for entry in entries if entry.key not in ALL_VARIABLES]

    def _unusable(self, found: str) -> CredentialsError:
        return CredentialsError(
            "env_file_unusable",
            rule="Credentials must be stored in a regular file whose name ends in .env or .env.NAME, in a writable folder.",
            found=f"{self.place}: {found}",
            next_step="Choose another file, or create its folder.",
        )


def _with(kept: list[str], credentials: Credentials) -> str:
    """Return the file's new text: the other entries, then the credentials, each on one line."""
    before = "".join(kept).rstrip("\n")
    lines = [f"{FIELDS[name]}='{_on_one_line(value)}'" for name, value in credentials.plain().items()]
    return "\n".join([*([before] if before else []), *lines]) + "\n"


def _on_one_line(value: str) -> str:
    value = value.strip().replace("\r\n", "\n")
    if "'" in value or "\\" in value or not value.replace("\n", "").isprintable():
        raise CredentialsError(
            "credentials_malformed",
            rule="An id, key or secret must not contain quotes, backslashes or control characters.",
            found="one that does.",
            next_step="Store them elsewhere, or generate new ones on the App's settings page.",
        )
    return value.replace("\n", "\\n")


def _replace_privately(path: Path, text: str) -> None:
    """Replace a file atomically; nobody else can read it at any moment."""
    # mkstemp creates it for its owner only, under a new name.
    handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
