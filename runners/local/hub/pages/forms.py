"""Issue forms as GitHub has them: read from YAML, checked when sent, written as the issue's body. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from runners.local.hub.ids import read_number

NO_RESPONSE: Final = "_No response_"
MAX_FORM_BYTES: Final = 64_000
KINDS: Final = ("markdown", "input", "textarea", "dropdown", "checkboxes")


class FormError(ValueError):
    """A form file that GitHub would not show."""


@dataclass(frozen=True)
class Option:
    """One choice of a dropdown or one box of ``checkboxes``."""

    label: str
    required: bool = False


@dataclass(frozen=True)
class Element:
    """One element of a form's body; ``name`` is its field's name in the page."""

    kind: str
    name: str
    label: str = ""
    description: str = ""
    placeholder: str = ""
    value: str = ""
    render: str = ""
    required: bool = False
    multiple: bool = False
    default: int | None = None
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class Form:
    """An issue form."""

    file: str
    name: str
    description: str
    title: str = ""
    labels: tuple[str, ...] = ()
    elements: tuple[Element, ...] = ()

    def initial(self, given: Mapping[str, str]) -> dict[str, list[str]]:
        """Return what the fields hold before anybody writes; ``given`` (by id) is taken from the page's address."""
        return {element.name: _initial(element, given) for element in self.elements if element.kind != "markdown"}


@dataclass(frozen=True)
class Chooser:
    """What ``config.yml`` says about the page on which one chooses a form."""

    blank_issues: bool = True
    links: tuple[tuple[str, str, str], ...] = field(default=())


def parse_form(file: str, text: str) -> Form:
    """Read a form; every scalar is taken as the text that stands there.

    Raises
    ------
    FormError
        Names the file's first mistake.
    """
    document = _mapping(_load(text), "the file")
    name, body = _text(document, "name"), document.get("body")
    if not name:
        raise FormError("`name` is missing")
    if not isinstance(body, list) or not body:
        raise FormError("`body` is missing or not a list")
    elements = tuple(_element(_mapping(item, f"body[{index}]"), index) for index, item in enumerate(body))
    if all(element.kind == "markdown" for element in elements):
        raise FormError("`body` needs at least one field")
    labels = [element.label for element in elements if element.label]
    names = [element.name for element in elements]
    if len(set(labels)) < len(labels) or len(set(names)) < len(names):
        raise FormError("labels and ids must be unique")
    return Form(
        file=file,
        name=name,
        description=_text(document, "description"),
        title=_text(document, "title"),
        labels=_names(document.get("labels")),
        elements=elements,
    )


def parse_chooser(text: str) -> Chooser:
    """Read ``.github/ISSUE_TEMPLATE/config.yml``; what is wrong in it is left out."""
    document = _load(text)
    if not isinstance(document, dict):
        return Chooser()
    links = document.get("contact_links")
    known = [link for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    return Chooser(
        blank_issues=document.get("blank_issues_enabled") != "false",
        links=tuple((_text(link, "name"), _text(link, "url"), _text(link, "about")) for link in known),
    )


def check(form: Form, sent: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return what is wrong with what was sent, by field name."""
    problems = {element.name: _problem(element, sent.get(element.name, ())) for element in form.elements}
    return {name: problem for name, problem in problems.items() if problem}


def write_body(form: Form, sent: Mapping[str, Sequence[str]]) -> str:
    """Return the issue's body exactly as GitHub writes it.

    Examples
    --------
    >>> form = Form("f.yml", "F", "", elements=(Element("input", "field-a", "A"),))
    >>> print(write_body(form, {"field-a": ["1"]}))
    ### A
    <BLANKLINE>
    1
    """
    fields = (element for element in form.elements if element.kind != "markdown")
    return "\n\n".join(f"### {element.label}\n\n{_answer(element, sent.get(element.name, ()))}" for element in fields)


def _answer(element: Element, values: Sequence[str]) -> str:
    if element.kind == "checkboxes":
        boxes = enumerate(element.options)
        return "\n".join(f"- [{'X' if str(index) in values else ' '}] {option.label}" for index, option in boxes)
    if element.kind == "dropdown":
        return ", ".join(value for value in values if value) or NO_RESPONSE
    value = "\n".join(values).replace("\r\n", "\n").replace("\r", "\n")
    if not value.strip():
        return NO_RESPONSE
    return f"```{element.render}\n{value}\n```" if element.render else value


def _problem(element: Element, values: Sequence[str]) -> str:
    given = [value for value in values if value.strip()]
    if element.kind == "checkboxes":
        missed = [o.label for index, o in enumerate(element.options) if o.required and str(index) not in given]
        return f"Has to be ticked: {', '.join(missed)}" if missed else ""
    if element.kind == "dropdown":
        strange = [value for value in given if value not in [option.label for option in element.options]]
        if strange:
            return f"Not one of the options: {', '.join(strange)}"
        if len(given) > 1 and not element.multiple:
            return "Only one option can be chosen."
    if element.required and not given:
        return "Please choose an option." if element.kind == "dropdown" else "Please fill in this field."
    return ""


def _initial(element: Element, given: Mapping[str, str]) -> list[str]:
    value = given.get(element.name.removeprefix("field-"))
    if element.kind == "checkboxes":
        return []
    if element.kind == "dropdown":
        chosen = value.split(",") if value is not None and element.multiple else [value]
        known = [option.label for option in element.options]
        default = [] if element.default is None else [known[element.default]]
        return default if value is None else [c.strip() for c in chosen if c is not None and c.strip() in known]
    return [element.value if value is None else value]


def _element(item: Mapping[str, Any], index: int) -> Element:
    kind, where = _text(item, "type"), f"body[{index}]"
    if kind not in KINDS:
        raise FormError(f"{where}: `type` is {kind!r}; known are {', '.join(KINDS)}")
    attributes = _mapping(item.get("attributes") or {}, f"{where}.attributes")
    validations = _mapping(item.get("validations") or {}, f"{where}.validations")
    label = _text(attributes, "label")
    if kind == "markdown" and not _text(attributes, "value"):
        raise FormError(f"{where}: `value` is missing")
    if kind != "markdown" and not label:
        raise FormError(f"{where}: `label` is missing")
    options = _options(attributes, kind, where)
    return Element(
        kind=kind,
        name=f"field-{_text(item, 'id') or index}",
        label="" if kind == "markdown" else label,
        description=_text(attributes, "description"),
        placeholder=_text(attributes, "placeholder"),
        value=_text(attributes, "value"),
        render=_render(attributes, where),
        required=_is_true(validations, "required"),
        multiple=_is_true(attributes, "multiple"),
        default=_default(attributes, options, where),
        options=options,
    )


def _options(attributes: Mapping[str, Any], kind: str, where: str) -> tuple[Option, ...]:
    if kind not in {"dropdown", "checkboxes"}:
        return ()
    options = attributes.get("options")
    if not isinstance(options, list) or not options:
        raise FormError(f"{where}: `options` is missing or not a list")
    if kind == "dropdown":
        if not all(isinstance(option, str) and option.strip() for option in options):
            raise FormError(f"{where}: every option must be a text")
        found = tuple(Option(option) for option in options)
    else:
        boxes = [_mapping(option, f"{where}.options") for option in options]
        found = tuple(Option(_text(box, "label"), _is_true(box, "required")) for box in boxes)
    if len({option.label for option in found}) < len(found) or not all(option.label for option in found):
        raise FormError(f"{where}: options must be unique and not empty")
    return found


def _default(attributes: Mapping[str, Any], options: Sequence[Option], where: str) -> int | None:
    text = _text(attributes, "default")
    if not text or not options:
        return None
    index = read_number(text)
    if index is None or index >= len(options):
        raise FormError(f"{where}: `default` is {text!r}; it must be the index of an option")
    return index


def _render(attributes: Mapping[str, Any], where: str) -> str:
    render = _text(attributes, "render")
    if any(not (character.isalnum() or character in "+-_#.") for character in render):
        raise FormError(f"{where}: `render` is {render!r}; it must be the name of a language")
    return render


def _names(value: object) -> tuple[str, ...]:
    """Return labels, which may stand as a list or as one text with commas."""
    parts = value if isinstance(value, list) else str(value or "").split(",")
    return tuple(part.strip() for part in parts if isinstance(part, str) and part.strip())


def _load(text: str) -> object:
    if len(text) > MAX_FORM_BYTES:
        raise FormError(f"the file is larger than {MAX_FORM_BYTES:,} characters")
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  # builds texts, lists and mappings alone
    except (yaml.YAMLError, RecursionError) as error:
        raise FormError(f"not valid YAML: {error}") from error


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise FormError(f"{where} is not a mapping")
    return value


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def _is_true(mapping: Mapping[str, Any], key: str) -> bool:
    return _text(mapping, key).lower() == "true"
