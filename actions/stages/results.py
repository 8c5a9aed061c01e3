"""What each stage's record holds, and how its job's summary shows it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from actions.contracts.request import Sha256
from actions.contracts.results import ComparisonFigures, DataFacts, ModelFacts, Published, SearchFacts, Verdict
from actions.data_preparation.preprocess import Preprocessor
from actions.data_preparation.tables import SavedTable
from actions.models.evaluation import Intervals
from actions.operation import Result
from actions.stages.judge import ChampionScores
from actions.text.markdown import code, inline

Facts = list[tuple[str, str]]


class Prepared(Result):
    """The data, split, and the fitted preprocessor."""

    data: DataFacts
    train: SavedTable
    validation: SavedTable | None
    test: SavedTable
    preprocessor: Preprocessor

    def outputs(self) -> dict[str, Sha256]:
        tables = [self.train, self.test] + ([self.validation] if self.validation else [])
        return {**{table.uri: table.sha256 for table in tables}, self.preprocessor.uri: self.preprocessor.sha256}

    def facts(self) -> Facts:
        data = self.data
        parts = f"{data.train_rows} train, {data.validation_rows} validation, {data.test_rows} test"
        warned = [("warning", inline(warning)) for warning in data.warnings]
        return [
            ("data", code(data.uri)),
            ("rows", inline(parts)),
            ("columns", inline(data.columns)),
            ("features", inline(self.preprocessor.features)),
            *warned,
        ]


class Trained(Result):
    """The saved model."""

    model: ModelFacts
    signature_uri: str
    signature_sha256: Sha256
    metrics: dict[str, float]
    warnings: list[str]
    search: SearchFacts | None = None
    study: dict[str, Sha256] = Field(default_factory=dict, description="the search's files, digest by URI")

    def outputs(self) -> dict[str, Sha256]:
        return {self.model.uri: self.model.sha256, self.signature_uri: self.signature_sha256, **self.study}

    def plots(self) -> list[str]:
        """Return the URIs of the search's plots."""
        return sorted(uri for uri in self.study if uri.endswith(".png"))

    def facts(self) -> Facts:
        return [
            ("model", code(self.model.uri)),
            ("size", inline(f"{self.model.size_bytes} bytes")),
            *(search_facts(self.search) if self.search is not None else []),
            *_figures({name: value for name, value in self.metrics.items() if name.startswith("validation_")}),
            *[("warning", inline(warning)) for warning in self.warnings],
        ]


class Evaluated(Result):
    """The figures on the test rows, the champion's too."""

    uri: str
    sha256: Sha256
    rows: int
    metrics: dict[str, float | None]
    intervals: Intervals
    plots: dict[str, Sha256] = Field(description="digest by URI")
    champion: ChampionScores | None

    def outputs(self) -> dict[str, Sha256]:
        return {self.uri: self.sha256, **self.plots}

    def facts(self) -> Facts:
        facts = [("test rows", inline(self.rows)), *_figures(self.metrics)]
        if self.champion is not None:
            comparison = self.champion.comparison
            compared = comparison.explanation if comparison is not None else "scored on the same rows"
            found = self.champion.not_comparable or compared
            facts.append((f"champion, version {self.champion.version}", inline(found)))
            facts += [(f"champion's {name}", value) for name, value in _figures(self.champion.metrics or {})]
        return facts


class Judged(Result):
    """The verdict."""

    verdict: Verdict

    def facts(self) -> Facts:
        verdict = self.verdict
        facts = [("verdict", inline(verdict.status)), ("why", inline(verdict.explanation))]
        if verdict.comparison is not None:
            facts += comparison_facts(verdict.comparison)
        if verdict.champion_may_have_seen_rows:
            facts.append(("note", "The champion was trained on other rows and may have seen these."))
        return facts


class PublishedStage(Result):
    """Which commit publish pushed, and how large it is."""

    published: Published
    files: int = Field(ge=0)
    size_bytes: int = Field(ge=0)

    def facts(self) -> Facts:
        found = self.published
        size = f"{self.files} files, {self.size_bytes} bytes"
        return [("ref", code(found.ref)), ("commit", code(found.sha)), ("size", inline(size))]


def comparison_facts(found: ComparisonFigures) -> Facts:
    """Return how a model compares with the champion."""
    low, high = ("unknown" if bound is None else f"{bound:+.4g}" for bound in (found.low, found.high))
    facts = [
        ("against the champion", inline(found.outcome.replace("_", " "))),
        ("difference", inline(f"{found.difference:+.4g}, between {low} and {high}")),
        ("margin", inline(f"{found.allowed:.4g}, alpha {found.alpha:g}, {found.rows} rows")),
    ]
    return facts + [
        (f"worse where {one.column} is {one.value}", inline(f"{one.difference:+.4g} on {one.rows} rows"))
        for one in found.regressions
    ]


def search_facts(found: SearchFacts) -> Facts:
    """Return what a search came to."""
    ends = f"{found.completed} completed, {found.pruned} pruned, {found.failed} failed"
    given = "unknown" if found.as_given is None else f"{found.as_given:.4f}"
    used = ", ".join(f"{name}: {value}" for name, value in found.hyperparameters.items())
    return [
        ("search", inline(f"{found.trials} trials ({ends}) in {found.seconds:.1f} s, ended by {found.stopped_by}")),
        (f"{found.metric} on {found.rows}", inline(f"{found.value:.4f}; as given {given}")),
        ("hyperparameters", code(used) or "defaults"),
    ]


def _figures(metrics: Mapping[str, float | None]) -> Facts:
    return [(name, "undefined" if value is None else f"{value:.4f}") for name, value in metrics.items()]
