"""Libraries that only some operations need: whether they are installed is said before anything begins."""

from __future__ import annotations

from importlib.util import find_spec

from actions.errors import Unavailable


def need(library: str, what: str, extra: str) -> None:
    """Do nothing where a library is installed; it is not imported.

    Raises
    ------
    Unavailable
        ``library_missing``, naming the extra that has it.

    Examples
    --------
    >>> need("json", "This example", "none")
    >>> need("no_such_library", "This example", "none")
    Traceback (most recent call last):
    ...
    actions.errors.Unavailable: This example needs the library no_such_library. Found: it is not installed on this \
runner. Next: Install Modelyard with the extra 'none' there. [library_missing]
    """
    if find_spec(library) is None:
        raise Unavailable(
            "library_missing",
            rule=f"{what} needs the library {library}.",
            found="it is not installed on this runner.",
            next_step=f"Install Modelyard with the extra {extra!r} there.",
        )
