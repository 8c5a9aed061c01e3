"""Loads the HTML templates in ``templates/``; every value is escaped."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> jinja2.Environment:
    """Return the environment that renders pages, with Jinja's built-in filters."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def with_filters(**filters: Callable[..., str]) -> jinja2.Environment:
    """Return the environment that renders pages, with additional filters."""
    overlay = environment().overlay()
    overlay.filters = {**overlay.filters, **filters}
    return overlay
