"""What one finished run changes under ``training_history/``: Markdown, lineage, index, plots and registry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from actions.context import Reader
from actions.history_management import index, report
from actions.history_management.record import RunRecord, utc
from actions.model_registry import model_file
from actions.tasks.exchange import PublishedResult
from actions.text.masking import masked_json

FOLDER = "training_history"
_PLOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.png")


@dataclass(frozen=True)
class HistoryChange:
    """The files that one run changes, for one commit.

    Attributes
    ----------
    record
        The run.
    plots
        The path of each plot in the repository, by file name. The caller adds the contents, because it may be able to
        reuse blobs that git already has.
    """

    record: RunRecord
    plots: Mapping[str, str]

    @property
    def message(self) -> str:
        """The commit message, which starts no workflow."""
        return f"{report.headline(self.record)} [skip ci]\n\nIssue: {self.record.links.issue or self.record.issue}\n"

    @property
    def markdown_path(self) -> str:
        return f"{FOLDER}/{self.record.run}.md"

    def files(self, read: Reader) -> dict[str, bytes | None]:
        """Return the new text files by path, as a pure function of the current ones.

        A run that passed is registered as the model's next version, once. ``record.promoted`` makes that version
        champion.
        """
        record, registry = self._registered(read)
        lineage = masked_json(record.model_dump_json(indent=2)) + "\n"
        files: dict[str, bytes | None] = {
            self.markdown_path: report.render(record, tuple(self.plots)).encode(),
            f"{FOLDER}/{record.run}.json": lineage.encode(),
            f"{FOLDER}/index.md": index.updated(read(f"{FOLDER}/index.md"), record).encode(),
        }
        return files | {path: text.encode() for path, text in registry.items()}

    def _registered(self, read: Reader) -> tuple[RunRecord, dict[str, str]]:
        """Return the record with its version, and the registry's file if it changes."""
        record, result = self.record, self.record.result
        if record.status != "passed" or result is None:
            return record.model_copy(update={"version": None, "promoted": False}), {}
        path = model_file.path_of(record.request.model_name)
        present = read(path)
        text, version = register(record, result, present)
        is_new = present is None or text.encode() != present
        if is_new and record.promoted:
            # Only along with a new registration: if an old run is written again, it must not retake production.
            text = model_file.set_alias(text, "champion", version)
        return record.model_copy(update={"version": version}), {path: text}


def history_change(record: RunRecord) -> HistoryChange:
    """Return the change that a run's record makes; files that are not named like plots are ignored."""
    names = record.result.plots if record.result is not None else []
    plots = {name: f"{FOLDER}/{record.run}/{name}" for name in names if _PLOT.fullmatch(name)}
    return HistoryChange(record, plots)


def register(record: RunRecord, result: PublishedResult, present: bytes | None) -> tuple[str, int]:
    """Return the registry's file with a run's artifact added, and the version number."""
    return model_file.register(
        present,
        name=record.request.model_name,
        run=record.run,
        attempt=result.attempt,
        uri=result.model.uri,
        sha256=result.model.sha256,
        data_sha256=result.data.sha256 if result.data is not None else None,
        algorithm=record.request.algorithm,
        created=utc(record.finished),
    )
