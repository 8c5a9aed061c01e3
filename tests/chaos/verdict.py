"""What was lost, and what was done twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import yaml

from bot.runs.machines.training import State
from bot.runs.run import Run
from tests.chaos.plan import Asked, Kind
from tests.support.loop import Loop

_MARKER = re.compile(r"<!-- modelyard:(?P<marker>\S+) -->")


def wrong(loop: Loop, issues: Mapping[int, Asked]) -> tuple[list[str], list[str]]:
    """Return what was lost or ended wrongly, and what was done twice, one sentence each."""
    lost: list[str] = []
    twice: list[str] = []
    titles = Counter(run.title for run in loop.hub.runs.runs.find() if run.conclusion != "cancelled")
    commits = loop.hub.git(loop.ready.repository).run("log", "--format=%s", "main").decode().splitlines()
    for issue, one in issues.items():
        run = loop.store.runs.of_issue(loop.name, issue)
        if run is None:
            lost.append(f"issue {issue} has no run")
            continue
        lost += _not_as_expected(loop, run, one.kind)
        twice += _said_twice(loop, run)
        twice += [
            f"{title} was dispatched {count} times" for title, count in titles.items() if count > 1 and run.id in title
        ]
        count = sum(run.id in subject for subject in commits)
        twice += [f"{run.id} was committed {count} times"] if count > 1 else []
        lost += [f"{run.id} was not committed"] if count == 0 and run.status != "invalid" else []
    lost += [f"delivery {kept.id} is a dead letter: {kept.error}" for kept in loop.store.inbox.entries("dead")]
    versions_lost, versions_twice = _registry(loop, issues)
    return lost + versions_lost, twice + versions_twice


def _not_as_expected(loop: Loop, run: Run, kind: Kind) -> list[str]:
    found = (run.state, run.status, loop.labels(run.issue), run.attempt)
    expected = (State.END, kind.status, {kind.label}, kind.attempts)
    open_or_closed = loop.issue(run.issue)["state"]
    should = "open" if kind.status == "invalid" else "closed"
    problems = [] if found == expected else [f"issue {run.issue} ({kind.name}): {found} instead of {expected}"]
    return problems + ([] if open_or_closed == should else [f"issue {run.issue} ({kind.name}) is {open_or_closed}"])


def _said_twice(loop: Loop, run: Run) -> list[str]:
    markers = Counter(
        found["marker"] for text in loop.comments(run.issue) if (found := _MARKER.match(text.split("\n", 1)[0]))
    )
    return [f"issue {run.issue}: {marker} was said {count} times" for marker, count in markers.items() if count > 1]


def _registry(loop: Loop, issues: Mapping[int, Asked]) -> tuple[list[str], list[str]]:
    """Compare the registry with the runs that passed: each has exactly one version, and nothing else has."""
    passed: dict[str, list[str]] = {}
    for issue in issues:
        run = loop.store.runs.of_issue(loop.name, issue)
        if run is not None and run.status == "passed":
            passed.setdefault(run.model, []).append(run.id)
    lost, twice = [], []
    for model, runs in passed.items():
        text = loop.file(f"training_history/models/{model}.yaml")
        entries = yaml.safe_load(text)["versions"] if text else []
        registered = Counter(str(entry["run"]) for entry in entries)
        lost += [f"{run} of {model} is not in the registry" for run in runs if run not in registered]
        twice += [f"{run} is {count} versions of {model}" for run, count in registered.items() if count > 1]
        lost += [f"{run} is a version of {model} and did not pass" for run in registered if run not in runs]
    return lost, twice
