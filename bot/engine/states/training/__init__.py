"""The states of a training run: queue and stages, the question to the operator, registry and history."""

from bot.engine.states.training import asking, finishing, stages

__all__ = ["asking", "finishing", "stages"]
