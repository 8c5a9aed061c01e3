"""Git repositories for tests, made with plain git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def git(folder: Path, *arguments: str, **variables: str) -> str:
    """Run git with an identity and without the machine's configuration."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "writer",
        "GIT_AUTHOR_EMAIL": "writer@example.invalid",
        "GIT_COMMITTER_NAME": "writer",
        "GIT_COMMITTER_EMAIL": "writer@example.invalid",
        **variables,
    }
    ran = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, check=True, timeout=60, encoding="utf-8"
    )
    return ran.stdout.strip()


def repository(folder: Path, **files: str) -> Path:
    """Make a repository whose branch ``main`` has one commit with a README and these files."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "README.md").write_text("A project.\n", encoding="utf-8")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Begin")
    return folder


def commits(folder: Path) -> int:
    """Return how many commits the branch has."""
    return int(git(folder, "rev-list", "--count", "HEAD"))
