"""Reads the ``client_payload`` of a ``repository_dispatch``: the training request and the key that identifies it (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from actions.errors import Problem, invalid_field
from actions.tasks.registry import TrainingRequest
from bot.parsing.mapping import read_request
from bot.parsing.scalars import brief

MAX_KEY = 200


@dataclass(frozen=True)
class Dispatch:
    """The content of a dispatch.

    Attributes
    ----------
    key
        Identifies the request: the sender's key, otherwise the delivery's id.
    request, wrong
        The request, or everything that is wrong with it.
    """

    key: str
    request: TrainingRequest | None
    wrong: tuple[Problem, ...] = ()

    @property
    def content(self) -> str:
        """Distinguishes an invalid dispatch from its correction, which may have the same key."""
        return "\n".join(f"{problem.field}: {problem.found}" for problem in self.wrong)


def read_dispatch(payload: object, delivery: str) -> Dispatch:
    """Read a ``client_payload``: an optional ``key``, and the request's fields at the top level or below ``request``.

    GitHub allows ten names at the top level, so a request with more fields must be below ``request``.
    """
    if not isinstance(payload, Mapping):
        return _unreadable(delivery, "client_payload must contain a training request.", json.dumps(payload))
    given = dict(payload)
    key = given.pop("key", None)
    key = delivery if key is None else key
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY:
        rule = f"key must be a text of 1 to {MAX_KEY} characters."
        return _unreadable(delivery, rule, json.dumps(key))
    if set(given) == {"request"}:
        given = given["request"]
        if not isinstance(given, Mapping):
            return _unreadable(key, "request must contain the fields of a training request.", json.dumps(given))
    parsed = read_request(given)
    return Dispatch(key, parsed.request, parsed.wrong)


def _unreadable(key: str, rule: str, found: str) -> Dispatch:
    cure = "See the user guide for an example."
    return Dispatch(key, None, (invalid_field("payload", rule, brief(found), cure),))
