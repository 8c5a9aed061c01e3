"""A saved model: the pipeline over raw columns, and the signature stored next to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from actions.contracts.algorithms import AlgorithmName, algorithms
from actions.contracts.request import Sha256
from actions.contracts.scalar import Scalar
from actions.contracts.supervised import SupervisedTask
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
    """A column that rows to predict must have."""

    name: str
    dtype: str
    kind: Kind


class Signature(Result):
    """What a model expects and predicts, and how it was trained."""

    task: SupervisedTask
    algorithm: AlgorithmName
    target: str
    columns: list[RawColumn]
    classes: list[Scalar] | None = Field(description="the labels that it predicts; null for regression")
    hyperparameters: dict[str, Scalar]
    seed: int
    training_rows: int = Field(ge=0)
    training_rows_sha256: Sha256 = Field(description="SHA-256 of the training rows' values")
    packages: dict[str, str] = Field(description="versions of the packages it was trained with")
    model_sha256: Sha256


@dataclass(frozen=True)
class Model:
    """An opened model, which predicts raw rows.

    Rows are a data frame or a list of mappings, with the columns of ``signature.columns`` in any order. Missing values
    are allowed, and categories not seen in training are ignored. Missing, unknown or wrongly typed columns raise
    InvalidInput.
    """

    pipeline: Any
    signature: Signature

    def predict(self, rows: pd.DataFrame | Sequence[dict[str, Any]]) -> Any:
        """Return a label (in its original form) or a number for each row: array of shape (rows,)."""
        return self._apply(rows, "predict")

    def probabilities(self, rows: pd.DataFrame | Sequence[dict[str, Any]]) -> Any:
        """Return the probability of each of ``signature.classes``: array of shape (rows, classes)."""
        import numpy as np

        raw = np.asarray(self._apply(rows, "predict_proba"), dtype=float)
        # Some libraries return 32-bit floats, whose sum is not quite 1.
        return raw / raw.sum(axis=1, keepdims=True)

    def _apply(self, rows: pd.DataFrame | Sequence[dict[str, Any]], method: str) -> Any:
        from actions.models.feature_blocks import apply_in_blocks

        preprocessor, estimator = self.pipeline
        return apply_in_blocks(preprocessor, _as_frame(rows), getattr(estimator, method))


def open_model(path: Path, sha256: Sha256 | None = None) -> Model:
    """Open a saved model: ``model.skops`` and the ``model.json`` next to it.

    Parameters
    ----------
    path
        The model file.
    sha256
        The SHA-256 that the file must have, from the registry. By default, the one in ``model.json``.

    Examples
    --------
    A service opens the model once and then predicts raw rows, without any preprocessing of its own::

        model = open_model(root / "acme/flowers/models/train-20261122-001/1/model.skops", sha256)
        model.predict([{"petal length (cm)": 1.4, "petal width (cm)": 0.2, ...}])

    Raises
    ------
    NotFound
        ``model_not_found``.
    InvalidInput
        ``signature_unreadable``; also those of ``actions.storage.skops_file.open_fitted``.
    """
    signature = read_signature(path)
    trusted_types = algorithms()[signature.algorithm].trusted_types
    return Model(open_fitted(path, sha256 or signature.model_sha256, trusted_types), signature)


def read_signature(path: Path) -> Signature:
    """Read the signature next to a model file.

    Raises
    ------
    NotFound
        ``model_not_found``.
    InvalidInput
        ``signature_unreadable``: ``model.json`` is missing or is not a signature.
    """
    signature_path = path.with_name(SIGNATURE_FILE)
    if not path.is_file():
        raise NotFound(
            "model_not_found",
            rule="The model must be a file under the storage root.",
            found=f"no file {'/'.join(path.parts[-3:])}.",
            next_step="Use the URI that the training returned.",
            field="model",
        )
    try:
        return Signature.model_validate_json(signature_path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InvalidInput(
            "signature_unreadable",
            rule=f"{SIGNATURE_FILE} must be next to the model and describe it.",
            found=f"{type(error).__name__} in {'/'.join(signature_path.parts[-3:])}.",
            next_step="Save the model again with save_model.",
            field="model",
        ) from None


def _as_frame(rows: pd.DataFrame | Sequence[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if frame.empty:
        raise InvalidInput(
            "rows_empty",
            rule="There must be at least one row to predict.",
            found="none.",
            next_step="Provide rows.",
            field="rows",
        )
    return frame
