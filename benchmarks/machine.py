"""The machine that the figures come from, and whether it was idle: figures of a busy one compare with nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUSY = 0.35
"""Load for each core above which other work can be seen in the figures."""


@dataclass(frozen=True)
class Machine:
    """What a figure hangs on beside the code."""

    cores: int
    processor: str
    memory_gib: float
    system: str
    python: str
    load: tuple[float, float, float]
    commit: str
    changed_files: int
    taken: str

    @property
    def is_busy(self) -> bool:
        return self.load[0] > BUSY * self.cores

    def lines(self) -> list[str]:
        """Return it as people read it."""
        changed = f", {self.changed_files} files changed" if self.changed_files else ""
        load = " ".join(f"{value:.2f}" for value in self.load)
        lines = [
            f"{self.cores} cores ({self.processor}), {self.memory_gib:.0f} GiB, {self.system}, Python {self.python}",
            f"Modelyard {self.commit}{changed}, {self.taken}",
            f"load average before the run (1, 5, 15 min): {load}",
        ]
        if self.is_busy:
            lines.append(
                "WARNING: the machine is busy with other work: only ratios within one benchmark mean something."
            )
        return lines

    def json(self) -> dict[str, Any]:
        return {**asdict(self), "busy": self.is_busy}


def machine() -> Machine:
    """Look at this machine, now."""
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        processor=_processor(),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        load=tuple(round(value, 2) for value in os.getloadavg()),  # type: ignore[arg-type] # three of them
        commit=_git("rev-parse", "--short", "HEAD") or "unknown",
        changed_files=len(_git("status", "--porcelain").splitlines()),
        taken=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def peak_memory(process: int) -> float | None:
    """Return the most memory that a process has held so far, in MB; None where the system does not say."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return round(int(found[0]) / 1024, 1) if found else None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
