"""``modelyard demo``: the whole loop on this machine, told in the terminal while it happens."""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.status import Status

from runners.local.act_folder import ActMissing
from runners.local.hub.hub import Hub
from runners.local.place import REPOSITORY, Place, PlaceError
from runners.local.source import SourceError
from runners.local.visitor import Seen, Visitor, VisitorError

FOLDER = Path(".modelyard/demo")
FORM = "modelyard-train.yml"
ENDS = {"mlops:passed", "mlops:failed", "mlops:cancelled", "mlops:invalid"}
WAITING = "mlops:waiting"
HEARD_SECONDS = 60.0
"""So long the App may take to answer an issue at all."""
_EXAMPLES = """\
examples:
  modelyard demo
  modelyard demo --data sklearn://wine --algorithm random_forest --metric f1 --threshold 0.9
  modelyard demo --data sklearn://diabetes --metric rmse --threshold 60
  modelyard demo --threshold 1                  a model that cannot be good enough: approve or reject
  modelyard demo --only-serve                   the last demo's runs, in a browser

Everything is on this machine, in .modelyard/demo: it needs no account, and is no security boundary.
"""
_REGRESSION = {"rmse", "mae", "mape", "r2"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 0 where the loop came to its end (a rejected model is one), 1 where it did not."""
    options = parser().parse_args(argv)
    console = Console(soft_wrap=True)
    place = Place(FOLDER, webhooks=options.webhooks == "on")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.only_serve:
            return _serve(place, console)
        return Demo(place, options, console).run()
    except (PlaceError, SourceError, ActMissing, VisitorError) as error:
        console.print(f"[red]✗[/] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def parser() -> argparse.ArgumentParser:
    """Return what reads the demo's options."""
    parser = argparse.ArgumentParser(
        prog="modelyard demo",
        description="Open an issue on a local hub and watch it become a trained, judged, registered model.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    request = parser.add_argument_group("what is asked for (the issue form's fields)")
    request.add_argument("--data", default="sklearn://breast_cancer", help="data set (default: %(default)s)")
    request.add_argument("--target", default="target", help="column to predict (default: %(default)s)")
    request.add_argument("--algorithm", default="xgboost", help="(default: %(default)s)")
    request.add_argument("--metric", default="accuracy", help="(default: %(default)s); its task follows from it")
    request.add_argument("--threshold", default="0.93", help="what the metric has to reach (default: %(default)s)")
    request.add_argument("--model-name", help="(default: after the data set)")
    request.add_argument("--max-retries", default="1", help="trainings after a rejection (default: %(default)s)")
    request.add_argument("--seed", default="42", help="(default: %(default)s)")
    request.add_argument("--hyperparameters", default="", help="`name: value`, more after a newline")
    parser.add_argument("--promotion", choices=("auto", "approval"), default="auto", help="(default: %(default)s)")
    parser.add_argument("--keep-running", action="store_true", help="serve hub and App on until Ctrl-C")
    parser.add_argument("--only-serve", action="store_true", help="serve what the last demo left, and nothing else")
    parser.add_argument("--webhooks", choices=("on", "off"), default="on", help=argparse.SUPPRESS)
    return parser


class Demo:
    """One issue from its form to its end."""

    def __init__(self, place: Place, options: argparse.Namespace, console: Console) -> None:
        self._place = place
        self._options = options
        self._console = console
        self._began = time.monotonic()

    def run(self) -> int:
        self._say("Setting up a hub, an App, two runners and a repository in .modelyard/demo ...")
        memory = self._place.make(self._options.promotion)
        if memory.changed_files:
            self._say(f"The working tree has {memory.changed_files} changed files: a snapshot of it is what runs.")
        with self._place.running() as running:
            hub = running.hub
            visitor = Visitor(hub.base_url, "writer", running.ready.tokens["writer"], REPOSITORY)
            self._say("Hub and App are running.")
            address = visitor.open_issue(FORM, self._title, self._fields)
            self._say(f"Opened an issue with the form: {address}")
            number = int(address.rpartition("/")[2])
            ended = self._watch(visitor, number)
            if ended == WAITING:
                ended = self._ask(visitor, number)
            code = self._tell(visitor.look(number), address, ended, hub)
            visitor.close()
            if self._options.keep_running:
                _until_stopped(self._console, address)
            return code

    @property
    def _title(self) -> str:
        return f"Train: {self._fields['model_name']}"

    @property
    def _fields(self) -> dict[str, str]:
        options = self._options
        return {
            "model_name": options.model_name or _slug(options.data),
            "task": "regression" if options.metric in _REGRESSION else "classification",
            "algorithm": options.algorithm,
            "data": options.data,
            "target": options.target,
            "metric": options.metric,
            "threshold": options.threshold,
            "max_retries": options.max_retries,
            "runner": "self-hosted",
            "timeout_minutes": "60",
            "seed": options.seed,
            "hyperparameters": options.hyperparameters,
            "notes": "Opened by `modelyard demo`.",
        }

    # --- watching ----------------------------------------------------------------------------------------------------

    def _watch(self, visitor: Visitor, number: int) -> str:
        """Tell what happens until the run waits for a person or has ended; return the label that says which."""
        told: dict[str, None] = {}
        began = time.monotonic()
        with Status("waiting for the App ...", console=self._console) as status:
            while True:
                seen = visitor.look(number)
                if not seen.comments and time.monotonic() - began > HEARD_SECONDS:
                    raise PlaceError(
                        f"The App has not answered the issue for {HEARD_SECONDS:.0f} s: it hears of issues by webhook. "
                        f"Are webhooks on? Its log is {self._place.app_log}"
                    )
                for line in _news(seen):
                    if line not in told:
                        told[line] = None
                        self._say(line)
                if seen.comments:
                    status.update(_first_line(seen.comments[0]))
                label = _label(seen)
                if label in (WAITING, "mlops:invalid") or (label is not None and seen.state == "closed"):
                    return label
                time.sleep(0.1)

    def _ask(self, visitor: Visitor, number: int) -> str:
        """Let a person at the terminal answer; elsewhere say how to."""
        while sys.stdin.isatty() and sys.stdout.isatty():
            self._console.print(Markdown(_visible(visitor.look(number).comments[-1])))
            answer = self._console.input("Train it again? [b]approve[/] or [b]reject[/] (with a reason, if you like): ")
            word = answer.strip().removeprefix("/")
            if word.partition(" ")[0] not in ("approve", "reject"):
                continue
            visitor.comment(number, f"/{word}")
            while _label(visitor.look(number)) == WAITING:
                time.sleep(0.1)
            ended = self._watch(visitor, number)
            if ended != WAITING:
                return ended
        return WAITING

    # --- telling -----------------------------------------------------------------------------------------------------

    def _tell(self, seen: Seen, address: str, ended: str, hub: Hub) -> int:
        self._console.rule("the issue's comment")
        self._console.print(Markdown(_visible(seen.comments[0])))
        self._console.rule()
        if ended == WAITING:
            self._say("The run waits for a person, for 24 hours. To answer: make serve, open the issue below, and")
            self._say("comment /approve (train again) or /reject (stop).")
        elif ended != "mlops:invalid":
            checkout = self._check_out(hub)
            for file in sorted((checkout / "training_history").rglob("*")):
                if file.suffix in (".md", ".yaml") and file.name != "index.md":
                    self._console.print(f"cat {_short(file)}", highlight=False)
        self._say(f"To look at it in a browser: make serve, then {address}")
        succeeded = ended in ("mlops:passed", WAITING) or (
            ended == "mlops:failed" and "Rejected" in _first_line(seen.comments[0])
        )
        if not succeeded:
            self._say(f"The run ended with the label {ended}. The App's log: {_short(self._place.app_log)}")
        return 0 if succeeded else 1

    def _check_out(self, hub: Hub) -> Path:
        """Bring the repository's files to where `cat` can open them."""
        repository = hub.repository(REPOSITORY)
        if repository is None:
            raise PlaceError(f"The hub has no repository {REPOSITORY}.")
        bare = hub.git(repository).path
        target = self._place.folder / "repository"
        subprocess.run(["git", "clone", "-q", str(bare), str(target)], check=True)
        return target

    def _say(self, text: str) -> None:
        self._console.print(f"[dim]{time.monotonic() - self._began:5.1f} s[/]  {text}", highlight=False)


def _label(seen: Seen) -> str | None:
    """Return the label that says how the run stands, if it waits for a person or has ended."""
    return next(iter(sorted(seen.labels & (ENDS | {WAITING}))), None)


def _news(seen: Seen) -> list[str]:
    """Return what has happened so far, one line a thing."""
    done = [f"job {name}: {conclusion}" for name, status, conclusion in seen.jobs if status == "completed"]
    return [*(["The App has answered."] if seen.comments else []), *(line for line in done if "skipped" not in line)]


def _visible(comment: str) -> str:
    """Return a comment without what GitHub does not show, in what a terminal can."""
    shown = re.sub(r"<!--.*?-->", "", comment, flags=re.DOTALL)
    shown = re.sub(r"<summary>(.*?)</summary>", r"\n**\1**\n", shown, flags=re.DOTALL)
    return re.sub(r"</?details>|!\[[^\]]*\]\([^)]*\)", "", shown).strip()


def _first_line(comment: str) -> str:
    return next((line.strip("#* ") for line in _visible(comment).splitlines() if line.strip()), "")


def _slug(data: str) -> str:
    """Return a model's name after its data set."""
    return re.sub(r"[^a-z0-9]+", "-", Path(data.rpartition("/")[2]).stem.lower()).strip("-") or "model"


def _short(path: Path) -> str:
    """Return a path as it is typed from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _serve(place: Place, console: Console) -> int:
    """Serve what is there until somebody stops it."""
    with place.running() as running:
        _until_stopped(console, f"{running.hub.base_url}/{REPOSITORY}/issues")
    return 0


def _until_stopped(console: Console, address: str) -> None:
    console.print(f"Serving on {address} (Ctrl-C ends it)", highlight=False)
    signal.pause()
