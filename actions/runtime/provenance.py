"""What a result depends on beside the data: Python, the libraries, the lock and Modelyard's own code."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from actions.contracts.results import EnvironmentFacts
from actions.storage.folder import sha256_of

_SOURCE = Path(__file__).resolve().parents[1]
_DECIDING = (
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skops",
    "xgboost",
    "xgboost-cpu",
    "matplotlib",
    "torch",
)


def package_versions() -> dict[str, str]:
    """Return the installed versions of the libraries that decide a result; none of them is imported."""
    return dict(_package_versions())


@cache
def _package_versions() -> tuple[tuple[str, str], ...]:
    """Look once: every look searches all of the environment's folders, and a training asks four times."""
    found = []
    for name in _DECIDING:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def environment() -> EnvironmentFacts:
    """Describe what this process runs on."""
    return EnvironmentFacts(
        python=platform.python_version(),
        platform=platform.platform()[:200],
        lock_sha256=lock_sha256(),
        packages=package_versions(),
    )


def lock_sha256() -> str | None:
    """Return the digest of the runner's lock, where it lies beside the source."""
    lock = _SOURCE.parent / "requirements" / "runner.txt"
    return sha256_of(lock) if lock.is_file() else None


@cache
def code_sha256() -> str:
    """Return the digest of this package's source, of the lock and of the versions: what a stage's outcome hangs on."""
    digest = hashlib.sha256()
    for path in sorted(_SOURCE.rglob("*.py")):
        digest.update(f"{path.relative_to(_SOURCE).as_posix()} {sha256_of(path)}\n".encode())
    facts = environment()
    digest.update(f"{facts.python} {facts.lock_sha256} {sorted(facts.packages.items())}".encode())
    return digest.hexdigest()
