"""Reads workflow files: triggers, inputs, and the planned jobs with their runner labels and time-outs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from runners.local.act.expressions import Contexts, UnknownExpression, as_text, fill

MAX_FILE = 512 * 1024
DEFAULT_TIMEOUT = 360.0
MAX_DEPTH = 4
"""Maximum nesting of reusable workflows."""
LEVELS = ("none", "read", "write")
USES = re.compile(
    r"(?:(?P<repository>[\w.-]+/[\w.-]+)/)?(?:\./)?(?P<path>\.github/workflows/[\w.-]+)(?:@(?P<ref>\S+))?"
)

Fetch = Callable[[str, str, str], str | None]
"""``fetch(repository, ref, path)``: the text of a called workflow, or None. Repository and ref are "" for the caller's own commit."""


class WorkflowError(Exception):
    """The workflow cannot be run; the message says why."""


@dataclass(frozen=True)
class Input:
    """An input of a dispatched or called workflow."""

    name: str
    type: str = "string"
    required: bool = False
    default: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedJob:
    """A job that a run may execute.

    ``key`` is the path of job ids (``train/prepare``), ``name`` what people see (``train / prepare``).
    """

    key: str
    name: str
    needs: tuple[str, ...]
    labels: tuple[str, ...]
    timeout_minutes: float
    permissions: Mapping[str, str]
    steps: Mapping[str, str]
    """Display names of the steps by id, or else index."""
    actions: tuple[str, ...] = ()
    """The Actions used by its steps, as written."""

    @property
    def id(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def callers(self) -> tuple[str, ...]:
        return tuple(self.key.split("/")[:-1])


@lru_cache(maxsize=16)
def load(text: str) -> dict[str, Any]:
    """Parse a workflow file. Scalars stay text as written: ``on`` is not a boolean and 1.10 not a number.

    The result is cached, since each dispatch reads the same files again: do not change it.

    Raises
    ------
    WorkflowError
        If it is too large, not YAML, or has no jobs.
    """
    if len(text) > MAX_FILE:
        raise WorkflowError("the file is too large")
    try:
        found = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes text, lists and mappings only
    except yaml.YAMLError as error:
        raise WorkflowError(f"You have an error in your yaml syntax: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("jobs"), dict) or "on" not in found:
        raise WorkflowError("a workflow needs `on` and `jobs`")
    return found


def trigger(workflow: Mapping[str, Any], event: str) -> Mapping[str, Any] | None:
    """Return a workflow's declaration of an event; {} if it only names it, None if it does not."""
    on = workflow["on"]
    if isinstance(on, str):
        return {} if on == event else None
    if isinstance(on, list):
        return {} if event in on else None
    if not isinstance(on, dict) or event not in on:
        return None
    return on[event] if isinstance(on[event], dict) else {}


def inputs_of(workflow: Mapping[str, Any], event: str) -> dict[str, Input]:
    """Return the inputs of ``workflow_dispatch`` or ``workflow_call``, by name."""
    declared = (trigger(workflow, event) or {}).get("inputs")
    if not isinstance(declared, dict):
        return {}
    return {name: _input(name, fields if isinstance(fields, dict) else {}) for name, fields in declared.items()}


def plan(workflow: Mapping[str, Any], contexts: Contexts, fetch: Fetch) -> tuple[PlannedJob, ...]:
    """Return the jobs of a workflow, with called workflows replaced by their jobs.

    Parameters
    ----------
    workflow
        A loaded workflow.
    contexts
        ``inputs`` (complete, with defaults) and ``github``.
    fetch
        Returns the text of called workflows.

    Raises
    ------
    WorkflowError
        If a called workflow is missing, or labels or time-outs cannot be determined.
    """
    return tuple(_Planner(contexts, fetch, "", "", 1).jobs(workflow, {}, ()))


class _Planner:
    """Plans one file; each called workflow has its own planner."""

    def __init__(self, contexts: Contexts, fetch: Fetch, repository: str, ref: str, depth: int) -> None:
        self._contexts = contexts
        self._fetch = fetch
        self._at = (repository, ref)
        self._depth = depth

    def jobs(
        self, workflow: Mapping[str, Any], at_most: Mapping[str, str] | None, callers: tuple[str, ...]
    ) -> Iterator[PlannedJob]:
        for job_id, job in workflow["jobs"].items():
            if not isinstance(job, dict):
                raise WorkflowError(f"job {job_id} is not a mapping")
            rights = _permissions(job.get("permissions", workflow.get("permissions", {"contents": "read"})))
            if callers:
                rights = _lesser(rights, at_most or {})
            name = as_text(self._filled(job.get("name") or job_id, f"the name of job {job_id}", job_id))
            if isinstance(job.get("uses"), str):
                yield from self._called(job, job["uses"], rights, (*callers, job_id), name)
            else:
                yield self._job(job_id, job, rights, callers, name)

    def _job(
        self, job_id: str, job: Mapping[str, Any], rights: Mapping[str, str], callers: tuple[str, ...], name: str
    ) -> PlannedJob:
        minutes = self._filled(job.get("timeout-minutes", ""), f"timeout-minutes of {job_id}")
        try:
            timeout = float(minutes) if minutes not in ("", None) else DEFAULT_TIMEOUT
        except (TypeError, ValueError):
            raise WorkflowError(f"timeout-minutes of {job_id} is not a number: {minutes!r}") from None
        return PlannedJob(
            key="/".join((*callers, job_id)),
            name=name,
            needs=_texts(job.get("needs", [])),
            labels=self._labels(job_id, job.get("runs-on")),
            timeout_minutes=timeout,
            permissions=rights,
            steps=dict(_step_names(job.get("steps"))),
            actions=tuple(str(step["uses"]) for step in _steps(job.get("steps")) if "uses" in step),
        )

    def _called(
        self, job: Mapping[str, Any], uses: str, rights: Mapping[str, str], callers: tuple[str, ...], name: str
    ) -> Iterator[PlannedJob]:
        match = USES.fullmatch(uses)
        if match is None or self._depth >= MAX_DEPTH:
            raise WorkflowError(f"cannot call the workflow {uses}")
        repository, ref = (match["repository"], match["ref"] or "") if match["repository"] else self._at
        text = self._fetch(repository, ref, match["path"])
        if text is None:
            raise WorkflowError(f"workflow was not found: {uses}")
        called = load(text)
        contexts = {**self._contexts, "inputs": self._call_inputs(called, job.get("with"))}
        planner = _Planner(contexts, self._fetch, repository, ref, self._depth + 1)
        for planned in planner.jobs(called, rights, callers):
            yield PlannedJob(**{**vars(planned), "name": f"{name} / {planned.name}"})

    def _call_inputs(self, called: Mapping[str, Any], given: Any) -> dict[str, Any]:
        values = {one.name: one.default for one in inputs_of(called, "workflow_call").values()}
        for key, value in (given if isinstance(given, dict) else {}).items():
            values[key] = self._filled(value, f"input {key}")
        return values

    def _labels(self, job_id: str, runs_on: Any) -> tuple[str, ...]:
        if isinstance(runs_on, dict):
            runs_on = runs_on.get("labels", [])
        filled = self._filled(runs_on, f"runs-on of {job_id}") if isinstance(runs_on, str) else runs_on
        labels = _texts(filled)
        if not labels:
            raise WorkflowError(f"job {job_id} does not say where it runs")
        return tuple(as_text(self._filled(label, f"runs-on of {job_id}")) for label in labels)

    def _filled(self, text: Any, what: str, otherwise: str | None = None) -> Any:
        try:
            return fill(as_text(text), self._contexts)
        except UnknownExpression as error:
            if otherwise is not None:
                return otherwise
            raise WorkflowError(f"{what} cannot be known before it runs: {error}") from None


def _input(name: str, fields: Mapping[str, Any]) -> Input:
    options = _texts(fields.get("options", []))
    default = fields.get("default")
    return Input(
        name=name,
        type=str(fields.get("type") or "string"),
        required=str(fields.get("required", "")).lower() == "true",
        default=default if isinstance(default, str) else None,
        options=options,
    )


def _permissions(declared: Any) -> dict[str, str]:
    if declared in ("read-all", "write-all"):
        names = ("actions", "checks", "contents", "issues", "metadata", "pull-requests", "statuses")
        return dict.fromkeys(names, declared.removesuffix("-all"))
    if not isinstance(declared, dict):
        return {}
    return {str(name): str(level) for name, level in declared.items() if level in LEVELS}


def _lesser(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    both = {name: min(level, other.get(name, "none"), key=LEVELS.index) for name, level in one.items()}
    return {name: level for name, level in both.items() if level != "none"}


def _steps(steps: Any) -> list[dict[str, Any]]:
    return [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []


def _step_names(steps: Any) -> Iterator[tuple[str, str]]:
    for index, step in enumerate(_steps(steps)):
        first_line = str(step.get("run") or step.get("uses") or "").strip().split("\n")[0]
        yield str(step.get("id") or index), str(step.get("name") or f"Run {first_line}")


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
