"""A run's record as Markdown, readable on GitHub and in a terminal. Pure: the same record gives the same text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from actions.contracts.metric import Metric
from actions.contracts.person import logins
from actions.contracts.request import unit_of
from actions.contracts.results import ComparisonFigures
from actions.history_management.record import RunRecord, utc
from actions.tasks.exchange import PublishedResult
from actions.text.markdown import code, fence, image, inline, link, shorten, table

SIGNS = {"passed": "✅", "rejected": "❌", "failed": "⚠️", "cancelled": "⏹️"}
WORDS = {
    "passed": "passed",
    "rejected": "rejected: not good enough",
    "failed": "failed: no verdict",
    "cancelled": "cancelled",
}


def render(record: RunRecord, plots: Sequence[str] = ()) -> str:
    """Return the whole file.

    Parameters
    ----------
    record
        The run. Text written by people is escaped.
    plots
        The file names of its plots in the folder ``<run>/`` next to the file.
    """
    sections = [
        f"# {record.run}: {inline(record.request.model_name)} {record.status}",
        _opening(record),
        _section("Verdict", _verdict(record)),
        _section("Metrics", _metrics(record)),
        _section("Plots", _plots(record, plots)),
        _section("What went wrong", _error(record)),
        _section("Attempts", _attempts(record)),
        _section("Decisions", _decisions(record)),
        _section("Request", _request(record)),
        _section("Data", _data(record.result)),
        _section("Details", _details(record.result)),
        _section("Model", _model(record)),
        _section("Search for hyperparameters", _search(record.result)),
        _section("Reproduce", _reproduce(record.result)),
        _section("Durations", _durations(record)),
        _section("Links", _links(record)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _opening(record: RunRecord) -> str:
    version = f", registered as version {record.version}" if record.version is not None else ""
    champion = " and made champion" if version and record.promoted else ""
    reason = f" {inline(record.reason, 2_000)}" if record.reason else ""
    return f"{SIGNS[record.status]} **{WORDS[record.status].capitalize()}**{version}{champion}.{reason}"


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    return table(["", ""], [row for row in rows if row[1]])


def _verdict(record: RunRecord) -> str:
    if record.result is None:
        return ""
    verdict = record.result.verdict
    metric = record.request.metrics.get(verdict.metric)
    sign = "≥" if metric is None or metric.higher_is_better else "≤"
    rows = [
        ("Metric", code(verdict.metric)),
        ("Value", f"**{number(verdict.value)}**"),
        ("Threshold", f"{sign} {number(verdict.threshold)}"),
        ("Reason", f"{code(verdict.reason)}: {inline(verdict.explanation, 2_000)}"),
        ("Attempt", f"{record.attempt} of {record.attempts_allowed}"),
    ]
    if verdict.champion_value is not None:
        remarks = [f"version {verdict.champion_version}"] if verdict.champion_version else []
        remarks += ["may have seen these rows"] if verdict.champion_may_have_seen_rows else []
        remark = f" ({', '.join(remarks)})" if remarks else ""
        rows.insert(3, ("Champion", f"{number(verdict.champion_value)}{remark}"))
    if verdict.comparison is not None:
        rows[4:4] = list(_comparison(verdict.comparison))
    return _facts(rows)


def _comparison(found: ComparisonFigures) -> Iterator[tuple[str, str]]:
    low, high = ("unknown" if bound is None else f"{bound:+.4g}" for bound in (found.low, found.high))
    yield "Against the champion", inline(found.outcome.replace("_", " "))
    yield "Difference", f"{found.difference:+.4g}, between {low} and {high} (above 0 this model is better)"
    yield "Allowed to be worse by", f"{number(found.allowed)}, with a risk of {found.alpha:g}"
    for one in found.regressions:
        where = f"Worse where {inline(one.column, 40)} is {inline(one.value, 60)}"
        yield where, f"{one.difference:+.4g} on {one.rows} rows"


def _metrics(record: RunRecord) -> str:
    result = record.result
    if result is None:
        return ""
    champion, header = result.champion_metrics, ["Metric", "This model", "95 % interval"]
    if champion is None:
        figures = [(code(name), number(value), _interval(result, name)) for name, value in result.metrics.items()]
        return table(header, figures)
    version = result.verdict.champion_version
    header += [f"Champion (version {version})" if version else "Champion", "Better"]
    names = dict.fromkeys([*result.metrics, *champion])
    rows = [
        (
            code(name),
            number(value),
            _interval(result, name),
            number(of_champion),
            _better(record.request.metrics.get(name), value, of_champion),
        )
        for name, value, of_champion in ((name, result.metrics.get(name), champion.get(name)) for name in names)
    ]
    return table(header, rows) + "\n\nBoth were scored on this run's test rows."


def _interval(result: PublishedResult, name: str) -> str:
    found = result.intervals.get(name)
    return f"{number(found[0])} to {number(found[1])}" if found else ""


def _better(metric: Metric | None, value: float | None, of_champion: float | None) -> str:
    if metric is None or value is None or of_champion is None:
        return ""
    if value == of_champion:
        return "equal"
    return "this model" if (value > of_champion) == metric.higher_is_better else "champion"


def number(value: float | None) -> str:
    """Return a number with six significant digits; a dash if there is none."""
    return "-" if value is None else f"{value:.6g}"


def _plots(record: RunRecord, plots: Sequence[str]) -> str:
    return "\n\n".join(image(_title(plot), f"{record.run}/{plot}") for plot in plots)


def _title(plot: str) -> str:
    return plot.removesuffix(".png").replace("_", " ")


def _error(record: RunRecord) -> str:
    error = record.error
    if error is None:
        return ""
    rows = [("Stage", inline(error.stage)), ("Step", inline(error.step))]
    if error.problem is not None:
        rows += [
            ("Rule", inline(error.problem.rule, 2_000)),
            ("Found", inline(error.problem.found, 2_000)),
            ("Next", inline(error.problem.next_step, 2_000)),
            ("Reason code", code(error.problem.reason)),
        ]
        rows.insert(2, ("Field", code(error.problem.field or "")))
    tail = f"\n\nThe end of its log:\n\n{fence(error.log_tail, 'text')}" if error.log_tail.strip() else ""
    return _facts(rows) + tail


def _attempts(record: RunRecord) -> str:
    if len(record.verdicts) < 2:  # noqa: PLR2004 - the verdict above covers a single attempt
        return ""
    rows = [
        (str(one.attempt), one.verdict.status, number(one.verdict.value), inline(one.verdict.explanation, 500))
        for one in record.verdicts
    ]
    return table(["Attempt", "Verdict", "Value", "Why"], rows)


def _decisions(record: RunRecord) -> str:
    rows = [
        (
            inline(decision.who.login),
            inline(decision.what),
            str(decision.attempt),
            code(" ".join(f"{key}={value}" for key, value in decision.overrides.items())),
            inline(decision.reason, 2_000),
            utc(decision.when),
        )
        for decision in record.decisions
    ]
    return table(["Who", "Decided", "Attempt", "With", "Reason", "When"], rows)


def _request(record: RunRecord) -> str:
    request = record.request
    rows = [("Requested by", inline(logins(record.requesters)))]
    for name, field in request.form_fields().items():
        if name not in {"model_name", "notes"}:
            rows.append((field.title or name, _value(getattr(request, name), unit_of(field))))
    notes = "\n\n" + fence(request.notes, "text") if request.notes.strip() else ""
    return _facts(rows) + notes


def _value(value: Any, unit: str) -> str:
    """Return a field's value as Markdown; nothing for an empty one."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, dict):
        return "<br>".join(code(f"{name}: {setting}") for name, setting in value.items())
    if isinstance(value, bool | int | float):
        return f"{number(value)} {unit}".rstrip()
    return code(value) if value else ""


def _data(result: PublishedResult | None) -> str:
    if result is None or result.data is None:
        return ""
    data = result.data
    split = f"{data.train_rows} training, {data.validation_rows} validation, {data.test_rows} test"
    facts = _facts(
        [
            ("Source", code(data.uri)),
            ("SHA-256", code(data.sha256)),
            ("Rows", f"{data.rows} ({split})"),
            ("Columns", str(data.columns)),
        ]
    )
    warnings = "\n".join(f"- {inline(warning)}" for warning in data.warnings)
    return f"{facts}\n\n{warnings}" if warnings else facts


def _details(result: PublishedResult | None) -> str:
    details = result.details if result is not None else {}
    return _facts([(inline(name), inline(value)) for name, value in details.items()])


def _model(record: RunRecord) -> str:
    if record.result is None:
        return ""
    model = record.result.model
    return _facts(
        [
            ("Version", "" if record.version is None else str(record.version)),
            ("File", code(model.uri)),
            ("SHA-256", code(model.sha256)),
            ("Size", size(model.size_bytes)),
            ("Format", inline(model.format)),
        ]
    )


def _search(result: PublishedResult | None) -> str:
    if result is None or result.search is None:
        return ""
    found = result.search
    heavy = sorted(found.importances.items(), key=lambda pair: (-pair[1], pair[0]))
    used = [code(f"{name}: {value}") for name, value in found.hyperparameters.items()]
    ends = f"{found.completed} completed, {found.pruned} pruned, {found.failed} failed"
    return _facts(
        [
            ("Trials", inline(f"{found.trials} ({ends}), ended by {found.stopped_by} after {seconds(found.seconds)}")),
            ("Compared on", inline(found.rows)),
            (
                code(found.metric),
                f"**{number(found.value)}**; the requested hyperparameters: {number(found.baseline_score)}",
            ),
            ("Trained with", "<br>".join(used) or "the defaults, since no trial was better"),
            ("Importance", "<br>".join(f"{code(name)} {share:.0%}" for name, share in heavy)),
        ]
    )


def size(count: int) -> str:
    """Return a number of bytes in a readable unit."""
    value, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1_000:  # noqa: PLR2004 - decimal units
            break
        value, unit = value / 1_000, larger
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"


def _reproduce(result: PublishedResult | None) -> str:
    if result is None:
        return ""
    environment = result.environment
    packages = ", ".join(f"{name} {version}" for name, version in sorted(environment.packages.items()))
    return _facts(
        [
            ("Seed of this attempt", str(result.training_seed)),
            ("Git commit", code(result.git_sha)),
            ("Modelyard commit", code(result.modelyard_sha)),
            ("Environment lock", code(environment.lock_sha256 or "")),
            ("Python", inline(environment.python)),
            ("Platform", inline(environment.platform)),
            ("Packages", inline(packages, 3_000)),
        ]
    )


def _durations(record: RunRecord) -> str:
    stages = record.result.durations if record.result is not None else {}
    rows = [(f"Stage {inline(name)}", seconds(value)) for name, value in stages.items()]
    rows += [(f"State {inline(stay.state)}", seconds(stay.seconds)) for stay in record.stays]
    rows.append(("**Altogether**", seconds((record.finished - record.created).total_seconds())))
    return table(["Part", "Time"], rows)


def seconds(value: float) -> str:
    """Return a duration in readable units."""
    minute, hour = 60, 3_600
    if value < minute:
        return f"{value:.1f} s"
    if value < hour:
        return f"{int(value // minute)} min {int(value % minute)} s"
    return f"{int(value // hour)} h {int(value % hour // minute)} min"


def _links(record: RunRecord) -> str:
    return "\n".join(f"- {one}" for one in _each_link(record))


def _each_link(record: RunRecord) -> Iterator[str]:
    if record.links.issue:
        yield link(f"Issue {record.issue}", record.links.issue)
    runs = record.links.workflow_runs
    for index, url in enumerate(runs, start=1):
        yield link("Workflow run" if len(runs) == 1 else f"Workflow run {index}", url)
    yield link("Lineage as JSON", f"{record.run}.json")
    if record.version is not None:
        yield link("The model's versions", f"models/{record.request.model_name}.yaml")


def headline(record: RunRecord) -> str:
    """Return the subject of the commit message; the model's name is the only text from a person."""
    return shorten(f"{record.run}: {record.request.model_name} {record.status}", 72)
