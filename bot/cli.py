"""The command ``modelyard``: the composition root, the one file that may know the App, the operations and the runners.

Everything is imported when it is needed, so that help and small commands answer at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

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
Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    delegate = _DELEGATES.get(arguments[0]) if arguments else None
    try:
        if delegate:
            return delegate(arguments[1:])
        parsed = _parser().parse_args(arguments)
        command: Command = parsed.command
        return command(parsed)
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


# --- commands with options of their own ------------------------------------------------------------------------------


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


def _demo(arguments: Sequence[str]) -> int:
    from runners.local.demo.command import main as demo

    return int(demo(arguments) or 0)


def _start(arguments: Sequence[str]) -> int:
    from bot.admin.start.command import main as start

    return start(arguments)


_DELEGATES: dict[str, Callable[[Sequence[str]], int]] = {"run": _run, "demo": _demo, "start": _start}


# --- commands that argparse reads ------------------------------------------------------------------------------------


def _serve(parsed: argparse.Namespace) -> int:
    from bot.settings import settings_or_exit

    settings = settings_or_exit(**({"poll": True} if parsed.poll else {}))
    from bot.app import serve

    return serve(settings, parsed.host, parsed.port, run_worker=not parsed.no_worker)


def _worker(parsed: argparse.Namespace) -> int:
    from bot.settings import settings_or_exit

    settings = settings_or_exit()
    from bot.app import serve, work

    return work(settings) if parsed.port is None else serve(settings, parsed.host, parsed.port, accept_webhooks=False)


def _inbox(parsed: argparse.Namespace) -> int:
    from bot.admin.dead_letters import run

    return run(parsed)


def _replay(parsed: argparse.Namespace) -> int:
    from runners.local.demo.replay import replay

    return replay(Path(parsed.file), event=parsed.event)


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


def _mcp(parsed: argparse.Namespace) -> int:
    from bot.mcp import serve_stdio

    return serve_stdio(storage_root=parsed.storage_root, repository=parsed.repository, toolsets=parsed.toolset or ())


def _init(parsed: argparse.Namespace) -> int:
    from bot.admin.init import run

    return run(parsed)


def _doctor(parsed: argparse.Namespace) -> int:
    from bot.admin.doctor import run

    return run(parsed)


def _setup(parsed: argparse.Namespace) -> int:
    from bot.admin.setup.command import serve
    from bot.admin.setup.server import Defaults

    defaults = Defaults(parsed.github, parsed.public_url, parsed.env_file, overwrite=parsed.overwrite)
    return serve(defaults, parsed.host, parsed.port)


def _docs(parsed: argparse.Namespace) -> int:
    if parsed.page == "permissions":
        from bot.admin.setup.manifest import permissions_page

        print(permissions_page(), end="")
        return 0
    from bot.runs.machines.training import MACHINE

    print(MACHINE.mermaid())
    return 0


class _Version(argparse.Action):
    """``--version``, found only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from bot.version import version

        print(f"modelyard {version()}")
        parser.exit()


# --- what they take --------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelyard",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_setup(commands)
    _add_serve(commands)
    _add_worker(commands)
    _add_inbox(commands)
    _add_replay(commands)
    _add(commands, "demo", _unreached, "try everything on this machine: hub, App and runner (see demo --help)", "")
    _add(commands, "start", _unreached, "request a training run in a repository and follow it (see start --help)", "")
    _add(commands, "run", _unreached, "run one operation on this machine (see run NAME --help)", "")
    _add_operations(commands)
    _add_mcp(commands)
    _add_init(commands)
    _add_doctor(commands)
    _add_docs(commands)
    return parser


_Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name for it


def _add(
    commands: _Commands[argparse.ArgumentParser], name: str, command: Command, summary: str, example: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  {example}" if example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=command)
    return parser


def _unreached(_: argparse.Namespace) -> int:
    raise AssertionError("delegated before argparse reads it")


def _add_setup(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _add(
        commands,
        "setup",
        _setup,
        "register the GitHub App in a browser, store its credentials and check its permissions",
        "modelyard setup --public-url https://modelyard.example.org",
    )
    _add_host(parser)
    parser.add_argument("--port", type=_port, default=8000, help="port to listen on; 0 for a free one (default: 8000)")
    parser.add_argument(
        "--github",
        default="https://github.com",
        metavar="URL",
        help="github.com, your GitHub Enterprise Server, or the local hub; can be changed in the browser",
    )
    parser.add_argument("--public-url", default="", metavar="URL", help="the URL at which GitHub reaches this App")
    parser.add_argument(
        "--env-file", default=".env", metavar="FILE", help="the file for the credentials (default: .env)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the credentials of an earlier App")


def _add_host(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")


def _add_serve(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _add(
        commands,
        "serve",
        _serve,
        "run the App: receive webhooks and work on runs",
        "MODELYARD_APP_ID=1 MODELYARD_PRIVATE_KEY_PATH=app.pem MODELYARD_WEBHOOK_SECRET=... modelyard serve --port 8000",
    )
    _add_host(parser)
    parser.add_argument("--port", type=_port, default=8000, help="port to listen on; 0 for a free one (default: 8000)")
    parser.add_argument(
        "--no-worker",
        action="store_true",
        help="only receive webhooks; `modelyard worker` handles them in another process",
    )
    parser.add_argument(
        "--poll",
        action="store_true",
        help="fetch webhooks from GitHub every few seconds, if GitHub cannot reach this machine",
    )


def _add_worker(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _add(
        commands,
        "worker",
        _worker,
        "run only the worker, next to one or more `modelyard serve --no-worker`",
        "MODELYARD_DATABASE_URL=postgresql://modelyard@db/modelyard modelyard worker --port 8001",
    )
    _add_host(parser)
    parser.add_argument(
        "--port", type=_port, help="port for /healthz, /readyz, /metrics and the dashboard (default: no port)"
    )


def _add_inbox(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _add(
        commands,
        "inbox",
        _inbox,
        "list the webhook deliveries that could not be handled (dead letters), or handle them again",
        "modelyard inbox --replay 0b1c4fd0-73d1-11f0-8f5c-0a58a9feac02",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--waiting", action="store_true", help="also list deliveries that are waiting")
    what.add_argument("--show", metavar="ID", help="print one as JSON, for `modelyard replay`")
    what.add_argument("--replay", metavar="ID", nargs="+", help="handle dead letters again; `all` for all of them")


def _add_replay(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _add(
        commands,
        "replay",
        _replay,
        "send a saved webhook delivery to the App of the last demo and show the result",
        "modelyard inbox --show ID > delivery.json; modelyard replay delivery.json",
    )
    parser.add_argument(
        "file", metavar="FILE", help="JSON from `modelyard inbox --show` or GitHub's API, or only a payload"
    )
    parser.add_argument("--event", help="name of the event, such as issues, if it is not in the file")


def _add_operations(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _add(
        commands, "operations", _operations, "list the operations, one per line", "modelyard operations --json"
    )
    parser.add_argument("--json", action="store_true", help="print summaries, hints and schemas as JSON")


def _add_mcp(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _add(
        commands,
        "mcp",
        _mcp,
        "serve the operations to an agent as MCP tools over stdio",
        "modelyard mcp --local --toolset data_preparation --toolset ml_training",
    )
    parser.add_argument("--local", action="store_true", required=True, help="run the operations in this process")
    parser.add_argument("--toolset", action="append", metavar="NAME", help="only this toolset; can be repeated")
    _add_places(parser)


def _add_init(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _add(
        commands,
        "init",
        _init,
        "write issue forms, workflows, .github/modelyard.yml and CODEOWNERS into a repository",
        f"modelyard init --source OWNER/REPO@{'0123456789' * 4}",
    )
    parser.add_argument(
        "--source", required=True, metavar="OWNER/REPO@SHA", help="Modelyard's own repository and the commit to pin"
    )
    parser.add_argument("--directory", default=".", metavar="DIR", help="the repository to write into (default: here)")
    parser.add_argument(
        "--data-root", action="append", metavar="DIR", help="a folder from which runs may read data; can be repeated"
    )
    parser.add_argument(
        "--promotion",
        choices=("auto", "approval"),
        default="approval",
        help="when a model that passed becomes champion: automatically, or when a person promotes it (default: approval)",
    )
    parser.add_argument(
        "--owner",
        action="append",
        metavar="@ORG/TEAM",
        help="who must review changes to configuration, workflows and registry (CODEOWNERS); can be repeated",
    )
    parser.add_argument(
        "--yes",
        "--force",
        action="store_true",
        help="overwrite files that differ without asking; the diff is still shown",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the changes as a diff and write nothing")


def _add_doctor(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _add(
        commands,
        "doctor",
        _doctor,
        "find out what is missing or wrong, and how to fix it",
        "modelyard doctor --json",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    nonce = parser.add_mutually_exclusive_group()
    nonce.add_argument(
        "--leave-nonce",
        action="store_true",
        help="only leave a nonce in the storage root, for a runner to find",
    )
    nonce.add_argument("--find-nonce", metavar="NONCE", help="only look for that nonce, on a runner")
    parser.add_argument("--directory", default=".", metavar="DIR", help="the repository to check (default: here)")


def _add_docs(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _add(
        commands,
        "docs",
        _docs,
        "print a page of the documentation that is generated from the code",
        "modelyard docs state-machine",
    )
    parser.add_argument(
        "page",
        choices=("state-machine", "permissions"),
        help="state-machine: the states of a run, as Mermaid; permissions: what the App may do on GitHub, and why",
    )


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--storage-root", metavar="DIR", help="datasets, models and evaluations (default: $MODELYARD_STORAGE_ROOT)"
    )
    parser.add_argument("--repository", metavar="DIR", help="the git checkout with training_history/ (default: here)")


def _port(text: str) -> int:
    highest = 65_535
    if not text.isdecimal() or int(text) > highest:
        raise argparse.ArgumentTypeError(f"a port must be a number from 0 to {highest}, not {text!r}")
    return int(text)


if __name__ == "__main__":
    entry()
