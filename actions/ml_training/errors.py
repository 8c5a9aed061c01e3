"""What goes wrong while a model is trained, and what helps."""

from __future__ import annotations

import re

from actions.errors import InvalidInput, OperationError, Unavailable

_OUT_OF_MEMORY = re.compile(r"out of memory|bad_alloc|cannot allocate|unable to allocate|can't allocate", re.IGNORECASE)
_LESS_MEMORY = {
    "neural_network": "Lower batch_size, hidden_units or hidden_layers",
    "xgboost": "Lower max_depth or max_bin",
    "random_forest": "Lower n_estimators or max_depth, or raise min_samples_leaf",
}
_FINITE_LOSS = (
    "Lower learning_rate, limit the gradients (gradient_clip: 1.0), use precision: float32, "
    "or clip extreme values in the data."
)


def loss_not_finite(step: str, done: int, name: str, value: float) -> InvalidInput:
    """Return the error of a loss that became NaN or infinite."""
    return InvalidInput(
        "loss_not_finite",
        rule="The loss on the training rows stays a finite number.",
        found=f"{name} became {value} in {step} {done}.",
        next_step=_FINITE_LOSS,
        field="hyperparameters",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of any of the libraries says that memory, the machine's or the GPU's, is used up."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | ValueError) and _OUT_OF_MEMORY.search(str(error)) is not None
    )


def out_of_memory(algorithm: str, shape: tuple[int, int], error: BaseException) -> Unavailable:
    """Return the error of a training that needs more memory than there is."""
    less = _LESS_MEMORY.get(algorithm, "Give fewer columns")
    said = str(error).strip().splitlines()
    return Unavailable(
        "out_of_memory",
        rule="A training fits into the memory of its runner, or of its GPU.",
        found=f"no memory left for {algorithm} on {shape[0]} rows by {shape[1]} features"
        + (f": {said[0][:300]}." if said else "."),
        next_step=f"{less}, give fewer rows, or choose a runner with more memory.",
    )


def refused_by_library(algorithm: str, error: BaseException) -> OperationError:
    """Return the error of a library that cannot fit this data with these hyperparameters."""
    return InvalidInput(
        "training_refused",
        rule=f"{algorithm} can be fitted to this data with these hyperparameters.",
        found=str(error).strip()[:500] or "no reason given",
        next_step="Correct the hyperparameters or the data.",
        field="hyperparameters",
    )
