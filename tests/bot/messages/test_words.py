"""The catalogues: the same keys and placeholders in every language, nothing missing, nothing unused."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

import bot
from actions.contracts.channels import Language
from bot.events.commands import COMMANDS
from bot.messages.markup import Markdown, code
from bot.messages.words import CATALOGUE, Words, languages
from tests.support import catalogues

BOT = Path(bot.__file__).parent
OTHERS = [language for language in get_args(Language) if language != "en"]


def test_there_is_a_catalogue_for_every_language_that_a_repository_can_choose() -> None:
    assert languages() == sorted(get_args(Language))


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_keys_and_placeholders(language: str) -> None:
    assert catalogues.differences(CATALOGUE, language) == []


def test_the_code_uses_existing_texts_with_the_values_they_need() -> None:
    assert catalogues.misuses(CATALOGUE, BOT) == []


def test_no_text_is_unused() -> None:
    assert catalogues.unused(CATALOGUE, BOT) == []


def test_every_command_is_described() -> None:
    described = {key.removeprefix("command.") for key in CATALOGUE.texts("en") if key.startswith("command.")}
    assert described == set(COMMANDS)


@pytest.mark.parametrize("language", get_args(Language))
def test_a_text_holds_words_and_no_logic(language: str) -> None:
    for key, text in CATALOGUE.texts(language).items():
        assert not any(mark in text for mark in ("{%", "{{", "{#", "\n", "<", "|")), key
        assert text.strip() == text or key.startswith("list."), key


def test_values_are_escaped_where_they_are_filled_in_unless_they_are_markdown_already() -> None:
    say = Words("en")
    filled = say("champion.before", version="@owner <b> {x} [y](z)")
    assert filled == "The previous champion was version @\u200bowner &lt;b&gt; {x} \\[y\\](z)."
    assert say("champion.before", version=code("a|b")) == "The previous champion was version <code>a&#124;b</code>."
    assert isinstance(filled, Markdown)


def test_a_number_chooses_the_form_of_its_text() -> None:
    assert Words("en").count("invalid.title", 1) == "This request has 1 problem"
    assert Words("en").count("invalid.title", 2) == "This request has 2 problems"
    assert Words("ja").count("invalid.title", 1) == "この依頼には問題が 1 件あります"


def test_a_value_without_a_translation_is_shown_as_it_is() -> None:
    assert Words("ja").name_of("task", "classification") == "分類"
    assert Words("ja").name_of("task", "juggling_*") == "juggling\\_\\*"
