"""``python -m benchmarks.hub_run [start]``: one run on iris through App, hub, act and runner; prints its times as JSON.

With ``start``, hub and App are set up, started and ended, and nothing is asked for: what that takes is no part of a run.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.loop import WatchedPlace
from benchmarks.machine import ROOT
from runners.local.demo import command

ASKED = ("--data", "sklearn://iris", "--algorithm", "logistic_regression", "--threshold", "0.5")


def main(only_start: str = "") -> int:
    """Do it."""
    os.environ.setdefault("MODELYARD_ENVIRONMENTS", str(ROOT / ".modelyard" / "environments"))
    with tempfile.TemporaryDirectory(prefix="modelyard-hub-") as folder:
        workspace = WatchedPlace(Path(folder) / "workspace")
        if only_start:
            workspace.make("auto")
            with workspace.running():
                return 0
        said = io.StringIO()
        code = command.Demo(workspace, command.parser().parse_args(ASKED), Console(file=said, width=120)).run()
        if code != 0:
            print(said.getvalue(), file=sys.stderr)
            return code
        line = workspace.watch.timeline
        jobs = {name: job.ended for name, job in line.in_order()}
        print(json.dumps({"judged": jobs["judge"] - line.opened, "closed": line.closed - line.opened}))
        return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
