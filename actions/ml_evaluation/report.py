"""The operation that writes an evaluation down for people: Markdown for GitHub, and one HTML file that needs no other."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from actions.context import Context
from actions.contracts.request import Sha256
from actions.data_preparation.sources import StorageUri, storage_path
from actions.ml_evaluation.save import Given, comparison_in, evaluation_in
from actions.models import tables
from actions.models.evaluation import Evaluation
from actions.models.tables import Table
from actions.operation import Result, operation
from actions.storage.folder import sha256_of, write_atomically
from actions.text.markdown import code, image, inline

MARKDOWN_FILE, HTML_FILE, PLOTS_FOLDER = "report.md", "report.html", "plots"
_TEMPLATE = Path(__file__).with_name("report.html.j2")


class EvaluationReport(Result):
    """A report under the storage root."""

    markdown_uri: str
    markdown_sha256: Sha256
    html_uri: str
    html_sha256: Sha256
    plots: dict[str, Sha256] = Field(description="digest by URI")


@operation(stage="evaluate", where="runner", idempotent=True)
def generate_evaluation_report(
    context: Context,
    evaluation: Given,
    destination: StorageUri,
    title: str = "Evaluation",
    comparison: Given | None = None,
) -> EvaluationReport:
    """Write a report: ``report.md`` with its plots below ``plots/``, and ``report.html`` with the plots inside.

    Metrics with their intervals, per class, per slice, residuals, importances; confusion matrix, ROC, precision and recall,
    calibration, residuals, importances, learning curves; the comparison with another model where one is given. The same
    evaluation gives the same files, byte for byte.

    Parameters
    ----------
    evaluation
        What ``evaluate_classifier`` or ``evaluate_regressor`` returned, or the URI of a ``results.json`` that holds it.
    destination
        The folder under the storage root.
    title
        For people; the report's heading.
    comparison
        What ``compare_models`` returned, or the URI of a file that holds it.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from actions.operation import find_operation
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path(mkdtemp())))
    >>> rows = {"data": "sklearn://diabetes", "target": "target"}
    >>> made = find_operation("train_supervised_regressor").call({**rows, "destination": "out"}, context)
    >>> saved = find_operation("save_model").call({"training": "out", "destination": "out", "name": "sugar"}, context)
    >>> asked = {"model": saved.uri, "data": "sklearn://diabetes", "destination": "kept"}
    >>> found = find_operation("evaluate_regressor").call(asked, context)
    >>> generate_evaluation_report(context, "kept/results.json", "report", "Sugar").html_uri
    'report/report.html'
    """
    from actions.ml_evaluation.plots import comparison_plot, plots_of

    folder = storage_path(destination, context, "destination")
    found, beside = evaluation_in(evaluation, context), comparison_in(comparison, context)
    drawn = plots_of(found)
    if beside is not None:
        drawn["comparison.png"] = comparison_plot(beside)
    shown = [*tables.tables_of(found), *(tables.compared(beside) if beside is not None else [])]
    plots = {}
    for name, content in drawn.items():
        path = folder / PLOTS_FOLDER / name
        write_atomically(path, content)
        plots[context.storage.uri(path)] = sha256_of(path)
    write_atomically(folder / MARKDOWN_FILE, as_markdown(title, found, shown, list(drawn)))
    write_atomically(folder / HTML_FILE, as_html(title, found, shown, drawn))
    return EvaluationReport(
        markdown_uri=context.storage.uri(folder / MARKDOWN_FILE),
        markdown_sha256=sha256_of(folder / MARKDOWN_FILE),
        html_uri=context.storage.uri(folder / HTML_FILE),
        html_sha256=sha256_of(folder / HTML_FILE),
        plots=plots,
    )


def as_markdown(title: str, evaluation: Evaluation, shown: Sequence[Table], plots: Sequence[str]) -> str:
    """Return the report for GitHub; what others wrote in it is shown literally."""
    parts = [
        f"# {inline(title, 200)}",
        inline(_opening(evaluation)),
        f"Model file: SHA-256 {code(evaluation.model_sha256)}",
    ]
    for one in shown:
        parts += [f"## {inline(one.title)}", tables.as_markdown(one), inline(one.note)]
    parts += ["## Plots", *(image(_name(plot), f"{PLOTS_FOLDER}/{plot}") for plot in plots)]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_html(title: str, evaluation: Evaluation, shown: Sequence[Table], plots: Mapping[str, bytes]) -> str:
    """Return the report as one HTML file: it loads nothing, runs nothing, and shows what others wrote literally."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    from actions.text.markdown import clean

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        title=title[:200],
        opening=_opening(evaluation),
        sha256=evaluation.model_sha256,
        tables=shown,
        # Base64 has nothing to escape, and nothing in it that looks like a secret is one.
        plots=[(_name(name), Markup(b64encode(content).decode("ascii"))) for name, content in plots.items()],  # noqa: S704
    )


def _opening(evaluation: Evaluation) -> str:
    what = f"{evaluation.task.capitalize()} of {evaluation.target}"
    return f"{what} on {evaluation.rows} rows. Intervals of {evaluation.confidence:.0%} by bootstrap."


def _name(plot: str) -> str:
    return plot.removesuffix(".png").replace("_", " ")
