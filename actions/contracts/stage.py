"""The stages of a run, in their order."""

from __future__ import annotations

import typing
from typing import Literal

Stage = Literal["prepare", "train", "evaluate", "judge", "publish"]
STAGES: tuple[Stage, ...] = typing.get_args(Stage)
