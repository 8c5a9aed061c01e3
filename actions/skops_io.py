"""skops' files, imported without PyTorch.

skops lists all of scikit-learn's estimators when it is imported, and so walks through its packages. One of them adapts
PyTorch and loads it where it is installed: more than a second for each stage of a model that has nothing to do with it.
What cannot be imported is passed over there; so the package is made one that cannot, for as long as this takes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["UnsupportedTypeException", "UntrustedTypesFoundException", "dump", "load"]

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
    from skops.io import dump, load
    from skops.io.exceptions import UnsupportedTypeException, UntrustedTypesFoundException
