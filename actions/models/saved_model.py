"""A saved model: the pipeline over raw columns, and beside it what it expects and what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from actions.contracts.algorithms import AlgorithmName, algorithms
from actions.contracts.request import Sha256, Task
from actions.contracts.scalar import Scalar
from actions.data_preparation.columns import Kind
from actions.errors import InvalidInput, NotFound
from actions.operation import Result
from actions.storage.skops_file import open_fitted

if TYPE_CHECKING:
    import pandas as pd

MODEL_FILE = "model.skops"
SIGNATURE_FILE = "model.json"
CARD_FILE = "MODEL_CARD.md"


class RawColumn(Result):
    """A column that rows to predict have."""

    name: str
    dtype: str
    kind: Kind


class Signature(Result):
    """What a model expects and answers, and how it was made."""

    task: Task
    algorithm: AlgorithmName
    target: str
    columns: list[RawColumn]
    classes: list[Scalar] | None = Field(description="the labels that are predicted; None for regression")
    hyperparameters: dict[str, Scalar]
    seed: int
    training_rows: int = Field(ge=0)
    training_rows_sha256: Sha256 = Field(description="of the training rows' values")
    packages: dict[str, str] = Field(description="versions that the model was made with")
    model_sha256: Sha256


@dataclass(frozen=True)
class Model:
    """A model that was opened: it takes raw rows.

    ``rows`` are a frame, or a list of mappings, with the columns of ``signature.columns`` in any order. Missing values are
    fine, categories that training has not seen are ignored; a missing, unknown or wrongly typed column raises InvalidInput.
    """

    pipeline: Any
    signature: Signature

    def predict(self, rows: pd.DataFrame | Sequence[dict[str, Any]]) -> Any:
        """Return a label (as it stood in the data) or a number for each row."""
        return self._answers(rows, "predict")

    def probabilities(self, rows: pd.DataFrame | Sequence[dict[str, Any]]) -> Any:
        """Return for each row the probability of each of ``signature.classes``."""
        import numpy as np

        found = np.asarray(self._answers(rows, "predict_proba"), dtype=float)
        return found / found.sum(axis=1, keepdims=True)

    def _answers(self, rows: pd.DataFrame | Sequence[dict[str, Any]], method: str) -> Any:
        from actions.models.feature_blocks import in_blocks

        preprocessor, estimator = self.pipeline
        return in_blocks(preprocessor, _as_frame(rows), getattr(estimator, method))


def open_model(path: Path, sha256: Sha256 | None = None) -> Model:
    """Open a saved model: ``model.skops`` with its ``model.json`` beside it.

    Parameters
    ----------
    path
        The model file.
    sha256
        The digest that it must have, as the registry knows it. Without it, the one in ``model.json`` is checked.

    Examples
    --------
    A service opens the model once and predicts raw rows, with no preprocessing of its own::

        model = open_model(root / "acme/flowers/models/train-20261122-001/1/model.skops", sha256)
        model.predict([{"petal length (cm)": 1.4, "petal width (cm)": 0.2, ...}])

    Raises
    ------
    NotFound, InvalidInput
        As ``actions.storage.skops_file.open_fitted``; ``signature_unreadable`` where ``model.json`` is not there or is none.
    """
    signature = read_signature(path)
    trusted_types = algorithms()[signature.algorithm].trusted_types
    return Model(open_fitted(path, sha256 or signature.model_sha256, trusted_types), signature)


def read_signature(path: Path) -> Signature:
    """Read what stands beside a model file."""
    beside = path.with_name(SIGNATURE_FILE)
    if not path.is_file():
        raise NotFound(
            "model_not_found",
            rule="A model is a file under the storage root.",
            found=f"no file {'/'.join(path.parts[-3:])}.",
            next_step="Name the URI that the training returned.",
            field="model",
        )
    try:
        return Signature.model_validate_json(beside.read_bytes())
    except (OSError, ValidationError) as error:
        raise InvalidInput(
            "signature_unreadable",
            rule=f"{SIGNATURE_FILE} stands beside each model and says what it expects.",
            found=f"{type(error).__name__} with {'/'.join(beside.parts[-3:])}.",
            next_step="Save the model again with save_model.",
            field="model",
        ) from None


def _as_frame(rows: pd.DataFrame | Sequence[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if frame.empty:
        raise InvalidInput(
            "rows_empty",
            rule="There is at least one row to predict.",
            found="none.",
            next_step="Give rows.",
            field="rows",
        )
    return frame
