"""Finds the modules of a package, so that a new command or event handler is one new file."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def modules_in(package: str, path: list[str]) -> list[ModuleType]:
    """Import and return a package's modules, sorted by name."""
    return [importlib.import_module(f"{package}.{module.name}") for module in pkgutil.iter_modules(path)]
