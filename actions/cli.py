"""The command line of operations and stages: JSON in, JSON out.

``NAME [--key value ...] [--json TEXT|-]``, ``STAGE [STAGE ...]``

Workflows run it as ``python -m runners.job``, people as ``modelyard run``. Stdout carries the result as JSON and
nothing else. Errors go to stderr as JSON. Exit code 0 means done, 2 that the input is invalid, 1 any other failure.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from actions.context import Context, Issues
from actions.contracts.stage import STAGES, Stage
from actions.errors import InvalidInput, OperationError, Problem
from actions.operation import Operation, find_operation
from actions.runtime import cli_help, workflow_commands
from actions.runtime.arguments import Arguments
from actions.runtime.stdout import result_stream
from actions.storage.folder import open_storage
from actions.text.validation import invalid_argument

if TYPE_CHECKING:
    from actions.stages.backend import Backend

DEFAULT_STORAGE = ".modelyard/storage"
STORAGE_VARIABLE = "MODELYARD_STORAGE_ROOT"
_HELP = {"-h", "--help"}


@dataclass(frozen=True)
class Host:
    """What the program that calls ``main`` adds: more modules with operations, the hub's issues, a backend to train on."""

    more_modules: tuple[str, ...] = ()
    issues: Callable[[], Issues | None] = field(default=lambda: None)
    program: str = "modelyard run"
    backend: Backend | None = None


def main(argv: Sequence[str] | None = None, host: Host | None = None) -> int:
    """Run one operation, or one or more stages; return the exit code."""
    tokens = list(sys.argv[1:] if argv is None else argv)
    host = host or Host()
    name = tokens[0] if tokens else "--help"
    if name in _HELP or (name in STAGES and _HELP & set(tokens)):
        print(cli_help.overview(host.program, host.more_modules))
        return 0 if tokens else 2
    if _HELP & set(tokens):
        return _help(name, host)
    with result_stream() as stdout:
        try:
            with workflow_commands.commands_stopped():
                result = _run(name, tokens[1:], host)
        except OperationError as error:
            return _fail(name, error.problem, 2 if isinstance(error, InvalidInput) else 1)
        except Exception as error:  # noqa: BLE001 - the outermost edge: whatever it is, the reader must see it
            with workflow_commands.commands_stopped():
                traceback.print_exc()
            workflow_commands.annotate(f"{name} crashed", f"{type(error).__name__}: {error}")
            return 1
        print(workflow_commands.inert_json(result.model_dump_json(indent=2)), file=stdout, flush=True)
    workflow_commands.write_summary(cli_help.summary(name, result))
    return 0


def _help(name: str, host: Host) -> int:
    try:
        print(cli_help.operation_help(host.program, find_operation(name, *host.more_modules)))
    except OperationError as error:
        return _fail(name, error.problem, 2)
    return 0


def _run(name: str, tokens: Sequence[str], host: Host) -> BaseModel:
    if name in STAGES:
        return _run_stages(name, tokens, host)
    arguments = Arguments.read(tokens)
    operation = find_operation(name, *host.more_modules)
    hints = {key: operation.hints[key] for key in operation.input_model.model_fields}
    return operation.call(arguments.for_parameters(hints), _context(arguments, operation, host))


def _run_stages(first: Stage, tokens: Sequence[str], host: Host) -> BaseModel:
    from actions.stages.runner import run_stage, run_stages
    from actions.tasks.exchange import WorkOrder

    if host.backend is None:
        raise ValueError("the host must give stages a backend")
    names: list[Stage] = [first]
    for token in tokens:
        if token not in STAGES:
            break
        names.append(token)
    arguments = Arguments.read(tokens[len(names) - 1 :])
    try:
        order = WorkOrder.model_validate(arguments.for_model())
    except ValidationError as error:
        raise invalid_argument(error, known=WorkOrder.model_fields) from None
    return run_stage(names[0], order, host.backend) if len(names) == 1 else run_stages(names, order, host.backend)


def _context(arguments: Arguments, operation: Operation, host: Host) -> Context:
    """Return what the operation may use: the storage root, the local git checkout, the hub and the channels."""
    from actions.contracts.channels import EnvironmentChannels
    from actions.history_management.local import LocalHistory

    parameters = operation.input_model.model_fields
    storage_roots = arguments.call_options("storage_root", parameters)
    checkouts = arguments.call_options("repository", parameters)
    return Context(
        storage=open_storage(
            storage_roots[-1] if storage_roots else os.environ.get(STORAGE_VARIABLE) or DEFAULT_STORAGE
        ),
        history=LocalHistory.at(Path(checkouts[-1])) if checkouts else LocalHistory.find(Path.cwd()),
        issues=host.issues(),
        report=_print_progress,
        data_roots=tuple(arguments.call_options("data_root", parameters)),
        channels=EnvironmentChannels(),
    )


def _fail(name: str, problem: Problem, code: int) -> int:
    print(workflow_commands.inert_json(problem.model_dump_json(indent=2)), file=sys.stderr, flush=True)
    workflow_commands.annotate(
        f"{name}: {problem.reason}", f"{problem.rule} Found: {problem.found} Next: {problem.next_step}"
    )
    workflow_commands.write_summary(cli_help.error_summary(name, problem))
    return code


def _print_progress(
    step: str, done: int | None = None, total: int | None = None, metrics: Mapping[str, float] | None = None
) -> None:
    count = f" {done}/{total}" if done is not None and total is not None else ""
    figures = "".join(f" {name}={value:.4g}" for name, value in (metrics or {}).items())
    print(f"{step}{count}{figures}", file=sys.stderr, flush=True)
