"""A job's composition root: runs operations and stages with the backends that train models.

``python -m runners.job NAME [--key value ...]``, ``python -m runners.job STAGE [STAGE ...]``: what the workflows run.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from actions import cli
from runners.backends.local import LocalBackend


def main(argv: Sequence[str] | None = None) -> int:
    """Run one operation, or one or more stages; return the exit code."""
    return cli.main(argv, cli.Host(backend=LocalBackend(), program="python -m runners.job"))


def _main_of_process() -> int:
    """Run ``main`` as all that this process does, with the garbage collector held back.

    The objects that libraries create on import live until the process ends. Scanning them again and again, and again
    at exit, costs a stage more than half a second.
    """
    gc.set_threshold(50_000)
    code = main()
    gc.freeze()
    return code


if __name__ == "__main__":
    sys.exit(_main_of_process())
