"""What a fresh process costs before it does anything: commands, the App, the hub, each stage.

Every measurement is a process of its own, bytecode compiled beforehand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from actions.contracts.stage import Stage
from benchmarks.machine import ROOT
from benchmarks.report import Cell, Outcome, Table, median

TIMES = 3
COMMANDS = {
    "python, nothing else": ["-c", "pass"],
    "modelyard --help": ["-m", "bot.cli", "--help"],
    "modelyard operations": ["-m", "bot.cli", "operations"],
    "modelyard demo --help": ["-m", "bot.cli", "demo", "--help"],
    "python -m runners.job --help": ["-m", "runners.job", "--help"],
}
MODULES = ("bot.cli", "bot.app", "bot.mcp", "runners.local.hub.app", "runners.local.demo.command")
STAGES: tuple[Stage, ...] = ("prepare", "train", "evaluate", "judge", "publish")
HEAVY = (
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "skops",
    "xgboost",
    "matplotlib",
    "torch",
    "optuna",
    "pandera",
    "boto3",
)
_STAGE = "import sys, runners.job; from benchmarks.imports import import_stage; import_stage(sys.argv[1])"


def run() -> Outcome:
    """Start every process and take its time."""
    rows: list[tuple[Cell, ...]] = [(name, *_measured(command)) for name, command in COMMANDS.items()]
    rows += [(f"import {name}", *_measured(["-c", f"import {name}"])) for name in MODULES]
    rows += [(f"imports of {stage}", *_measured(["-c", _STAGE, stage])) for stage in STAGES]
    return Outcome(
        [Table("fresh processes", ("process", "seconds", "of it imports", "modules", "heavy libraries"), rows)],
        [
            f"seconds: the whole process, interpreter included, median of {TIMES}.",
            "of it imports: what -X importtime adds up to, in a process of its own (it slows imports down, above all the first).",
            "Stages: what a request of the demo imports: sklearn://breast_cancer, xgboost, no hyperparameters.",
        ],
    )


def import_stage(stage: Stage) -> None:
    """Import what a stage of the demo's request imports, in this process."""
    from actions.stages.spec import stages_of
    from actions.stages.specs import SPECS
    from actions.tasks.classification import ClassificationRequest
    from actions.tasks.exchange import WorkOrder

    request = ClassificationRequest(
        model_name="demo",
        task="classification",
        algorithm="xgboost",
        data="sklearn://breast_cancer",
        target="target",
        metric="accuracy",
        threshold=0.9,
    )
    order = WorkOrder(
        run="train-20261122-001",
        attempt=1,
        repository="owner/demo",
        issue=1,
        request=request,
        training_seed=42,
        storage_root=str(ROOT),
    )
    for module in SPECS[stage].libraries(order):
        __import__(module)  # -X importtime does not see what importlib.import_module imports
    stages_of(order)


def _measured(command: Sequence[str]) -> tuple[float, float, int, str]:
    """Return the median time of the process, that of its imports, how many modules, and which heavy libraries."""
    # First, for it compiles and warms the disk's cache as well.
    modules = dict(_import_times(_process(["-X", "importtime", *command]).stderr))
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        _process(command)
        took.append(time.perf_counter() - began)
    heavy = ", ".join(library for library in HEAVY if library in modules)
    return median(took), round(sum(modules.values()), 4), len(modules), heavy


def _import_times(printed: str) -> Iterator[tuple[str, float]]:
    """Give each module's own seconds, as ``-X importtime`` prints them (in microseconds)."""
    for line in printed.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        if own.strip().isdecimal():
            yield rest.rpartition("|")[2].strip(), int(own) / 1e6


def _process(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
