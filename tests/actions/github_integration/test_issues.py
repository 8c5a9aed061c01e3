"""A comment is found again by its key; the hub itself is tried in tests/bot/test_operations.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actions.context import Context
from actions.errors import InvalidInput, Unavailable
from actions.operation import find_operation
from actions.storage.folder import Storage


class Recorded:
    """Remembers comments by their marker."""

    def __init__(self) -> None:
        self.comments: dict[str, str] = {}

    def post_comment(self, repository: str, issue: int, body: str, marker: str) -> str:
        self.comments[marker] = body
        return f"https://github.example/{repository}/issues/{issue}#{marker}"


def post(issues: Recorded | None, **changes: Any) -> Any:
    arguments = {"repository": "owner/project", "issue": 7, "body": "Good morning", **changes}
    return find_operation("post_issue_comment").call(arguments, Context(Storage(Path()), issues=issues))


def test_the_same_body_has_the_same_marker_and_another_body_another() -> None:
    issues = Recorded()
    assert post(issues) == post(issues)
    post(issues, body="Good evening")
    assert list(issues.comments.values()) == ["Good morning", "Good evening"]


def test_a_key_makes_later_texts_updates() -> None:
    issues = Recorded()
    post(issues, idempotency_key="greeting")
    post(issues, idempotency_key="greeting", body="Good evening")
    assert list(issues.comments.values()) == ["Good evening"]


@pytest.mark.parametrize("changes", [{"repository": "../x"}, {"issue": 0}, {"body": ""}, {"body": "x" * 70_000}])
def test_input_that_github_would_refuse_is_refused_first(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        post(Recorded(), **changes)


def test_without_credentials_the_error_suggests_a_fix() -> None:
    with pytest.raises(Unavailable) as error:
        post(None)
    assert error.value.problem.reason == "hub_unavailable"
