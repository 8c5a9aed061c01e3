"""``modelyard init``: write the files that a repository needs to use Modelyard, and nothing else.

The workflows only call Modelyard's reusable ones, pinned by commit SHA.
"""

from __future__ import annotations

import argparse
import json
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
from bot.parsing.repository_config import CONFIG_PATH, Promotion, parse_config
from bot.runs.workflow_names import OPERATION_WORKFLOW, TRAIN_WORKFLOW, WORKFLOW_FOLDER

FORM_PREFIX = "modelyard-"
TRAIN_CALLER = f"{WORKFLOW_FOLDER}/{TRAIN_WORKFLOW}"
OPERATION_CALLER = f"{WORKFLOW_FOLDER}/{OPERATION_WORKFLOW}"
_TEMPLATES = Path(__file__).parent / "templates"
_SOURCE = re.compile(r"(?P<repository>[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+)@(?P<sha>[0-9a-f]{40})")


@dataclass(frozen=True)
class Source:
    """Modelyard's own repository, and the commit that a repository's workflows call."""

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
        match = _SOURCE.fullmatch(text)
        if match is None:
            raise InvalidInput(
                "invalid_source",
                rule="The source must be OWNER/REPO@SHA, with the 40 hexadecimal digits of a commit.",
                found=text[:200],
                next_step="Use the commit of the release that you want; git ls-remote shows it.",
                field="source",
            )
        return cls(match["repository"], match["sha"])


def files(source: Source, data_roots: Sequence[str] = (), promotion: Promotion = "approval") -> dict[str, str]:
    """Return every file that a repository needs, by path."""
    return {
        **form_files(FORM_PREFIX),
        TRAIN_CALLER: _filled(TRAIN_CALLER, REPOSITORY=source.repository, SHA=source.sha),
        OPERATION_CALLER: _filled(OPERATION_CALLER, REPOSITORY=source.repository, SHA=source.sha),
        CONFIG_PATH: render_config(data_roots, promotion),
    }


def render_config(data_roots: Sequence[str], promotion: Promotion) -> str:
    """Return a configuration with comments that explain it.

    Raises
    ------
    ConfigError
        If a data root is invalid.
    """
    roots = "".join(f"\n  - {json.dumps(root, ensure_ascii=False)}" for root in data_roots) or " []"
    text = _filled(CONFIG_PATH, DATA_ROOTS=roots, PROMOTION=promotion)
    parse_config(text)
    return text


def _filled(path: str, **values: str) -> str:
    """Return the template of a file with every ``@NAME@`` replaced, in a single pass over the text."""
    text = (_TEMPLATES / Path(path).name).read_text(encoding="utf-8")
    return re.sub("|".join(f"@{name}@" for name in values), lambda match: values[match[0].strip("@")], text)


def plan(directory: Path, content: Mapping[str, str], owners: Sequence[str] = ()) -> list[Change]:
    """Compare the files with what is there, and return every change. Nothing is written.

    Raises
    ------
    InvalidInput
        With reason ``no_directory``, ``outside_directory``, ``no_file``, ``invalid_owner`` or ``unreadable_code_owners``.
    """
    if not directory.is_dir():
        raise _invalid("no_directory", "The directory must exist.", f"{directory} is not a directory")
    changes = [_change(directory, name, text.encode()) for name, text in content.items()]
    owned = _code_owners(directory, [check_owner(owner) for owner in owners])
    return [*changes, *([owned] if owned else [])]


def _change(directory: Path, name: str, after: bytes) -> Change:
    path = _target(directory, name)
    return Change(name, path, path.read_bytes() if path.is_file() else None, after)


def _code_owners(directory: Path, owners: Sequence[str]) -> Change | None:
    """Return the change to CODEOWNERS, in whichever place GitHub finds it; None if it stays as it is."""
    place = next((name for name in PLACES if _target(directory, name).is_file()), PLACES[0])
    path = _target(directory, place)
    before = path.read_bytes() if path.is_file() else None
    try:
        present = None if before is None else before.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "unreadable_code_owners",
            rule="CODEOWNERS must be UTF-8 text.",
            found=f"byte {error.start} of {place} is not.",
            next_step="Save it as UTF-8. Nothing was written.",
            field="owner",
        ) from None
    after = with_code_owners(present, owners, place)
    return None if after is None else Change(place, path, before, after.encode())


def _target(directory: Path, name: str) -> Path:
    try:
        path = contained(directory / name, directory)
    except (ValueError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        raise _invalid("outside_directory", "Files must be below the directory.", str(error)) from None
    if path.exists() and not path.is_file():
        raise _invalid("no_file", "Only regular files can be replaced.", f"{name} is something else")
    return path


def _invalid(reason: str, rule: str, found: str) -> InvalidInput:
    next_step = "Use the top folder of a repository's checkout."
    return InvalidInput(reason, rule=rule, found=found, next_step=next_step, field="directory")


# --- the command -----------------------------------------------------------------------------------------------------


def run(parsed: argparse.Namespace) -> int:
    """Run the command: show what would be overwritten, ask, write, and print the next steps."""
    try:
        content = files(Source.parse(parsed.source), parsed.data_root or (), parsed.promotion)
        changes = plan(Path(parsed.directory), content, parsed.owner or ())
        if parsed.dry_run:
            sys.stdout.write("".join(f"{_line(change.outcome, change)}{change.diff()}" for change in changes))
            sys.stdout.write("Nothing was written.\n")
            return 0
        kept = _declined(changes, can_ask=sys.stdin.isatty(), yes=parsed.yes)
        write_all([change for change in changes if change not in kept and change.outcome != "unchanged"])
    except OperationError as error:
        problem = error.problem
        sys.stderr.write(f"{problem.rule}\n  found: {shown(problem.found)}\n  next:  {problem.next_step}\n")
        return 2 if isinstance(error, InvalidInput) else 1
    except OSError as error:
        sys.stderr.write(
            f"The files could not be written.\n  found: {error}\n  next:  Fix this and run it again. Nothing was changed.\n"
        )
        return 1
    lines = [_line("kept" if change in kept else change.outcome, change) for change in changes]
    sys.stdout.write("".join([*lines, "\n", *(f"{line}\n" for line in _next_steps(has_owner=bool(parsed.owner)))]))
    return 0


def _line(outcome: Outcome, change: Change) -> str:
    return f"{outcome:<10} {change.name}\n"


def _declined(changes: Sequence[Change], *, can_ask: bool, yes: bool) -> list[Change]:
    """Show each change to an existing file; return those that the user declines.

    Raises
    ------
    Conflict
        With reason ``files_differ`` if files differ and nobody can be asked.
    """
    differing = [change for change in changes if change.outcome == "replaced"]
    declined = []
    for change in differing:
        sys.stdout.write(change.diff())
        if not yes and can_ask and not _agrees(change):
            declined.append(change)
    if differing and not yes and not can_ask:
        raise Conflict(
            "files_differ",
            rule="Existing files must not be overwritten without consent, and there is no terminal to ask at.",
            found=", ".join(change.name for change in differing),
            next_step="Nothing was written. Read the diff, then use --yes to replace these files.",
        )
    return declined


def _agrees(change: Change) -> bool:
    sys.stdout.write(f"Replace {change.name} as shown? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _next_steps(*, has_owner: bool) -> tuple[str, ...]:
    return _NEXT if has_owner else (*_NEXT, *_NEXT_WITHOUT_OWNER)


_NEXT = (
    "Next: commit these files to the default branch, install the App on the repository, and register a runner with a",
    "label listed in .github/modelyard.yml. Then open an issue with one of the forms:",
    f"{', '.join(form.name for form in issue_forms())}.",
)
_NEXT_WITHOUT_OWNER = (
    "Changes to these files need nobody's review yet; to require one: modelyard init --owner @organisation/team",
)
