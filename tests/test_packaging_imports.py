"""What importing costs: no module loads an ML library until one of its functions is called.

Modules named ``estimators`` hold classes whose bases are scikit-learn's: they alone may, and nobody may import them
before they are needed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAVY = ["boto3", "matplotlib", "numpy", "pandas", "pyarrow", "ray", "scipy", "sklearn", "skops", "torch", "xgboost"]

IMPORT_EVERYTHING = """
import importlib, json, pkgutil, sys
imported, heavy = [], {}
for package in ("actions", "bot", "runners"):
    for module in pkgutil.walk_packages([package], package + "."):
        if module.name.rpartition(".")[2] not in ("__main__", "estimators"):
            importlib.import_module(module.name)
            imported.append(module.name)
            for library in set(sys.argv[1:]) & set(sys.modules) - set(heavy):
                heavy[library] = module.name
print(json.dumps([imported, heavy]))
"""


def test_importing_every_module_loads_no_heavy_library() -> None:
    command = [sys.executable, "-W", "error", "-c", IMPORT_EVERYTHING, *HEAVY]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    imported, heavy = json.loads(done.stdout.splitlines()[-1])
    assert {"actions.operation", "bot.cli"} <= set(imported)
    assert heavy == {}
