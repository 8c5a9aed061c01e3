"""The model card: what a person who meets the model file later should know, on one page."""

from __future__ import annotations

from actions.markdown import code, inline, table
from actions.ml_training.metrics import TrainingRecord

_MOST_COLUMNS = 200
_INTRODUCTION = (
    "A scikit-learn pipeline in skops' format: it takes raw rows and preprocesses them itself. "
    "How it does on rows that it has not seen stands with the run's evaluation."
)


def model_card(name: str, record: TrainingRecord, notes: str = "") -> str:
    """Return the card of a trained model as Markdown."""
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
        f"# {inline(name)}",
        _INTRODUCTION,
        table(["", ""], facts),
        "## Columns",
        table(["Column", "Treated as", "Was"], columns),
        "## While it was trained",
        table(["Metric", "Value"], metrics),
    ]
    if len(made.columns) > _MOST_COLUMNS:
        parts.insert(5, f"... and {len(made.columns) - _MOST_COLUMNS} more columns.")
    if notes:
        parts += ["## Notes", inline(notes, 2_000)]
    return "\n\n".join(parts) + "\n"
