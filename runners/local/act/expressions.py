"""Evaluates GitHub's expressions where that is possible before a run: names, labels, time-outs, inputs.

Literals, contexts (``inputs.run``), ``fromJSON``, ``format``, ``!``, ``==``, ``!=``, ``&&``, ``||`` and parentheses.
Conditions and everything that depends on earlier jobs are evaluated by the runner.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

Contexts = Mapping[str, Mapping[str, Any]]

TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)"
    r"|(?P<sign>\|\||&&|==|!=|[!(),]))"
)
WORDS = {"true": True, "false": False, "null": None}
MAX_LENGTH = 10_000


class UnknownExpression(ValueError):
    """An expression that cannot be evaluated beforehand."""


def fill(text: str, contexts: Contexts) -> Any:
    """Evaluate every ``${{ }}`` in a text; a text that is a single expression keeps its value's type.

    Raises
    ------
    UnknownExpression
        If a part is not supported here.
    """
    if (whole := TEMPLATE.fullmatch(text.strip())) and "${{" not in whole[1]:
        return evaluate(whole[1], contexts)
    return TEMPLATE.sub(lambda found: as_text(evaluate(found[1], contexts)), text)


def evaluate(expression: str, contexts: Contexts) -> Any:
    """Evaluate one expression (without ``${{ }}``)."""
    parser = _Parser(_tokens(expression), contexts)
    value = parser.either()
    parser.end()
    return value


def as_text(value: Any) -> str:
    """Format a value as GitHub does."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, list | dict) else str(value)


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, place, text = [], 0, expression.strip()
    if len(text) > MAX_LENGTH:
        raise UnknownExpression("too long")
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise UnknownExpression(text)
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


class _Parser:
    """Recursive descent: either ``||``, both ``&&``, compared ``==``, one."""

    def __init__(self, tokens: list[tuple[str, str]], contexts: Contexts) -> None:
        self._tokens = tokens
        self._contexts = contexts
        self._place = 0

    def either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value or other
        return value

    def end(self) -> None:
        if self._place != len(self._tokens):
            raise UnknownExpression(self._tokens[self._place][1])

    def _both(self) -> Any:
        value = self._compared()
        while self._take("&&"):
            other = self._compared()
            value = value and other
        return value

    def _compared(self) -> Any:
        value = self._one()
        while sign := self._take("==") or self._take("!="):
            same = _same(value, self._one())
            value = same if sign == "==" else not same
        return value

    def _one(self) -> Any:
        if self._take("!"):
            return not self._one()
        if self._take("("):
            value = self.either()
            self._need(")")
            return value
        if self._place == len(self._tokens):
            raise UnknownExpression("ends too early")
        kind, text = self._tokens[self._place]
        self._place += 1
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text)
        if kind != "name":
            raise UnknownExpression(text)
        return self._call(text) if self._take("(") else self._named(text)

    def _named(self, name: str) -> Any:
        if name in WORDS:
            return WORDS[name]
        context, *path = name.split(".")
        if context not in self._contexts:
            raise UnknownExpression(name)
        value: Any = self._contexts[context]
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def _call(self, function: str) -> Any:
        arguments = [] if self._take(")") else [self.either()]
        while arguments and not self._take(")"):
            self._need(",")
            arguments.append(self.either())
        if function.lower() == "fromjson" and len(arguments) == 1:
            try:
                return json.loads(as_text(arguments[0]))
            except ValueError:
                raise UnknownExpression("fromJSON of something that is not JSON") from None
        if function.lower() == "format" and arguments:
            filled = as_text(arguments[0])
            for number, value in enumerate(arguments[1:]):
                filled = filled.replace(f"{{{number}}}", as_text(value))
            return filled
        raise UnknownExpression(function)

    def _take(self, sign: str) -> str | None:
        if self._place < len(self._tokens) and self._tokens[self._place] == ("sign", sign):
            self._place += 1
            return sign
        return None

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            raise UnknownExpression(f"{sign} is missing")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    return bool(one == other)
