"""What the handlers of events and commands work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

from bot.database.store import Store
from bot.engine.recovery import Recovery
from bot.events.training import TrainingRequests
from bot.github import GitHub
from bot.parsing.command import Command
from bot.parsing.origin_marker import TriggerSource
from bot.settings import Settings

TriggerResult = Literal["opened", "invalid", "refused_bot", "refused_permission", "config_broken", "removed"]
TriggerObserver = Callable[[TriggerSource, TriggerResult], None]


@dataclass(frozen=True)
class Services:
    """The database, GitHub and the clock; one object, so that no signature has to list them.

    Attributes
    ----------
    store, github, settings
        The database, the gateway and the App's settings.
    clock
        Returns the current time in UTC.
    commands
        All slash commands, by name.
    count_trigger
        Called with the source and the result of each request that did not come from a form.
    """

    store: Store
    github: GitHub
    settings: Settings
    clock: Callable[[], datetime]
    commands: Mapping[str, Command]
    count_trigger: TriggerObserver = lambda *_: None

    @cached_property
    def recovery(self) -> Recovery:
        """Restores runs that are missing from the database."""
        return Recovery(self.store, self.settings, self.clock)

    @cached_property
    def training(self) -> TrainingRequests:
        """Reads training requests and opens runs for them."""
        return TrainingRequests(self.store, self.recovery, self.clock, self.commands)

    @property
    def secret(self) -> bytes:
        """The key that signs hidden markers."""
        return self.settings.webhook_secret.get_secret_value().encode()
