"""``modelyard init``: write what a repository needs to be served, and nothing else.

The workflows are thin callers of Modelyard's reusable ones, pinned by a commit's SHA.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from actions.errors import Conflict, InvalidInput, OperationError
from actions.storage.folder import contained
from bot.admin.code_owners import PLACES, check_owner, with_code_owners
from bot.admin.file_changes import Change, Outcome, shown, write_all
from bot.parsing.issue_templates import form_files, issue_forms
from bot.parsing.repository_config import CONFIG_PATH, Promotion, render_config

FORM_PREFIX = "modelyard-"
TRAIN_WORKFLOW = ".github/workflows/modelyard-train.yml"
OPERATION_WORKFLOW = ".github/workflows/modelyard-operation.yml"
_SOURCE = re.compile(r"(?P<repository>[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+)@(?P<sha>[0-9a-f]{40})")


@dataclass(frozen=True)
class Source:
    """Modelyard's own repository and the commit of it that a repository calls."""

    repository: str
    sha: str

    @classmethod
    def parse(cls, text: str) -> Source:
        """Read ``OWNER/REPO@SHA``.

        Raises
        ------
        InvalidInput
            With reason ``invalid_source``: a branch or a tag can move, a commit cannot.
        """
        found = _SOURCE.fullmatch(text)
        if found is None:
            raise InvalidInput(
                "invalid_source",
                rule="The source is OWNER/REPO@SHA with the 40 hexadecimal digits of a commit.",
                found=text[:200],
                next_step="Take the commit of the release that you want: git ls-remote shows it.",
                field="source",
            )
        return cls(found["repository"], found["sha"])


def files(source: Source, data_roots: Sequence[str] = (), promotion: Promotion = "approval") -> dict[str, str]:
    """Return every file that a repository needs, by its path."""
    names = {"@REPOSITORY@": source.repository, "@SHA@": source.sha}

    def filled(template: str) -> str:
        return re.sub("|".join(names), lambda found: names[found[0]], template)

    return {
        **form_files(FORM_PREFIX),
        TRAIN_WORKFLOW: filled(_TRAIN),
        OPERATION_WORKFLOW: filled(_OPERATION),
        CONFIG_PATH: render_config(list(data_roots), promotion),
    }


def plan(directory: Path, content: Mapping[str, str], owners: Sequence[str] = ()) -> list[Change]:
    """Look at what is there, and return every file with what it is and what it is to be. Nothing is written.

    Raises
    ------
    InvalidInput
        With reason ``no_directory``, ``outside_directory``, ``invalid_owner`` or ``unreadable_code_owners``.
    """
    if not directory.is_dir():
        raise _invalid("no_directory", "The directory exists.", f"{directory} is none")
    changes = [_change(directory, name, text.encode()) for name, text in content.items()]
    owned = _code_owners(directory, [check_owner(owner) for owner in owners])
    return [*changes, *([owned] if owned else [])]


def _change(directory: Path, name: str, after: bytes) -> Change:
    path = _target(directory, name)
    return Change(name, path, path.read_bytes() if path.is_file() else None, after)


def _code_owners(directory: Path, owners: Sequence[str]) -> Change | None:
    """Return what becomes of CODEOWNERS, wherever GitHub finds it; None where it is left alone."""
    place = next((name for name in PLACES if _target(directory, name).is_file()), PLACES[0])
    path = _target(directory, place)
    before = path.read_bytes() if path.is_file() else None
    try:
        present = None if before is None else before.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "unreadable_code_owners",
            rule="CODEOWNERS is UTF-8 text.",
            found=f"byte {error.start} of {place} is none.",
            next_step="Save it as UTF-8; nothing was written.",
            field="owner",
        ) from None
    after = with_code_owners(present, owners, place)
    return None if after is None else Change(place, path, before, after.encode())


def _target(directory: Path, name: str) -> Path:
    try:
        path = contained(directory / name, directory)
    except (ValueError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        raise _invalid("outside_directory", "Files are written below the directory.", str(error)) from None
    if path.exists() and not path.is_file():
        raise _invalid("no_file", "Where a file is to be, there is a file or nothing.", f"{name} is something else")
    return path


def _invalid(reason: str, rule: str, found: str) -> InvalidInput:
    return InvalidInput(
        reason, rule=rule, found=found, next_step="Name the top of a repository's checkout.", field="directory"
    )


def run(parsed: argparse.Namespace) -> int:
    """Run the command: show what would be overwritten, ask, write, and say what comes next."""
    try:
        content = files(Source.parse(parsed.source), parsed.data_root or (), parsed.promotion)
        changes = plan(Path(parsed.directory), content, parsed.owner or ())
        if parsed.dry_run:
            sys.stdout.write("".join(f"{_line(change.outcome, change)}{change.diff()}" for change in changes))
            sys.stdout.write("Nothing was written.\n")
            return 0
        kept = _shown_and_kept(changes, asks=sys.stdin.isatty(), yes=parsed.yes)
        write_all([one for one in changes if one not in kept and one.outcome != "unchanged"])
    except OperationError as error:
        body = error.body
        sys.stderr.write(f"{body.rule}\n  found: {shown(body.found)}\n  next:  {body.next_step}\n")
        return 2 if isinstance(error, InvalidInput) else 1
    except OSError as error:
        sys.stderr.write(
            f"All files are written, or none.\n  found: {error}\n  next:  Put that right; nothing was changed.\n"
        )
        return 1
    lines = [_line("kept" if one in kept else one.outcome, one) for one in changes]
    sys.stdout.write("".join([*lines, "\n", *(f"{line}\n" for line in _next(owned=bool(parsed.owner)))]))
    return 0


def _line(outcome: Outcome, change: Change) -> str:
    return f"{outcome:<10} {change.name}\n"


def _shown_and_kept(changes: Sequence[Change], *, asks: bool, yes: bool) -> list[Change]:
    """Show each change to a file that is there; return those that are not wanted.

    Raises
    ------
    Conflict
        With reason ``files_differ`` where nobody can be asked.
    """
    differing = [change for change in changes if change.outcome == "replaced"]
    kept = []
    for change in differing:
        sys.stdout.write(change.diff())
        if not yes and asks and not _agrees(change):
            kept.append(change)
    if differing and not yes and not asks:
        raise Conflict(
            "files_differ",
            rule="Files that differ are overwritten only when somebody agrees. This is no terminal to ask at.",
            found=", ".join(change.name for change in differing),
            next_step="Nothing was written. Look at the diff, then say --yes to replace them.",
        )
    return kept


def _agrees(change: Change) -> bool:
    sys.stdout.write(f"Replace {change.name} as shown? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _next(*, owned: bool) -> tuple[str, ...]:
    return _NEXT if owned else (*_NEXT, *_NEXT_WITHOUT_OWNER)


_NEXT = (
    "Next: commit these files to the default branch, install the App on the repository, and register a runner with a",
    "label that .github/modelyard.yml names. Then open an issue with one of the forms:",
    f"{', '.join(form.name for form in issue_forms())}.",
)
_NEXT_WITHOUT_OWNER = (
    "Nobody is named yet who has to look at changes to these files: modelyard init --owner @organisation/team does that.",
)


# --- the workflows ---------------------------------------------------------------------------------------------------

_HEAD = """\
# Written by `modelyard init`; the App starts it. To move to another release, run `modelyard init` again with its commit.
"""

_TRAIN = (
    _HEAD
    + """\
name: Modelyard train
run-name: ${{ inputs.run }} attempt ${{ inputs.attempt }} dispatch ${{ inputs.dispatch }}

on:
  workflow_dispatch:
    inputs:
      run:
        description: The run's id, such as train-20261122-001
        type: string
        required: true
      attempt:
        description: Which pass of the run this is, from 1
        type: string
        required: true
      dispatch:
        description: Which workflow run of the run this is, from 1; the App finds it again by this run's name
        type: string
        required: true
      start_at:
        description: The first stage to run; those before it are skipped
        type: choice
        options:
          - prepare
          - train
          - evaluate
          - judge
          - publish
        default: prepare
      order:
        description: The work order as JSON, every dollar sign written as \\u0024
        type: string
        required: true
      runs_on:
        description: The runner's labels as a JSON list
        type: string
        default: '["self-hosted"]'
      train_timeout_minutes:
        description: How long the train job may take
        type: string
        default: "60"

permissions: {}

# Each workflow run is a group of its own. Which run may use a model is for the App to say: a group is no lock.
concurrency:
  group: modelyard-${{ github.run_id }}
  cancel-in-progress: false

jobs:
  train:
    name: train
    permissions:
      contents: write # for the job publish alone, which pushes the result to refs/modelyard/<run>/<attempt>
    uses: @REPOSITORY@/.github/workflows/train.yml@@SHA@
    with:
      run: ${{ inputs.run }}
      attempt: ${{ inputs.attempt }}
      start_at: ${{ inputs.start_at }}
      order: ${{ inputs.order }}
      runs_on: ${{ inputs.runs_on }}
      train_timeout_minutes: ${{ inputs.train_timeout_minutes }}
      modelyard_repository: @REPOSITORY@
      modelyard_sha: "@SHA@"
"""
)

_OPERATION = (
    _HEAD
    + """\
name: Modelyard operation
run-name: ${{ inputs.operation }} ${{ inputs.dispatch }}

on:
  workflow_dispatch:
    inputs:
      operation:
        description: The operation's name, as `modelyard operations` lists it
        type: string
        required: true
      arguments:
        description: Its arguments as a JSON object, every dollar sign written as \\u0024
        type: string
        default: "{}"
      runs_on:
        description: The runner's labels as a JSON list
        type: string
        default: '["self-hosted"]'
      storage_root:
        description: The storage root that URIs are relative to
        type: string
        required: true
      dispatch:
        description: What asked for it, for the run's title
        type: string
        default: ""

permissions: {}

# Each workflow run is a group of its own.
concurrency:
  group: modelyard-${{ github.run_id }}
  cancel-in-progress: false

jobs:
  operation:
    name: operation
    permissions:
      contents: read
    uses: @REPOSITORY@/.github/workflows/operation.yml@@SHA@
    with:
      operation: ${{ inputs.operation }}
      arguments: ${{ inputs.arguments }}
      runs_on: ${{ inputs.runs_on }}
      storage_root: ${{ inputs.storage_root }}
      modelyard_repository: @REPOSITORY@
      modelyard_sha: "@SHA@"
"""
)
