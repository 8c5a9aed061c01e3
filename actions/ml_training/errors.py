"""What can go wrong while a model is trained, and what to do about it."""

from __future__ import annotations

import re

from actions.contracts.algorithm import AlgorithmFacts
from actions.errors import InvalidInput, OperationError, Unavailable

_OUT_OF_MEMORY = re.compile(r"out of memory|bad_alloc|cannot allocate|unable to allocate|can't allocate", re.IGNORECASE)
_FINITE_LOSS = (
    "Lower learning_rate, limit the gradients (gradient_clip: 1.0), use precision: float32, "
    "or clip extreme values in the data."
)


def loss_not_finite(step: str, done: int, name: str, value: float) -> InvalidInput:
    """Return the error of a loss that became NaN or infinite."""
    return InvalidInput(
        "loss_not_finite",
        rule="The loss on the training rows must remain a finite number.",
        found=f"{name} became {value} in {step} {done}.",
        next_step=_FINITE_LOSS,
        field="hyperparameters",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of any library means that the memory of the machine or of the GPU ran out."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | ValueError) and _OUT_OF_MEMORY.search(str(error)) is not None
    )


def out_of_memory(algorithm: AlgorithmFacts, advice: str, shape: tuple[int, int], error: BaseException) -> Unavailable:
    """Return the error of a training that needs more memory than there is."""
    message = str(error).strip().splitlines()
    return Unavailable(
        "out_of_memory",
        rule="The training must fit into the memory of the runner or GPU.",
        found=f"{algorithm.name} ran out of memory on {shape[0]} rows by {shape[1]} features"
        + (f": {message[0][:300]}." if message else "."),
        next_step=f"{advice}, use fewer rows, or choose a runner with more memory.",
    )


def refused_by_library(algorithm: AlgorithmFacts, error: BaseException) -> OperationError:
    """Return the error of a library that cannot be fitted to this data with these hyperparameters."""
    return InvalidInput(
        "training_refused",
        rule=f"{algorithm.title} cannot be trained on this data with these hyperparameters.",
        found=str(error).strip()[:500] or "the library gave no reason",
        next_step="Correct the hyperparameters or the data.",
        field="hyperparameters",
    )
