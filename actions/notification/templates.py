"""Notifications as messages: Jinja templates in a sandbox, which a repository may replace with its own.

A repository's template is untrusted. Before it is compiled, its syntax tree is checked against a short list of what a
message needs: values, conditions, one level of loops over the metrics, a few filters. Nothing on that list can call,
multiply, concatenate or recurse, so that no template can use up time or memory. Its output is limited while it is written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from actions.context import Context
from actions.contracts.channels import EVENTS, ChannelName, Event, Language
from actions.errors import InvalidInput
from actions.notification.notice import MetricLine, Notice, StageProblem, example_notice
from actions.notification.sentences import SENTENCES, Sentences
from actions.operation import Result, operation
from actions.text import formatting as wording
from actions.text.markdown import clean, shorten

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

FOLDER = ".github/modelyard/notifications"
"""Where a repository keeps its own templates, on its default branch."""
MAX_TEMPLATE = 16_384
MAX_MESSAGE = 12_000
MAX_TITLE = 200
_MAX_DEPTH = 20
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
"""Attributes that only ``loop`` may have: every text has a method ``index``."""
_BLANKS = re.compile(r"[\s\u2028\u2029]+")


class TemplateError(InvalidInput):
    """A template cannot be used; ``field`` is its file."""


@dataclass(frozen=True)
class Message:
    """A message for one channel.

    Attributes
    ----------
    title
        One line: the subject of an email.
    body
        Lines in the channel's format, with every value escaped.
    remark
        Why the repository's own template was not used; empty otherwise.
    """

    title: str
    body: str
    remark: str = ""


def path_of(event: Event, channel: ChannelName, language: Language) -> str:
    """Return where a repository's own template would be."""
    return f"{FOLDER}/{language}/{event}.{channel}.j2"


def built_in_template(channel: ChannelName) -> str:
    """Return Modelyard's own template: the same for every event and language, since sentences that do not apply are empty."""
    return (_TEXTS / f"{channel}.j2").read_text(encoding="utf-8")


def compose(notice: Notice, channel: ChannelName, override: bytes | str | None = None) -> Message:
    """Return the message for a channel, from the repository's own template or, if that cannot be used, from the built-in one.

    Parameters
    ----------
    notice
        The event to notify about.
    channel
        The channel whose format is needed.
    override
        The content of the repository's own template, if it has one.
    """
    remark = ""
    if override is not None:
        try:
            return render(override, notice, channel)
        except TemplateError as error:
            remark = f"{error.problem.field}: {error.problem.rule} {error.problem.found}"
    return replace(render(built_in_template(channel), notice, channel), remark=remark)


def compose_footer(notice: Notice, channel: ChannelName, remark: str = "") -> str:
    """Return the line below every message, also of a repository's template: the run, and any remark."""
    escaped = _ESCAPED[channel]
    about = f"{notice.run} · {escaped(notice.repository)}#{notice.issue}"
    if not remark:
        return about
    return f"{about} · {Sentences(notice).say('template_not_used', reason=escaped(remark))}"


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
        pieces = environment.from_string(tree).generate(**_values(notice, channel))
        text = _collected(pieces, path)
    except TemplateError:
        raise
    except UndefinedError as error:
        raise _wrong("template_failed", "A template must use only the values that exist.", str(error), path) from None
    except (JinjaError, SyntaxError) as error:
        line = getattr(error, "lineno", None)
        place = f"line {line}: " if line else ""
        raise _wrong("template_invalid", "A template must be valid Jinja.", f"{place}{error}", path) from None
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}"
        raise _wrong("template_failed", "A template must use each value as its type allows.", found, path) from None
    title, _, body = clean(text).strip().partition("\n")
    if not title:
        raise _wrong(
            "message_empty",
            "A template must produce a first line, which becomes the title.",
            "The output is empty.",
            path,
        )
    return Message(shorten(plain(title), MAX_TITLE), _tidy(body))


def _source(template: bytes | str, path: str) -> str:
    if len(template) > MAX_TEMPLATE:
        rule = f"A template must have at most {MAX_TEMPLATE:,} characters."
        raise _wrong("template_too_long", rule, f"It has {len(template):,}.", path)
    if isinstance(template, str):
        return template
    try:
        return template.decode("utf-8")
    except UnicodeDecodeError:
        raise _wrong("template_unreadable", "A template must be UTF-8 text.", "It is not.", path) from None


def _collected(pieces: Any, path: str) -> str:
    kept: list[str] = []
    length = 0
    for piece in pieces:
        kept.append(piece)
        length += len(piece)
        if length > MAX_MESSAGE:
            rule = f"A message must have at most {MAX_MESSAGE:,} characters."
            raise _wrong("message_too_long", rule, "It has more.", path)
    return "".join(kept)


def _tidy(body: str) -> str:
    """Leave no blanks at the ends of lines, and at most one empty line in a row."""
    lines = "\n".join(line.rstrip() for line in body.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip("\n")


def _wrong(reason: str, rule: str, found: str, path: str) -> TemplateError:
    return TemplateError(
        reason,
        rule=rule,
        found=found[:500],
        next_step="Correct the template. `render_template` tries it out.",
        field=path,
    )


# --- what a template may say -------------------------------------------------------------------------------------------


def _check(tree: Any, path: str) -> None:
    """Refuse whatever is not on the list. No recursion: the author decides how deep the tree is."""
    left = [(child, 1, False) for child in tree.iter_child_nodes()]
    while left:
        node, depth, looping = left.pop()
        kind = type(node).__name__
        word = _not_allowed(node, kind, looping=looping)
        if depth > _MAX_DEPTH:
            word = f"nested more than {_MAX_DEPTH} levels deep"
        if word:
            rule = "A template must use only values, conditions, one level of loops over `metrics`, and the listed filters."
            raise _wrong("template_not_allowed", rule, f"line {node.lineno}: {word}", path)
        left += [(child, depth + 1, looping or kind == "For") for child in node.iter_child_nodes()]


def _not_allowed(node: Any, kind: str, *, looping: bool) -> str:
    """Return what a node is if it is not allowed, else nothing."""
    if kind not in _NODES:
        return kind
    if kind == "Const" and node.value == math.inf:
        return "a number that is too large"
    if (kind == "Filter" and node.name not in FILTERS) or (kind == "Test" and node.name not in _TESTS):
        return f"the {kind.lower()} {node.name}"
    attributes = _OF_THE_LOOP if getattr(getattr(node, "node", None), "name", "") == "loop" else _ATTRIBUTES
    if kind == "Getattr" and node.attr not in attributes:
        return f"the attribute {node.attr}"
    if kind == "For" and (looping or node.recursive or getattr(node.iter, "name", "") != _LOOPS):
        return f"a nested loop, or a loop over something other than `{_LOOPS}`"
    return ""


def _values(notice: Notice, channel: ChannelName) -> dict[str, object]:
    """Return the notice's values, and the sentences about it; those of several lines are escaped here."""
    sentences, escaped = Sentences(notice), _ESCAPED[channel]
    links = [_link(url, words, channel) for words, url in sentences.links()]
    return {
        **{name: getattr(notice, name) for name in Notice.model_fields},
        "score": sentences.score(),
        "decision": sentences.decision(),
        "details": _Written("\n".join(escaped(line) for line in sentences.details())),
        "outcome": sentences.outcome(),
        "question": sentences.question(),
        "requested": sentences.requested(),
        "links": _Written((" · " if channel == "slack" else "\n").join(links)),
    }


# --- how values are written --------------------------------------------------------------------------------------------


class _Written(str):
    """Text that is already in the channel's format."""

    __slots__ = ()


def plain(value: object) -> str:
    """Return any value as one line without invisible characters."""
    return _BLANKS.sub(" ", clean(str(value))).strip()


def for_slack(value: object) -> str:
    """Return any value as Slack shows it: no mention, no link, no channel, no markup, no emoji.

    Slack has no escapes for its markup, so characters that look the same take its place.
    """
    text = plain(value).translate(_LOOK_ALIKES)
    text = _EMOJI.sub("\ua789", _EMPHASIS.sub("\u02cd", text))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_LOOK_ALIKES = str.maketrans("*~`", "\u2217\u223c\u02cb")
_EMPHASIS = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_EMOJI = re.compile(r"(?<![0-9]):(?=[A-Za-z0-9_+'-]{1,100}:)")


def _link(url: str, words: object, channel: ChannelName) -> _Written:
    if channel == "email":
        return _Written(f"{plain(words)}: {plain(url)}")
    address = for_slack(url).replace("|", "%7C").replace(" ", "%20")
    shown = for_slack(words).replace("|", "¦")
    return _Written(f"<{address}|{shown}>" if re.match(r"https?://", address) else shown)


_ESCAPED: dict[ChannelName, Callable[[object], str]] = {"slack": for_slack, "email": plain}

FILTERS: dict[str, str] = {
    "figure": "a metric's value with four decimals",
    "short": "a threshold without trailing zeros",
    "moment": "a date and time in UTC",
    "text": "a text, cut after 300 characters or the given number: text(80)",
    "link": "an address as a link with a text: issue_url | link('Issue')",
}
"""The filters that a template may use, with what each writes."""


@cache
def _environment(channel: ChannelName, language: Language) -> SandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    escaped = _ESCAPED[channel]

    def finalized(value: object) -> str:
        return value if isinstance(value, _Written) else escaped(value)

    def text(value: object, limit: int = 300) -> _Written:
        return _Written(escaped(shorten(plain(value), min(max(int(limit), 1), 2_000))))

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
            "link": lambda url, words: _link(url, words, channel),
        }
    )
    return environment


# --- operations --------------------------------------------------------------------------------------------------------


class TemplateFile(Result):
    """One template: what it is for, and whether the repository replaces it."""

    event: Event
    channel: ChannelName
    language: Language
    path: str = Field(description="the repository's file that replaces the built-in one")
    replaced: bool | None = Field(description="whether the repository has that file; None without a checkout")


class TemplateList(Result):
    """The templates, and what they may contain."""

    templates: list[TemplateFile]
    values: dict[str, str] = Field(description="the names that a template may use")
    filters: dict[str, str] = Field(description="the filters that a template may use")


class RenderedTemplate(Result):
    """A message as the channel would receive it."""

    title: str
    body: str
    source: str = Field(description="built-in, or the path of the repository's file, or `given`")


@operation(where="app", read_only=True, open_to_agents="It only reads.")
def list_templates(context: Context, language: Language | None = None) -> TemplateList:
    """List the notification templates, the files that replace them, and the values and filters that they may use.

    Parameters
    ----------
    language
        List only the templates of this language. All by default.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.storage.folder import Storage
    >>> found = list_templates(Context(Storage(Path("storage"))), language="en")
    >>> found.templates[0].path
    '.github/modelyard/notifications/en/waiting.slack.j2'
    """
    history = context.history
    templates = [
        TemplateFile(event=event, channel=channel, language=of_language, path=path, replaced=replaced)
        for of_language, event, channel in _every(language)
        for path in (path_of(event, channel, of_language),)
        for replaced in (None if history is None else history.read(path) is not None,)
    ]
    values = {name: field.description or "" for name, field in Notice.model_fields.items()}
    return TemplateList(templates=templates, values={**values, **SENTENCES}, filters=FILTERS)


def _every(language: Language | None) -> Sequence[tuple[Language, Event, ChannelName]]:
    languages = (language,) if language else _LANGUAGES
    return [(language, event, channel) for language in languages for event in EVENTS for channel in _CHANNELS]


@operation(where="app", read_only=True, open_to_agents="It only reads.")
def render_template(
    event: Event,
    channel: ChannelName,
    context: Context,
    language: Language = "en",
    template: Annotated[str, Field(max_length=MAX_TEMPLATE)] | None = None,
) -> RenderedTemplate:
    r"""Render a notification template with an example; nothing is sent.

    Parameters
    ----------
    event
        The event to render.
    channel
        The channel whose format is needed.
    language
        The language of the notification.
    template
        The text of a template to try out. By default the repository's file, else the built-in template.

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
    path = path_of(event, channel, language)
    own = template if template is not None or context.history is None else context.history.read(path)
    source = "given" if template is not None else path if own is not None else "built-in"
    rendered = render(built_in_template(channel) if own is None else own, example_notice(event, language), channel)
    return RenderedTemplate(title=rendered.title, body=rendered.body, source=source)
