"""Probot, what `ingest` measures the App against: installed by npm at first use, under ``.modelyard/``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.machine import ROOT

VERSION = "14.3.2"
_FOLDER = ROOT / ".modelyard" / "benchmarks" / f"probot-{VERSION}"
_APP = Path(__file__).with_name("probot_app.mjs")


def installed() -> tuple[Path | None, str]:
    """Return where Probot is, and why it is nowhere."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return None, "node and npm are not installed (Probot 14 needs Node 20.18 or newer)"
    if not _program(_FOLDER).exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        print(f"installing Probot {VERSION} by npm into {_FOLDER.relative_to(ROOT)} (90 MB, once) ...", file=sys.stderr)
        # No scripts of packages: this runs on whatever machine a contributor has. None is needed.
        options = ("--prefix", ".", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund")
        done = subprocess.run(
            ["npm", "install", *options, f"probot@{VERSION}"], cwd=_FOLDER, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            return None, f"npm could not install Probot {VERSION}: {done.stderr.strip()[-300:]}"
    return _FOLDER, ""


def command(folder: Path) -> list[str]:
    """Return what starts the App of ``probot_app.mjs``; the rest it takes from the environment."""
    return ["node", str(_program(folder)), "run", str(_APP)]


def _program(folder: Path) -> Path:
    return folder / "node_modules" / "probot" / "bin" / "probot.js"
