"""What the App knows of itself: its version, and where its own operations are declared."""

from __future__ import annotations

APP_OPERATIONS = ("bot.operations",)
"""The modules that declare operations on the App's side; ``actions.operation.operations`` imports them."""


def version() -> str:
    """Return the installed version, or the one of this checkout."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("modelyard")
    except PackageNotFoundError:
        import tomllib
        from pathlib import Path

        project = Path(__file__).parent.parent / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
