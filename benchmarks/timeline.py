"""A run's times, from the hub's events to the parts that people ask about (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from actions.contracts.stage import Stage

STAGES: tuple[Stage, ...] = ("prepare", "train", "evaluate", "judge", "publish")
_SOURCE_STEP, _SETUP_STEP = "Check out Modelyard", "Set up Python"


@dataclass
class JobTimes:
    """When one job did what; seconds on one clock."""

    queued: float
    started: float = 0.0
    ended: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)
    """How long each step took, by name."""

    @property
    def duration(self) -> float:
        return self.ended - self.started

    def step(self, name: str) -> float | None:
        return self.steps.get(name)


@dataclass(frozen=True)
class StageSeconds:
    """What a stage says of itself in ``<stage>.json``."""

    imports: float
    work: float


@dataclass
class Timeline:
    """When what happened between the opened and the closed issue."""

    opened: float = 0.0
    first_comment: float = 0.0
    dispatched: float = 0.0
    closed: float = 0.0
    jobs: dict[str, JobTimes] = field(default_factory=dict)

    def in_order(self) -> list[tuple[str, JobTimes]]:
        """Return the jobs that ran, by their start."""
        ran = [(name, job) for name, job in self.jobs.items() if job.started and job.ended]
        return sorted(ran, key=lambda item: item[1].started)

    def busy(self) -> float:
        """Return how long at least one job ran."""
        return covered([(job.started, job.ended) for _, job in self.in_order()])

    def parts(self) -> list[tuple[str, float]]:
        """Return the parts of the way from the opened to the closed issue, which add up to the total."""
        jobs = self.in_order()
        first, last = jobs[0][1], jobs[-1][1]
        parts = [
            ("issue opened to first comment", self.first_comment - self.opened),
            ("issue opened to dispatch", self.dispatched - self.opened),
            ("dispatch to first job's start", first.started - self.dispatched),
            ("jobs", self.busy()),
            ("between jobs, all together", last.ended - first.started - self.busy()),
            ("end of the last job to closed issue", self.closed - last.ended),
            ("issue opened to closed", self.closed - self.opened),
            ("of this, no job runs", self.closed - self.opened - self.busy()),
        ]
        return [(name, round(seconds, 3)) for name, seconds in parts]

    def job_rows(self, stages: Mapping[str, StageSeconds]) -> list[tuple[str | float | None, ...]]:
        """Return a row for each job: waiting, its parts, its duration."""
        rows: list[tuple[str | float | None, ...]] = []
        before = None
        for name, job in self.in_order():
            said = stages.get(name)
            own = job.step(name.capitalize())
            rest = None if said is None or own is None else own - said.imports - said.work
            figures = [
                None if before is None else job.started - before,
                max(0.0, job.started - job.queued),
                job.step(_SOURCE_STEP),
                job.step(_SETUP_STEP),
                rest,
                said.imports if said else None,
                said.work if said else None,
                job.duration,
            ]
            rows.append((name, *(None if figure is None else round(figure, 3) for figure in figures)))
            before = job.ended
        return rows


JOB_COLUMNS = (
    "job (seconds)", "after the last", "queued", "checkout", "set-up", "start of Python", "imports", "work", "duration",
)  # fmt: skip


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of what is covered by at least one span."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def between(times: Sequence[float], start: float, end: float) -> int:
    """Count the times that lie within."""
    return sum(start <= time < end for time in times)
