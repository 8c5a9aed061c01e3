"""Points at which tests kill the App, to show that nothing is lost or done twice.

``MODELYARD_KILL_AT=PrepareData.after,write.before#3:/path/of/a/folder`` ends the process with SIGKILL at these points: the
first time it reaches ``PrepareData.after``, the third time it reaches ``write.before``. A file in the folder, named like the
point, notes the kill, so that the restarted process survives there. If the variable is unset, a point costs one look-up.

The points are ``<State>.before`` and ``<State>.after`` (the state's work is done but not stored), ``<State>.notified`` (a
channel was notified, and that is not stored), ``<event>.before`` and ``<event>.after`` of a delivery, and ``write.before`` and
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
    """Kill the process if ``point`` is due."""
    for name in _left.get(point, ()):
        _left[point][name] -= 1
        if _left[point][name] == 0 and not Path(_FOLDER, name).exists():
            Path(_FOLDER, name).touch()
            os.kill(os.getpid(), signal.SIGKILL)
