"""``make chaos``: 200 runs on each database under kills and faults; exits with 1 if anything was lost or done twice."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.driver import Outcome, chaos
from tests.chaos.real import real_chaos
from tests.support.databases import postgres_url, sqlite_url


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="on each database (default: 200)")
    parser.add_argument("--kills", type=int, default=200, help="at most, on each database (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="(default: 1)")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append", help="(default: both)")
    parser.add_argument("--real", type=int, default=10, help="runs with real stages, by act (default: 10)")
    options = parser.parse_args(argv)
    right = True
    for kind in options.database or ("sqlite", "postgresql"):
        with tempfile.TemporaryDirectory(prefix="modelyard-chaos-") as name:
            url = sqlite_url(Path(name)) if kind == "sqlite" else postgres_url()
            patience = 60 + 10 * options.runs
            outcome = chaos(
                Path(name), url, runs=options.runs, kills=options.kills, seed=options.seed, patience=patience
            )
        print(told(kind, outcome), flush=True)
        right = right and outcome.right
    if options.real:
        with tempfile.TemporaryDirectory(prefix="modelyard-chaos-") as name:
            url, patience = sqlite_url(Path(name)), 120 + 60 * options.real
            outcome = real_chaos(
                Path(name), url, runs=options.real, kills=2 * options.real, seed=options.seed, patience=patience
            )
        print(told("sqlite, real stages", outcome), flush=True)
        right = right and outcome.right
    return 0 if right else 1


def told(kind: str, outcome: Outcome) -> str:
    """Print a summary."""
    ran = f"{kind}: {outcome.runs} runs in {outcome.seconds:.0f} s"
    lines = [
        f"{ran}, {outcome.kills} kills at {len(outcome.points)} fault points and between",
        f"  past deliveries sent again: {outcome.redelivered}; faults: {sum(outcome.faults.values())}",
        *(f"    {count} {fault}" for fault, count in sorted(outcome.faults.items())),
        f"  lost or ended wrongly: {len(outcome.lost)}",
        *(f"    {each}" for each in outcome.lost[:20]),
        f"  done twice: {len(outcome.twice)}",
        *(f"    {each}" for each in outcome.twice[:20]),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
