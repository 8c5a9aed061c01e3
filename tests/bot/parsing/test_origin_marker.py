"""The hidden marker of an issue that the App opened: what it says is believed only where the App wrote it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.contracts.person import Person
from bot.github.issues import marker_line
from bot.parsing.origin_marker import Origin, digest, read_origin

SECRET = b"only for tests"
LOGINS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,50}", fullmatch=True)
PEOPLE = st.builds(Person, login=LOGINS, id=st.integers(0, 10**9))
READER = Person(login="reader", id=7)


def line(origin: Origin, repository: str = "owner/demo", secret: bytes = SECRET) -> str:
    return marker_line(origin.marker(repository, secret))


@given(PEOPLE | st.none(), st.text(), st.sampled_from(["dispatch", "schedule"]))
def test_what_was_written_can_be_read_back(by: Person | None, key: str, door: str) -> None:
    origin = Origin("dispatch" if door == "dispatch" else "schedule", digest(key), by)
    assert read_origin(f"{line(origin)}\nand a form", "owner/demo", SECRET) == origin
    assert line(origin).startswith(f"<!-- modelyard:{origin.prefix}")


@pytest.mark.parametrize(
    "forged",
    [
        line(Origin("dispatch", digest("k"), READER)).replace(":reader/7:", ":owner/7:"),
        line(Origin("dispatch", digest("k"), READER)).replace(":reader/7:", ":reader/8:"),
        line(Origin("dispatch", digest("k"), READER), repository="owner/other"),
        line(Origin("dispatch", digest("k"), READER), secret=b"another"),
        line(Origin("dispatch", digest("k"), READER)).replace("dispatch", "schedule"),
        f"words before it\n{line(Origin('dispatch', digest('k'), READER))}",
        "",
        "<!-- modelyard:asked -->",
    ],
)
def test_a_forged_marker_is_ignored(forged: str) -> None:
    assert read_origin(forged, "owner/demo", SECRET) is None
