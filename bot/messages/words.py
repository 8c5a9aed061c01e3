"""The words of one language: texts by key from ``texts/<language>.toml``, and values as that language writes them.

Every value is escaped where it is filled in, unless it is ``Markdown`` already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from actions.contracts.metric import Metric
from actions.contracts.scalar import Scalar
from actions.text import formatting, markdown
from actions.text.catalogue import Catalogue, plural_key
from bot.messages.markup import MAX_LENGTH, Markdown, code, joined, paragraphs, safe
from bot.parsing.scalars import format_scalar

CATALOGUE = Catalogue(Path(__file__).parent / "texts")


def languages() -> list[str]:
    """Return the languages that the bot speaks; any other is answered in English."""
    return CATALOGUE.languages()


@dataclass(frozen=True)
class Words:
    """One language's words; call it with a key and the values for the text's placeholders.

    Examples
    --------
    >>> Words("en")("registered", run=code("train-20261122-001"), model="a_b", version=3)
    '`train-20261122-001` is registered as version 3 of a_b.'
    """

    language: str

    def __call__(self, key: str, /, **values: object) -> Markdown:
        """Return the text under a key, its placeholders filled in."""
        text = CATALOGUE.texts(self.language)[key]
        return Markdown(text.format(**{name: safe(value) for name, value in values.items()}))

    def count(self, key: str, count: int, /, **values: object) -> Markdown:
        """Return the singular or plural text under a key; ``{count}`` is the number."""
        return self(plural_key(CATALOGUE.texts(self.language), key, count), count=count, **values)

    def name_of(self, kind: str, name: str, default: str = "") -> Markdown:
        """Return what the language calls something, such as a task; a default or its own name where it has no word."""
        key = f"{kind}.{name}"
        return self(key) if key in CATALOGUE.texts(self.language) else safe(default or name)

    def either(self, parts: Sequence[object]) -> Markdown:
        """Return alternatives as one phrase: ``a or b``."""
        return joined(parts, self("list.or"))

    def both(self, parts: Sequence[object]) -> Markdown:
        """Return things that go together as one phrase: ``a and b``."""
        return joined(parts, self("list.and"))

    def listed(self, parts: Sequence[object]) -> Markdown:
        """Return a list as one phrase: ``a, b``."""
        return joined(parts, self("list.comma"))

    def sentences(self, *parts: Markdown) -> Markdown:
        """Return sentences one after the other; empty ones are left out."""
        return joined([part for part in parts if part], self("list.sentence"))

    def comment(self, *parts: Markdown, limit: int = MAX_LENGTH) -> Markdown:
        """Return paragraphs as a whole comment, which is cut where it would be too long, and says so."""
        return Markdown(markdown.cap(paragraphs(*parts), limit, self("cut")))

    # --- values as the language writes them ---------------------------------------------------------------------------

    def figure(self, value: float | None) -> Markdown:
        return Markdown(formatting.figure(value, self.language))

    def duration(self, seconds: float | None) -> Markdown:
        return Markdown(formatting.duration(seconds, self.language))

    def moment(self, when: datetime) -> Markdown:
        return Markdown(formatting.moment(when, self.language))

    def bound(self, metric: Metric, threshold: float) -> Markdown:
        """Return which figures pass: ``at least 0.95``, or ``at most 55`` for errors and losses."""
        key = "bound.at_least" if metric.higher_is_better else "bound.at_most"
        return self(key, value=formatting.short(threshold))

    def settings(self, values: Mapping[str, Scalar], limit: int = 80, max_shown: int = 50) -> Markdown:
        """Return hyperparameters or overrides as one phrase; of very many the rest is counted."""
        shown: list[object] = [code(f"{name}={format_scalar(value)}", limit) for name, value in values.items()]
        if len(shown) > max_shown:
            shown[max_shown:] = [self("list.more", count=len(shown) - max_shown)]
        return joined(shown, Markdown(", "))
