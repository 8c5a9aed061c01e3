"""``modelyard demo``: the whole loop on this machine, reported in the terminal as it happens."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from actions.runtime.git import isolated
from actions.tasks.registry import tasks
from runners.local.act.work_folder import ActMissing
from runners.local.demo.hub_user import HubUser, HubUserError, IssueSnapshot
from runners.local.demo.source_repository import SourceError
from runners.local.demo.view import Terminal, comment_view, headline, lineage_of, metrics_view
from runners.local.demo.workspace import (
    REPOSITORY,
    Running,
    Workspace,
    WorkspaceError,
    reach_this_machine_directly,
)
from runners.local.hub.git.repository import CONFIGURATION
from runners.local.hub.hub import Hub

FOLDER = Path(".modelyard/demo")
FORM = "modelyard-{task}.yml"
WAITING, INVALID = "mlops:waiting", "mlops:invalid"
QUESTION = "Train it again?"
"""The first line of the comment that asks a person for a decision."""
ENDS = {"mlops:passed", "mlops:failed", "mlops:cancelled", INVALID}
HEARD_SECONDS = 60.0
"""How long to wait for the App's first response to an issue or a comment."""
ANSWER_SECONDS = 5.0
"""How long the App may take from its comment to the label with the next state."""
LOOK_SECONDS = 0.4
_EXAMPLES = """\
examples:
  modelyard demo
  modelyard demo --data sklearn://wine --algorithm random_forest --metric f1 --threshold 0.9
  modelyard demo --data sklearn://diabetes --metric rmse --threshold 60
  modelyard demo --threshold 1                  a model that cannot be good enough: approve or reject
  modelyard demo --only-serve                   the last demo's runs, in a browser

Everything is on this machine, in .modelyard/demo: it needs no account, and is no security boundary.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; return 0 if the loop completed (a rejected model counts), 1 if it did not."""
    options = parser().parse_args(argv)
    reach_this_machine_directly()
    console = Console()
    workspace = Workspace(FOLDER, webhooks=options.webhooks == "on")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.only_serve:
            return _serve(workspace, console)
        return Demo(workspace, options, console).run()
    except (WorkspaceError, SourceError, ActMissing, HubUserError) as error:
        _complain(console, str(error))
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="modelyard demo",
        description="Open an issue on a local hub and watch it become a trained, judged, registered model.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    request = parser.add_argument_group("the request (the fields of the issue form)")
    request.add_argument("--data", default="sklearn://breast_cancer", help="data set (default: %(default)s)")
    request.add_argument("--target", default="target", help="column to predict (default: %(default)s)")
    request.add_argument("--algorithm", default="xgboost", help="(default: %(default)s)")
    request.add_argument("--metric", default="accuracy", help="(default: %(default)s); it determines the task")
    request.add_argument(
        "--threshold", default="0.93", help="the value that the metric must reach (default: %(default)s)"
    )
    request.add_argument("--model-name", help="(default: named after the dataset)")
    request.add_argument("--max-retries", default="1", help="retries after a rejection (default: %(default)s)")
    request.add_argument("--seed", default="42", help="(default: %(default)s)")
    request.add_argument("--hyperparameters", default="", help="`name: value`, one per line")
    parser.add_argument("--promotion", choices=("auto", "approval"), default="auto", help="(default: %(default)s)")
    parser.add_argument("--keep-running", action="store_true", help="keep serving the hub and the App until Ctrl-C")
    parser.add_argument("--only-serve", action="store_true", help="serve the last demo without running a new one")
    parser.add_argument("--webhooks", choices=("on", "off"), default="on", help=argparse.SUPPRESS)
    return parser


class Demo:
    """Takes one issue from the form to the end of its run."""

    def __init__(self, workspace: Workspace, options: argparse.Namespace, console: Console) -> None:
        self._workspace = workspace
        self._options = options
        self._console = console
        self._teller = Terminal(console)

    def run(self) -> int:
        if contents := self._workspace.contents:
            self._say(f"Deleting {contents} of the last demo. Datasets stay.")
        self._say(f"Setting up a hub, an App, two runners and a repository in {_short(self._workspace.folder)} ...")
        state = self._workspace.make(self._options.promotion)
        if state.changed_files:
            self._say(f"The working tree has {_counted(state.changed_files)}, so a snapshot of it runs.")
        with self._workspace.running() as running:
            user = HubUser(running.hub.base_url, "writer", running.ready.tokens["writer"], REPOSITORY)
            try:
                code, address = self._one_issue(user, running)
            finally:
                user.close()
            if self._options.keep_running:
                _until_stopped(self._console, address)
            return code

    def _one_issue(self, user: HubUser, running: Running) -> tuple[int, str]:
        address = user.open_issue(FORM.format(task=self._task), self._title, self._fields)
        self._say(f"Opened an issue that requests a model: {address}")
        number = int(address.rpartition("/")[2])
        ended = self._watch(user, number, running)
        if ended == WAITING:
            ended = self._ask(user, number, running)
        return self._tell(user.look(number), address, ended, running.hub), address

    @property
    def _task(self) -> str:
        """Return the task whose form is used; the form reports an unknown metric."""
        fitting = [task.name for task in tasks().values() if self._options.metric in task.metrics]
        return fitting[0] if fitting else next(iter(tasks()))

    @property
    def _title(self) -> str:
        return f"Train: {self._fields['model_name']}"

    @property
    def _fields(self) -> dict[str, str]:
        options = self._options
        return {
            "model_name": options.model_name or _slug(options.data),
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

    def _watch(self, user: HubUser, number: int, running: Running, before: Collection[int] = ()) -> str:
        """Show progress until the run waits for a person or ends; return the label that says which."""
        began, waits_since = time.monotonic(), 0.0
        with self._teller.watching(before) as watching:
            while True:
                seen = user.look(number)
                watching.look(seen)
                label = _label(seen)
                if label == INVALID or (label is not None and seen.state == "closed"):
                    return label
                if label == WAITING:  # The App updates the comment after the label.
                    waits_since = waits_since or time.monotonic()
                    if QUESTION in headline(seen.comments[0]) or time.monotonic() - waits_since > HEARD_SECONDS:
                        return label
                if running.app.poll() is not None:
                    raise WorkspaceError(f"The App stopped. See its log: {_short(self._workspace.app_log)}")
                if not seen.comments and time.monotonic() - began > HEARD_SECONDS:
                    raise WorkspaceError(
                        f"The App has not answered the issue for {HEARD_SECONDS:g} s: it hears of issues by webhook. "
                        f"Are webhooks on? Its log: {_short(self._workspace.app_log)}"
                    )
                time.sleep(LOOK_SECONDS)

    def _ask(self, user: HubUser, number: int, running: Running) -> str:
        """Ask the person at the terminal; without a terminal or an answer, the run keeps waiting."""
        ended = WAITING
        while ended == WAITING and sys.stdin.isatty() and self._console.is_terminal:
            seen = user.look(number)
            self._teller.rule("The App asks")
            self._teller.show(comment_view(seen.comments[-1]))
            answer = self._answer()
            if answer is None:
                break
            user.comment(number, f"/{answer}")
            if self._answered(user, number, len(seen.comments) + 1):
                ended = self._watch(user, number, running, before={job.run for job in seen.jobs})
        return ended

    def _answer(self) -> str | None:
        """Return the decision typed at the terminal; None at the end of input."""
        question = "\n[b]approve[/] or [b]reject[/] (then a reason, if you like): "
        try:
            while True:
                answer = self._console.input(question).strip().removeprefix("/")
                if answer.partition(" ")[0] in ("approve", "reject"):
                    return answer
        except EOFError:
            self._console.print()
            return None

    def _answered(self, user: HubUser, number: int, comments: int) -> bool:
        """Wait until the run continues (True) or the App explains why it does not (False)."""
        end = time.monotonic() + HEARD_SECONDS
        has_replied = False
        while time.monotonic() < end:
            seen = user.look(number)
            if WAITING not in seen.labels:
                return True
            if len(seen.comments) > comments and not has_replied:  # The App may comment before it continues.
                has_replied, end = True, time.monotonic() + ANSWER_SECONDS
            time.sleep(LOOK_SECONDS)
        return False

    # --- telling -----------------------------------------------------------------------------------------------------

    def _tell(self, seen: IssueSnapshot, address: str, ended: str, hub: Hub) -> int:
        checkout = self._check_out(hub) if ended not in (WAITING, INVALID) else None
        history = checkout / "training_history" if checkout else None
        metrics = metrics_view(lineage_of(history) or {}) if history else None
        self._teller.rule("The App's comment")
        self._teller.show(comment_view(seen.comments[0], tables=metrics is None))
        if metrics:
            self._teller.rule("Metrics on the test rows")
            self._teller.show(metrics)
        self._teller.rule("And now")
        self._say_what_next(ended, address, history)
        succeeded = ended in ("mlops:passed", WAITING) or (
            ended == "mlops:failed" and "Rejected" in headline(seen.comments[0])
        )
        if not succeeded:
            self._console.print()
            _complain(self._console, f"The run ended with the label {ended}.")
        return 0 if succeeded else 1

    def _say_what_next(self, ended: str, address: str, history: Path | None) -> None:
        hint, serve = self._teller.hint, "modelyard demo --only-serve" if shutil.which("make") is None else "make serve"
        if ended == WAITING:
            hint("to answer", "the run waits 24 hours for a decision: open the issue in a browser and comment")
            hint("", "/approve (train again) or /reject (stop)")
        written = sorted(history.rglob("*")) if history else []
        for title, pattern in (("the history", "train-*.md"), ("the registry", "models/*.yaml")):
            for file in (file for file in written if file.match(pattern)):
                hint(title, f"cat {shlex.quote(_short(file))}")
        hint("in a browser", f"{serve}, then {address}")
        if ended not in ("mlops:passed", WAITING):
            hint("the App's log", _short(self._workspace.app_log))

    def _check_out(self, hub: Hub) -> Path:
        """Check the repository out, so that its files can be opened."""
        repository = hub.repository(REPOSITORY)
        if repository is None:
            raise WorkspaceError(f"The hub has no repository {REPOSITORY}.")
        bare = hub.git(repository).path
        target = self._workspace.folder / "repository"
        subprocess.run(
            ["git", "clone", "-q", str(bare), str(target)], check=True, env=isolated(os.environ, CONFIGURATION)
        )
        return target

    def _say(self, text: str) -> None:
        self._teller.say(text)


def _label(seen: IssueSnapshot) -> str | None:
    """Return the label of the run's state if it waits for a person or has ended."""
    return next(iter(sorted(seen.labels & (ENDS | {WAITING}))), None)


def _counted(files: int) -> str:
    return "1 changed file" if files == 1 else f"{files} changed files"


def _complain(console: Console, text: str) -> None:
    console.print(Text("✗ ", style="red").append(Text(text, style="not red")), soft_wrap=True)


def _slug(data: str) -> str:
    """Derive a model name from the dataset."""
    return re.sub(r"[^a-z0-9]+", "-", Path(data.rpartition("/")[2]).stem.lower()).strip("-") or "model"


def _short(path: Path) -> str:
    """Return a path relative to the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _serve(workspace: Workspace, console: Console) -> int:
    """Serve until interrupted."""
    with workspace.running() as running:
        _until_stopped(console, f"{running.hub.base_url}/{REPOSITORY}/issues")
    return 0


def _until_stopped(console: Console, address: str) -> None:
    console.print(Text(f"Serving on {address} (press Ctrl-C to stop)"), soft_wrap=True)
    signal.pause()
