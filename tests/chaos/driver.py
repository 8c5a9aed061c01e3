"""Opens many issues, kills the App's processes again and again, and checks that every run ends correctly, once."""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import jwt

from bot.runs.machines.training import State
from bot.runs.run import Run
from tests.chaos.faults import Configuration
from tests.chaos.killing import Processes
from tests.chaos.plan import Asked, PlannedExecutor, asked
from tests.chaos.verdict import wrong
from tests.support.app_process import AppProcess
from tests.support.loop import Loop, loop_of_processes

AT_ONCE = 12
"""How many issues are open at the same time."""
SETTINGS = {
    "time_factor": "0.05",
    "write_burst": "1000",
    "writes_per_second": "100",
    "http_timeout_seconds": "10",
    "log_level": "WARNING",
}
FAULTS = 0.01
"""The share of the App's requests whose responses the hub breaks."""
REDELIVERED = 0.2
"""The chance, at each check, that a person has a past delivery sent again."""
RUNNERS = 6


@dataclass
class Outcome:
    """What happened."""

    runs: int
    seconds: float = 0.0
    kills: int = 0
    points: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    redelivered: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not self.lost and not self.twice


def chaos(folder: Path, database_url: str, *, runs: int, kills: int, seed: int, patience: float) -> Outcome:
    """Take a number of runs through a number of kills, within ``patience`` seconds."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    with loop_of_processes(folder, database_url) as (loop, start):
        loop.hub.runs.executor = jobs = PlannedExecutor(seed)
        for number in range(3, RUNNERS + 1):
            loop.hub.runs.add_runner(f"runner-{number}")

        def begin(*words: str, **more: str) -> AppProcess:
            return start(*words, **SETTINGS, **more)

        loop.hub.faults.at_random(FAULTS, seed)
        began = time.monotonic()
        processes = Processes(begin, folder, kills, rng)
        configuration = Configuration(loop, rng)
        people = People(loop, asked(runs, seed), configuration)
        outcome = Outcome(runs)
        while not people.done and time.monotonic() - began < patience:
            processes.tend()
            configuration.tend()
            people.act()
            if rng.random() < REDELIVERED:
                outcome.redelivered += _redeliver(loop, rng)
            time.sleep(0.1)
        outcome.seconds, outcome.kills = time.monotonic() - began, processes.kills
        outcome.points = processes.at_points
        outcome.faults = {str(kind): count for kind, count in loop.hub.faults.counts.items()}
        outcome.faults |= {**jobs.faults, "broken configuration": configuration.breaks}
        loop.hub.faults.clear()
        outcome.lost, outcome.twice = wrong(loop, people.issues)
        return outcome


def _redeliver(loop: Loop, rng: random.Random) -> int:
    """Have a random past delivery sent again, as a person can on the App's page; return whether it was accepted."""
    past = loop.hub.deliveries.find(state="done")
    if not past:
        return 0
    with contextlib.suppress(httpx.HTTPError):  # the hub breaks this answer, too
        answer = httpx.post(
            f"{loop.hub.api_url}/app/hook/deliveries/{rng.choice(past).id}/attempts",
            headers={"Authorization": f"Bearer {_jwt(loop)}"},
            timeout=2,
        )
        return int(answer.is_success)
    return 0


def _jwt(loop: Loop) -> str:
    now = int(time.time())
    claims = {"iat": now - 60, "exp": now + 540, "iss": str(loop.ready.app.id)}
    return jwt.encode(claims, loop.ready.private_key_path.read_text(encoding="ascii"), algorithm="RS256")


class People:
    """People who open issues, answer questions, and cancel.

    While the configuration is broken, they wait. After it has been mended, they repeat what may have met the broken one: they
    edit the issues that were refused, and answer questions once more.
    """

    def __init__(
        self, loop: Loop, waiting: list[Asked], configuration: Configuration | None = None, at_once: int = AT_ONCE
    ) -> None:
        self._loop = loop
        self._waiting = waiting[::-1]
        self._configuration = configuration
        self._at_once = at_once
        self._done: set[tuple[object, ...]] = set()
        self.issues: dict[int, Asked] = {}

    @property
    def done(self) -> bool:
        """Tell whether every issue was opened and its run has ended."""
        return not self._waiting and not self._open()

    def act(self) -> None:
        """Do whatever is due."""
        if self._configuration is not None and self._configuration.broken:
            return
        opened = self._open()
        for issue, run in opened.items():
            if run is None or run.ended:
                self._edit_if_refused(issue)
            else:
                self._answer(run, self.issues[issue])
        if self._waiting and len(opened) < self._at_once:
            one = self._waiting.pop()
            self.issues[self._loop.open(one.request)] = one

    def _open(self) -> dict[int, Run | None]:
        """Return the issues whose run has not ended, with the runs."""
        found = {issue: self._loop.store.runs.of_issue(self._loop.name, issue) for issue in self.issues}
        return {issue: run for issue, run in found.items() if not _has_ended(run, self.issues[issue])}

    def _edit_if_refused(self, issue: int) -> None:
        if self._loop.labels(issue) == {"mlops:invalid"} and self._first_time(issue):
            self._loop.edit(issue, self._loop.issue(issue)["body"] + "\n")

    def _answer(self, run: Run, one: Asked) -> None:
        if run.state is State.WAIT_FOR_OPERATOR_INPUT and run.attempt <= len(one.kind.answers):
            self._say_twice(run, one.kind.answers[run.attempt - 1])
        if one.kind.cancels and run.state is State.TRAIN_MODEL:
            self._say_twice(run, "/cancel")

    def _say_twice(self, run: Run, text: str) -> None:
        """Write the command twice, as people do who click twice."""
        if self._first_time(run.issue, text, run.attempt):
            self._loop.say(run.issue, text)
            self._loop.say(run.issue, text, by="owner")

    def _first_time(self, *what: object) -> bool:
        """Tell whether this has not been done yet, since the configuration was last mended."""
        key = (self._configuration.breaks if self._configuration is not None else 0, *what)
        is_new = key not in self._done
        self._done.add(key)
        return is_new


def _has_ended(run: Run | None, one: Asked) -> bool:
    """Tell whether a run has ended, and not because its request met a broken configuration."""
    return run is not None and run.ended and (run.status != "invalid" or one.kind.status == "invalid")
