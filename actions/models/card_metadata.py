"""The YAML metadata at the top of a model card, as Hugging Face reads it for search and leaderboards.

References
----------
.. [1] https://huggingface.co/docs/hub/model-cards#model-card-metadata
.. [2] https://github.com/huggingface/hub-docs/blob/main/modelcard.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actions.contracts.supervised import SupervisedTask
from actions.models.saved_model import MODEL_FILE, Signature

PIPELINE_TAG: dict[SupervisedTask, str] = {
    "classification": "tabular-classification",
    "regression": "tabular-regression",
}
_MAX_NAME = 200


def metadata_block(
    name: str, signature: Signature, metrics: Mapping[str, float | None], dataset: str, split: str, rows: int | None
) -> str:
    """Return the metadata, including the lines that delimit it.

    Parameters
    ----------
    name
        The model's name.
    signature
        The model's description.
    metrics
        The value of each metric; undefined ones are left out.
    dataset
        The name of the data.
    split
        The part of the data that the metrics are from: validation or test.
    rows
        The number of rows in that part, if known.

    Examples
    --------
    >>> signature = Signature(
    ...     task="regression", algorithm="xgboost", target="y", columns=[], classes=None, hyperparameters={}, seed=1,
    ...     training_rows=9, training_rows_sha256="0" * 64, packages={}, model_sha256="0" * 64,
    ... )
    >>> print(metadata_block("tides", signature, {"rmse": 0.5, "mape": None}, "tides.csv", "test", 30))
    ---
    library_name: sklearn
    pipeline_tag: tabular-regression
    tags:
    - tabular-regression
    - sklearn
    - skops
    - xgboost
    - modelyard
    model_format: skops
    model_file: model.skops
    metrics:
    - rmse
    model-index:
    - name: tides
      results:
      - task:
          type: tabular-regression
        dataset:
          type: tides-csv
          name: tides.csv (30 rows)
          split: test
        metrics:
        - type: rmse
          value: 0.5
          name: rmse
    ---
    """
    import yaml

    tag = PIPELINE_TAG[signature.task]
    defined = {metric: value for metric, value in metrics.items() if value is not None}
    shown = dataset[:_MAX_NAME] or "the data that it was trained on"
    result: dict[str, Any] = {
        "task": {"type": tag},
        "dataset": {
            "type": _slug(shown),
            "name": shown if rows is None else f"{shown} ({rows} rows)",
            "split": split,
        },
        "metrics": [{"type": metric, "value": value, "name": metric} for metric, value in defined.items()],
    }
    block = {
        "library_name": "sklearn",
        "pipeline_tag": tag,
        "tags": [tag, "sklearn", "skops", signature.algorithm, "modelyard"],
        "model_format": MODEL_FILE.rpartition(".")[2],
        "model_file": MODEL_FILE,
        "metrics": list(defined),
        "model-index": [{"name": name, "results": [result] if defined else []}],
    }
    return f"---\n{yaml.safe_dump(block, sort_keys=False, allow_unicode=True, width=10_000)}---"


def _slug(text: str) -> str:
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in text.lower()).split()
    return "-".join(words)[:100] or "private"
