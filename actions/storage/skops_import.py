"""skops' files, imported without PyTorch and written without white space.

skops lists all of scikit-learn's estimators when it is imported, and so walks through its packages. One of them adapts
PyTorch and loads it where it is installed: more than a second for each stage of a model that has nothing to do with it.
What cannot be imported is passed over there; so the package is made one that cannot, for as long as this takes.

skops indents the JSON in which it describes an estimator. Python has its fast encoder for JSON without white space
only: a forest of a hundred trees takes four times as long with it, and twice the room.
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
    sys.modules[_ADAPTS_TORCH] = None  # type: ignore[assignment]  # how Python itself marks what is not to be had
    try:
        yield
    finally:
        del sys.modules[_ADAPTS_TORCH]


with _without_torch():
    from skops.io import _persist, dump, dumps, load, loads
    from skops.io.exceptions import UnsupportedTypeException, UntrustedTypesFoundException

_persist.json = SimpleNamespace(dumps=lambda state, indent: json.dumps(state))  # noqa: ARG005
