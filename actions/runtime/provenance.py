"""What a result depends on besides the data: Python, the libraries, the lock file and Modelyard's own code."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from actions.contracts.algorithms import algorithms
from actions.contracts.results import EnvironmentFacts
from actions.storage.folder import sha256_of

_SOURCE = Path(__file__).resolve().parents[1]
_PACKAGES = (
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "skops",
    "matplotlib",
)


def package_versions() -> dict[str, str]:
    """Return the installed versions of the libraries that affect results, without importing them."""
    return dict(_package_versions())


def _deciding_packages() -> list[str]:
    """Return the distributions that every model depends on, and those of the algorithms, each once."""
    of_algorithms = [package for facts in algorithms().values() for package in facts.packages]
    return list(dict.fromkeys([*_PACKAGES, *of_algorithms]))


@cache
def _package_versions() -> tuple[tuple[str, str], ...]:
    """Look the versions up once: a lookup searches all folders of the environment, and a training needs four."""
    versions = []
    for name in _deciding_packages():
        try:
            versions.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(versions)


def environment() -> EnvironmentFacts:
    """Describe the platform and the packages of this process."""
    return EnvironmentFacts(
        python=platform.python_version(),
        platform=platform.platform()[:200],
        lock_sha256=lock_sha256(),
        packages=package_versions(),
    )


def lock_sha256() -> str | None:
    """Return the SHA-256 of the runner's lock file, or None if it is not next to the source."""
    lock = _SOURCE.parent / "requirements" / "runner.txt"
    return sha256_of(lock) if lock.is_file() else None


@cache
def code_sha256() -> str:
    """Return one digest of all code that a stage's result depends on: this package, the lock file, the libraries."""
    digest = hashlib.sha256()
    for path in sorted(_SOURCE.rglob("*.py")):
        digest.update(f"{path.relative_to(_SOURCE).as_posix()} {sha256_of(path)}\n".encode())
    facts = environment()
    digest.update(f"{facts.python} {facts.lock_sha256} {sorted(facts.packages.items())}".encode())
    return digest.hexdigest()
