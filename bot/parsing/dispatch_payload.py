"""What a ``repository_dispatch`` asks for: the request in its ``client_payload``, and the key that it is known by (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from actions.errors import Problem, invalid_field
from actions.tasks.registry import TrainingRequest
from bot.parsing.mapping import read_request
from bot.parsing.scalars import brief

LONGEST_KEY = 200


@dataclass(frozen=True)
class Dispatch:
    """A dispatch, read.

    Attributes
    ----------
    key
        What it is known by: the sender's own key, or else the delivery's id.
    request, wrong
        The request, or everything that is wrong with it.
    """

    key: str
    request: TrainingRequest | None
    wrong: tuple[Problem, ...] = ()

    @property
    def content(self) -> str:
        """What tells a wrong one from its correction, which may have the same key."""
        return "\n".join(f"{one.field}: {one.found}" for one in self.wrong)


def read_dispatch(payload: object, delivery: str) -> Dispatch:
    """Read a ``client_payload``: ``key`` beside the request's fields, or beside ``request`` with the fields in it.

    GitHub takes ten names at the top, so a request with more than that has to stand in ``request``.
    """
    if not isinstance(payload, Mapping):
        return _unreadable(delivery, "client_payload holds a training request.", json.dumps(payload))
    given = dict(payload)
    key = given.pop("key", None)
    key = delivery if key is None else key
    if not isinstance(key, str) or not 1 <= len(key) <= LONGEST_KEY:
        rule = f"key is a text of 1 to {LONGEST_KEY} characters."
        return _unreadable(delivery, rule, json.dumps(key))
    if set(given) == {"request"}:
        given = given["request"]
        if not isinstance(given, Mapping):
            return _unreadable(key, "request holds the fields of a training request.", json.dumps(given))
    parsed = read_request(given)
    return Dispatch(key, parsed.request, parsed.wrong)


def _unreadable(key: str, rule: str, found: str) -> Dispatch:
    cure = "See the user guide for an example."
    return Dispatch(key, None, (invalid_field("payload", rule, brief(found), cure),))
