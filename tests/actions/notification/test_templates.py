"""The words of notifications: the same in both languages, replaceable, and harmless whatever a repository writes."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, meta

import actions.notification
from actions.context import Context
from actions.contracts.channels import EVENTS, ChannelName, Event, Language
from actions.history_management.local import LocalHistory
from actions.notification.notice import Notice, StageProblem, example_notice
from actions.notification.sentences import CATALOGUE, SENTENCES
from actions.notification.templates import (
    FILTERS,
    MAX_MESSAGE,
    MAX_TEMPLATE,
    MAX_TITLE,
    RenderedTemplate,
    TemplateError,
    TemplateList,
    built_in_template,
    compose,
    compose_footer,
    path_of,
    render,
)
from actions.operation import find_operation
from actions.storage.folder import Storage
from tests.support import catalogues
from tests.support.repositories import repository

LANGUAGES: tuple[Language, ...] = get_args(Language)
CHANNELS: tuple[ChannelName, ...] = get_args(ChannelName)
every = pytest.mark.parametrize("channel", CHANNELS)
of_every_event = pytest.mark.parametrize("event", EVENTS)


def run_operation(name: str, history: LocalHistory | None = None, **arguments: Any) -> Any:
    return find_operation(name).call(arguments, Context(Storage(Path()), history=history))


# --- the built-in ones -------------------------------------------------------------------------------------------------


@every
def test_the_built_in_template_uses_values_and_sentences_and_no_logic(channel: ChannelName) -> None:
    source = built_in_template(channel)
    assert "{%" not in source
    used = meta.find_undeclared_variables(Environment(autoescape=True).parse(source))
    assert used <= {*Notice.model_fields, *SENTENCES}
    assert set(SENTENCES) <= used


def test_every_language_has_the_same_keys_and_placeholders_and_none_is_missing_or_unused() -> None:
    folder = Path(actions.notification.__file__).parent
    assert CATALOGUE.languages() == sorted(LANGUAGES)
    for language in LANGUAGES:
        assert catalogues.differences(CATALOGUE, language) == []
    assert catalogues.misuses(CATALOGUE, folder) == []
    assert catalogues.unused(CATALOGUE, folder) == []


@every
@of_every_event
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_complete(event: Event, channel: ChannelName, language: Language) -> None:
    bare = Notice(
        event=event, language=language, run="train-20261122-001", repository="owner/models", issue=7, model="m",
        headline="✅ 見出し", requester="writer",
    )  # fmt: skip
    for notice in (example_notice(event, language), bare):
        said = compose(notice, channel)
        assert said.remark == ""
        assert notice.headline in said.title
        assert len(said.body) > 10
        for odd in ("None", "{{", "{%", "\n\n\n"):
            assert odd not in said.body
        assert bool(re.search("[ぁ-ん一-龯]", said.body)) is (language == "ja")


@every
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_error_still_makes_a_message(channel: ChannelName, language: Language) -> None:
    longest = "&" * 2_000
    problem = StageProblem(stage=longest, rule=longest, found=longest, next_step=longest)
    more = {"problem": problem, "decided_by": longest, "reason": longest, "requester": longest}
    said = compose(example_notice("failure", language).model_copy(update=more), channel)
    assert said.title.endswith(example_notice("failure", language).headline)
    assert said.body.count("…") == 6


@every
def test_figures_and_moments_are_written_as_the_language_has_them(channel: ChannelName) -> None:
    assert "23 Nov 2026, 12:00 UTC" in compose(example_notice("waiting"), channel).body
    assert "2026年11月23日 12:00 UTC" in compose(example_notice("waiting", "ja"), channel).body
    assert "at least 0.95" in compose(example_notice("waiting"), channel).body
    assert "0.95 以上" in compose(example_notice("waiting", "ja"), channel).body
    assert "at most 0.95" in compose(example_notice("waiting").model_copy(update={"at_most": True}), channel).body


# --- a repository's own ------------------------------------------------------------------------------------------------

OWN = """\
{{ model }}: {{ status }}

{% for metric in metrics %}
{{ loop.index }}. {{ metric.name }} {{ metric.value | figure }}{% if not loop.last %};{% endif %}

{% endfor %}
{{ issue_url | link("Look") }} {{ requester | text(3) }}
"""


def test_a_repository_chooses_its_own_words() -> None:
    said = compose(example_notice("success"), "slack", OWN.encode())
    assert said.title == "breast-cancer: passed"
    assert said.body.splitlines()[0] == "1. accuracy 0.9649"
    assert said.body.endswith("<https://github.com/owner/models/issues/7|Look> wr…")
    assert said.remark == ""


@pytest.mark.parametrize(
    ("template", "reason", "found"),
    [
        ("{{ headline", "template_invalid", "line 1"),
        ("x\n{% if %}", "template_invalid", "line 2"),
        ("{{ nothing }}", "template_failed", "'nothing' is undefined"),
        ("{{ problem.stage }}", "template_failed", "has no attribute"),
        ("{{ headline | figure }}", "template_failed", "TypeError"),
        ("{{ requester | text('x') }}", "template_failed", "ValueError"),
        (b"\xff", "template_unreadable", "It is not."),
        ("", "message_empty", "The output is empty."),
        ("{% if false %}x{% endif %}", "message_empty", "The output is empty."),
        ("x" * (MAX_TEMPLATE + 1), "template_too_long", "16,385"),
        ("{% for m in metrics %}" + "x" * 13_000 + "{% endfor %}", "message_too_long", "It has more."),
    ],
)
def test_a_broken_template_reports_the_problem(template: str | bytes, reason: str, found: str) -> None:
    with pytest.raises(TemplateError) as error:
        render(template, example_notice("success"), "slack")
    assert error.value.problem.reason == reason
    assert found in error.value.problem.found
    assert error.value.problem.field == path_of("success", "slack", "en")


@pytest.mark.parametrize(
    "spell",
    [
        "{{ 'a' * 999999999 }}", "{{ 9 ** 99999999 }}", "{{ '%999999999d' % 1 }}", "{{ '{:>999999999}'.format(1) }}",
        "{{ 1 + 1 }}", "{{ 'a' ~ 'b' }}", "{{ range(999999999) }}", "{% for i in range(9) %}{% endfor %}",
        "{% for a in metrics %}{% for b in metrics %}{% endfor %}{% endfor %}", "{% for a in headline %}{% endfor %}",
        "{% for a in metrics recursive %}{% endfor %}", "{{ headline.upper() }}", "{{ headline.upper }}",
        "{{ headline.index }}", "{{ metrics.index }}", "{{ headline.__class__.__mro__ }}", "{{ headline['__class__'] }}", "{{ metrics[0] }}", "{{ self.__init__ }}",
        "{{ headline | center(999999999) }}", "{{ headline | attr('x') }}", "{{ metrics | map('x') }}",
        "{% set a = headline %}", "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}",
        "{{ 1e999 }}", "{% if 1 < 1e999 %}x{% endif %}", "{{ -1e999 }}",
        "{% macro m() %}{% endmacro %}", "{% block b %}{% endblock %}", "{% filter text %}{% endfilter %}",
        "{% call x() %}{% endcall %}", "{% with a = 1 %}{% endwith %}", "{{ [1] }}", "{{ {'a': 1} }}", "{{ (1, 2) }}",
        "{{ headline is mapping }}", "{% autoescape true %}{% endautoescape %}", "{{ lipsum() }}", "{{ cycler }}",
        "{{ " + "not " * 3_000 + "1 }}", "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", "{{ " + "9" * 9_000 + " }}",
        "{% if 1 %}" * 150 + "{% endif %}" * 150, "{% if 0 %}" + "{% elif 1 %}" * 1_200 + "{% endif %}",
        "{{ " + "-" * 5_000 + "1 }}", "{{ 1" + " if 1 else 1" * 1_000 + " }}",
    ],
)  # fmt: skip
def test_templates_cannot_call_compute_join_or_loop_forever(spell: str) -> None:
    began = time.process_time()
    said = compose(example_notice("success"), "email", f"title {spell}")
    assert time.process_time() - began < 2
    assert said.remark or said.title == "title"
    if said.remark:
        assert said.title == compose(example_notice("success"), "email").title


PIECES = [
    "{{", "}}", "{%", "%}", "{#", "#}", "headline", "metrics", "m.value", "m", "for m in metrics", "endfor", "if", "endif",
    "else", "| figure", "| text(2)", "| link('x')", "loop.index", "problem.stage", "is none", "not", "and", "==", "'", '"',
    " ", "\n", "-", "raw", "endraw", "(", ")", "1", "x", "<!channel>", "\u202e", "\x00",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=60) | st.binary(max_size=60))
def test_any_template_makes_a_message_of_bounded_size(template: str | bytes) -> None:
    for channel in CHANNELS:
        said = compose(example_notice("success"), channel, template)
        assert 0 < len(said.title) <= MAX_TITLE
        assert "\n" not in said.title
        assert len(said.body) <= MAX_MESSAGE


def test_the_footer_says_that_the_own_template_was_not_used_and_why() -> None:
    for language, words in (("en", "own template was not used"), ("ja", "独自のテンプレートは使われませんでした")):
        notice = example_notice("success", language)  # type: ignore[arg-type]
        said = compose(notice, "slack", "{{ nothing }}")
        below = compose_footer(notice, "slack", said.remark)
        assert below.startswith("train-20261122-001 · owner/models#7 · ")
        assert words in below
        assert f"{language}/success.slack.j2" in below
        assert "'nothing' is undefined" in below


# --- operations --------------------------------------------------------------------------------------------------------


def test_the_templates_are_listed_with_what_they_may_use(tmp_path: Path) -> None:
    own = path_of("failure", "email", "ja")
    history = LocalHistory.at(repository(tmp_path / "checkout", **{own: "{{ model }}"}))
    found = run_operation("list_templates", history)
    assert isinstance(found, TemplateList)
    assert len(found.templates) == len(EVENTS) * len(CHANNELS) * len(LANGUAGES)
    assert [one.path for one in found.templates if one.replaced] == [own]
    assert found.filters == FILTERS
    assert set(found.values) == {*Notice.model_fields, *SENTENCES}
    assert all(found.values.values())
    alone = run_operation("list_templates", language="ja").templates
    assert {(one.language, one.replaced) for one in alone} == {("ja", None)}


def test_a_template_can_be_tried_before_it_is_used(tmp_path: Path) -> None:
    own = path_of("success", "slack", "en")
    history = LocalHistory.at(repository(tmp_path / "checkout", **{own: "Ours: {{ model }}"}))
    success = {"event": "success", "channel": "slack"}

    def rendered(history: LocalHistory | None = None, **more: str) -> RenderedTemplate:
        found = run_operation("render_template", history, **success, **more)
        assert isinstance(found, RenderedTemplate)
        return found

    assert rendered(history) == RenderedTemplate(title="Ours: breast-cancer", body="", source=own)
    assert rendered(history, template="{{ run }}").title == "train-20261122-001"
    assert rendered().source == "built-in"
    assert rendered(language="ja").title.startswith("✅ 合格")
    with pytest.raises(TemplateError) as error:
        rendered(template="{{ nothing }}")
    assert error.value.problem.reason == "template_failed"
