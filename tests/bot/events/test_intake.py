"""A delivery that cannot be handled is reported at its issue, if it names one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import cast

import anyio
import pytest

from bot.database.store import Store
from bot.events.intake import Intake
from bot.github import GitHub
from bot.settings import Settings
from bot.webhooks.delivery import Delivery

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize("issue", [None, [], 7, "text", {}, {"number": None}])
def test_a_dead_letter_without_a_readable_issue_is_reported_nowhere(issue: object) -> None:
    # Without a gateway: any report would fail.
    intake = Intake(cast("Store", None), cast("GitHub", None), cast("Settings", None), lambda: NOON)
    payload = json.dumps({"issue": issue}).encode()
    dead = Delivery("1", "issues", "opened", "owner/models", 7, payload, NOON)
    anyio.run(partial(intake.report_dead_letter, dead))
