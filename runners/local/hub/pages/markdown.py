"""Markdown to HTML as GitHub shows it, from text that nobody vouches for.

Raw HTML is not passed through. Comments vanish (as on GitHub), a handful of harmless tags is rebuilt from scratch with
known attributes only, and every other tag is shown as the text it is.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup

Environment = MutableMapping[str, Any]
LARGEST: Final = 512_000
"""Characters; longer texts are shown as plain text."""
LINK_SCHEMES: Final = frozenset({"", "http", "https", "mailto"})
PAIRED: Final = frozenset({"details", "summary", "sub", "sup", "kbd"})
ALERTS: Final = ("note", "tip", "important", "warning", "caution")

_RAW_HTML = re.compile(
    r"""<!--.*?(?:-->|\Z)
      | <(?P<close>/?)(?P<tag>details|summary|sub|sup|kbd|br|img)
        (?P<attributes>(?:\s+[a-z-]+(?:\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>`=]+))?)*)\s*/?>""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_ATTRIBUTE = re.compile(r"""([a-z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>`=]+)))?""", re.IGNORECASE)
_AUTOMATIC_LINK = re.compile(
    r"(?P<url>https?://[^\s<>\"'`]+)"
    r"|(?<![\w&/#])#(?P<number>[1-9][0-9]{0,8})\b"
    r"|(?<![\w@/.`-])@(?P<login>[A-Za-z0-9][A-Za-z0-9-]{0,38})(?![\w/])"
)
_TASK = re.compile(r"\[([ xX])\] ")
_ALERT = re.compile(r"\[!(" + "|".join(ALERTS) + r")\]\s*", re.IGNORECASE)


@dataclass(frozen=True)
class LinkBase:
    """Where a Markdown text stands; its relative links are resolved from here.

    Parameters
    ----------
    repository
        ``OWNER/REPO``.
    ref, folder
        Of a file: its branch or commit and its folder. ``ref=None`` means an issue or a comment, in which every line
        break counts.
    origin
        The hub's own address, such as ``http://127.0.0.1:8000``: images there are shown, images elsewhere are linked.
    """

    repository: str
    ref: str | None = None
    folder: str = ""
    origin: str = ""

    def link(self, url: str) -> str:
        """Return where a link leads."""
        return self._resolved(url, "blob")

    def image(self, url: str) -> str | None:
        """Return the path of an image that this hub serves, or None: nothing is fetched from elsewhere."""
        if self.origin and url.startswith(self.origin + "/"):
            url = url.removeprefix(self.origin)
        parts = _parts(url)
        if parts is None or parts.scheme or parts.netloc or not parts.path:
            return None
        resolved = self._resolved(url, "raw")
        return resolved if resolved.startswith("/") and not resolved.startswith("//") else None

    def _resolved(self, url: str, view: str) -> str:
        parts = _parts(url)
        if parts is None:
            return ""
        if parts.scheme or parts.netloc or not parts.path or url.startswith(f"/{self.repository}/"):
            return url
        if self.ref is None:
            return urljoin(f"/{self.repository}/issues/0", url)
        path = posixpath.normpath(posixpath.join("/", self.folder, unquote(parts.path)))
        tail = f"#{parts.fragment}" if parts.fragment else ""
        return f"/{self.repository}/{view}/{quote(self.ref)}{quote('/' + path.lstrip('/'))}{tail}"


def is_safe_link(url: str) -> bool:
    """Tell whether a link is one, of a scheme that cannot run anything."""
    parts = _parts(url.strip())
    return parts is not None and parts.scheme.lower() in LINK_SCHEMES


def _parts(url: str) -> SplitResult | None:
    """Return the parts of an address, or None where it is none: ``http://[x``."""
    try:
        return urlsplit(url)
    except ValueError:
        return None


@lru_cache(maxsize=512)
def render_markdown(text: str, base: LinkBase) -> Markup:
    """Return a Markdown text as safe HTML.

    Examples
    --------
    >>> print(render_markdown("**hi** <script>x</script><!-- hidden -->", LinkBase("o/r")), end="")
    <p><strong>hi</strong> &lt;script&gt;x&lt;/script&gt;</p>
    """
    if len(text) > LARGEST:
        return Markup("<pre>{}</pre>").format(text)
    environment: Environment = {"base": base, "open": []}
    body = _parser(breaks=base.ref is None).render(text, environment)
    return Markup(body + _unclosed(environment))  # noqa: S704  # every part was escaped or built by the rules below


def render_inline(text: str, base: LinkBase) -> Markup:
    """Return one line of Markdown as safe HTML without a paragraph around it: a check box's label."""
    environment: Environment = {"base": base, "open": []}
    body = _parser(breaks=False).renderInline(text, environment)
    return Markup(body + _unclosed(environment))  # noqa: S704  # as above


def _unclosed(environment: Environment) -> str:
    return "".join(f"</{tag}>" for tag in reversed(environment["open"]))


@cache
def _parser(*, breaks: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True, "breaks": breaks}, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    parser.validateLink = is_safe_link  # type: ignore[method-assign]
    for rule in (_mark_tasks, _mark_alerts, _link_text):
        parser.core.ruler.push(rule.__name__, rule)
    return parser


class _Renderer(RendererHTML):
    """The rules in which GitHub differs from plain CommonMark, and the ones that keep raw HTML out."""

    def html_block(self, tokens: Sequence[Token], index: int, _options: object, environment: Environment) -> str:
        rebuilt = _rebuilt(tokens[index].content, environment).strip()
        return rebuilt if rebuilt.startswith("<") or not rebuilt else f"<p>{rebuilt}</p>\n"

    def html_inline(self, tokens: Sequence[Token], index: int, _options: object, environment: Environment) -> str:
        return _rebuilt(tokens[index].content, environment)

    def image(self, tokens: Sequence[Token], index: int, options: Any, environment: Environment) -> str:
        token = tokens[index]
        alternative = self.renderInlineAsText(token.children or [], options, environment)
        return _image(str(token.attrs.get("src", "")), alternative, environment["base"])

    def link_open(self, tokens: Sequence[Token], index: int, options: Any, environment: Environment) -> str:
        token = tokens[index]
        token.attrSet("href", environment["base"].link(str(token.attrs.get("href", ""))))
        token.attrSet("rel", "nofollow noopener noreferrer")
        return self.renderToken(tokens, index, options, environment)

    def task_box(self, tokens: Sequence[Token], index: int, _options: object, _environment: object) -> str:
        checked = " checked" if tokens[index].meta["checked"] else ""
        return f'<input type="checkbox" disabled aria-label="task"{checked}> '

    def table_open(self, *_arguments: object) -> str:
        return '<div class="wide"><table>\n'

    def table_close(self, *_arguments: object) -> str:
        return "</table></div>\n"


def _rebuilt(raw: str, environment: Environment) -> str:
    """Return raw HTML with comments gone, known tags rebuilt and everything else as visible text."""
    parts: list[str] = []
    position = 0
    for match in _RAW_HTML.finditer(raw):
        parts.append(_as_text(raw[position : match.start()]))
        position = match.end()
        if match["tag"]:
            parts.append(_tag(match, environment))
    parts.append(_as_text(raw[position:]))
    return "".join(parts)


def _as_text(raw: str) -> str:
    return html.escape(html.unescape(raw))


def _tag(match: re.Match[str], environment: Environment) -> str:
    tag = match["tag"].lower()
    attributes = {
        m[1].lower(): html.unescape(m[2] or m[3] or m[4] or "") for m in _ATTRIBUTE.finditer(match["attributes"])
    }
    still_open: list[str] = environment["open"]
    if tag == "br":
        return "<br>"
    if tag == "img":
        width = attributes.get("width", "")
        return _image(attributes.get("src", ""), attributes.get("alt", ""), environment["base"], width)
    if match["close"]:
        return _closed(tag, still_open)
    still_open.append(tag)
    return f"<{tag} open>" if tag == "details" and "open" in attributes else f"<{tag}>"


def _closed(tag: str, still_open: list[str]) -> str:
    """Return the end tags that close ``tag`` and what was left open in it; nothing if it is not open."""
    if tag not in still_open:
        return ""
    parts = []
    while (innermost := still_open.pop()) != tag:
        parts.append(f"</{innermost}>")
    return "".join([*parts, f"</{tag}>"])


def _image(source: str, alternative: str, base: LinkBase, width: str = "") -> str:
    path = base.image(source)
    if path is not None:
        size = f' width="{width}"' if re.fullmatch(r"[0-9]{1,4}%?", width) else ""
        return f'<img src="{html.escape(path)}" alt="{html.escape(alternative)}" loading="lazy"{size}>'
    label = html.escape(alternative or source)
    parts = _parts(source)
    if parts is not None and parts.scheme in {"http", "https"}:
        return f'<a href="{html.escape(source)}" rel="nofollow noopener noreferrer">{label}</a>'
    return label


def _mark_tasks(state: StateCore) -> None:
    """Turn ``[ ] `` and ``[x] `` at the start of a list item into check boxes."""
    for item, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if (item.type, paragraph.type, inline.type) != ("list_item_open", "paragraph_open", "inline"):
            continue
        children = inline.children or []
        found = _TASK.match(children[0].content) if children and children[0].type == "text" else None
        if found:
            children[0].content = children[0].content[found.end() :]
            children.insert(0, Token("task_box", "input", 0, meta={"checked": found[1] != " "}))
            item.attrJoin("class", "task")


def _mark_alerts(state: StateCore) -> None:
    """Turn ``> [!NOTE]`` and its kin into boxes with a heading."""
    for quoted, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if (quoted.type, paragraph.type, inline.type) != ("blockquote_open", "paragraph_open", "inline"):
            continue
        children = inline.children or []
        found = _ALERT.fullmatch(children[0].content) if children and children[0].type == "text" else None
        if found:
            kind = found[1].lower()
            quoted.attrSet("class", f"alert alert-{kind}")
            children[0] = Token("strong_open", "strong", 1, attrs={"class": "alert-title"})
            children[1:1] = [Token("text", "", 0, content=kind.capitalize()), Token("strong_close", "strong", -1)]


def _link_text(state: StateCore) -> None:
    """Link bare addresses and issue numbers, and set mentions in bold, outside links and code."""
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = list(_linked(token.children, state.env["base"].repository))


def _linked(children: Sequence[Token], repository: str) -> Iterator[Token]:
    depth = 0
    for child in children:
        depth += {"link_open": 1, "link_close": -1}.get(child.type, 0)
        if depth or child.type != "text":
            yield child
        else:
            yield from _split(child.content, repository)


def _split(text: str, repository: str) -> Iterator[Token]:
    position = 0
    for match in _AUTOMATIC_LINK.finditer(text):
        words = match[0].rstrip(".,:;!?)*_~") if match["url"] else match[0]
        if match["url"] and not is_safe_link(words):
            continue
        yield Token("text", "", 0, content=text[position : match.start()])
        position = match.start() + len(words)
        if match["login"]:
            yield Token("strong_open", "strong", 1, attrs={"class": "mention"})
            yield Token("text", "", 0, content=words)
            yield Token("strong_close", "strong", -1)
        else:
            target = words if match["url"] else f"/{repository}/issues/{match['number']}"
            yield Token("link_open", "a", 1, attrs={"href": target})
            yield Token("text", "", 0, content=words)
            yield Token("link_close", "a", -1)
    yield Token("text", "", 0, content=text[position:])
