"""``modelyard doctor``: what is missing or wrong in this set-up, and the cure."""

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

from bot.finding import Finding, Level

if TYPE_CHECKING:
    from bot.settings import Settings

_SIGNS: dict[Level, str] = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}
_OLDEST_PYTHON = (3, 11)
_ML = ("numpy", "pandas", "pyarrow", "sklearn", "skops", "xgboost", "matplotlib")
_CALL = re.compile(r"^\s*uses:\s*(?P<target>\S+/\.github/workflows/\w+\.yml)@(?P<ref>\S+)", re.MULTILINE)


def run(parsed: argparse.Namespace) -> int:
    """Run the command; the exit code is 1 where something is wrong."""
    found = list(examine(Path(parsed.directory)))
    if parsed.json:
        import json

        sys.stdout.write(json.dumps([finding.model_dump() for finding in found], indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(_line(finding) for finding in found) + "\n")
    return 1 if any(finding.level == "error" for finding in found) else 0


def _line(finding: Finding) -> str:
    cure = f"\n         cure: {finding.cure}" if finding.cure else ""
    return f"{_SIGNS[finding.level]}  {finding.what}: {finding.found}{cure}"


def examine(directory: Path) -> Iterator[Finding]:
    """Look at everything, one finding after the other."""
    yield _python()
    yield _libraries()
    yield _git()
    settings, findings = _settings()
    yield from findings
    yield _storage(settings)
    yield _act(settings)
    if settings is not None:
        yield from _github(settings)
    yield from _repository(directory)


# --- this machine ----------------------------------------------------------------------------------------------------


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _OLDEST_PYTHON:  # reached where somebody runs the source with an older one
        return Finding(level="error", what="Python", found=found, cure="Install Python 3.11 or newer.")
    return Finding(level="ok", what="Python", found=found)


def _libraries() -> Finding:
    missing = [name for name in _ML if find_spec(name) is None]
    if missing:
        return Finding(
            level="warning",
            what="Libraries for training",
            found=f"missing: {', '.join(missing)}",
            cure="Only runners and local operations need them: pip install 'modelyard[ml-cpu]'.",
        )
    return Finding(level="ok", what="Libraries for training", found="installed")


def _git() -> Finding:
    path = shutil.which("git")
    if path is None:
        return Finding(level="error", what="git", found="not on the PATH", cure="Install git.")
    ran = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30)
    return Finding(level="ok", what="git", found=ran.stdout.strip())


def _act(settings: Settings | None) -> Finding:
    """Look for act; only the local hub executes workflows with it."""
    from urllib.parse import urlsplit

    beside = Path(sys.executable).parent / "act"
    path = shutil.which("act") or (str(beside) if beside.is_file() else None)
    if path is not None:
        return Finding(level="ok", what="act", found=path)
    local = settings is not None and urlsplit(settings.github_api_url).hostname in {"127.0.0.1", "localhost", "::1"}
    return Finding(
        level="error" if local else "ok",
        what="act",
        found="not installed" if local else "not installed, and needed for the local hub alone",
        cure="pip install 'modelyard[local]'" if local else "",
    )


# --- the App ---------------------------------------------------------------------------------------------------------


def _settings() -> tuple[Settings | None, list[Finding]]:
    from bot.settings import PREFIX, SettingsError, load_settings, variables

    names = [f"{PREFIX}{name}" for name in ("APP_ID", "WEBHOOK_SECRET", "PRIVATE_KEY", "PRIVATE_KEY_PATH")]
    if not variables().keys() & {*names, "MLOPS_SECRETS_PREFIX"}:
        finding = Finding(
            level="warning",
            what="Settings",
            found="none: demo, run and mcp work without them, serve does not",
            cure=f"Run modelyard setup, or set {', '.join(names[:2])} and {names[3]} in the environment or in .env.",
        )
        return None, [finding]
    try:
        settings = load_settings()
    except SettingsError as error:
        return None, [
            Finding(
                level="error",
                what=f"Setting {problem.field}",
                found=f"{problem.rule} Found: {problem.found}",
                cure=problem.next_step,
            )
            for problem in error.problems
        ]
    return settings, [Finding(level="ok", what="Settings", found="complete")]


def _storage(settings: Settings | None) -> Finding:
    """Write a nonce and read it back."""
    from actions.cli import DEFAULT_STORAGE

    configured = os.environ.get("MODELYARD_STORAGE_ROOT") or DEFAULT_STORAGE
    root = settings.storage_root if settings is not None else Path(configured)
    nonce = secrets.token_hex(16)
    file = root / f".doctor-{nonce}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        file.write_text(nonce, encoding="ascii")
        same = file.read_text(encoding="ascii") == nonce
        file.unlink()
    except OSError as error:
        return Finding(
            level="error",
            what="Storage root",
            found=f"{root}: {error.strerror or error}",
            cure="Give the App's user the right to write there, or name another folder in MODELYARD_STORAGE_ROOT.",
        )
    if not same:
        return Finding(
            level="error", what="Storage root", found=f"{root} does not keep what is written", cure="Replace it."
        )
    return Finding(
        level="ok", what="Storage root", found=f"{root} can be written to; the runners have to see the same folder"
    )


def _github(settings: Settings) -> list[Finding]:
    """Look at the App as GitHub knows it."""
    from bot.app_check import check_app
    from bot.github import GitHub

    async def look() -> list[Finding]:
        async with GitHub(settings) as github:
            return [finding async for finding in check_app(github)]

    return asyncio.run(look())


# --- the repository --------------------------------------------------------------------------------------------------


def _repository(directory: Path) -> Iterator[Finding]:
    from bot.config import CONFIG_PATH
    from bot.init import FORM, OPERATION_WORKFLOW, TRAIN_WORKFLOW

    present = {name: directory / name for name in (FORM, TRAIN_WORKFLOW, OPERATION_WORKFLOW, CONFIG_PATH)}
    if not any(path.is_file() for path in present.values()):
        yield Finding(
            level="warning",
            what="Repository",
            found=f"{directory.absolute()} is not prepared for Modelyard",
            cure="If it is meant to be: modelyard init --source OWNER/REPO@SHA",
        )
        return
    for name, path in present.items():
        if not path.is_file():
            yield Finding(level="error", what=name, found="missing", cure="modelyard init --source OWNER/REPO@SHA")
        elif name == CONFIG_PATH:
            yield _config(path)
        elif name == FORM:
            yield _form(path)
        else:
            yield _pinned(name, path)


def _config(path: Path) -> Finding:
    from bot.config import CONFIG_PATH, ConfigError, parse_config

    try:
        parse_config(path.read_bytes())
    except ConfigError as error:
        return Finding(
            level="error",
            what=CONFIG_PATH,
            found=f"{error.body.rule} Found: {error.body.found}",
            cure=error.body.next_step,
        )
    return Finding(level="ok", what=CONFIG_PATH, found="can be read")


def _form(path: Path) -> Finding:
    from bot.forms import render_form
    from bot.init import FORM

    if path.read_text(encoding="utf-8", errors="replace") == render_form():
        return Finding(level="ok", what=FORM, found="as this version writes it")
    return Finding(
        level="warning",
        what=FORM,
        found="differs from what this version writes",
        cure="Unless that is meant: modelyard init --force --source OWNER/REPO@SHA",
    )


def _pinned(name: str, path: Path) -> Finding:
    call = _CALL.search(path.read_text(encoding="utf-8", errors="replace"))
    cure = "modelyard init --force --source OWNER/REPO@SHA"
    if call is None:
        return Finding(level="error", what=name, found="calls no reusable workflow", cure=cure)
    if not re.fullmatch(r"[0-9a-f]{40}", call["ref"]):
        return Finding(
            level="error", what=name, found=f"calls {call['target']} at {call['ref']}, which can move", cure=cure
        )
    return Finding(level="ok", what=name, found=f"calls {call['target']} at {call['ref'][:12]}")
