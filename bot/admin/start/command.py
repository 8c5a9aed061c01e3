"""``modelyard start``: open the issue that asks for a training, with a person's own token, and follow its run.

It talks to GitHub as that person would, so it loads nothing of the App.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from actions.contracts.request import TrainingRequest
from actions.errors import InvalidInput, OperationError
from actions.text import safe_yaml
from bot.parsing.form import form_body
from bot.parsing.form_fields import FOLLOWING, kind_of, request_fields
from bot.parsing.mapping import as_lines, read_request
from bot.parsing.scalars import WrongField, format_scalar

POLL_SECONDS = 5.0
"""Between two looks at a run that is followed."""
FILE_LIMIT = 128 * 1024
_PAIRS = "hyperparameters"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_EXAMPLES = """\
examples:
  modelyard start --file request.yml --wait
  modelyard start --repo owner/name --key nightly-20261122 \\
    --set model_name=breast-cancer task=classification algorithm=random_forest data=sklearn://breast_cancer \\
          target=target metric=accuracy threshold=0.95 hyperparameters.n_estimators=200
  modelyard start --file request.yml --set seed=7 --dry-run

The token is taken from GITHUB_TOKEN or GH_TOKEN, or else from `gh auth token`. Exit code: 0 the issue is open, or with
--wait the run has passed; 1 it has not, or GitHub refused; 2 the request is wrong.
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
        return _start(request, parsed)
    except OperationError as error:
        body = error.body
        sys.stderr.write(f"{body.rule}\n  found: {_printable(body.found)}\n  next:  {body.next_step}\n")
        return 2 if isinstance(error, InvalidInput) else 1


def _start(request: TrainingRequest, parsed: argparse.Namespace) -> int:
    from bot.admin.start.client import Hub, follow

    with Hub(_address(parsed.api_url), _token(), parsed.repo or _repository_here()) as hub:
        issue = hub.open_issue(
            _title(request), form_body(request), parsed.key or secrets.token_hex(16), new=not parsed.key
        )
        sys.stdout.write(f"{issue['html_url']}\n")
        sys.stdout.flush()
        return follow(hub, int(issue["number"]), _say, lambda: time.sleep(POLL_SECONDS)) if parsed.wait else 0


def _title(request: TrainingRequest) -> str:
    return f"Train: {request.model_name}"


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}  {_printable(text)}\n")
    sys.stdout.flush()


def _printable(text: str) -> str:
    """Leave out what could steer a terminal."""
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)


# --- the request -----------------------------------------------------------------------------------------------------


def _request(file: str | None, pairs: Sequence[str]) -> TrainingRequest | None:
    """Read the request; what is wrong with it is told, all at once."""
    given = dict(_read_file(file)) if file else {}
    known = given.get(_PAIRS)
    texts = {str(name): _as_text(value) for name, value in known.items()} if isinstance(known, Mapping) else {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise _wrong("A setting is NAME=VALUE.", pair, "Put = between name and value.", "set")
        if name.startswith(f"{_PAIRS}."):
            texts[name.removeprefix(f"{_PAIRS}.")] = value
        else:
            given[name] = value
    if texts:
        given[_PAIRS] = as_lines(texts)
    parsed = read_request(given)
    for one in parsed.wrong:
        sys.stderr.write(_complaint(one))
    return parsed.request


def _as_text(value: object) -> str:
    """Write a hyperparameter's value as a line has it; what YAML holds is text as it was typed."""
    if isinstance(value, str):
        return value
    return format_scalar(value) if value is None or isinstance(value, bool | int | float) else json.dumps(value)


def _complaint(wrong: WrongField) -> str:
    return f"{wrong.label}: {wrong.rule}\n  found: {_printable(wrong.found)}\n  next:  {wrong.next_step}\n"


def _read_file(name: str) -> Mapping[str, object]:
    """Read YAML, or JSON where the name ends so; ``-`` is the standard input."""
    try:
        text = sys.stdin.buffer.read(FILE_LIMIT + 1) if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise _wrong(
            "The file can be read.", f"{name}: {error.strerror or error}", "Name another file.", "file"
        ) from None
    if name.lower().endswith(".json"):
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _wrong("The file holds JSON.", str(error), "Correct the file.", "file") from None
    else:
        content = safe_yaml.load(text, source=name, limit=FILE_LIMIT)
    if not isinstance(content, Mapping):
        raise _wrong(
            "The file holds the request's fields by their names.", f"{name}: none", "Correct the file.", "file"
        )
    return content


def _wrong(rule: str, found: str, next_step: str, field: str) -> InvalidInput:
    return InvalidInput("invalid_argument", rule=rule, found=found, next_step=next_step, field=field)


# --- where and as whom -----------------------------------------------------------------------------------------------


def _address(given: str | None) -> str:
    url = given or os.environ.get("GITHUB_API_URL") or "https://api.github.com"
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        rule = "The API's address is https, except on this machine: a token travels over it."
        raise _wrong(rule, url, "Write https://.", "api_url")
    return url.rstrip("/")


def _token() -> str:
    for name in ("GITHUB_TOKEN", "GH_TOKEN"):
        if os.environ.get(name):
            return os.environ[name].strip()
    token = _output("gh", "auth", "token")
    if not token:
        raise _wrong(
            "GitHub has to know who asks.",
            "neither GITHUB_TOKEN nor GH_TOKEN, and no login of gh",
            "Set GITHUB_TOKEN to a token that may write issues here, or run: gh auth login",
            "token",
        )
    return token


def _repository_here() -> str:
    """Return the repository that this checkout's ``origin`` names."""
    url = _output("git", "remote", "get-url", "origin")
    path = urlsplit(url).path if "://" in url else url.rpartition(":")[2]
    name = path.strip("/").removesuffix(".git")
    if name.count("/") != 1:
        cure = "Say --repo OWNER/NAME."
        raise _wrong("The repository is OWNER/NAME, or the checkout's origin.", url or "no origin", cure, "repo")
    return name


def _output(*command: str) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""


# --- what it takes ---------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelyard start",
        description="Open the issue that asks for a training, as yourself, and perhaps follow its run to the end.",
        epilog=f"{_fields()}\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repo", metavar="OWNER/NAME", help="the repository (default: this checkout's origin)")
    parser.add_argument("--file", metavar="FILE", help="the request as YAML or JSON, by the fields below; - reads YAML")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        nargs="+",
        action="append",
        help="fields of the request; they go before the file's",
    )
    parser.add_argument(
        "--key", metavar="TEXT", help="what the request is known by: the same again opens no second issue for 30 days"
    )
    parser.add_argument(
        "--api-url", metavar="URL", help="GitHub's API (default: $GITHUB_API_URL or https://api.github.com)"
    )
    parser.add_argument("--wait", action="store_true", help="follow the run to its end")
    parser.add_argument("--dry-run", action="store_true", help="print the issue and open nothing")
    return parser


def _fields() -> str:
    """Describe the request's fields, from their type."""
    lines = ["fields of the request:"]
    for name, field in request_fields().items():
        options = f"; one of {', '.join(get_args(field.annotation))}" if kind_of(field) == "dropdown" else ""
        default = field.get_default(call_default_factory=True)
        usual = "needed" if field.is_required() else f"default: {default or 'empty'}"
        usual = "default: the metric's" if name in FOLLOWING else usual
        lines.append(f"  {name:<16} {field.title} ({usual}){options}")
    return "\n".join([*lines, "  hyperparameters are set one by one: hyperparameters.NAME=VALUE", ""])
