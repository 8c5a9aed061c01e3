"""``modelyard init``: write what a repository needs to be served, and nothing else.

The workflows are thin callers of Modelyard's reusable ones, pinned by a commit's SHA.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actions.operation import Conflict, InvalidInput, OperationError
from actions.storage import contained, write_atomically
from bot.config import CONFIG_PATH, Promotion, render_config
from bot.forms import render_form

FORM = ".github/ISSUE_TEMPLATE/modelyard-train.yml"
TRAIN_WORKFLOW = ".github/workflows/modelyard-train.yml"
OPERATION_WORKFLOW = ".github/workflows/modelyard-operation.yml"
_SOURCE = re.compile(r"(?P<repository>[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+)@(?P<sha>[0-9a-f]{40})")

Outcome = Literal["written", "replaced", "unchanged"]


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
        FORM: render_form(),
        TRAIN_WORKFLOW: filled(_TRAIN),
        OPERATION_WORKFLOW: filled(_OPERATION),
        CONFIG_PATH: render_config(list(data_roots), promotion),
    }


def initialise(directory: Path, content: dict[str, str], *, force: bool = False) -> dict[str, Outcome]:
    """Write the files, all or none.

    Raises
    ------
    Conflict
        With reason ``files_differ`` where a file is there with other content, unless ``force``. Nothing is written then.
    InvalidInput
        With reason ``no_directory`` or ``outside_directory``.
    """
    if not directory.is_dir():
        raise _invalid("no_directory", "The directory exists.", f"{directory} is none")
    targets = {name: _target(directory, name) for name in content}
    present = {name: target.read_bytes() for name, target in targets.items() if target.is_file()}
    differing = [name for name, old in present.items() if old != content[name].encode()]
    if differing and not force:
        raise Conflict(
            "files_differ",
            rule="Files that differ are not overwritten.",
            found=", ".join(differing),
            next_step="Compare them, then say --force to replace them.",
        )
    outcome: dict[str, Outcome] = {}
    for name, text in content.items():
        if name in present and name not in differing:
            outcome[name] = "unchanged"
            continue
        write_atomically(targets[name], text)
        outcome[name] = "replaced" if name in differing else "written"
    return outcome


def _target(directory: Path, name: str) -> Path:
    try:
        return contained(directory / name, directory)
    except ValueError as error:
        raise _invalid("outside_directory", "Files are written below the directory.", str(error)) from None


def _invalid(reason: str, rule: str, found: str) -> InvalidInput:
    return InvalidInput(
        reason, rule=rule, found=found, next_step="Name the top of a repository's checkout.", field="directory"
    )


def run(parsed: argparse.Namespace) -> int:
    """Run the command; say what was written and what comes next."""
    try:
        content = files(Source.parse(parsed.source), parsed.data_root or (), parsed.promotion)
        outcome = initialise(Path(parsed.directory), content, force=parsed.force)
    except OperationError as error:
        body = error.body
        sys.stderr.write(f"{body.rule}\n  found: {body.found}\n  next:  {body.next_step}\n")
        return 2 if isinstance(error, InvalidInput) else 1
    lines = [f"{how:<10} {name}" for name, how in outcome.items()]
    sys.stdout.write("\n".join([*lines, "", *_NEXT]) + "\n")
    return 0


_NEXT = (
    "Next: commit these files to the default branch, install the App on the repository, and register a runner with a",
    "label that .github/modelyard.yml names. Then open an issue with the form `Train a model`.",
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
