"""What a commit must not replace. Git puts a file in the place of a folder, a link or a submodule without any warning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from actions.errors import Conflict

FOLDER_MODE = "040000"
FILE_MODES = {"100644", "100755"}
_KINDS = {FOLDER_MODE: "a folder", "120000": "a symbolic link", "160000": "a submodule"}


def with_parents(path: str) -> list[str]:
    """Return the folders above a path, from the top, and the path itself.

    Examples
    --------
    >>> with_parents("a/b/c.md")
    ['a', 'a/b', 'a/b/c.md']
    """
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def refuse_taken(paths: Iterable[str], modes: Mapping[str, str]) -> None:
    """Refuse to write files where something other than a file is, or below something other than a folder.

    Parameters
    ----------
    paths
        The files to write.
    modes
        Git's modes of what exists at these paths and above them.

    Raises
    ------
    Conflict
        ``history_path_taken``.
    """
    for path in paths:
        for place in with_parents(path):
            mode = modes.get(place)
            if mode is None:
                break
            if mode not in (FILE_MODES if place == path else {FOLDER_MODE}):
                raise Conflict(
                    "history_path_taken",
                    rule=f"{place} must be {'a file' if place == path else 'a folder'}: Modelyard writes {path}.",
                    found=f"{_KINDS.get(mode, 'a file')} is there, which would be replaced.",
                    next_step=f"Move or rename {place} on that branch, or set history.branch to another branch.",
                )
