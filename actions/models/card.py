"""The model card, in Hugging Face's format: what someone who comes across the model file should know, on one page."""

from __future__ import annotations

from collections.abc import Mapping

from actions.models.card_metadata import metadata_block
from actions.models.evaluation import Evaluation
from actions.models.saved_model import MODEL_FILE, Signature
from actions.models.tables import metrics_table, slices_table
from actions.models.training_record import TrainingRecord
from actions.text.markdown import code, inline, table

_MAX_COLUMNS = 200
_INTRODUCTION = "A scikit-learn pipeline in skops format. It takes raw rows and preprocesses them itself."
_USE = """\
```python
from pathlib import Path
from actions.models.saved_model import open_model

model = open_model(Path("{file}"), "{sha256}")
model.predict(rows)  # a data frame, or a list of dictionaries from column name to value
```

Use it for rows like those it was trained on. Its predictions are not evidence of cause and effect. Check the metrics per
slice before you rely on it for a particular group."""


def model_card(
    name: str, record: TrainingRecord, notes: str = "", evaluation: Evaluation | None = None, dataset: str = ""
) -> str:
    """Return the card of a trained model: YAML metadata, followed by Markdown.

    Parameters
    ----------
    name
        The model's name.
    record
        The record of its training.
    notes
        Notes that people wrote about it.
    evaluation
        Its evaluation on rows it has not seen, if there is one. Otherwise the metadata has the validation metrics.
    dataset
        The name of the data.
    """
    signature = record.signature
    columns = [
        (code(column.name), inline(column.kind), code(column.dtype)) for column in signature.columns[:_MAX_COLUMNS]
    ]
    more_columns = len(signature.columns) - len(columns)
    metrics = [(inline(metric), f"{value:.4f}") for metric, value in sorted(record.metrics.items())]
    parts = [
        _metadata(name, record, evaluation, dataset),
        f"# {inline(name)}",
        _INTRODUCTION,
        table(["", ""], _facts(signature)),
        "## Usage",
        _USE.format(file=MODEL_FILE, sha256=signature.model_sha256),
        *_evaluation(evaluation),
        "## Columns",
        table(["Column", "Treated as", "Data type"], columns),
        *([f"... and {more_columns} more columns."] if more_columns else []),
        *_search(record),
        "## Training metrics",
        table(["Metric", "Value"], metrics),
    ]
    if notes:
        parts += ["## Notes", inline(notes, 2_000)]
    return "\n\n".join(parts) + "\n"


def _facts(signature: Signature) -> list[tuple[str, str]]:
    def listed(values: Mapping[str, object], separator: str) -> str:
        return code(", ".join(f"{name}{separator}{value}" for name, value in values.items()))

    classes = signature.classes
    return [
        ("Task", inline(signature.task)),
        ("Algorithm", code(signature.algorithm)),
        ("Target", code(signature.target)),
        *([("Classes", code(", ".join(str(label) for label in classes)))] if classes is not None else []),
        ("Training rows", inline(signature.training_rows)),
        ("Seed", inline(signature.seed)),
        ("Hyperparameters", listed(signature.hyperparameters, ": ") or "defaults"),
        ("SHA-256", code(signature.model_sha256)),
        ("Packages", listed(signature.packages, " ")),
    ]


def _search(record: TrainingRecord) -> list[str]:
    """Return the section on the hyperparameter search, if there was one."""
    search = record.search
    if search is None:
        return []
    baseline = "unknown" if search.baseline_score is None else f"{search.baseline_score:.4f}"
    outcomes = f"{search.completed} completed, {search.pruned} pruned, {search.failed} failed"
    facts = [
        ("Trials", inline(f"{search.trials}: {outcomes}")),
        ("Stopped by", inline(f"{search.stopped_by}, after {search.seconds:.1f} s")),
        ("Compared on", inline(search.rows)),
        (code(search.metric), f"{search.value:.4f} (with the original hyperparameters: {baseline})"),
    ]
    if search.importances:
        by_importance = sorted(search.importances.items(), key=lambda item: -item[1])
        facts.append(("Importance", code(", ".join(f"{name} {share:.0%}" for name, share in by_importance))))
    chosen = [(code(name), code(str(value))) for name, value in search.hyperparameters.items()]
    parts = ["## Hyperparameter search", table(["", ""], facts)]
    return [*parts, table(["Hyperparameter", "Value"], chosen)] if chosen else parts


def _metadata(name: str, record: TrainingRecord, evaluation: Evaluation | None, dataset: str) -> str:
    if evaluation is not None:
        return metadata_block(name, record.signature, evaluation.metrics, dataset, "test", evaluation.rows)
    prefix = "validation_"
    metrics = {key.removeprefix(prefix): value for key, value in record.metrics.items() if key.startswith(prefix)}
    return metadata_block(name, record.signature, metrics, dataset, "validation", None)


def _evaluation(evaluation: Evaluation | None) -> list[str]:
    """Return the section on the evaluation, or a note that there is none yet."""
    if evaluation is None:
        return ["## Evaluation", "Not evaluated yet on rows it has not seen."]
    parts = [
        "## Evaluation",
        f"On {evaluation.rows} rows it has not seen, with {evaluation.confidence:.0%} bootstrap intervals.",
        metrics_table(evaluation),
    ]
    if evaluation.slices:
        parts += ["### Per slice", slices_table(evaluation)]
    return parts
