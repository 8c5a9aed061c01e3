"""The operation that opens a saved model."""

from __future__ import annotations

from pydantic import Field

from actions.context import Context
from actions.contracts.request import Sha256
from actions.contracts.scalar import Scalar
from actions.data_preparation.sources import StorageUri, storage_path
from actions.models.saved_model import CARD_FILE, Signature, open_model
from actions.operation import Result, operation


class LoadedModel(Result):
    """What a saved model is, and its answers if rows were given."""

    uri: str
    sha256: Sha256
    size_bytes: int = Field(ge=0)
    signature: Signature
    card: str = Field(description="Markdown")
    predictions: list[Scalar] = Field(default_factory=list)


@operation(stage="evaluate", where="runner", read_only=True)
def load_model(
    context: Context,
    model: StorageUri,
    sha256: Sha256 | None = None,
    rows: list[dict[str, Scalar]] | None = None,
) -> LoadedModel:
    """Open a saved model, check its digest and types, and predict rows with it if some are given.

    Only files whose types are all trusted are opened; nothing is unpickled. In Python, ``open_model`` of
    ``actions.models.saved_model`` gives the model itself::

        model = open_model(Path("storage/acme/flowers/models/train-20261122-001/1/model.skops"), sha256)
        model.predict([{"petal length (cm)": 1.4, "petal width (cm)": 0.2}])

    Parameters
    ----------
    model
        The model file under the storage root.
    sha256
        The digest that it must have, as the registry knows it. Without it, the one beside the model is checked.
    rows
        Raw rows to predict: each an object of column and value.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from actions.operation import find_operation
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path(mkdtemp())))
    >>> iris = {"data": "sklearn://iris", "target": "target", "destination": "iris"}
    >>> made = find_operation("train_supervised_classifier").call(iris, context)
    >>> saved = find_operation("save_model").call({"training": "iris", "destination": "iris", "name": "iris"}, context)
    >>> lengths = {"sepal length (cm)": 5.1, "petal length (cm)": 1.4}
    >>> row = lengths | {"sepal width (cm)": 3.5, "petal width (cm)": 0.2}
    >>> load_model(context, saved.uri, rows=[row]).predictions
    [0]
    """
    path = storage_path(model, context, "model")
    opened = open_model(path, sha256)
    card = path.with_name(CARD_FILE)
    return LoadedModel(
        uri=model,
        sha256=opened.signature.model_sha256,
        size_bytes=path.stat().st_size,
        signature=opened.signature,
        card=card.read_text(encoding="utf-8") if card.is_file() else "",
        predictions=opened.predict(rows).tolist() if rows else [],
    )
