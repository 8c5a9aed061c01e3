"""``make mutants``: puts small faults into the modules where being wrong costs most, and prints those that no test notices.

``modules.toml`` names the modules and the tests closest to each. Results are kept in ``.modelyard/mutants``: a later call goes
on where an earlier one ended, and tries again what survived if its tests have changed since. ARGS names modules.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.mutants.mutations import Mutant, mutants_of
from tests.mutants.trial import Trial

ROOT = Path(__file__).parents[2]
TARGETS = Path(__file__).with_name("modules.toml")


def main(argv: Sequence[str] | None = None) -> int:
    """Try the mutants of the modules that the command line names, all by default."""
    targets = tomllib.loads(TARGETS.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help="paths of modules, or their beginnings (default: all)")
    parser.add_argument("--only-report", action="store_true", help="print what is known, and try nothing")
    options = parser.parse_args(argv)
    folder = ROOT / ".modelyard" / "mutants"
    results = Results(folder / "results.jsonl")
    chosen = {
        module: tests
        for module, tests in targets["tests"].items()
        if not options.modules or module.startswith(tuple(options.modules))
    }
    if not options.only_report:
        _copy_tree(folder / "tree")
    reports = []
    for module, tests in chosen.items():
        # Not from the clone, which may change meanwhile.
        mutants = mutants_of(((ROOT if options.only_report else folder / "tree") / module).read_text(encoding="utf-8"))
        if not options.only_report:
            _try(folder / "tree", module, tests, mutants, results)
        reports.append(_report(module, mutants, results, targets.get("equivalent", [])))
        print(reports[-1].row(), flush=True)
    print_survivors(reports)
    return 0


class Results:
    """Which mutants were noticed, as lines of JSON, so that nothing is lost if the command is stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._known: dict[str, dict[str, Any]] = {line["mutant"]: line for line in map(json.loads, lines)}

    def is_noticed(self, module: str, mutant: Mutant) -> bool | None:
        """Return whether tests noticed a mutant; None if it was not tried."""
        known = self._known.get(_digest(module, mutant.source))
        return None if known is None else bool(known["noticed"])

    def needs_trial(self, module: str, mutant: Mutant, tests: str) -> bool:
        """Tell whether a mutant was never tried, or survived other tests."""
        known = self._known.get(_digest(module, mutant.source))
        return known is None or not (known["noticed"] or known["tests"] == tests)

    def add(self, module: str, mutant: Mutant, tests: str, *, noticed: bool) -> None:
        digest = _digest(module, mutant.source)
        line = {"mutant": digest, "noticed": noticed, "tests": tests}
        self._known[digest] = line
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _try(tree: Path, module: str, tests: Sequence[str], mutants: Iterable[Mutant], results: Results) -> None:
    files = [(tree / test).read_text(encoding="utf-8") for test in tests if (tree / test).is_file()]
    version = _digest(*files)
    left = [mutant for mutant in mutants if results.needs_trial(module, mutant, version)]
    if not left:
        return
    os.chdir(tree)
    trial = Trial(tree / module, tests)
    for mutant in left:
        results.add(module, mutant, version, noticed=trial.notices(mutant.source))


@dataclass(frozen=True)
class Report:
    """A module's mutants; those that are equivalent with the reason."""

    module: str
    noticed: int
    untried: int
    equivalent: list[tuple[Mutant, str]]
    survived: list[Mutant]

    def row(self) -> str:
        tried = self.noticed + len(self.survived)
        share = f"{100 * self.noticed / tried:.0f} %" if tried else "-"
        counts = f"{self.noticed} killed, {len(self.survived)} survived, {len(self.equivalent)} equivalent"
        return f"{self.module}: {share} ({counts}{f', {self.untried} not tried' if self.untried else ''})"


def _report(module: str, mutants: Iterable[Mutant], results: Results, equivalents: list[dict[str, str]]) -> Report:
    noticed = untried = 0
    equivalent, survived = [], []
    for mutant in mutants:
        match results.is_noticed(module, mutant):
            case None:
                untried += 1
            case True:
                noticed += 1
            case False if reason := _reason(module, mutant, equivalents):
                equivalent.append((mutant, reason))
            case False:
                survived.append(mutant)
    return Report(module, noticed, untried, equivalent, survived)


def _reason(module: str, mutant: Mutant, equivalents: list[dict[str, str]]) -> str | None:
    """Return why no test can notice a mutant, or need not; None if one should."""
    for one in equivalents:
        is_meant = one.get("module", module) == module and re.search(one["line"], mutant.line)
        if is_meant and re.search(one.get("became", ""), mutant.became):
            return one["reason"]
    return None


def print_survivors(reports: Sequence[Report]) -> None:
    """Print the equivalent mutants with their reasons, those that survived, and the share that was killed."""
    for report in reports:
        for mutant, reason in report.equivalent:
            print(f"equivalent {report.module}:{mutant.number}: {mutant.line} -> {mutant.became} ({reason})")
    for report in reports:
        for mutant in report.survived:
            print(f"survived {report.module}:{mutant.number}\n    {mutant.line}\n    {mutant.became}")
    killed, survived = sum(one.noticed for one in reports), sum(len(one.survived) for one in reports)
    equivalent, untried = sum(len(one.equivalent) for one in reports), sum(one.untried for one in reports)
    share = f"{100 * killed / (killed + survived):.1f} %" if killed + survived else "none"
    print(f"{share} killed: {killed} of {killed + survived}; {equivalent} equivalent, {untried} not tried")


def _copy_tree(tree: Path) -> None:
    """Copy what git knows, and new files, so that no fault ever enters the clone."""
    shutil.rmtree(tree, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


if __name__ == "__main__":
    sys.exit(main())
