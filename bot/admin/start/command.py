"""``modelyard start``: open the issue that requests a training run, with a person's own token, and follow its run.

It acts on GitHub as that person. It has no access to the App's database, key or settings.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from actions.contracts.request import Repository
from actions.errors import InvalidInput, OperationError
from actions.tasks.registry import TrainingRequest, tasks
from actions.text import safe_yaml
from actions.text.hosts import LOOPBACK_HOSTS
from bot.parsing.form import form_body
from bot.parsing.form_fields import DERIVED, label_of, request_fields
from bot.parsing.mapping import as_lines, read_request
from bot.parsing.scalars import format_scalar

POLL_SECONDS = 5.0
"""Between two requests about a run that is being followed."""
FILE_LIMIT = 128 * 1024
_HYPERPARAMETERS = "hyperparameters"
_REPOSITORY = TypeAdapter[str](Repository)
_EXAMPLES = """\
examples:
  modelyard start --file request.yml --wait
  modelyard start --repo owner/name --key nightly-20261122 \\
    --set model_name=breast-cancer task=classification algorithm=random_forest data=sklearn://breast_cancer \\
          target=target metric=accuracy threshold=0.95 hyperparameters.n_estimators=200
  modelyard start --file request.yml --set seed=7 --dry-run

The token is read from GITHUB_TOKEN or GH_TOKEN, otherwise from `gh auth token`. Exit codes: 0 the issue was opened or,
with --wait, the run passed; 1 the run did not pass, or GitHub refused; 2 the request is invalid.
"""


def main(argv: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    parsed = _parser().parse_args(argv)
    try:
        request = _request(parsed.file, [pair for pairs in parsed.set or () for pair in pairs])
        if request is None:
            return 2
        if parsed.dry_run:
            sys.stdout.write(f"{_title(request)}\n\n{form_body(request)}\n")
            return 0
        return asyncio.run(_start(request, parsed))
    except OperationError as error:
        problem = error.problem
        sys.stderr.write(f"{problem.rule}\n  found: {_printable(problem.found)}\n  next:  {problem.next_step}\n")
        return 2 if isinstance(error, InvalidInput) else 1


async def _start(request: TrainingRequest, parsed: argparse.Namespace) -> int:
    from bot.admin.start.client import follow, open_issue
    from bot.github.personal import open_repository

    api_url, name = _api_url(parsed.api_url), _repository(parsed.repo)
    async with open_repository(name, token=_token(), api_url=api_url) as repository:
        key = parsed.key or secrets.token_hex(16)
        issue = await open_issue(repository, _title(request), form_body(request), key, fresh=not parsed.key)
        sys.stdout.write(f"{issue.html_url}\n")
        sys.stdout.flush()
        return await follow(repository, issue.number, _say, POLL_SECONDS) if parsed.wait else 0


def _title(request: TrainingRequest) -> str:
    return f"Train: {request.model_name}"


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {_printable(text)}\n")
    sys.stdout.flush()


def _printable(text: str) -> str:
    """Remove characters that could control a terminal."""
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)


# --- the request -----------------------------------------------------------------------------------------------------


def _request(file: str | None, pairs: Sequence[str]) -> TrainingRequest | None:
    """Read the request, or report everything that is wrong with it at once."""
    given = dict(_read_file(file)) if file else {}
    from_file = given.get(_HYPERPARAMETERS)
    texts = {str(name): _as_text(value) for name, value in from_file.items()} if isinstance(from_file, Mapping) else {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise _invalid("--set must be NAME=VALUE.", pair, "Put = between the name and the value.", "set")
        if name.startswith(f"{_HYPERPARAMETERS}."):
            texts[name.removeprefix(f"{_HYPERPARAMETERS}.")] = value
        else:
            given[name] = value
    if texts:
        given[_HYPERPARAMETERS] = as_lines(texts)
    parsed = read_request(given)
    for wrong in parsed.wrong:
        sys.stderr.write(
            f"{label_of(str(wrong.field))}: {wrong.rule}\n  found: {_printable(wrong.found)}\n  next:  {wrong.next_step}\n"
        )
    return parsed.request


def _as_text(value: object) -> str:
    """Write a hyperparameter's value as it would be typed into the form. YAML values are the text that was typed."""
    if isinstance(value, str):
        return value
    return format_scalar(value) if value is None or isinstance(value, bool | int | float) else json.dumps(value)


def _read_file(name: str) -> Mapping[str, object]:
    """Read YAML, or JSON if the name ends in .json; ``-`` is standard input."""
    try:
        text = sys.stdin.buffer.read(FILE_LIMIT + 1) if name == "-" else Path(name).read_bytes()
    except OSError as error:
        found = f"{name}: {error.strerror or error}"
        raise _invalid("The file must be readable.", found, "Name another file.", "file") from None
    if name.lower().endswith(".json"):
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _invalid("The file must contain JSON.", str(error), "Correct the file.", "file") from None
    else:
        content = safe_yaml.load(text, source=name, limit=FILE_LIMIT)
    if not isinstance(content, Mapping):
        rule = "The file must contain the fields of a training request, by name."
        raise _invalid(rule, f"{name}: something else", "Correct the file.", "file")
    return content


def _invalid(rule: str, found: str, next_step: str, field: str) -> InvalidInput:
    return InvalidInput("invalid_argument", rule=rule, found=found, next_step=next_step, field=field)


# --- where and as whom -----------------------------------------------------------------------------------------------


def _api_url(given: str | None) -> str:
    url = given or os.environ.get("GITHUB_API_URL") or "https://api.github.com"
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS):
        rule = "The API's URL must use https, except on this machine: it receives your token."
        raise _invalid(rule, url, "Use an https:// URL.", "api_url")
    return url.rstrip("/")


def _token() -> str:
    for name in ("GITHUB_TOKEN", "GH_TOKEN"):
        if os.environ.get(name):
            return os.environ[name].strip()
    token = _output("gh", "auth", "token")
    if not token:
        raise _invalid(
            "A GitHub token is required.",
            "neither GITHUB_TOKEN nor GH_TOKEN is set, and gh is not logged in",
            "Set GITHUB_TOKEN to a token that may write issues in the repository, or run: gh auth login",
            "token",
        )
    return token


def _repository(given: str | None) -> str:
    """Return the repository that was named, or the one that this checkout's ``origin`` points to."""
    name = given or _origin()
    try:
        return _REPOSITORY.validate_python(name)
    except ValidationError:
        rule = "The repository must be OWNER/NAME; by default it is the checkout's origin."
        raise _invalid(rule, name or "no origin", "Use --repo OWNER/NAME.", "repo") from None


def _origin() -> str:
    url = _output("git", "remote", "get-url", "origin")
    path = urlsplit(url).path if "://" in url else url.rpartition(":")[2]
    return path.strip("/").removesuffix(".git")


def _output(*command: str) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""


# --- options -----------------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelyard start",
        description="Open the issue that requests a training run, as yourself; with --wait, follow the run to its end.",
        epilog=f"{_fields()}\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repo", metavar="OWNER/NAME", help="the repository (default: this checkout's origin)")
    parser.add_argument(
        "--file", metavar="FILE", help="the request as YAML or JSON, with the fields below; - reads YAML from stdin"
    )
    parser.add_argument(
        "--set", metavar="NAME=VALUE", nargs="+", action="append", help="fields of the request; they override the file"
    )
    parser.add_argument(
        "--key",
        metavar="TEXT",
        help="identifies the request: the same key opens no second issue for 30 days (default: a new key each time)",
    )
    parser.add_argument(
        "--api-url", metavar="URL", help="GitHub's API (default: $GITHUB_API_URL or https://api.github.com)"
    )
    parser.add_argument("--wait", action="store_true", help="follow the run until it ends")
    parser.add_argument("--dry-run", action="store_true", help="print the issue instead of opening it")
    return parser


def _fields() -> str:
    """Describe the fields of all tasks' requests, from their types."""
    lines = ["fields of the request:"]
    for name, field in request_fields().items():
        having = [task for task in tasks().values() if name in task.request.model_fields]
        choices = dict.fromkeys(choice for task in having for choice in task.options(name))
        options = f"; one of {', '.join(choices)}" if choices else ""
        default = field.get_default(call_default_factory=True)
        usual = "required" if field.is_required() else f"default: {default or 'empty'}"
        usual = "default: the metric's" if name in DERIVED else usual
        lines.append(f"  {name:<16} {field.title} ({usual}){options}")
    return "\n".join([*lines, "  set hyperparameters one by one: hyperparameters.NAME=VALUE", ""])
