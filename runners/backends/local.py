"""Trains in the process of the stage itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from actions.stages.backend import TrainingJob
    from actions.tasks.results import Trained

T = TypeVar("T", bound="Trained")


class LocalBackend:
    """The backend of a runner that does the work itself."""

    def train(self, job: TrainingJob[T]) -> T:
        """Train here and now."""
        return job.run()
