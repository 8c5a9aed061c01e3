"""HTML pages out of ``templates/``: every value is escaped."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> jinja2.Environment:
    """Return what makes pages, with the filters that are Jinja's own."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def with_filters(**filters: Callable[..., str]) -> jinja2.Environment:
    """Return what makes pages, with further filters."""
    overlay = environment().overlay()
    overlay.filters = {**overlay.filters, **filters}
    return overlay
