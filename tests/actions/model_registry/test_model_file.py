"""A model's file changes by pure functions from text to text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.errors import Conflict, InvalidInput, NotFound
from actions.model_registry.model_file import (
    ModelFile,
    champion,
    parse,
    path_of,
    register,
    render,
    roll_back,
    set_alias,
    withdraw,
)

DIGITS = "1234567890" * 6 + "1e10"


def registered(text: str | None, number: int, **changes: Any) -> str:
    values: dict[str, Any] = {
        "name": "wine",
        "run": f"train-20261122-{number:03}",
        "attempt": 1,
        "uri": f"owner/project/models/train-20261122-{number:03}/1/model.skops",
        "sha256": f"{number:064}",
        "created": "2026-11-22T10:00:00Z",
        **changes,
    }
    return register(text, **values)[0]


def three() -> str:
    return registered(registered(registered(None, 1), 2), 3)


def test_a_new_version_becomes_the_candidate_and_the_diff_is_small() -> None:
    before = registered(None, 1)
    after = registered(before, 2)
    gone = set(before.splitlines()) - set(after.splitlines())
    assert gone == {"  candidate: 1"}
    assert parse(after).aliases == {"candidate": 2}


def test_the_same_run_and_attempt_is_registered_once() -> None:
    text = three()
    assert registered(text, 2) == text


def test_a_second_attempt_of_a_run_becomes_a_version_of_its_own() -> None:
    text, number = register(
        three(),
        name="wine",
        run="train-20261122-002",
        attempt=2,
        uri="u",
        sha256="f" * 64,
        created="2026-11-22T11:00:00Z",
    )
    assert number == 4
    assert [(one.run, one.attempt) for one in parse(text).versions][1::2] == [
        ("train-20261122-002", 1),
        ("train-20261122-002", 2),
    ]


def test_a_version_number_is_not_given_twice_after_a_person_removed_a_version() -> None:
    file = parse(three())
    without_first = render(ModelFile(name="wine", aliases=file.aliases, versions=file.versions[1:]))
    assert [version.version for version in parse(registered(without_first, 4)).versions] == [2, 3, 4]


def test_the_file_is_written_in_one_order_with_one_line_per_field() -> None:
    assert registered(None, 1, created="2026-11-22T10:00:00Z, später", algorithm="xgboost") == (
        "# The versions of this model, and the one that production uses (alias champion).\n"
        "# Modelyard changes this file with commits; people change it with pull requests.\n"
        "name: wine\n"
        "aliases:\n"
        "  candidate: 1\n"
        "versions:\n"
        "  - version: 1\n"
        '    run: "train-20261122-001"\n'
        "    attempt: 1\n"
        '    uri: "owner/project/models/train-20261122-001/1/model.skops"\n'
        f'    sha256: "{1:064}"\n'
        '    algorithm: "xgboost"\n'
        '    created: "2026-11-22T10:00:00Z, später"\n'
    )


@pytest.mark.parametrize("kind", [str, str.encode])
def test_what_changes_nothing_keeps_what_people_wrote_around_it(kind: Any) -> None:
    text = "# ours\n" + set_alias(three(), "champion", 2)
    assert registered(kind(text), 2) == text
    assert set_alias(kind(text), "champion", 2) == text
    assert withdraw(kind(text), "train-20261122-001") == text


@pytest.mark.parametrize("field", ["uri", "created"])
def test_a_field_has_a_largest_length_and_is_not_empty(field: str) -> None:
    largest = {"uri": 1_000, "created": 40}[field]
    for length in (1, largest):
        assert len(getattr(parse(registered(None, 1, **{field: "x" * length})).versions[0], field)) == length
    for length in (0, largest + 1):
        with pytest.raises(ValueError, match=field):
            registered(None, 1, **{field: "x" * length})


def test_a_file_has_a_hundred_aliases_and_a_megabyte_at_most() -> None:
    text = registered(None, 1)
    for aliases, rest, is_read in ((100, 0, True), (101, 0, False), (1, 1_000_000, True), (1, 1_000_001, False)):
        lines = "".join(f"  a{number}: 1\n" for number in range(aliases))
        file = text.replace("  candidate: 1\n", lines)
        file += "#" * max(0, rest - len(file))
        if is_read:
            assert len(parse(file).aliases) == aliases
        else:
            with pytest.raises(InvalidInput):
                parse(file)


@pytest.mark.parametrize(
    ("name", "reason"), [("9" * 9, "version_not_found"), ("9" * 10, "alias_not_found"), ("²", "alias_not_found")]
)
def test_only_a_plain_number_of_nine_digits_at_most_is_a_version(name: str, reason: str) -> None:
    with pytest.raises(NotFound) as error:
        parse(three()).version(name)
    assert error.value.problem.reason == reason


def test_an_attempt_with_another_artifact_is_a_conflict() -> None:
    with pytest.raises(Conflict) as error:
        registered(three(), 2, sha256="f" * 64)
    assert error.value.problem.reason == "version_differs"


def test_a_hash_that_looks_like_a_number_stays_text() -> None:
    text = registered(None, 1, sha256=DIGITS)
    assert f'"{DIGITS}"' in text
    assert parse(text).versions[0].sha256 == DIGITS
    assert parse(text.replace('"', "")).versions[0].sha256 == DIGITS, "also where a person left the quotes out"


def test_promotion_remembers_what_was_in_production() -> None:
    text = set_alias(set_alias(three(), "champion", 1), "champion", 3)
    assert parse(text).aliases == {"candidate": 3, "champion": 3, "previous": 1}
    assert set_alias(text, "champion", 3) == text


def test_only_a_move_of_the_champion_changes_previous() -> None:
    text = set_alias(set_alias(three(), "champion", 1), "staging", 3)
    assert parse(text).aliases == {"candidate": 3, "champion": 1, "staging": 3}


def test_roll_back_to_a_version_goes_there_even_if_previous_is_another() -> None:
    text = set_alias(set_alias(three(), "champion", 1), "champion", 3)
    assert parse(roll_back(text, 2)).aliases == {"candidate": 3, "champion": 2}


def test_roll_back_to_the_champion_itself_is_refused() -> None:
    text = set_alias(set_alias(three(), "champion", 1), "champion", 3)
    with pytest.raises(Conflict) as error:
        roll_back(text, 3)
    assert error.value.problem.reason == "already_champion"


def test_roll_back_returns_to_the_previous_version_and_not_forth_again() -> None:
    text = roll_back(set_alias(set_alias(three(), "champion", 1), "champion", 3))
    assert parse(text).aliases == {"candidate": 3, "champion": 1}
    with pytest.raises(NotFound) as error:
        roll_back(text)
    assert error.value.problem.reason == "no_previous"


def test_roll_back_without_a_champion_says_so() -> None:
    with pytest.raises(NotFound) as error:
        roll_back(three())
    assert error.value.problem.reason == "no_champion"


def test_withdrawing_a_run_leaves_the_champion_of_another() -> None:
    text = set_alias(three(), "champion", 1)
    assert parse(withdraw(text, "train-20261122-003")).aliases == {"champion": 1}
    assert withdraw(text, "train-20261122-002") == text


def test_withdrawing_a_run_that_never_was_champion_leaves_champion_and_previous() -> None:
    text = set_alias(set_alias(three(), "champion", 1), "champion", 2)
    assert parse(withdraw(text, "train-20261122-003")).aliases == {"champion": 2, "previous": 1}


def test_withdrawing_the_run_of_the_only_champion_leaves_none() -> None:
    assert parse(withdraw(set_alias(three(), "champion", 3), "train-20261122-003")).aliases == {}


def test_withdrawing_the_run_of_the_champion_brings_the_previous_one_back() -> None:
    text = set_alias(set_alias(three(), "champion", 1), "champion", 3)
    undone = parse(withdraw(text, "train-20261122-003"))
    assert undone.aliases == {"champion": 1}
    assert [version.version for version in undone.versions] == [1, 2, 3]


def test_the_champion_is_what_the_judge_is_given() -> None:
    assert champion(None) is None
    assert champion(three()) is None
    found = champion(set_alias(three(), "champion", 2))
    assert found is not None
    assert (found.version, found.run, found.sha256) == (2, "train-20261122-002", f"{2:064}")


@pytest.mark.parametrize("name", [2, "2", "staging"])
def test_a_version_is_found_by_its_number_by_its_number_as_text_and_by_an_alias(name: int | str) -> None:
    assert parse(set_alias(three(), "staging", 2)).version(name).version == 2


def test_the_aliases_of_a_version_are_sorted_and_no_others() -> None:
    file = parse(set_alias(set_alias(three(), "staging", 3), "champion", 1))
    assert [file.aliases_of(number) for number in (1, 2, 3)] == [["champion"], [], ["candidate", "staging"]]


@pytest.mark.parametrize(("asked", "reason"), [(9, "version_not_found"), ("staging", "alias_not_found")])
def test_missing_versions_and_aliases_are_reported(asked: int | str, reason: str) -> None:
    with pytest.raises(NotFound) as error:
        parse(three()).version(asked)
    assert error.value.problem.reason == reason


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("name: wine\naliases: {champion: 4}\nversions: []\n", "the file"),
        ("name: wine\nowner: me\n", "owner"),
        ("name: ../wine\n", "name"),
        ("name: wine\naliases: {champion: x}\n", "aliases.champion"),
        ("name: wine\naliases: {Champion: 1}\n", "aliases.Champion.[key]"),
        ("name: wine\naliases: {champion: 0}\n", "aliases.champion"),
        ("- wine\n", "the file"),
        ("", "the file"),
    ],
)
def test_a_file_that_people_broke_names_the_place(text: str, field: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse(text)
    assert (error.value.problem.reason, error.value.problem.field) == ("invalid_model_file", field)


@pytest.mark.parametrize("name", ["../x", "a/b", "Wine", "", ".x", "x" * 64])
def test_an_invalid_name_never_becomes_a_path(name: str) -> None:
    with pytest.raises(InvalidInput):
        path_of(name)


@given(
    st.lists(st.tuples(st.sampled_from(["register", "promote", "back", "withdraw"]), st.integers(1, 5)), max_size=12)
)
def test_whatever_is_done_the_file_holds_together_and_is_written_as_it_is_read(steps: list[tuple[str, int]]) -> None:
    text = registered(None, 1)
    for what, number in steps:
        try:
            if what == "register":
                text = registered(text, number)
            elif what == "promote":
                text = set_alias(text, "champion", number)
            elif what == "back":
                text = roll_back(text)
            else:
                text = withdraw(text, f"train-20261122-{number:03}")
        except NotFound:
            continue
        assert render(parse(text)) == text


def test_a_refusal_lists_the_versions_or_the_aliases_that_there_are() -> None:
    file = parse(three())
    for asked, listed in ((9, "1, 2, 3."), ("staging", f"{', '.join(sorted(file.aliases))}.")):
        with pytest.raises(NotFound) as refused:
            file.version(asked)
        assert refused.value.problem.next_step.endswith(f": {listed}")
