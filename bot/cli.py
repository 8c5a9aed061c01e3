"""The command ``modelyard``: the composition root, the one file that may know the App, the operations and the runners.

Everything is imported when it is needed, so that help and small commands answer at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from actions.context import Issues

_DESCRIPTION = "Open an issue, get a model: a GitHub App for MLOps, with a command line for all of its operations."
_EXAMPLES = """\
examples:
  modelyard demo                                     try everything on this machine
  modelyard init --source OWNER/REPO@SHA             prepare a repository for Modelyard
  modelyard setup                                    register the GitHub App in a browser
  modelyard doctor                                   find out what is missing or wrong, and how to fix it
  modelyard start --file request.yml --wait          request a training run and follow it
  modelyard serve                                    run the App on 127.0.0.1:8000
  modelyard operations                               list the operations
  modelyard run load_dataset --data sklearn://iris   run one operation on this machine
  modelyard mcp --local                              serve the operations to an agent
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    named = _COMMANDS.get(arguments[0]) if arguments else None
    try:
        if named and named.options is None:
            return named.run(arguments[1:])
        parsed = _parser().parse_args(arguments)
        return _COMMANDS[parsed.command].run(parsed)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _reader_left()


def entry() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    sys.exit(main())


def _reader_left() -> int:
    """Exit quietly if the reader of our output (``| head``) has closed it."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelyard",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    for name, declared in _COMMANDS.items():
        command = commands.add_parser(
            name,
            help=declared.summary,
            description=declared.summary[0].upper() + declared.summary[1:] + ".",
            epilog=f"example:\n  {declared.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for add in declared.options or ():
            add(command)
    return parser


class _Version(argparse.Action):
    """``--version``, found only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from bot.version import version

        print(f"modelyard {version()}")
        parser.exit()


# --- how a command is declared ---------------------------------------------------------------------------------------

_Run = Callable[..., int]
_Option = Callable[[argparse._ActionsContainer], object]  # noqa: SLF001 - argparse has no public name for it


class _Command(NamedTuple):
    """A command, with the options that argparse reads for it, or None if it reads its arguments itself."""

    run: _Run
    summary: str
    example: str
    options: Sequence[_Option] | None


_COMMANDS: dict[str, _Command] = {}
"""By name, in the order in which ``modelyard --help`` lists them."""


def _command(summary: str, example: str = "", *options: _Option, delegated: bool = False) -> Callable[[_Run], _Run]:
    """Declare a command under the name of its function, without the underscore; ``delegated`` if it reads its arguments itself."""

    def declare(run: _Run) -> _Run:
        _COMMANDS[run.__name__.removeprefix("_")] = _Command(run, summary, example, None if delegated else options)
        return run

    return declare


def _option(*names: str, **settings: Any) -> _Option:
    return lambda parser: parser.add_argument(*names, **settings)


def _one_of(*options: _Option) -> _Option:
    def add(parser: argparse._ActionsContainer) -> None:
        group = parser.add_mutually_exclusive_group()
        for option in options:
            option(group)

    return add


def _port(text: str) -> int:
    highest = 65_535
    if not text.isdecimal() or int(text) > highest:
        raise argparse.ArgumentTypeError(f"a port must be a number from 0 to {highest}, not {text!r}")
    return int(text)


_HOST = _option("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
_PORT = _option("--port", type=_port, default=8000, help="port to listen on; 0 for a free one (default: 8000)")


# --- the commands ----------------------------------------------------------------------------------------------------


@_command(
    "register the GitHub App in a browser, store its credentials and check its permissions",
    "modelyard setup --public-url https://modelyard.example.org",
    _HOST,
    _PORT,
    _option(
        "--github",
        default="https://github.com",
        metavar="URL",
        help="github.com, your GitHub Enterprise Server, or the local hub; can be changed in the browser",
    ),
    _option("--public-url", default="", metavar="URL", help="the URL at which GitHub reaches this App"),
    _option("--env-file", default=".env", metavar="FILE", help="the file for the credentials (default: .env)"),
    _option("--overwrite", action="store_true", help="replace the credentials of an earlier App"),
)
def _setup(parsed: argparse.Namespace) -> int:
    from bot.admin.setup.command import serve
    from bot.admin.setup.server import Defaults

    defaults = Defaults(parsed.github, parsed.public_url, parsed.env_file, overwrite=parsed.overwrite)
    return serve(defaults, parsed.host, parsed.port)


@_command(
    "run the App: receive webhooks and work on runs",
    "MODELYARD_APP_ID=1 MODELYARD_PRIVATE_KEY_PATH=app.pem MODELYARD_WEBHOOK_SECRET=... modelyard serve --port 8000",
    _HOST,
    _PORT,
    _option(
        "--no-worker",
        action="store_true",
        help="only receive webhooks; `modelyard worker` handles them in another process",
    ),
    _option(
        "--poll",
        action="store_true",
        help="fetch webhooks from GitHub every few seconds, if GitHub cannot reach this machine",
    ),
)
def _serve(parsed: argparse.Namespace) -> int:
    from bot.settings import settings_or_exit

    settings = settings_or_exit(**({"poll": True} if parsed.poll else {}))
    from bot.app import serve

    return serve(settings, parsed.host, parsed.port, run_worker=not parsed.no_worker)


@_command(
    "run only the worker, next to one or more `modelyard serve --no-worker`",
    "MODELYARD_DATABASE_URL=postgresql://modelyard@db/modelyard modelyard worker --port 8001",
    _HOST,
    _option("--port", type=_port, help="port for /healthz, /readyz, /metrics and the dashboard (default: no port)"),
)
def _worker(parsed: argparse.Namespace) -> int:
    from bot.settings import settings_or_exit

    settings = settings_or_exit()
    from bot.app import serve, work

    return work(settings) if parsed.port is None else serve(settings, parsed.host, parsed.port, accept_webhooks=False)


@_command(
    "list the webhook deliveries that could not be handled (dead letters), or handle them again",
    "modelyard inbox --replay 0b1c4fd0-73d1-11f0-8f5c-0a58a9feac02",
    _one_of(
        _option("--waiting", action="store_true", help="also list deliveries that are waiting"),
        _option("--show", metavar="ID", help="print one as JSON, for `modelyard replay`"),
        _option("--replay", metavar="ID", nargs="+", help="handle dead letters again; `all` for all of them"),
    ),
)
def _inbox(parsed: argparse.Namespace) -> int:
    from bot.admin.dead_letters import run

    return run(parsed)


@_command(
    "send a saved webhook delivery to the App of the last demo and show the result",
    "modelyard inbox --show ID > delivery.json; modelyard replay delivery.json",
    _option("file", metavar="FILE", help="JSON from `modelyard inbox --show` or GitHub's API, or only a payload"),
    _option("--event", help="name of the event, such as issues, if it is not in the file"),
)
def _replay(parsed: argparse.Namespace) -> int:
    from runners.local.demo.replay import replay

    return replay(Path(parsed.file), event=parsed.event)


@_command("try everything on this machine: hub, App and runner (see demo --help)", delegated=True)
def _demo(arguments: Sequence[str]) -> int:
    from runners.local.demo.command import main as demo

    return int(demo(arguments) or 0)


@_command("request a training run in a repository and follow it (see start --help)", delegated=True)
def _start(arguments: Sequence[str]) -> int:
    from bot.admin.start.command import main as start

    return start(arguments)


@_command("run one operation on this machine (see run NAME --help)", delegated=True)
def _run(arguments: Sequence[str]) -> int:
    from actions.cli import Host
    from actions.cli import main as run
    from bot.version import APP_OPERATIONS
    from runners.backends.local import LocalBackend

    host = Host(more_modules=APP_OPERATIONS, issues=_issues, program="modelyard run", backend=LocalBackend())
    return run(arguments, host)


def _issues() -> Issues | None:
    from bot.github.lazy_issues import lazy_issues

    return lazy_issues()


@_command(
    "list the operations, one per line",
    "modelyard operations --json",
    _option("--json", action="store_true", help="print summaries, hints and schemas as JSON"),
)
def _operations(parsed: argparse.Namespace) -> int:
    from actions.operation import operations
    from bot.version import APP_OPERATIONS

    known = operations(*APP_OPERATIONS)
    if not parsed.json:
        print("\n".join(known))
        return 0
    import json

    described = [
        {
            "name": operation.name,
            "summary": operation.help.summary,
            "description": operation.help.text,
            "toolset": operation.toolset,
            "where": operation.where,
            "hints": {
                "read_only": operation.read_only,
                "destructive": operation.destructive,
                "idempotent": operation.idempotent,
            },
            "input_schema": operation.input_model.model_json_schema(),
            "output_schema": operation.output_model.model_json_schema(mode="serialization"),
        }
        for operation in known.values()
    ]
    print(json.dumps(described, indent=2, ensure_ascii=False))
    return 0


@_command(
    "serve the operations to an agent as MCP tools over stdio",
    "modelyard mcp --local --toolset data_preparation --toolset ml_training",
    _option("--local", action="store_true", required=True, help="run the operations in this process"),
    _option("--toolset", action="append", metavar="NAME", help="only this toolset; can be repeated"),
    _option(
        "--storage-root", metavar="DIR", help="datasets, models and evaluations (default: $MODELYARD_STORAGE_ROOT)"
    ),
    _option("--repository", metavar="DIR", help="the git checkout with training_history/ (default: here)"),
)
def _mcp(parsed: argparse.Namespace) -> int:
    from bot.mcp import serve_stdio

    return serve_stdio(storage_root=parsed.storage_root, repository=parsed.repository, toolsets=parsed.toolset or ())


@_command(
    "write issue forms, workflows, .github/modelyard.yml and CODEOWNERS into a repository",
    f"modelyard init --source OWNER/REPO@{'0123456789' * 4}",
    _option(
        "--source", required=True, metavar="OWNER/REPO@SHA", help="Modelyard's own repository and the commit to pin"
    ),
    _option("--directory", default=".", metavar="DIR", help="the repository to write into (default: here)"),
    _option(
        "--data-root", action="append", metavar="DIR", help="a folder from which runs may read data; can be repeated"
    ),
    _option(
        "--promotion",
        choices=("auto", "approval"),
        default="approval",
        help="when a model that passed becomes champion: automatically, or when a person promotes it (default: approval)",
    ),
    _option(
        "--owner",
        action="append",
        metavar="@ORG/TEAM",
        help="who must review changes to configuration, workflows and registry (CODEOWNERS); can be repeated",
    ),
    _option(
        "--yes",
        "--force",
        action="store_true",
        help="overwrite files that differ without asking; the diff is still shown",
    ),
    _option("--dry-run", action="store_true", help="show the changes as a diff and write nothing"),
)
def _init(parsed: argparse.Namespace) -> int:
    from bot.admin.init import run

    return run(parsed)


@_command(
    "find out what is missing or wrong, and how to fix it",
    "modelyard doctor --json",
    _option("--json", action="store_true", help="print the findings as JSON"),
    _one_of(
        _option(
            "--leave-nonce", action="store_true", help="only leave a nonce in the storage root, for a runner to find"
        ),
        _option("--find-nonce", metavar="NONCE", help="only look for that nonce, on a runner"),
    ),
    _option("--directory", default=".", metavar="DIR", help="the repository to check (default: here)"),
)
def _doctor(parsed: argparse.Namespace) -> int:
    from bot.admin.doctor import run

    return run(parsed)


@_command(
    "print a page of the documentation that is generated from the code",
    "modelyard docs state-machine",
    _option(
        "page",
        choices=("state-machine", "permissions"),
        help="state-machine: the states of a run, as Mermaid; permissions: what the App may do on GitHub, and why",
    ),
)
def _docs(parsed: argparse.Namespace) -> int:
    if parsed.page == "permissions":
        from bot.admin.setup.manifest import permissions_page

        print(permissions_page(), end="")
        return 0
    from bot.runs.machines.training import MACHINE

    print(MACHINE.mermaid())
    return 0


if __name__ == "__main__":
    entry()
