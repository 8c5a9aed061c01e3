"""Reads YAML that people may have edited, without surprises.

Every scalar stays text (``1.10`` stays ``1.10``, ``on`` stays ``on``); the Pydantic model that the result is passed to
knows what is a number. Anchors, aliases, tags, repeated keys, deep nesting and large files are refused.
"""

from __future__ import annotations

from typing import Any

from actions.errors import InvalidInput

MAX_DEPTH = 20

Value = str | list[Any] | dict[str, Any]


class _Refused(Exception):
    """The text contains something that is not accepted; the message says what and where."""


def load(text: str | bytes, *, source: str, limit: int, most: int | None = None) -> Value | None:
    """Read one YAML document that consists of mappings, lists and text.

    Parameters
    ----------
    text
        The document; bytes must be UTF-8.
    source
        The file's name, for errors.
    limit
        The maximum size in bytes.
    most
        The maximum number of keys and values. Reading stops at the limit, so a hostile file cannot cost more.

    Returns
    -------
    Value or None
        None for an empty document.

    Raises
    ------
    InvalidInput
        ``invalid_yaml``; ``found`` includes the line.
    """
    content = text.encode() if isinstance(text, str) else text
    if len(content) > limit:
        raise _invalid(source, f"{len(content)} bytes", f"must be at most {limit} bytes.")
    import yaml

    try:
        return _Reader(most).read(content.decode())
    except UnicodeDecodeError as error:
        raise _invalid(source, f"invalid UTF-8 at byte {error.start}") from None
    except yaml.MarkedYAMLError as error:
        raise _invalid(source, f"{error.problem or error.context}{_line(error.problem_mark)}") from None
    except (yaml.YAMLError, _Refused) as error:
        raise _invalid(source, str(error)) from None


def _invalid(source: str, found: str, rule: str = "must be plain YAML: mappings, lists and text.") -> InvalidInput:
    return InvalidInput(
        "invalid_yaml",
        rule=f"{source} {rule}",
        found=f"{' '.join(found.split())}.",
        next_step="Correct the file.",
        field=source,
    )


def _line(mark: Any) -> str:
    return f" (line {mark.line + 1})" if mark is not None else ""


class _Reader:
    """Builds values from the parser's events, with a list as its stack, so that nesting causes no recursion."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.count = 0
        self.open: list[tuple[list[Any] | dict[str, Any], list[str]]] = []
        self.documents: list[Value] = []

    def read(self, text: str) -> Value | None:
        import yaml

        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        for event in yaml.parse(text, Loader=loader):
            self._take(event, type(event).__name__)
        return self.documents[0] if self.documents else None

    def _take(self, event: Any, kind: str) -> None:
        self._check(event, kind)
        if kind == "ScalarEvent":
            self._add(event.value, event)
        elif kind in {"MappingStartEvent", "SequenceStartEvent"}:
            value: list[Any] | dict[str, Any] = {} if kind == "MappingStartEvent" else []
            self._add(value, event)
            self.open.append((value, []))
            if len(self.open) > MAX_DEPTH:
                raise _Refused(f"more than {MAX_DEPTH} levels{_line(event.start_mark)}")
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            self.open.pop()

    def _check(self, event: Any, kind: str) -> None:
        if kind == "AliasEvent" or getattr(event, "anchor", None):
            raise _Refused(f"an anchor or alias{_line(event.start_mark)}")
        if getattr(event, "tag", None):
            raise _Refused(f"the tag {event.tag}{_line(event.start_mark)}")
        if kind == "DocumentStartEvent" and self.documents:
            raise _Refused(f"a second document{_line(event.start_mark)}")

    def _add(self, value: Value, event: Any) -> None:
        self.count += 1
        if self.most is not None and self.count > self.most:
            raise _Refused(f"more than {self.most} keys and values{_line(event.start_mark)}")
        if not self.open:
            self.documents.append(value)
            return
        parent, key = self.open[-1]
        if isinstance(parent, list):
            parent.append(value)
        elif key:
            parent[key.pop()] = value
        elif not isinstance(value, str):
            raise _Refused(f"a key that is not text{_line(event.start_mark)}")
        elif value in parent:
            raise _Refused(f"the key {value[:100]!r} twice{_line(event.start_mark)}")
        else:
            key.append(value)
