"""A schedule in ``.github/modelyard.yml``: its name, when it fires, and the request (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain, pairwise, takewhile
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from actions.tasks.registry import TrainingRequest
from bot.parsing.form_fields import label_of
from bot.parsing.mapping import as_lines, read_request

MIN_INTERVAL = timedelta(minutes=15)
"""Between two slots of a schedule; each slot opens an issue."""
DAY = timedelta(days=1)
_FIELDS = 5
_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=256)
def _checked_cron(text: str) -> str:
    fields = text.split()
    if len(fields) != _FIELDS:
        raise PydanticCustomError(
            "cron", "Input should have five fields of cron in UTC: minute, hour, day, month, day of the week"
        )
    cron = " ".join(fields)
    try:
        slots = CronSim(cron, _MONDAY - timedelta(minutes=1))
        first = next(slots, None)
    except CronSimError as error:
        raise PydanticCustomError(
            "cron", "Input should be a cron expression in UTC: {why}", {"why": str(error)}
        ) from None
    if first is None:
        raise PydanticCustomError("cron", "Input should be a cron expression that fires at some time")
    # One day is enough: on any other day it fires at the same times, if at all. The next day's first slot counts, too.
    following = takewhile(lambda slot: slot.date() == first.date(), slots)
    if any(later - earlier < MIN_INTERVAL for earlier, later in pairwise(chain([first], following, [first + DAY]))):
        raise PydanticCustomError("cron", "Input should fire at most every 15 minutes")
    return cron


def _typed(value: object) -> object:
    """Read the request by the rules of the form: all its values are text here, and its errors read like the form's."""
    if not isinstance(value, Mapping):
        return value
    hyperparameters = value.get("hyperparameters")
    lines = {"hyperparameters": as_lines(hyperparameters)} if isinstance(hyperparameters, Mapping) else {}
    parsed = read_request({**value, **lines})
    if parsed.request is None:
        first = parsed.wrong[0]
        message = f"{label_of(str(first.field))}: {first.rule} Found: {first.found}. {first.next_step}"
        raise PydanticCustomError("request", "Input should be a training request. {message}", {"message": message})
    return parsed.request


Cron = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_checked_cron)]
ScheduleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


class ScheduleConfig(BaseModel):
    """A recurring training run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ScheduleName = Field(description="lower-case letters, digits, `_` and `-`; used in the issues")
    cron: Cron = Field(description="when it fires: five fields of cron in UTC, at most every 15 minutes")
    request: Annotated[TrainingRequest, BeforeValidator(_typed)] = Field(
        description="the fields of the training request, by name"
    )
