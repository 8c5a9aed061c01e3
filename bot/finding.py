"""One thing that was looked at: how it stands, and the cure where it is not well."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Level = Literal["ok", "warning", "error"]


class Finding(BaseModel):
    """One thing that was looked at."""

    model_config = ConfigDict(frozen=True)

    level: Level
    what: str
    found: str
    cure: str = ""
