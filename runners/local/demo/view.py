"""What `modelyard demo` shows: a run's stages while they run, the App's comments, the metrics."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markdown import Markdown
from rich.padding import Padding
from rich.rule import Rule
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from actions.tasks.registry import tasks
from runners.local.demo.hub_user import IssueSnapshot, Job

STAGES = ("prepare", "train", "evaluate", "judge", "publish")
State = Literal["waiting", "running", "done", "failed", "cancelled", "not run"]
_MARKS: dict[State, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("■", "yellow"),
    "not run": ("-", "dim"),
}
_STATES: dict[str | None, State] = {"success": "done", "failure": "failed", "skipped": "not run"}
_SIGNS = {True: "at least", False: "at most"}
MARGIN = 2
WIDEST = 100
"""Maximum width of text in a wider terminal."""


@dataclass(frozen=True)
class Row:
    """The state of a stage."""

    stage: str
    state: State
    seconds: float = 0.0
    step: str = ""


def rows(jobs: Sequence[Job]) -> list[Row]:
    """Return the state of each stage; if a later workflow run repeated a stage, that one counts."""
    by_stage = {stage: [job for job in jobs if job.name == stage] for stage in STAGES}
    return [_row(stage, found) for stage, found in by_stage.items()]


def _row(stage: str, jobs: Sequence[Job]) -> Row:
    ran = [job for job in jobs if job.conclusion != "skipped"] or jobs
    if not ran:
        return Row(stage, "waiting")
    job = ran[-1]
    if job.status == "completed":
        state = _STATES.get(job.conclusion, "cancelled")
        return Row(stage, state, 0.0 if state == "not run" else job.seconds)
    return Row(stage, "running", job.seconds, job.step) if job.status == "in_progress" else Row(stage, "waiting")


class Terminal:
    """Prints what happens, line by line, with the seconds since the start.

    Parameters
    ----------
    console
        On a terminal the stages are one live table; otherwise there is one plain line per event.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print one line with the time."""
        at = Text(f"{time.monotonic() - self._began:6.1f} s  ", style="dim")
        self.console.print(at.append(Text(text, style="not dim")), soft_wrap=True)

    def show(self, thing: RenderableType) -> None:
        """Print with a margin, at a readable width."""
        padded = Padding(thing, (0, 0, 0, MARGIN))
        if self.console.is_terminal:
            self.console.print(padded, width=self._width, soft_wrap=False)
            return
        with self.console.capture() as captured:
            self.console.print(padded, width=self._width, soft_wrap=False)
        plain = "\n".join(line.rstrip() for line in captured.get().splitlines())
        self.console.out(re.sub(r"\n{3,}", "\n\n", plain.rstrip()), highlight=False)

    def rule(self, title: str) -> None:
        """Print the title of a section."""
        self.console.print()
        self.console.print(Rule(title, align="left", style="dim"), width=self._width)

    def hint(self, title: str, text: str) -> None:
        """Print a next step without wrapping it, so that it can be copied."""
        line = Text(" " * MARGIN).append(f"{title:<14}", style="dim").append(text)
        self.console.print(line, soft_wrap=True, highlight=False)

    @property
    def _width(self) -> int:
        return min(self.console.width, WIDEST)

    def watching(self, before: Collection[int] = ()) -> Watching:
        """Return a view of an issue's run that ignores the workflow runs ``before``."""
        return LiveTable(self, before) if self.console.is_terminal else PlainLines(self, before)


class PlainLines:
    """Prints each change of a run once, as a line."""

    def __init__(self, teller: Terminal, before: Collection[int]) -> None:
        self._teller = teller
        self._before = frozenset(before)
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to clean up."""

    def look(self, seen: IssueSnapshot) -> None:
        """Print what has changed."""
        for line in self._news(seen):
            if line not in self._told:
                self._told.add(line)
                self._teller.say(line)

    def _news(self, seen: IssueSnapshot) -> Iterator[str]:
        for row in rows([job for job in seen.jobs if job.run not in self._before]):
            if row.state in ("done", "failed", "cancelled"):
                yield f"{_MARKS[row.state][0]} {row.stage}: {row.state} after {row.seconds:.0f} s"
        if seen.comments:
            yield headline(seen.comments[0])


class LiveTable:
    """Shows a run as one live table and leaves its last state on the screen."""

    def __init__(self, teller: Terminal, before: Collection[int]) -> None:
        self._before = frozenset(before)
        self._spinner = Spinner("dots", style="cyan")
        self._seen: IssueSnapshot | None = None
        self._live = Live(console=teller.console, refresh_per_second=10, get_renderable=self._render)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def look(self, seen: IssueSnapshot) -> None:
        """Update the table."""
        self._seen = seen

    def _render(self) -> RenderableType:
        if self._seen is None or not self._seen.comments:
            return Padding(Text("Waiting for the App ...", style="dim"), (1, 0, 1, MARGIN))
        jobs = [job for job in self._seen.jobs if job.run not in self._before]
        table = Table.grid(padding=(0, 2))
        table.add_column()
        table.add_column()
        table.add_column(justify="right")
        table.add_column(style="dim", no_wrap=True)
        for row in rows(jobs) if jobs else ():
            mark: RenderableType = self._spinner if row.state == "running" else Text(*_MARKS[row.state])
            time_taken = f"{row.seconds:.0f} s" if row.seconds or row.state == "running" else ""
            table.add_row(mark, Text(row.stage, style="dim" if row.state == "waiting" else ""), time_taken, row.step)
        title = Text(headline(self._seen.comments[0]), style="bold")
        return Padding(Group(title, table), (1, 0, 0, MARGIN))


Watching = PlainLines | LiveTable


# --- the App's comments ----------------------------------------------------------------------------------------------


def headline(comment: str) -> str:
    """Return the first line of a comment without Markdown."""
    lines = (line.strip("# ") for line in visible(comment).splitlines())
    return next((re.sub(r"[*`]", "", line) for line in lines if line), "")


def visible(comment: str) -> str:
    """Return what GitHub shows of a comment at first sight: no folded parts, no pictures."""
    shown = re.sub(r"<!--.*?-->|<details>.*?</details>", "", comment, flags=re.DOTALL)
    return re.sub(r"!\[[^\]]*\]\([^)]*\)\n?", "", shown).strip()


def comment_view(comment: str, *, tables: bool = True) -> RenderableType:
    """Return a comment for the terminal, without its tables if those are shown separately."""
    text = re.sub(r"^#+ (.*)$", r"**\1**", visible(comment), flags=re.MULTILINE)
    if not tables:
        text = re.sub(r"^\|.*\n?", "", text, flags=re.MULTILINE)
    return Markdown(text)


# --- the history -----------------------------------------------------------------------------------------------------


def metrics_view(lineage: dict[str, Any]) -> RenderableType | None:
    """Return the metrics of a run's lineage file as a table; None if there are none."""
    result = lineage.get("result")
    if not result or not result["metrics"]:
        return None
    champion, verdict, task = result["champion_metrics"], result["verdict"], tasks()[result["request"]["task"]]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("metric")
    table.add_column("this model", justify="right")
    if champion:
        table.add_column("champion", justify="right")
    table.add_column("threshold")
    for name, value in result["metrics"].items():
        judged = name == verdict["metric"]
        figures = [_figure(value), *([_figure(champion.get(name))] if champion else [])]
        asked = f"{_SIGNS[task.metrics[name].higher_is_better]} {verdict['threshold']:g}" if judged else ""
        table.add_row(name, *figures, asked, style="bold" if judged else "")
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def lineage_of(history: Path) -> dict[str, Any] | None:
    """Return the lineage of the newest run in a checked-out history; None if there is none."""
    files = sorted(history.glob("train-*.json"))
    if not files:
        return None
    lineage: dict[str, Any] = json.loads(files[-1].read_text(encoding="utf-8"))
    return lineage
