"""What importing costs: no door, listing of operations or part of the App loads an ML library.

Modules below ``actions`` that compute with such a library may import it at their top; the operations that use them
import them when they are called.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from actions.contracts.algorithms import algorithms

ROOT = Path(__file__).parent.parent
HEAVY = [
    *{module.partition(".")[0] for facts in algorithms().values() for module in facts.modules},
    "boto3",
    "matplotlib",
    "numpy",
    "optuna",
    "pandas",
    "pandera",
    "pyarrow",
    "ray",
    "scipy",
    "skops",
]

IMPORT_EVERY_DOOR = """
import importlib, json, pkgutil, sys
from actions.operation import MODULES
doors = ["actions.cli", "runners.job", "actions.stages.runner", *MODULES]
for package in ("bot", "runners"):
    doors += [module.name for module in pkgutil.walk_packages([package], package + ".")]
heavy = {}
for door in doors:
    if not door.endswith("__main__"):
        importlib.import_module(door)
    for library in set(sys.argv[1:]) & set(sys.modules) - set(heavy):
        heavy[library] = door
print(json.dumps([doors, heavy]))
"""


def test_no_entry_point_loads_a_heavy_library_before_it_is_needed() -> None:
    command = [sys.executable, "-W", "error", "-c", IMPORT_EVERY_DOOR, *HEAVY]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    doors, heavy = json.loads(done.stdout.splitlines()[-1])
    assert {"actions.cli", "bot.cli", "runners.local.act.executor"} <= set(doors)
    assert heavy == {}
