"""The command line of operations and stages: JSON in, JSON out.

``python -m actions.cli NAME [--key value ...] [--json TEXT|-]``, ``python -m actions.cli STAGE [STAGE ...]``

The workflows run it on runners, people run it as ``modelyard run NAME``. The result stands on stdout as JSON and nothing
else does; an error stands on stderr as JSON. Exit code 0: done; 2: the input is wrong; 1: anything else went wrong.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel, TypeAdapter, ValidationError

from actions.contracts.stage import STAGES, Stage
from actions.errors import InvalidInput, OperationError, Problem
from actions.operation import Context, Issues, Operation, find_operation, invalid_argument
from actions.runtime import cli_help as usage
from actions.runtime import workflow_commands as workflow
from actions.storage.folder import open_storage

DEFAULT_STORAGE = ".modelyard/storage"


@dataclass(frozen=True)
class Door:
    """What the caller of ``main`` adds: modules that declare further operations, and a way to the hub's issues."""

    more_modules: tuple[str, ...] = ()
    issues: Callable[[], Issues | None] = field(default=lambda: None)
    program: str = "python -m actions.cli"


def main(argv: Sequence[str] | None = None, door: Door | None = None) -> int:
    """Run one operation or stage as the command line says; return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    door = door or Door()
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(usage.overview(door.program, door.more_modules))
        return 0 if arguments else 2
    name = arguments[0]
    if name not in STAGES and {"-h", "--help"} & set(arguments[1:]):
        return _help(name, door)
    with _stdout_for_the_result() as stdout:
        try:
            with workflow.commands_stopped():
                result = _run(name, arguments[1:], door)
        except OperationError as error:
            return _failed(name, error.body, 2 if isinstance(error, InvalidInput) else 1)
        except Exception as error:  # noqa: BLE001 - the outermost edge: whatever it is, the reader gets to see it
            with workflow.commands_stopped():
                traceback.print_exc()
            workflow.annotate(f"{name} crashed", f"{type(error).__name__}: {error}")
            return 1
        print(workflow.inert_json(result.model_dump_json(indent=2)), file=stdout, flush=True)
    workflow.write_summary(usage.summary(name, result))
    return 0


def _help(name: str, door: Door) -> int:
    try:
        print(usage.operation_help(door.program, find_operation(name, *door.more_modules)))
    except OperationError as error:
        return _failed(name, error.body, 2)
    return 0


def _run(name: str, tokens: Sequence[str], door: Door) -> BaseModel:
    if name in STAGES:
        names: list[Stage] = [name]
        for token in tokens:
            if token not in STAGES:
                break
            names.append(token)
        return _run_stages(names, Given.read(tokens[len(names) - 1 :]))
    given = Given.read(tokens)
    operation = find_operation(name, *door.more_modules)
    context = given.context(operation, door)
    return operation.call(given.arguments(operation), context)


def _run_stages(names: Sequence[Stage], given: Given) -> BaseModel:
    """Run one stage, or several one after another."""
    from actions.contracts.request import WorkOrder
    from actions.stages.runner import run_stage, run_stages

    values = given.values | {key: _json_or_text(texts[-1]) for key, texts in given.options.items()}
    try:
        order = WorkOrder.model_validate(values)
    except ValidationError as error:
        raise invalid_argument(error, known=WorkOrder.model_fields) from None
    return run_stage(names[0], order) if len(names) == 1 else run_stages(names, order)


def _failed(name: str, body: Problem, code: int) -> int:
    print(workflow.inert_json(body.model_dump_json(indent=2)), file=sys.stderr, flush=True)
    workflow.annotate(f"{name}: {body.reason}", f"{body.rule} Found: {body.found} Next: {body.next_step}")
    workflow.write_summary(usage.error_summary(name, body))
    return code


@contextmanager
def _stdout_for_the_result() -> Iterator[TextIO]:
    """Keep stdout for the result alone: what libraries print meanwhile, also from C, goes to stderr."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:
        yield sys.stdout
        return
    python_stdout = sys.stdout
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        # A test or an embedding program may have replaced sys.stdout by something without a file: then that is meant.
        if _is_the_process_stdout(python_stdout):
            with os.fdopen(os.dup(kept), "w", encoding="utf-8") as stdout:
                yield stdout
        else:
            yield python_stdout
    finally:
        sys.stdout.flush()
        sys.stdout = python_stdout
        os.dup2(kept, 1)
        os.close(kept)


def _is_the_process_stdout(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 1
    except (OSError, ValueError, AttributeError):
        return False


@dataclass
class Given:
    """What the command line and the environment gave: JSON values, and options as text."""

    values: dict[str, Any]
    options: dict[str, list[str]]

    @classmethod
    def read(cls, tokens: Sequence[str]) -> Given:
        """Read ``--key value``, ``--key=value`` and ``--key``; later sources win: environment, ``--json``, options."""
        options: dict[str, list[str]] = {}
        rest = list(tokens)
        while rest:
            word = rest.pop(0)
            if not word.removeprefix("--") or not word.startswith("--"):
                raise InvalidInput(
                    "unexpected_argument",
                    rule="Arguments are written as --key value.",
                    found=word,
                    next_step="Name the parameter; --help lists them.",
                )
            key, equals, value = word[2:].partition("=")
            if not equals:
                value = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
            options.setdefault(key.replace("-", "_"), []).append(value)
        values = _json_object(os.environ.get("MODELYARD_INPUT", ""), "MODELYARD_INPUT")
        for text in options.pop("json", []):
            values |= _json_object(sys.stdin.read() if text == "-" else text, "--json")
        return cls(values, options)

    def arguments(self, operation: Operation) -> dict[str, Any]:
        """Return the operation's arguments; an option's text is read as JSON where the parameter takes the outcome."""
        fields = operation.input_model.model_fields
        found = dict(self.values)
        for key, texts in self.options.items():
            if key not in fields:
                _check_known(key, fields)
                continue
            hint = operation.hints.get(key, str)
            found[key] = _value(texts[0], hint) if len(texts) == 1 else [_json_or_text(text) for text in texts]
        return found

    def context(self, operation: Operation, door: Door) -> Context:
        """Return what the operation is handed: the storage root, the local git checkout, the hub."""
        from actions.contracts.channels import EnvironmentChannels
        from actions.history_management.local import LocalHistory

        taken = set(operation.input_model.model_fields)
        storage_root = self._door_option("storage_root", taken) or os.environ.get("MODELYARD_STORAGE_ROOT")
        checkout = self._door_option("repository", taken)
        roots = [] if "data_root" in taken else self.options.get("data_root", [])
        return Context(
            storage=open_storage(storage_root or DEFAULT_STORAGE),
            history=LocalHistory.at(Path(checkout)) if checkout else LocalHistory.find(Path.cwd()),
            issues=door.issues(),
            report=_report,
            data_roots=tuple(roots),
            channels=EnvironmentChannels(),
        )

    def _door_option(self, key: str, taken: set[str]) -> str | None:
        return None if key in taken else self.options.get(key, [None])[-1]


def _check_known(key: str, fields: Mapping[str, Any]) -> None:
    import difflib

    if key in usage.CALL_OPTIONS:
        return
    near = difflib.get_close_matches(key, [*fields, *usage.CALL_OPTIONS], n=1)
    raise InvalidInput(
        "unknown_argument",
        rule="Only declared arguments are taken.",
        found=f"--{key}"[:200],
        next_step=f"Did you mean --{near[0]}?" if near else f"Known: {', '.join(f'--{name}' for name in fields)}.",
        field=key,
    )


def _report(
    step: str, done: int | None = None, total: int | None = None, metrics: Mapping[str, float] | None = None
) -> None:
    figures = "".join(f" {name}={value:.4g}" for name, value in (metrics or {}).items())
    counted = f" {done}/{total}" if done is not None and total is not None else ""
    print(f"{step}{counted}{figures}", file=sys.stderr, flush=True)


def _json_object(text: str, source: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        value = _parse(text)
    except (ValueError, RecursionError) as error:
        found = f"{type(error).__name__}: {error}"
    else:
        if isinstance(value, dict):
            return value
        found = f"a JSON {type(value).__name__}"
    raise InvalidInput(
        "invalid_json",
        rule=f"{source} holds one JSON object, with a member for each argument.",
        found=found[:300],
        next_step='Write it like {"name": "value"}.',
    )


def _parse(text: str) -> Any:
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _json_or_text(text: str) -> Any:
    try:
        return _parse(text)
    except (ValueError, RecursionError):
        return text


def _value(text: str, hint: Any) -> Any:
    """Return the JSON value of a text if the parameter takes it, else the text: ``--version 1.10`` may be a string."""
    value = _json_or_text(text)
    if isinstance(value, str):
        return text if value != text and not text.startswith('"') else value
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    for candidate in (value, text):
        try:
            adapter.validate_python(candidate)
        except ValidationError:
            continue
        return candidate
    return value


def _own_process() -> int:
    """Run as the process's only work, with the garbage collector out of the way.

    What libraries make while they are imported lives until the end. Looking through it again and again, and once more
    before the process ends, costs a stage more than half a second.
    """
    gc.set_threshold(50_000)
    code = main()
    gc.freeze()
    return code


if __name__ == "__main__":
    sys.exit(_own_process())
