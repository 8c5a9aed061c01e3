"""Writes every file of the repository that is derived from the code: ``make generate``. With ``--check`` it only compares."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from actions.contracts import hyperparameters
from bot.admin.docs import algorithms_page, hyperparameter_table, operation_pages, operation_schemas
from bot.admin.setup.manifest import permissions_page
from bot.parsing.issue_templates import form_files
from bot.runs.machines.training import MACHINE

ROOT = Path(__file__).parents[3]
_STATE_MACHINE = "docs/state-machine.md"


def generated_files(root: Path = ROOT) -> dict[str, str]:
    """Return the content of every generated file by its path in the repository."""
    return {
        **form_files(),
        **{f"{operation_pages.FOLDER}/{name}": text for name, text in operation_pages.pages().items()},
        operation_schemas.PATH: operation_schemas.operation_schemas(),
        algorithms_page.PATH: algorithms_page.algorithms_page(),
        algorithms_page.LAYERS_PATH: algorithms_page.layers(),
        hyperparameters.PATH: hyperparameter_table.hyperparameter_table(),
        "docs/permissions.md": permissions_page(),
        _STATE_MACHINE: _with_diagram((root / _STATE_MACHINE).read_text(encoding="utf-8")),
    }


def outdated_files(root: Path = ROOT) -> dict[str, str | None]:
    """Return the new content of each file that differs; None: pages of operations that no longer exist."""
    files = generated_files(root)
    pages = {path.relative_to(root).as_posix() for path in (root / operation_pages.FOLDER).glob("*.md")}
    changed = {path: text for path, text in files.items() if _content(root / path) != text}
    return {**changed, **dict.fromkeys(sorted(pages - set(files)))}


def main(arguments: list[str]) -> int:
    """Write the files that differ; with ``--check`` name them and return 1 if there are any."""
    outdated = outdated_files()
    if "--check" in arguments:
        for path in outdated:
            sys.stderr.write(f"{path} is not what the code makes of it: run `make generate`\n")
        return 1 if outdated else 0
    for path, text in outdated.items():
        sys.stdout.write(f"{path}\n")
        if text is None:
            (ROOT / path).unlink()
        else:
            (ROOT / path).write_text(text, encoding="utf-8")
    return 0


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _with_diagram(page: str) -> str:
    """Return the page with the current diagram in place of the old one."""
    return re.sub(r"```mermaid\n.*?```", lambda _: f"```mermaid\n{MACHINE.mermaid()}```", page, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
