"""Libraries that only some operations need, checked before any work starts."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from actions.errors import Unavailable


def require_library(library: str, what: str, extra: str) -> None:
    """Check that a library is installed, without importing it.

    Parameters
    ----------
    library
        The name it is imported by.
    what
        What needs it: the beginning of the error's rule.
    extra
        Modelyard's extra that installs it.

    Raises
    ------
    Unavailable
        ``library_missing``.

    Examples
    --------
    >>> require_library("json", "This example", "none")
    >>> require_library("no_such_library", "This example", "none")
    Traceback (most recent call last):
    ...
    actions.errors.Unavailable: This example must have the library no_such_library. Found: it is not installed on this \
runner. Next: Install Modelyard with the extra 'none' there. [library_missing]
    """
    if find_spec(library) is None:
        raise Unavailable(
            "library_missing",
            rule=f"{what} must have the library {library}.",
            found="it is not installed on this runner.",
            next_step=f"Install Modelyard with the extra {extra!r} there.",
        )


def import_library(module: str) -> Any:
    """Import an installed library.

    Raises
    ------
    Unavailable
        ``library_unusable``, if it needs a system library that the machine lacks.
    """
    try:
        return import_module(module)
    except OSError as error:
        raise Unavailable(
            "library_unusable",
            rule=f"{module} must be able to load the system libraries that it needs.",
            found=f"{error}.",
            next_step="Install the one that the message names on the runner (libgomp.so.1: apt-get install libgomp1).",
        ) from error
