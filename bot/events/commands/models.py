"""``/compare`` and ``/evaluate``: which models they mean, out of registry and history; a runner does the work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from actions.contracts.request import Sha256
from actions.contracts.run_id import RUN_ID, day_of, number_of
from actions.errors import Conflict, NotFound
from actions.history_management.record import RunRecord
from actions.model_registry import model_file
from actions.operation import find_operation
from actions.tasks.exchange import PublishedResult
from actions.tasks.registry import task_of
from bot.events.commands.invocation import Said
from bot.events.commands.registry_change import read_model, record_path
from bot.events.commands.run_operation import OperationAnswers
from bot.github import Repository
from bot.messages import answers
from bot.parsing.repository_config import RepositoryConfig
from bot.runs.run import Run


class Named(NamedTuple):
    """A model that somebody named.

    Attributes
    ----------
    label
        How it is called in an answer.
    run, attempt
        What made it.
    uri, sha256
        Where it is, and the digest that it must have.
    """

    label: str
    run: str
    attempt: int
    uri: str
    sha256: Sha256

    @property
    def age(self) -> tuple[str, int, int]:
        """Its place in time: the day, the number of the run, the attempt."""
        return day_of(self.run), number_of(self.run), self.attempt


@dataclass(frozen=True)
class ModelAnswers:
    """Sends what measures models to a runner.

    Attributes
    ----------
    operations
        What dispatches an operation.
    """

    operations: OperationAnswers

    async def compare(self, said: Said, repository: Repository, branch: str, config: RepositoryConfig, run: Run) -> str:
        """Compare two models on the newer one's test rows, by this run's metric and the repository's gate.

        Raises
        ------
        NotFound
            Where a run, version or alias does not exist.
        Conflict
            ``same_model`` where both names are of one model.
        """
        words = said.command.words
        first, second = [await self._named(words[word], repository, branch, run) for word in ("A", "B")]
        if first.uri == second.uri:
            raise Conflict(
                "same_model",
                rule="Two models are compared.",
                found=f"{first.label} and {second.label} are the same file.",
                next_step="Name another run, version or alias; /history lists them.",
            )
        older, newer = sorted((first, second), key=lambda one: one.age)
        arguments = {
            "challenger": newer.uri,
            "challenger_sha256": newer.sha256,
            "champion": older.uri,
            "champion_sha256": older.sha256,
            "metric": run.request.metric,
            "alpha": config.gate.alpha,
            "margin": config.gate.margin,
        }
        url = await self._sent("compare_models", arguments, said, repository, config)
        return answers.compare_sent(newer.label, older.label, url, config.language)

    async def evaluate(self, said: Said, repository: Repository, config: RepositoryConfig, run: Run) -> str:
        """Evaluate this run's model once more, on the rows that were kept for testing it.

        Raises
        ------
        NotFound
            ``no_model`` where the run has made none yet.
        """
        result = run.result
        if result is None:
            raise _no_model(run.id)
        name = task_of(run.request).evaluate_operation
        if name is None:
            raise Conflict(
                "not_evaluable",
                rule="The task must have an operation that evaluates its models.",
                found=f"{run.request.task} has none.",
                next_step="Use the metrics that the run has published.",
            )
        arguments = {"model": result.model.uri, "sha256": result.model.sha256}
        url = await self._sent(name, arguments, said, repository, config)
        return answers.operation_sent(name, url, config.language)

    async def _sent(
        self,
        name: str,
        arguments: Mapping[str, Any],
        said: Said,
        repository: Repository,
        config: RepositoryConfig,
    ) -> str:
        return await self.operations.send(find_operation(name), arguments, said, repository, config)

    async def _named(self, name: str, repository: Repository, branch: str, run: Run) -> Named:
        """Find a model by a run's id, a version's number or an alias of this run's model."""
        if name == run.id and run.result is not None:
            return _of_result(run.result)
        if re.fullmatch(RUN_ID, name):
            return _of_result(await self._result_of(name, repository, branch))
        file = read_model(run.model, await repository.file(model_file.path_of(run.model), branch))
        version = file.version(name.removeprefix("v") if name[:1] == "v" and name[1:].isdecimal() else name)
        label = f"version {version.version} of {file.name}"
        return Named(label, version.run, version.attempt, version.uri, version.sha256)

    async def _result_of(self, run: str, repository: Repository, branch: str) -> PublishedResult:
        text = await repository.file(record_path(run), branch)
        if text is None:
            raise NotFound(
                "no_record",
                rule="A run that is compared has ended and is on record.",
                found=f"{record_path(run)} does not exist.",
                next_step="Wait until it has ended, or name another one; /history lists them.",
            )
        try:
            result = RunRecord.model_validate_json(text).result
        except ValidationError:
            raise Conflict(
                "record_unreadable",
                rule="A run that is compared is on record.",
                found=f"{record_path(run)} cannot be read.",
                next_step="Look at the file's history: somebody has changed it.",
            ) from None
        if result is None:
            raise _no_model(run)
        return result


def _of_result(result: PublishedResult) -> Named:
    return Named(result.run, result.run, result.attempt, result.model.uri, result.model.sha256)


def _no_model(run: str) -> NotFound:
    return NotFound(
        "no_model",
        rule="A model that is measured has been trained and published by a run.",
        found=f"{run} has published none.",
        next_step="Wait until it is judged, or name another run.",
    )
