"""The model card: what a person who meets the model file later should know, on one page, as Hugging Face has it."""

from __future__ import annotations

from actions.models.card_metadata import metadata_block
from actions.models.evaluation import Evaluation
from actions.models.saved_model import MODEL_FILE
from actions.models.tables import metrics_table, slices_table
from actions.models.training_record import TrainingRecord
from actions.text.markdown import code, inline, table

_MOST_COLUMNS = 200
_INTRODUCTION = "A scikit-learn pipeline in skops' format: it takes raw rows and preprocesses them itself."
_USE = """\
```python
from pathlib import Path
from actions.models.saved_model import open_model

model = open_model(Path("{file}"), "{sha256}")
model.predict(rows)  # a data frame, or a list with an object of column and value for each row
```

It answers for rows like those that it was trained on, and says nothing of what causes what. Look at the figures per slice
before you rely on it for a group of people or things."""


def model_card(
    name: str, record: TrainingRecord, notes: str = "", evaluation: Evaluation | None = None, dataset: str = ""
) -> str:
    """Return the card of a trained model: a block of YAML that machines read, then Markdown.

    Parameters
    ----------
    name
        The model's name.
    record
        What was seen while it was trained.
    notes
        What people wrote about it.
    evaluation
        How it does on rows that it has not seen, once that is known. Without it, the figures are of the validation rows.
    dataset
        What the rows are of.
    """
    made = record.signature
    facts = [
        ("Task", inline(made.task)),
        ("Algorithm", code(made.algorithm)),
        ("Predicts", code(made.target)),
        ("Training rows", inline(made.training_rows)),
        ("Seed", inline(made.seed)),
        (
            "Hyperparameters",
            code(", ".join(f"{key}: {value}" for key, value in made.hyperparameters.items())) or "defaults",
        ),
        ("SHA-256", code(made.model_sha256)),
        ("Made with", code(", ".join(f"{package} {found}" for package, found in made.packages.items()))),
    ]
    if made.classes is not None:
        facts.insert(3, ("Classes", code(", ".join(str(label) for label in made.classes))))
    columns = [(code(column.name), inline(column.kind), code(column.dtype)) for column in made.columns[:_MOST_COLUMNS]]
    metrics = [(inline(metric), f"{value:.4f}") for metric, value in sorted(record.metrics.items())]
    parts = [
        _metadata(name, record, evaluation, dataset),
        f"# {inline(name)}",
        _INTRODUCTION,
        table(["", ""], facts),
        "## How to use it",
        _USE.format(file=MODEL_FILE, sha256=made.model_sha256),
        *_evaluated(evaluation),
        "## Columns",
        table(["Column", "Treated as", "Was"], columns),
        *_searched(record),
        "## While it was trained",
        table(["Metric", "Value"], metrics),
    ]
    if len(made.columns) > _MOST_COLUMNS:
        place = parts.index("## Columns") + 2
        parts.insert(place, f"... and {len(made.columns) - _MOST_COLUMNS} more columns.")
    if notes:
        parts += ["## Notes", inline(notes, 2_000)]
    return "\n\n".join(parts) + "\n"


def _searched(record: TrainingRecord) -> list[str]:
    """Return the section on the search that the hyperparameters come from, if there was one."""
    found = record.search
    if found is None:
        return []
    given = "unknown" if found.as_given is None else f"{found.as_given:.4f}"
    ends = f"{found.completed} completed, {found.pruned} pruned, {found.failed} failed"
    facts = [
        ("Trials", inline(f"{found.trials}: {ends}")),
        ("Ended by", inline(f"{found.stopped_by}, after {found.seconds:.1f} s")),
        ("Compared on", inline(found.rows)),
        (code(found.metric), f"{found.value:.4f}; with the hyperparameters as given {given}"),
    ]
    heavy = sorted(found.importances.items(), key=lambda pair: -pair[1])
    facts += [("Hangs on", code(", ".join(f"{name} {share:.0%}" for name, share in heavy)))] if heavy else []
    used = [(code(name), code(str(value))) for name, value in found.hyperparameters.items()]
    parts = ["## The search for hyperparameters", table(["", ""], facts)]
    return [*parts, table(["Trained with", "Value"], used)] if used else parts


def _metadata(name: str, record: TrainingRecord, evaluation: Evaluation | None, dataset: str) -> str:
    if evaluation is not None:
        return metadata_block(name, record.signature, evaluation.metrics, dataset, "test", evaluation.rows)
    prefix = "validation_"
    figures = {key.removeprefix(prefix): value for key, value in record.metrics.items() if key.startswith(prefix)}
    return metadata_block(name, record.signature, figures, dataset, "validation", None)


def _evaluated(evaluation: Evaluation | None) -> list[str]:
    """Return the section on rows that the model has not seen, or where it would stand."""
    if evaluation is None:
        return ["## Evaluation", "Not evaluated yet on rows that it has not seen."]
    parts = [
        "## Evaluation",
        f"On {evaluation.rows} rows that it has not seen; intervals of {evaluation.confidence:.0%} by bootstrap.",
        metrics_table(evaluation),
    ]
    if evaluation.slices:
        parts += ["### Per slice", slices_table(evaluation)]
    return parts
