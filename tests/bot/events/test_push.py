"""What a push may do to the configuration and the registry, as the check run of its commit says it."""

from __future__ import annotations

import pytest

from actions.model_registry import model_file
from bot.events.commands import COMMANDS
from bot.events.handlers.push import configuration_problems, registry_problems

PATH = "training_history/models/churn.yaml"


def a_file(*versions: int, sha: str = "a", **aliases: int) -> bytes:
    text = None
    for number in versions:
        text, _ = model_file.register(
            text, name="churn", run=f"train-20261124-{number:03}", attempt=1, uri="u", sha256=sha * 64, created="now"
        )
    for alias, number in aliases.items():
        text = model_file.set_alias(text or "", alias, number)
    return (text or "name: churn\n").encode()


def test_people_may_move_aliases() -> None:
    assert registry_problems(PATH, a_file(1, 2, champion=1), a_file(1, 2, champion=2)) == []


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (a_file(1, 2, 3), "Version 3 is new."),
        (a_file(1), "Version 2 is changed or missing."),
        (a_file(1, 2, sha="b"), "Version 1 is changed or missing."),
        (None, "The file is removed."),
        (a_file(1, 2).replace(b"name: churn", b"name: other"), "It is about other."),
        (b"versions: [", None),
        (a_file(1, 2).replace(b"candidate: 2", b"candidate: 7"), None),
    ],
)
def test_versions_that_no_run_made_are_found(after: bytes | None, found: str | None) -> None:
    findings = registry_problems(PATH, a_file(1, 2), after)
    assert findings
    assert found is None or found in {one.found for one in findings}


def test_a_broken_file_can_be_repaired() -> None:
    assert registry_problems(PATH, b"versions: [", a_file()) == []


def test_a_broken_configuration_is_reported_with_a_fix() -> None:
    (finding,) = configuration_problems(b"promtion: auto", COMMANDS)
    assert (finding.field, finding.next_step) == ("promtion", "Did you mean promotion?")
    assert configuration_problems(b"promotion: auto", COMMANDS) == []
    assert configuration_problems(None, COMMANDS) == []
