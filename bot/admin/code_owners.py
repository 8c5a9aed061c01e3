"""CODEOWNERS: who must review changes to Modelyard's files in a repository. Only our own block is changed (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from actions.errors import InvalidInput
from bot.parsing.repository_config import CONFIG_PATH

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where GitHub looks, in this order; only the first file counts."""
GUARDED = (f"/{CONFIG_PATH}", "/.github/workflows/modelyard-*.yml", "/training_history/models/")
"""What decides on storage, runners and approvers; on what runs; on what production uses."""

_OWNER = re.compile(
    r"@[A-Za-z0-9][A-Za-z0-9-]{0,38}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?"
    r"|[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
)
_BEGIN = "# --- Modelyard, written by `modelyard init --owner`. The last line that matches a path decides: keep this at the end."
_END = "# --- end of Modelyard"
_EXAMPLE_OWNER = "@your-organisation/your-team"


def check_owner(text: str) -> str:
    """Return an owner in the form of CODEOWNERS: ``@user``, ``@organisation/team`` or an email address.

    Raises
    ------
    InvalidInput
        With reason ``invalid_owner``.
    """
    if _OWNER.fullmatch(text) is None:
        raise InvalidInput(
            "invalid_owner",
            rule="An owner must be @user, @organisation/team or an email address.",
            found=repr(text[:200]),
            next_step="Name a team with write permission on the repository, such as --owner @organisation/team.",
            field="owner",
        )
    return text


def with_code_owners(present: str | None, owners: Sequence[str], place: str = PLACES[0]) -> str | None:
    """Return the file with Modelyard's block at its end; None if there is nothing to change.

    Parameters
    ----------
    present
        The current file; None if there is none.
    owners
        The owners of ``GUARDED`` and of the file itself. Without owners an existing file is left alone, and a new one is
        an example.
    place
        The file's path.
    """
    if not owners:
        return None if present is not None else _block([_EXAMPLE_OWNER], place, "\n", before="# ")
    kept = _without_block(present or "")
    end = "\r\n" if (kept or present or "").partition("\n")[0].endswith("\r") else "\n"
    if kept and not kept.endswith("\n"):
        kept += end
    gap = end if kept and kept.splitlines()[-1] else ""
    return kept + gap + _block(owners, place, end)


def _block(owners: Sequence[str], place: str, end: str, before: str = "") -> str:
    lines = [f"{before}{path} {' '.join(owners)}" for path in (*GUARDED, f"/{place}")]
    return end.join([_BEGIN, *lines, _END]) + end


def _without_block(text: str) -> str:
    """Return a text without our complete blocks; a mark without its counterpart stays."""
    kept: list[str] = []
    begins: list[int] = []
    for line in text.splitlines(keepends=True):
        words = line.rstrip("\r\n")
        if words == _BEGIN:
            begins.append(len(kept))
        if words == _END and begins:
            del kept[begins.pop() :]
        else:
            kept.append(line)
    return "".join(kept)
