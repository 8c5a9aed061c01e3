"""Imports skops without PyTorch, and makes it write compact JSON.

On import, skops lists all of scikit-learn's estimators by walking through its packages. One of these adapts PyTorch,
and imports it if it is installed: more than a second for each stage, even if the model has nothing to do with it. The
walk skips packages that cannot be imported, so this one is made unimportable for the duration.

skops indents the JSON that describes an estimator. Python's fast JSON encoder cannot indent, so a forest of a hundred
trees would take four times as long and twice the space.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

__all__ = ["UnsupportedTypeException", "UntrustedTypesFoundException", "dump", "dumps", "load", "loads"]

_ADAPTS_TORCH = "sklearn.externals.array_api_compat.torch"


@contextmanager
def _without_torch() -> Iterator[None]:
    if "torch" in sys.modules or _ADAPTS_TORCH in sys.modules:
        yield
        return
    sys.modules[_ADAPTS_TORCH] = None  # type: ignore[assignment]  # Python's own marker for modules that cannot be imported
    try:
        yield
    finally:
        del sys.modules[_ADAPTS_TORCH]


with _without_torch():
    from skops.io import _persist, dump, dumps, load, loads
    from skops.io.exceptions import UnsupportedTypeException, UntrustedTypesFoundException

_persist.json = SimpleNamespace(dumps=lambda state, indent: json.dumps(state))  # noqa: ARG005
