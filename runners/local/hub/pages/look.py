"""How values look on a page: times, colours, initials; and the templates that show them."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from runners.local.hub.records import User

HERE: Final = Path(__file__).parents[1]
TONES: Final = 8
MIDDLE_GREY: Final = 0.4
"""Relative luminance from which black text reads better than white."""


def read_time(text: str) -> datetime:
    """Return a time that GitHub wrote."""
    return datetime.fromisoformat(text)


def ago(text: str | None) -> Markup:
    """Return how long ago something was, with the exact time behind it."""
    if not text:
        return Markup("")
    seconds = (datetime.now(UTC) - read_time(text)).total_seconds()
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(text, _in_words(seconds))


def _in_words(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "now"


def duration(start: str | None, end: str | None) -> str:
    """Return the time between two moments, until now where the second is missing: ``1m 5s``."""
    if not start:
        return ""
    finish = read_time(end) if end else datetime.now(UTC)
    seconds = max(int((finish - read_time(start)) / timedelta(seconds=1)), 0)
    hours, minutes = seconds // 3_600, seconds // 60 % 60
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if hours or minutes else "", f"{seconds % 60}s"]
    return " ".join(part for part in parts if part)


def label_style(colour: str) -> str:
    """Return a label's colours: its own, and black or white on it, whichever reads better."""
    known = colour if re.fullmatch(r"[0-9a-fA-F]{6}", colour) else "ededed"
    ink = "#1d232b" if _luminance(known) > MIDDLE_GREY else "#ffffff"
    return f"--colour: #{known}; --ink: {ink}"


def _luminance(colour: str) -> float:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return float(0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2)


def avatar(user: User, *, small: bool = False) -> Markup:
    """Return a person's initials on a colour of their own; an App's in a square."""
    classes = f"avatar tone-{(zlib.crc32(user.login.encode()) >> 8) % TONES}"
    classes += (" bot" if user.type == "Bot" else "") + (" small" if small else "")
    words = re.findall(r"[A-Za-z0-9]+", user.login.removesuffix("[bot]"))
    initials = "".join(word[0] for word in words[:2]) if len(words) > 1 else user.login[:2]
    return Markup('<span class="{}" aria-hidden="true">{}</span>').format(classes, initials.upper())


def size(count: int) -> str:
    """Return a number of bytes for people."""
    for limit, unit in ((1_000_000, "MB"), (1_000, "kB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count} B"


def plural(count: int, word: str) -> str:
    """Return a count with its word: ``1 comment``, ``2 comments``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"ago": ago, "label_style": label_style, "size": size, "plural": plural, "avatar": avatar}
    templates.globals["duration"] = duration
    templates.globals["parts"] = templates.get_template("parts.html").module
    return templates


TEMPLATES: Final = _templates()
