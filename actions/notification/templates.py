"""The words of a notification: Jinja templates in a sandbox, which a repository may replace by its own.

A template of a repository is untrusted. Before it is compiled, its syntax tree is held against a short list of what a
message needs: values, conditions, one level of loops over the metrics, a few filters. Nothing on that list can call,
multiply, join or recur, so neither time nor memory can be used up, whatever the template says; its output is counted
while it is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from actions.context import Context
from actions.contracts.channels import EVENTS, ChannelName, Event, Language
from actions.errors import InvalidInput
from actions.notification.notice import MetricLine, Notice, StageProblem, example
from actions.operation import Result, operation
from actions.text import formatting as wording
from actions.text.markdown import clean, shorten

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

FOLDER = ".github/modelyard/notifications"
"""Where a repository keeps its own templates, on its default branch."""
LONGEST_TEMPLATE = 16_384
LONGEST_MESSAGE = 12_000
LONGEST_TITLE = 200
_DEEPEST = 20
_TEXTS = Path(__file__).parent / "texts"
_CHANNELS: tuple[ChannelName, ...] = ("slack", "email")
_LANGUAGES: tuple[Language, ...] = ("en", "ja")
_LOOPS = "metrics"

_NODES = {
    "Template", "Output", "TemplateData", "Name", "Const", "Getattr", "Filter", "Test", "Compare", "Operand", "And",
    "Or", "Not", "Neg", "CondExpr", "If", "For",
}  # fmt: skip
_TESTS = {"none", "defined", "undefined", "eq", "ne", "lt", "le", "gt", "ge", "equalto"}
_ATTRIBUTES = {*MetricLine.model_fields, *StageProblem.model_fields}
_OF_THE_LOOP = {"first", "last", "index"}
"""Of ``loop`` alone: any text has a method ``index``."""
_BLANKS = re.compile(r"[\s\u2028\u2029]+")


class TemplateError(InvalidInput):
    """A template cannot be used; ``field`` names its file."""


@dataclass(frozen=True)
class Message:
    """What is said, for one channel.

    Attributes
    ----------
    title
        One line; the subject of a mail.
    body
        Lines in the channel's own format, every value in them escaped.
    remark
        Why the repository's own template was not used; empty where nothing is to be said.
    """

    title: str
    body: str
    remark: str = ""


def path_of(event: Event, channel: ChannelName, language: Language) -> str:
    """Return where a repository's own template would be."""
    return f"{FOLDER}/{language}/{event}.{channel}.j2"


def built_in(event: Event, channel: ChannelName, language: Language) -> str:
    """Return Modelyard's own template."""
    return (_TEXTS / language / f"{event}.{channel}.j2").read_text(encoding="utf-8")


def message(notice: Notice, channel: ChannelName, override: bytes | str | None = None) -> Message:
    """Return what is said to a channel: in the repository's words, or where those cannot be used in Modelyard's.

    Parameters
    ----------
    notice
        What there is to tell.
    channel
        Whose format is wanted.
    override
        The content of the repository's own template, where it has one.
    """
    if override is not None:
        try:
            return render(override, notice, channel)
        except TemplateError as error:
            remark = f"{error.body.field}: {error.body.rule} {error.body.found}"
            own = render(built_in(notice.event, channel, notice.language), notice, channel)
            return Message(own.title, own.body, remark)
    return render(built_in(notice.event, channel, notice.language), notice, channel)


_REMARKS = {
    "en": "The repository's own template was not used. ",
    "ja": "リポジトリ独自のテンプレートは使われませんでした。",
}


def footer(notice: Notice, channel: ChannelName, remark: str = "") -> str:
    """Return what stands below every message, whoever wrote its template: which run it is about, and a remark."""
    escaped = _ESCAPED[channel]
    about = f"{notice.run} · {escaped(notice.repository)}#{notice.issue}"
    return f"{about} · {_REMARKS[notice.language]}{escaped(remark)}" if remark else about


def render(template: bytes | str, notice: Notice, channel: ChannelName) -> Message:
    """Render a template's text; its first line becomes the title.

    Raises
    ------
    TemplateError
        With reason ``template_unreadable``, ``template_too_long``, ``template_invalid``, ``template_not_allowed``,
        ``template_failed``, ``message_too_long`` or ``message_empty``.
    """
    from jinja2 import TemplateError as JinjaError
    from jinja2 import UndefinedError

    path = path_of(notice.event, channel, notice.language)
    source = _source(template, path)
    environment = _environment(channel, notice.language)
    try:
        tree = environment.parse(source)
        _check(tree, path)
        pieces = environment.from_string(tree).generate(**_values(notice))
        text = _collected(pieces, path)
    except TemplateError:
        raise
    except UndefinedError as error:
        raise _wrong("template_failed", "It uses the values that there are.", str(error), path) from None
    except (JinjaError, SyntaxError) as error:
        line = getattr(error, "lineno", None)
        place = f"line {line}: " if line else ""
        raise _wrong("template_invalid", "It has to be a template of Jinja.", f"{place}{error}", path) from None
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}"
        raise _wrong("template_failed", "Its values have to be used as what they are.", found, path) from None
    title, _, body = clean(text).strip().partition("\n")
    if not title:
        raise _wrong("message_empty", "Its first line is the title.", "It says nothing.", path)
    return Message(shorten(plain(title), LONGEST_TITLE), _tidy(body))


def _source(template: bytes | str, path: str) -> str:
    if len(template) > LONGEST_TEMPLATE:
        rule = f"It has at most {LONGEST_TEMPLATE:,} characters."
        raise _wrong("template_too_long", rule, f"It has {len(template):,}.", path)
    if isinstance(template, str):
        return template
    try:
        return template.decode("utf-8")
    except UnicodeDecodeError:
        raise _wrong("template_unreadable", "It has to be text in UTF-8.", "It is not.", path) from None


def _collected(pieces: Any, path: str) -> str:
    kept: list[str] = []
    length = 0
    for piece in pieces:
        kept.append(piece)
        length += len(piece)
        if length > LONGEST_MESSAGE:
            rule = f"What it makes has at most {LONGEST_MESSAGE:,} characters."
            raise _wrong("message_too_long", rule, "It makes more.", path)
    return "".join(kept)


def _tidy(body: str) -> str:
    """Leave no blanks at the ends of lines, and at most one empty line in a row."""
    lines = "\n".join(line.rstrip() for line in body.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n")


def _wrong(reason: str, rule: str, found: str, path: str) -> TemplateError:
    return TemplateError(
        reason, rule=rule, found=found[:500], next_step="Correct it; `render_template` tries it.", field=path
    )


# --- what a template may say -------------------------------------------------------------------------------------------


def _check(tree: Any, path: str) -> None:
    """Refuse whatever is not on the list; without recursion, since the tree is as deep as its author wants."""
    left = [(child, 1, False) for child in tree.iter_child_nodes()]
    while left:
        node, depth, looping = left.pop()
        kind = type(node).__name__
        word = _not_allowed(node, kind, looping=looping)
        if depth > _DEEPEST:
            word = f"more than {_DEEPEST} things within each other"
        if word:
            rule = "It uses values, conditions, one level of loops over `metrics`, and the filters that are listed."
            raise _wrong("template_not_allowed", rule, f"line {node.lineno}: {word}", path)
        left += [(child, depth + 1, looping or kind == "For") for child in node.iter_child_nodes()]


def _not_allowed(node: Any, kind: str, *, looping: bool) -> str:
    """Name what a node is, where it may not be there."""
    if kind not in _NODES:
        return kind
    if kind == "Filter" and node.name not in FILTERS:
        return f"the filter {node.name}"
    if kind == "Test" and node.name not in _TESTS:
        return f"the test {node.name}"
    attributes = _OF_THE_LOOP if getattr(getattr(node, "node", None), "name", "") == "loop" else _ATTRIBUTES
    if kind == "Getattr" and node.attr not in attributes:
        return f"the attribute {node.attr}"
    if kind == "For" and (looping or node.recursive or getattr(node.iter, "name", "") != _LOOPS):
        return f"a loop within a loop, or over something else than `{_LOOPS}`"
    return ""


def _values(notice: Notice) -> dict[str, object]:
    return {name: getattr(notice, name) for name in Notice.model_fields}


# --- how values are written --------------------------------------------------------------------------------------------


class _Written(str):
    """Text that is in the channel's format already."""

    __slots__ = ()


def plain(value: object) -> str:
    """Return any value as one line without what is not meant to be seen."""
    return _BLANKS.sub(" ", clean(str(value))).strip()


def for_slack(value: object) -> str:
    """Return any value as Slack shows it literally: no mention, no link, no channel."""
    return plain(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_ESCAPED: dict[ChannelName, Callable[[object], str]] = {"slack": for_slack, "email": plain}

FILTERS: dict[str, str] = {
    "figure": "a metric's figure, with four decimals",
    "short": "a threshold",
    "moment": "a moment, in UTC",
    "text": "a text, at most 300 characters of it, or as many as are named: text(80)",
    "link": "an address as a link with a text: issue_url | link('Issue')",
}
"""The filters that a template may use, each with what it writes."""


@cache
def _environment(channel: ChannelName, language: Language) -> SandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    escaped = _ESCAPED[channel]

    def finalized(value: object) -> str:
        return value if isinstance(value, _Written) else escaped(value)

    def text(value: object, limit: int = 300) -> _Written:
        return _Written(escaped(shorten(plain(value), min(max(int(limit), 1), 2_000))))

    def link(url: str, words: object) -> _Written:
        if channel == "email":
            return _Written(f"{plain(words)}: {plain(url)}")
        address = for_slack(url).replace("|", "%7C").replace(" ", "%20")
        shown = for_slack(words).replace("|", "¦")
        return _Written(f"<{address}|{shown}>" if re.match(r"https?://", address) else shown)

    # Autoescape knows HTML alone; here every value is made safe for its channel by finalized.
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, finalize=finalized
    )
    environment.globals.clear()
    environment.filters.clear()
    environment.filters.update(
        {
            "figure": lambda value: _Written(wording.figure(value, language)),
            "short": lambda value: _Written(wording.short(value)),
            "moment": lambda value: _Written(wording.moment(value, language)),
            "text": text,
            "link": link,
        }
    )
    return environment


# --- operations --------------------------------------------------------------------------------------------------------


class TemplateFile(Result):
    """One template: what it is for, and whose words it has."""

    event: Event
    channel: ChannelName
    language: Language
    path: str = Field(description="the repository's file that replaces the built-in one")
    replaced: bool | None = Field(description="whether the repository has that file; None where no checkout is at hand")


class TemplateList(Result):
    """The templates, and what they may use."""

    templates: list[TemplateFile]
    values: dict[str, str] = Field(description="the names that a template may use")
    filters: dict[str, str] = Field(description="the filters that a template may use")


class RenderedTemplate(Result):
    """A message as its channel would get it."""

    title: str
    body: str
    source: str = Field(description="built-in, or the path of the repository's file, or `given`")


@operation(where="app", read_only=True)
def list_templates(context: Context, language: Language | None = None) -> TemplateList:
    """List the templates of notifications, the files that replace them, and the values and filters that they may use.

    Parameters
    ----------
    language
        Only the templates of this language; all of them if it is not given.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.storage.folder import Storage
    >>> found = list_templates(Context(Storage(Path("storage"))), language="en")
    >>> found.templates[0].path
    '.github/modelyard/notifications/en/waiting.slack.j2'
    """
    history = context.history
    found = [
        TemplateFile(event=event, channel=channel, language=each, path=path, replaced=replaced)
        for each, event, channel in _every(language)
        for path in (path_of(event, channel, each),)
        for replaced in (None if history is None else history.read(path) is not None,)
    ]
    values = {name: field.description or "" for name, field in Notice.model_fields.items()}
    return TemplateList(templates=found, values=values, filters=FILTERS)


def _every(language: Language | None) -> Sequence[tuple[Language, Event, ChannelName]]:
    wanted = (language,) if language else _LANGUAGES
    return [(each, event, channel) for each in wanted for event in EVENTS for channel in _CHANNELS]


@operation(where="app", read_only=True)
def render_template(
    event: Event,
    channel: ChannelName,
    context: Context,
    language: Language = "en",
    template: Annotated[str, Field(max_length=LONGEST_TEMPLATE)] | None = None,
) -> RenderedTemplate:
    r"""Render a notification's template with an example, as its channel would get it; nobody is told.

    Parameters
    ----------
    event
        What is told.
    channel
        Whose format is wanted.
    language
        The language of the built-in template, or of the repository's file.
    template
        A template's text, to try it. By default the repository's file, else the built-in one.

    Raises
    ------
    InvalidInput
        ``message_empty``: the message has no text. ``message_too_long``: the message is longer than its channel accepts.
        ``template_failed``: a value is missing or used as what it is not. ``template_invalid``: the template is not valid
        Jinja. ``template_not_allowed``: the template uses more of Jinja than is allowed. ``template_too_long``: the
        template is too long. ``template_unreadable``: the file is not UTF-8 text.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path("storage")))
    >>> text = "{{ model }} passed\n\n{{ metric }}: {{ value | figure }}"
    >>> shown = render_template("success", "slack", context, template=text)
    >>> shown.title, shown.body
    ('breast-cancer passed', 'accuracy: 0.9649')
    """
    told = example(event, language)
    path = path_of(event, channel, language)
    own = template if template is not None or context.history is None else context.history.read(path)
    source = "given" if template is not None else path if own is not None else "built-in"
    rendered = render(built_in(event, channel, language) if own is None else own, told, channel)
    return RenderedTemplate(title=rendered.title, body=rendered.body, source=source)
