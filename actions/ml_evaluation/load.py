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
    """A saved model's description, and its predictions if rows were given."""

    uri: str
    sha256: Sha256
    size_bytes: int = Field(ge=0)
    signature: Signature
    card: str = Field(description="the model card, as Markdown")
    predictions: list[Scalar] = Field(default_factory=list)


@operation(stage="evaluate", where="runner", read_only=True, open_to_agents="It only reads.")
def load_model(
    context: Context,
    model: StorageUri,
    sha256: Sha256 | None = None,
    rows: list[dict[str, Scalar]] | None = None,
) -> LoadedModel:
    """Open a saved model, check its SHA-256 and its types, and predict rows if some are given.

    A file is opened only if all of its types are trusted; nothing is unpickled. In Python, use ``open_model`` of
    ``actions.models.saved_model`` to get the model itself::

        model = open_model(Path("storage/acme/flowers/models/train-20261122-001/1/model.skops"), sha256)
        model.predict([{"petal length (cm)": 1.4, "petal width (cm)": 0.2}])

    Parameters
    ----------
    model
        The model file under the storage root.
    sha256
        The SHA-256 that the file must have, from the registry. By default, the one stored next to the model.
    rows
        Raw rows to predict: objects of column names and values.

    Raises
    ------
    InvalidInput
        ``digest_mismatch``: the file does not have the expected SHA-256. ``infinite_values``: a number is infinite.
        ``missing_columns``: a column of the model is missing. ``model_unreadable``: the file was not written by
        skops, or by incompatible versions. ``outside_storage``: a URI leads outside the storage root.
        ``rows_empty``: there are no rows to predict. ``signature_unreadable``: model.json is missing or invalid.
        ``unknown_columns``: a column is not one of the model's. ``untrusted_types``: the file contains types that
        are not trusted; it was not loaded. ``wrong_type``: a value is not of its column's kind.
        ``bucket_not_found``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``s3_unavailable``.
    OperationError
        ``s3_refused``.
    NotFound
        ``model_not_found``: the model does not exist.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> from actions.operation import find_operation
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path(mkdtemp())))
    >>> iris = {"data": "sklearn://iris", "target": "target", "destination": "iris"}
    >>> training = find_operation("train_supervised_classifier").call(iris, context)
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
