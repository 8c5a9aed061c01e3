"""CODEOWNERS: Modelyard's block comes to the end, and every other line stays as it was."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from bot.admin.code_owners import _BEGIN, _END, GUARDED, with_code_owners
from tests.support.work import work

OWNERS = ["@org/ml"]
TEXTS = st.lists(
    st.sampled_from([_BEGIN, _END, "* @all", "", "# note", "\r", "\u2028"]) | st.text(), max_size=20
).flatmap(lambda lines: st.sampled_from(["\n", "\r\n", "\n\n"]).map(lambda end: end.join(lines)))


def merged(text: str, owners: list[str] | None = None) -> str:
    found = with_code_owners(text, owners or OWNERS)
    assert found is not None
    return found


@given(TEXTS)
@example("a\r")
@example(f"{_BEGIN}\n{_END}\n\r")
@example(_BEGIN)
@example(f"\r\n{_BEGIN}\n")
@example(f"{_BEGIN}\n{_BEGIN}\nx\n{_END}\n{_END}")
def test_every_file_keeps_its_lines_and_gets_one_block_and_a_repeat_changes_nothing(text: str) -> None:
    once = merged(text)
    assert merged(once) == once
    begins = once.rindex(_BEGIN)
    assert once[begins:].split() == merged("")[len("") :].split(), "nothing comes after the block"
    if _BEGIN not in text or _END not in text:
        assert once.startswith(text)


@given(TEXTS)
def test_new_owners_replace_the_previous_ones(text: str) -> None:
    assert merged(merged(text), ["@boss"]) == merged(text, ["@boss"])


def test_a_block_that_is_no_longer_last_moves_to_the_end() -> None:
    once = merged("a @b\n")
    again = merged(once + "* @everybody\n")
    assert again.index("* @everybody") < again.index(GUARDED[0])
    assert again.count(_BEGIN) == 1


def test_line_endings_are_kept() -> None:
    text = merged("* @all\r\n")
    assert text.count("\n") == text.count("\r\n")


def test_a_file_twice_as_long_takes_about_twice_the_work() -> None:
    for piece in (f"{_BEGIN}\n", f"{_BEGIN}\n{_END}\n", "x\n", f"{_END}\n"):
        assert work(merged, piece * 400) < 2.3 * work(merged, piece * 200) + 100
