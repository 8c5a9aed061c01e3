from __future__ import annotations

from pathlib import Path

import pytest

from runners.local.hub.pages.forms import Chooser, FormError, check, parse_chooser, parse_form, write_body

FORM = """
name: Bug
description: Something is wrong
title: "[Bug]: "
labels: bug, triage
body:
  - type: markdown
    attributes: {value: "**Thank you**"}
  - type: input
    id: contact
    attributes: {label: Contact}
  - type: textarea
    id: story
    attributes: {label: Story, value: once}
    validations: {required: true}
  - type: textarea
    id: log
    attributes: {label: Log, render: shell}
  - type: dropdown
    id: version
    attributes: {label: Version, options: ["1.10", 2, "yes"], default: 1}
  - type: dropdown
    id: systems
    attributes: {label: Systems, multiple: true, options: [Linux, macOS]}
  - type: checkboxes
    id: terms
    attributes:
      label: Terms
      options:
        - label: I agree
          required: true
        - label: Tell me more
"""
SENT = {
    "field-contact": ["me@example.org"],
    "field-story": ["one\r\ntwo"],
    "field-log": ["$ run"],
    "field-version": ["1.10"],
    "field-systems": ["Linux", "macOS"],
    "field-terms": ["0"],
}


def test_a_sent_form_becomes_the_body_that_github_writes() -> None:
    assert write_body(parse_form("bug.yml", FORM), SENT) == (
        "### Contact\n\nme@example.org\n\n### Story\n\none\ntwo\n\n### Log\n\n```shell\n$ run\n```\n\n"
        "### Version\n\n1.10\n\n### Systems\n\nLinux, macOS\n\n### Terms\n\n- [X] I agree\n- [ ] Tell me more"
    )


def test_what_is_left_empty_is_written_as_no_response() -> None:
    body = write_body(parse_form("bug.yml", FORM), {"field-contact": [""], "field-log": ["  \r\n"]})
    assert body == (
        "### Contact\n\n_No response_\n\n### Story\n\n_No response_\n\n### Log\n\n_No response_\n\n"
        "### Version\n\n_No response_\n\n### Systems\n\n_No response_\n\n### Terms\n\n- [ ] I agree\n- [ ] Tell me more"
    )


def test_hostile_text_stands_in_the_body_as_it_was_written() -> None:
    text = "### Version\n\n2\n\n```\n${{ github.token }} $(reboot) <script>alert(1)</script> <!-- x --> \u202e"
    body = write_body(parse_form("bug.yml", FORM), {**SENT, "field-story": [text]})
    assert f"### Story\n\n{text}\n\n### Log\n\n" in body


def test_options_are_the_texts_of_the_file_and_not_yaml_values() -> None:
    version = next(element for element in parse_form("bug.yml", FORM).elements if element.name == "field-version")
    assert [option.label for option in version.options] == ["1.10", "2", "yes"]
    assert version.default == 1


def test_fields_start_with_the_forms_values_or_those_of_the_address() -> None:
    form = parse_form("bug.yml", FORM)
    values = form.initial({"contact": "you", "version": "yes", "systems": "macOS,BeOS"})
    assert (values["field-contact"], values["field-story"]) == (["you"], ["once"])
    assert (values["field-version"], values["field-systems"]) == (["yes"], ["macOS"])
    assert form.initial({"version": "9"})["field-version"] == []
    assert form.initial({})["field-version"] == ["2"]


def test_a_complete_form_has_no_problems() -> None:
    assert check(parse_form("bug.yml", FORM), SENT) == {}


@pytest.mark.parametrize(
    ("field", "values", "problem"),
    [
        ("field-story", [" \n"], "fill in"),
        ("field-terms", ["1"], "I agree"),
        ("field-version", ["9.9"], "9.9"),
        ("field-version", ["2", "yes"], "Only one"),
        ("field-systems", ["BeOS"], "BeOS"),
    ],
)
def test_each_problem_is_named_at_its_field(field: str, values: list[str], problem: str) -> None:
    found = check(parse_form("bug.yml", FORM), {**SENT, field: values})
    assert list(found) == [field]
    assert problem in found[field]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a list", "not a mapping"),
        ("description: d\nbody: []", "`name`"),
        ("name: n\nbody: 3", "`body`"),
        ("name: n\nbody: [{type: slider}]", "'slider'"),
        ("name: n\nbody: [{type: input}]", "`label`"),
        ("name: n\nbody: [{type: markdown}]", "`value`"),
        ("name: n\nbody: [{type: markdown, attributes: {value: v}}]", "at least one field"),
        ("name: n\nbody: [{type: dropdown, attributes: {label: l}}]", "`options`"),
        ("name: n\nbody: [{type: dropdown, attributes: {label: l, options: [a, a]}}]", "unique"),
        ("name: n\nbody: [{type: dropdown, attributes: {label: l, options: [a], default: 7}}]", "`default`"),
        ("name: n\nbody: [{type: textarea, attributes: {label: l, render: 'a b'}}]", "`render`"),
        ("name: n\nbody: [{type: input, attributes: {label: l}}, {type: input, attributes: {label: l}}]", "unique"),
        ("name: [", "YAML"),
        ("name: " + "x" * 70_000, "larger"),
    ],
)
def test_a_form_that_github_would_not_show_is_refused_with_its_mistake(text: str, problem: str) -> None:
    with pytest.raises(FormError, match=problem):
        parse_form("f.yml", text)


def test_the_chooser_follows_config_yml() -> None:
    text = "blank_issues_enabled: false\ncontact_links: [{name: Chat, url: 'https://example.org', about: Talk}]"
    assert parse_chooser(text) == Chooser(blank_issues=False, links=(("Chat", "https://example.org", "Talk"),))
    assert parse_chooser("") == Chooser()


@pytest.mark.parametrize("name", ["classification", "regression", "tune"])
def test_this_repositorys_own_forms_are_such_that_can_be_shown(name: str) -> None:
    path = Path(__file__).parents[5] / f".github/ISSUE_TEMPLATE/{name}.yml"
    form = parse_form(path.name, path.read_text(encoding="utf-8"))
    assert form.labels == ("mlops:train",)
    assert check(form, {}) != {}
