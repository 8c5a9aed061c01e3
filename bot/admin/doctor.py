"""``modelyard doctor``: what is missing or wrong in this installation, and how to fix it."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from actions.errors import OperationError
from bot.admin.file_changes import shown
from bot.admin.findings import Finding, Level

if TYPE_CHECKING:
    from bot.settings import Settings

_SIGNS: dict[Level, str] = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}
_MIN_PYTHON = (3, 11)
_ML = ("numpy", "pandas", "pyarrow", "sklearn", "skops", "xgboost", "matplotlib")
_NONCE = re.compile(r"[0-9a-f]{32}")


def run(parsed: argparse.Namespace) -> int:
    """Run the command; the exit code is 1 if a check failed."""
    if parsed.leave_nonce or parsed.find_nonce is not None:
        findings = [_leave_nonce() if parsed.leave_nonce else _find_nonce(parsed.find_nonce)]
    else:
        findings = list(examine(Path(parsed.directory)))
    if parsed.json:
        import json

        sys.stdout.write(json.dumps([finding.model_dump() for finding in findings], indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{_line(finding)}\n" for finding in findings))
    return 1 if any(finding.level == "error" for finding in findings) else 0


def _line(finding: Finding) -> str:
    more = f"\n         rule: {finding.rule}\n         cure: {finding.cure}" if finding.level != "ok" else ""
    # Text from repositories and GitHub must not control the terminal.
    return "\n".join(map(shown, f"{_SIGNS[finding.level]}  {finding.what}: {finding.found}{more}".split("\n")))


def examine(directory: Path) -> Iterator[Finding]:
    """Run every check."""
    yield _python()
    yield _libraries()
    yield _git()
    settings, findings = _settings()
    yield from findings
    yield _storage(settings)
    yield _act(settings)
    if settings is not None:
        yield from asyncio.run(_github(settings))
    yield from _repository(directory)


async def _github(settings: Settings) -> list[Finding]:
    from bot.admin.app_check import check_app, check_clock
    from bot.admin.doctor_repositories import examine_repositories
    from bot.github import GitHub

    found = [await check_clock(settings)]
    async with GitHub(settings) as github:
        found += [finding async for finding in check_app(github, settings)]
        if any(finding.what == "GitHub" and finding.level != "error" for finding in found):
            found += [finding async for finding in examine_repositories(github)]
    return found


# --- this machine ----------------------------------------------------------------------------------------------------


def _python() -> Finding:
    rule, found = "Python must be 3.11 or newer.", ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _MIN_PYTHON:  # reached if the source is run with an older one
        return Finding.error("Python", rule, found, "Install Python 3.11 or newer.")
    return Finding.ok("Python", rule, found)


def _libraries() -> Finding:
    what, rule = "Libraries for training", "Runners and local operations must have them; the App needs none."
    missing = [name for name in _ML if find_spec(name) is None]
    if missing:
        cure = "To install them on a runner, in Modelyard's clone: pip install -c requirements/runner.txt '.[ml-cpu]'"
        return Finding.warning(what, rule, f"missing: {', '.join(missing)}", cure)
    return Finding.ok(what, rule, "installed")


def _git() -> Finding:
    rule, path = "git must be installed.", shutil.which("git")
    if path is None:
        return Finding.error("git", rule, "not on the PATH", "Install git.")
    ran = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30)
    return Finding.ok("git", rule, ran.stdout.strip())


def _act(settings: Settings | None) -> Finding:
    """Look for act, which only the local hub needs."""
    rule = "act must be installed if a hub on this machine runs workflows."
    beside = Path(sys.executable).parent / "act"
    path = shutil.which("act") or (str(beside) if beside.is_file() else None)
    if path is not None:
        return Finding.ok("act", rule, path)
    if settings is not None and settings.has_local_hub:
        return Finding.error(
            "act", rule, "not installed", "In Modelyard's clone: pip install -c requirements/local.txt '.[local]'"
        )
    return Finding.ok("act", rule, "not installed; only the local hub needs it")


# --- the App ---------------------------------------------------------------------------------------------------------


def _settings() -> tuple[Settings | None, list[Finding]]:
    from bot.settings import PREFIX, SettingsError, env_file, load_settings, variables

    names = [f"{PREFIX}{name}" for name in ("APP_ID", "WEBHOOK_SECRET", "PRIVATE_KEY", "PRIVATE_KEY_PATH")]
    rule = "An App's settings must be complete and valid."
    known = variables()
    if not any(known.get(name) for name in (*names, "MLOPS_SECRETS_PREFIX")):
        cure = f"To run the App, set {', '.join(names[:2])} and {names[3]} in the environment or in {env_file()}, or run modelyard setup."
        return None, [
            Finding.warning("Settings", rule, "none; demo, run and mcp work without them, serve does not", cure)
        ]
    try:
        settings = load_settings()
    except SettingsError as error:
        return None, [Finding.from_problem(f"Setting {problem.field}", problem) for problem in error.problems]
    return settings, [Finding.ok("Settings", rule, "complete"), *_kept_secret(settings)]


def _kept_secret(settings: Settings) -> Iterator[Finding]:
    """Check who else on this machine may read the secrets."""
    from bot.settings import env_file

    for what, path in (("Private key", settings.private_key_path), ("Settings file", env_file())):
        path = path.expanduser() if path is not None else None  # noqa: PLW2901 - the same file
        if path is None or not path.is_file():
            continue
        rule, mode = "Only the App's user may read it.", path.stat().st_mode & 0o777
        if mode & 0o077:
            yield Finding.warning(what, rule, f"{path} has mode {mode:o}", f"chmod 600 {path}")
        else:
            yield Finding.ok(what, rule, str(path))


# --- storage ---------------------------------------------------------------------------------------------------------

_SHARED_CURE = "Make the folder writable for this user, or set MODELYARD_STORAGE_ROOT to another one."


def _root(settings: Settings | None) -> Path:
    from actions.cli import DEFAULT_STORAGE

    configured = os.environ.get("MODELYARD_STORAGE_ROOT") or DEFAULT_STORAGE
    return settings.storage_root if settings is not None else Path(configured).expanduser().absolute()


def _storage(settings: Settings | None) -> Finding:
    """Write a nonce and read it back."""
    what, rule, root = "Storage root", "It must be writable, and return what was written.", _root(settings)
    nonce = secrets.token_hex(16)
    file = root / f".doctor-{nonce}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        file.write_text(nonce, encoding="ascii")
        same = file.read_text(encoding="ascii") == nonce
        file.unlink()
    except OSError as error:
        return Finding.error(what, rule, f"{root}: {error.strerror or error}", _SHARED_CURE)
    if not same:
        return Finding.error(
            what, rule, f"{root} does not return what was written", "Use another folder or file system."
        )
    found = f"{root} is writable; the runners must see the same folder (check with doctor --leave-nonce)"
    return Finding.ok(what, rule, found)


_SHARED = "Shared storage"
_SHARED_RULE = "The App and the runners must see the same storage root."


def _leave_nonce() -> Finding:
    """Leave a nonce for a runner to find."""
    root, nonce = _root(_settings()[0]), secrets.token_hex(16)
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / f".doctor-{nonce}").write_text(nonce, encoding="ascii")
    except OSError as error:
        return Finding.error(_SHARED, _SHARED_RULE, f"{root}: {error.strerror or error}", _SHARED_CURE)
    found = f"left in {root}. On a runner: MODELYARD_STORAGE_ROOT='{root}' modelyard doctor --find-nonce {nonce}"
    return Finding.ok(_SHARED, _SHARED_RULE, found)


def _find_nonce(nonce: str) -> Finding:
    """Look for the nonce that the App left, and remove it."""
    root = _root(_settings()[0])
    if not _NONCE.fullmatch(nonce):
        return Finding.error(_SHARED, _SHARED_RULE, "this is not a nonce", "Use the one that --leave-nonce printed.")
    file = root / f".doctor-{nonce}"
    try:
        same = file.read_text(encoding="ascii") == nonce
        file.unlink()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        cure = "Mount the App's folder here, writable, and set MODELYARD_STORAGE_ROOT to its path."
        return Finding.error(_SHARED, _SHARED_RULE, f"{root} does not contain the App's nonce: {reason}", cure)
    if not same:
        return Finding.error(
            _SHARED,
            _SHARED_RULE,
            f"{root} returns something other than what the App wrote",
            "Use another folder or file system.",
        )
    return Finding.ok(_SHARED, _SHARED_RULE, f"{root} is the App's storage root")


# --- the repository here ---------------------------------------------------------------------------------------------


def _repository(directory: Path) -> Iterator[Finding]:
    from bot.admin.doctor_repositories import INIT, pinned
    from bot.admin.init import FORM_PREFIX, OPERATION_CALLER, TRAIN_CALLER
    from bot.parsing.issue_templates import form_files
    from bot.parsing.repository_config import CONFIG_PATH

    forms = form_files(FORM_PREFIX)
    present = {name: directory / name for name in (*forms, TRAIN_CALLER, OPERATION_CALLER, CONFIG_PATH)}
    if not any(path.is_file() for path in present.values()):
        found = f"{directory.absolute()} has none of Modelyard's files"
        yield Finding.warning(
            "Repository",
            "A repository must have the files that modelyard init writes.",
            found,
            f"To prepare it: {INIT}",
        )
        return
    for name, path in present.items():
        if not path.is_file():
            yield Finding.error(name, "The file must exist.", "missing", INIT)
        elif name == CONFIG_PATH:
            yield from _config(path)
        elif name in forms:
            yield _form(name, path, forms[name])
        else:
            yield pinned(name, path.read_text(encoding="utf-8", errors="replace"))


def _config(path: Path) -> Iterator[Finding]:
    from actions.data_preparation.sources import is_s3
    from bot.events.commands import COMMANDS
    from bot.parsing.repository_config import CONFIG_PATH, ConfigError, parse_config

    try:
        config = parse_config(path.read_bytes(), COMMANDS)
    except ConfigError as error:
        yield Finding.from_problem(CONFIG_PATH, error.problem)
        return
    yield Finding.ok(CONFIG_PATH, "It must be valid.", "valid")
    for root in config.data_roots:
        if is_s3(root):
            yield _place_in_s3(root)


def _place_in_s3(root: str) -> Finding:
    from actions.storage.s3 import s3_storage

    what, rule = f"Data root {root}", "Runners must be able to read it."
    try:
        s3_storage(root).check()
    except OperationError as error:
        problem = error.problem
        return Finding.warning(
            what,
            rule,
            f"from this machine: {problem.found}",
            f"{problem.next_step} If this is not a runner, check there.",
        )
    return Finding.ok(what, rule, "readable from this machine")


def _form(name: str, path: Path, written: str) -> Finding:
    from bot.admin.doctor_repositories import INIT

    rule = "The form should be the one that this version writes."
    if path.read_text(encoding="utf-8", errors="replace") == written:
        return Finding.ok(name, rule, "up to date")
    return Finding.warning(
        name, rule, "differs from what this version writes", f"If it was not changed on purpose: {INIT} --yes"
    )
