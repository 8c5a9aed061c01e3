"""Parses numpydoc docstrings, which are the source of operations' help, schema descriptions and reason codes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REASON = re.compile(r"``([a-z][a-z0-9_]*)``(?::\s([^`]*))?")
"""A reason code, and what it means if a colon follows; the meaning contains no backquotes."""


@dataclass(frozen=True)
class Reason:
    """One error that a function documents: its reason code, its kind and, if given, what it means."""

    code: str
    error: str
    meaning: str = ""


@dataclass(frozen=True)
class Docstring:
    """The sections of a numpydoc docstring that help texts and schemas need."""

    summary: str
    text: str
    parameters: dict[str, str]
    raises: tuple[Reason, ...]

    @classmethod
    def parse(cls, docstring: str) -> Docstring:
        """Parse a cleaned docstring (``inspect.getdoc``).

        Examples
        --------
        >>> parsed = Docstring.parse('''Divide.
        ...
        ... Parameters
        ... ----------
        ... a, b
        ...     Numbers.
        ...
        ... Raises
        ... ------
        ... InvalidInput
        ...     ``zero``: b must not be 0. ``overflow``, ``underflow``.
        ... ''')
        >>> parsed.parameters
        {'a': 'Numbers.', 'b': 'Numbers.'}
        >>> [(reason.code, reason.meaning) for reason in parsed.raises]
        [('zero', 'b must not be 0.'), ('overflow', ''), ('underflow', '')]
        """
        from docstring_parser import parse
        from docstring_parser.common import DocstringStyle

        parsed = parse(docstring, style=DocstringStyle.NUMPYDOC)
        text = "\n\n".join(part for part in (parsed.short_description, parsed.long_description) if part)
        parameters = {
            name.strip(): _one_line(item.description) for item in parsed.params for name in item.arg_name.split(",")
        }
        raises = tuple(
            Reason(code, item.type_name or "", meaning.strip())
            for item in parsed.raises
            for code, meaning in _REASON.findall(_one_line(item.description))
        )
        return cls(parsed.short_description or "", text, parameters, raises)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
