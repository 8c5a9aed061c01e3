"""Calls operations and stages on a storage root of their own, with small data."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from actions.context import Context
from actions.errors import InvalidInput
from actions.operation import find_operation
from actions.storage.folder import Storage
from actions.tasks.exchange import WorkOrder

REPOSITORY = "owner/demo"
RUN = "train-20261122-001"


@dataclass(frozen=True)
class Desk:
    """A storage root, and operations called on it as every door calls them."""

    root: Path
    data_roots: tuple[str, ...] = ()

    @property
    def context(self) -> Context:
        return Context(storage=Storage(self.root), data_roots=self.data_roots)

    def call(self, name: str, /, **arguments: Any) -> Any:
        return find_operation(name).call(arguments, self.context)

    def refusal(self, name: str, /, **arguments: Any) -> InvalidInput:
        with pytest.raises(InvalidInput) as caught:
            self.call(name, **arguments)
        return caught.value

    def data(self, name: str, content: str | bytes) -> str:
        """Write a file to the repository's datasets folder and return its URI under the storage root."""
        path = self.root / REPOSITORY / "datasets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path.relative_to(self.root).as_posix()

    def files(self) -> dict[str, bytes]:
        """Return all files outside of datasets."""
        found = (path for path in sorted(self.root.rglob("*")) if path.is_file() and "datasets" not in path.parts)
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in found}

    def order(self, attempt: int = 1, run: str = RUN, champion: Any = None, **request: Any) -> WorkOrder:
        asked: dict[str, Any] = {
            "model_name": "flowers",
            "task": "classification",
            "algorithm": "logistic_regression",
            "data": "sklearn://iris",
            "target": "target",
            "metric": "accuracy",
            "threshold": 0.5,
        } | request
        return WorkOrder.model_validate(
            {
                "run": run,
                "attempt": attempt,
                "repository": REPOSITORY,
                "issue": 7,
                "request": asked,
                "storage_root": str(self.root),
                "data_roots": self.data_roots,
                "champion": champion,
                "training_seed": asked.get("seed", 42) + attempt - 1,
            }
        )


def people(rows: int = 60, *, header: str = "age,city,joined,pays") -> str:
    """Return a CSV of people: a number with gaps, a category, a date, and whether they pay, which hangs on the first two."""
    draw = random.Random(4)  # noqa: S311  # data, no secret
    lines = [header]
    for row in range(rows):
        age, city = draw.randint(18, 80), draw.choice(["Oslo", "Lima", "Bern"])
        pays = "yes" if age > 45 or city == "Bern" else "no"
        lines.append(f"{'' if row % 9 == 4 else age},{city},2024-{row % 12 + 1:02d}-{row % 28 + 1:02d},{pays}")
    return "\n".join(lines) + "\n"
