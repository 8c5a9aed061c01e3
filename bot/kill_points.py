"""Where tests kill the App, to show that nothing is lost or done twice.

``MODELYARD_KILL_AT=PrepareData.after,write.before#3:/path/of/a/folder`` ends the process by SIGKILL when it comes to one of
these points: for the first time, or for the third. A file in the folder, named like the point, remembers that it did, and
there it does not happen again. Unset, this costs one look-up.

The points: ``<State>.before`` and ``.after`` (its work is done, and not remembered yet), ``<State>.notified`` (a
channel was told, and that is not remembered yet), ``<event>.before`` and ``.after`` of a delivery, ``write.before`` and
``write.after`` of each write to GitHub.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

_NAMES, _, _FOLDER = os.environ.get("MODELYARD_KILL_AT", "").partition(":")
_left: dict[str, dict[str, int]] = {}
for _name in filter(None, _NAMES.split(",")):
    _point, _, _nth = _name.partition("#")
    _left.setdefault(_point, {})[_name] = int(_nth or 1)


def hit(point: str) -> None:
    """End the process if ``point`` is one where it is to be killed."""
    for name in _left.get(point, ()):
        _left[point][name] -= 1
        if _left[point][name] == 0 and not Path(_FOLDER, name).exists():
            Path(_FOLDER, name).touch()
            os.kill(os.getpid(), signal.SIGKILL)
