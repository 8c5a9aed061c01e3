"""The operation that writes a report of an evaluation: Markdown for GitHub, and one self-contained HTML file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from actions.context import Context
from actions.contracts.request import Sha256
from actions.data_preparation.sources import StorageUri, storage_path
from actions.ml_evaluation.save import Given, read_comparison, read_evaluation
from actions.models.evaluation import Evaluation
from actions.models.tables import Table, as_markdown, comparison_tables, evaluation_tables
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
    plots: dict[str, Sha256] = Field(description="SHA-256 by URI")


@operation(
    stage="evaluate",
    where="runner",
    idempotent=True,
    open_to_agents="It writes below the storage root only, where registered files are write-once.",
)
def generate_evaluation_report(
    context: Context,
    evaluation: Given,
    destination: StorageUri,
    title: str = "Evaluation",
    comparison: Given | None = None,
) -> EvaluationReport:
    """Write a report: ``report.md`` with its plots in ``plots/``, and ``report.html`` with the plots embedded.

    The report contains metrics with their intervals, figures per class and slice, the plots, permutation importances,
    and the comparison with another model if one is given. The same evaluation always gives the same files, byte for
    byte.

    Parameters
    ----------
    evaluation
        The result of ``evaluate_classifier`` or ``evaluate_regressor``, or the URI of its ``results.json``.
    destination
        The folder under the storage root.
    title
        The report's heading.
    comparison
        The result of ``compare_models``, or the URI of a file that contains it.

    Raises
    ------
    InvalidInput
        ``bucket_not_found``, ``comparison_unreadable``, ``evaluation_unreadable``, ``object_too_large``,
        ``outside_storage``.
    Conflict
        ``changed_meanwhile``.
    NotAllowed
        ``registered_file``, ``s3_access_denied``.
    Unavailable
        ``library_missing``, ``s3_unavailable``.
    OperationError
        ``s3_refused``.
    NotFound
        ``comparison_not_found``, ``evaluation_not_found``.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from actions.operation import find_operation
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path(mkdtemp())))
    >>> rows = {"data": "sklearn://diabetes", "target": "target"}
    >>> training = find_operation("train_supervised_regressor").call({**rows, "destination": "out"}, context)
    >>> saved = find_operation("save_model").call({"training": "out", "destination": "out", "name": "sugar"}, context)
    >>> arguments = {"model": saved.uri, "data": "sklearn://diabetes", "destination": "kept"}
    >>> evaluation = find_operation("evaluate_regressor").call(arguments, context)
    >>> generate_evaluation_report(context, "kept/results.json", "report", "Sugar").html_uri
    'report/report.html'
    """
    from actions.ml_evaluation.plots import comparison_plot, plots_of

    folder = storage_path(destination, context, "destination")
    results, compared = read_evaluation(evaluation, context), read_comparison(comparison, context)
    images, tables = plots_of(results), evaluation_tables(results)
    if compared is not None:
        images["comparison.png"] = comparison_plot(compared)
        tables += comparison_tables(compared)
    plots = {}
    for name, content in images.items():
        path = folder / PLOTS_FOLDER / name
        write_atomically(path, content)
        plots[context.storage.uri(path)] = sha256_of(path)
    write_atomically(folder / MARKDOWN_FILE, markdown_report(title, results, tables, list(images)))
    write_atomically(folder / HTML_FILE, html_report(title, results, tables, images))
    return EvaluationReport(
        markdown_uri=context.storage.uri(folder / MARKDOWN_FILE),
        markdown_sha256=sha256_of(folder / MARKDOWN_FILE),
        html_uri=context.storage.uri(folder / HTML_FILE),
        html_sha256=sha256_of(folder / HTML_FILE),
        plots=plots,
    )


def markdown_report(title: str, evaluation: Evaluation, tables: Sequence[Table], plots: Sequence[str]) -> str:
    """Return the report for GitHub, with all text from people escaped."""
    parts = [
        f"# {inline(title, 200)}",
        inline(_introduction(evaluation)),
        f"Model file: SHA-256 {code(evaluation.model_sha256)}",
    ]
    for table in tables:
        parts += [f"## {inline(table.title)}", as_markdown(table), inline(table.note)]
    parts += ["## Plots", *(image(_name(plot), f"{PLOTS_FOLDER}/{plot}") for plot in plots)]
    return "\n\n".join(part for part in parts if part) + "\n"


def html_report(title: str, evaluation: Evaluation, tables: Sequence[Table], plots: Mapping[str, bytes]) -> str:
    """Return the report as one HTML file that loads nothing and runs nothing, with all text from people escaped."""
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
        introduction=_introduction(evaluation),
        sha256=evaluation.model_sha256,
        tables=tables,
        # Base64 contains nothing to escape, and must not be masked where it happens to look like a secret.
        plots=[(_name(name), Markup(b64encode(content).decode("ascii"))) for name, content in plots.items()],  # noqa: S704
    )


def _introduction(evaluation: Evaluation) -> str:
    task = f"{evaluation.task.capitalize()} of {evaluation.target}"
    return f"{task} on {evaluation.rows} rows, with {evaluation.confidence:.0%} bootstrap intervals."


def _name(plot: str) -> str:
    return plot.removesuffix(".png").replace("_", " ")
