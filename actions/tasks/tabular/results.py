"""What the stages of a tabular task leave behind."""

from __future__ import annotations

from pydantic import Field

from actions.contracts.request import Sha256
from actions.contracts.results import DataFacts
from actions.data_preparation.preprocess import Preprocessor
from actions.data_preparation.tables import SavedTable
from actions.tasks.results import Evaluated, Facts, Prepared, Trained, figures
from actions.text.markdown import code, inline


class PreparedTables(Prepared):
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


class TrainedPipeline(Trained):
    """The saved pipeline: preprocessor and estimator in one file."""

    signature_uri: str
    signature_sha256: Sha256
    metrics: dict[str, float]
    warnings: list[str]
    study: dict[str, Sha256] = Field(default_factory=dict, description="the search's files, digest by URI")

    def outputs(self) -> dict[str, Sha256]:
        return {**super().outputs(), self.signature_uri: self.signature_sha256, **self.study}

    def plots(self) -> list[str]:
        return sorted(uri for uri in self.study if uri.endswith(".png"))

    def facts(self) -> Facts:
        return [
            *super().facts(),
            *figures({name: value for name, value in self.metrics.items() if name.startswith("validation_")}),
            *[("warning", inline(warning)) for warning in self.warnings],
        ]


class TabularEvaluation(Evaluated):
    """The figures on the test rows, the champion's too."""

    uri: str
    sha256: Sha256
    rows: int

    def outputs(self) -> dict[str, Sha256]:
        return {self.uri: self.sha256, **super().outputs()}

    def facts(self) -> Facts:
        return [("test rows", inline(self.rows)), *super().facts()]
