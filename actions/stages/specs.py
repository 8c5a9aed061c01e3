"""All stages by name, in their order."""

from __future__ import annotations

from typing import Any

from actions.contracts.stage import Stage
from actions.stages.evaluate import EVALUATE
from actions.stages.judge import JUDGE
from actions.stages.prepare import PREPARE
from actions.stages.publish import PUBLISH
from actions.stages.spec import StageSpec
from actions.stages.train import TRAIN

SPECS: dict[Stage, StageSpec[Any]] = {spec.name: spec for spec in (PREPARE, TRAIN, EVALUATE, JUDGE, PUBLISH)}
