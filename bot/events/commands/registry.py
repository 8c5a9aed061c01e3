"""``/promote``, ``/rollback`` and ``/register``: what they change on the history branch, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from actions.context import Reader
from actions.errors import Conflict, NotFound
from actions.history_management.record import RecordedDecision, RunRecord
from actions.model_registry import model_file
from actions.model_registry.model_file import ModelFile, Version
from actions.text.masking import masked
from bot.events.commands import registry_change
from bot.events.commands.invocation import Said, check_another
from bot.events.commands.registry_change import Chosen, Files, read_model, read_record, record_path
from bot.github import Repository
from bot.messages import answers
from bot.parsing.repository_config import RepositoryConfig
from bot.runs.run import Run


class RegistryAnswers:
    """Carries out what people decide about the registry: one commit each, bound to the artifact that they saw."""

    async def promote(self, said: Said, repository: Repository, config: RepositoryConfig, run: Run) -> str:
        """Make this run's version, or the one that is named, the champion."""
        branch = await _branch(repository, config)
        named = said.command.words.get("version")
        number = int(named) if named else run.version
        if number is None:
            raise NotFound(
                "no_version",
                rule="What is promoted is a registered version.",
                found=f"{run.id} has registered none.",
                next_step="Name one, such as /promote 3; /history lists them.",
            )
        chosen = await self._chosen(repository, branch, run.model, number)
        return await self._decide("promote", said, repository, config, branch, chosen, registry_change.promoted)

    async def roll_back(self, said: Said, repository: Repository, config: RepositoryConfig, run: Run) -> str:
        """Make the version before the champion, or the one that is named, the champion again."""
        branch = await _branch(repository, config)
        text = await repository.file(model_file.path_of(run.model), branch)
        file = read_model(run.model, text)
        named = said.command.words.get("version")
        now = await self._champion(repository, branch, file)
        if now is not None:
            decision = _decision("rollback", said, now.version)
            if now.is_decided(decision):
                return answers.promoted(now.version, now.record, decision, language=config.language)
            if registry_change.became_champion_after(now.record, said.written, said.received):
                raise registry_change.champion_changed(file.name, now.version.version)
        target = registry_change.target_of_rollback(file, int(named) if named else None)
        chosen = await self._chosen(repository, branch, run.model, target.version)
        return await self._decide("rollback", said, repository, config, branch, chosen, registry_change.rolled_back)

    async def register(self, said: Said, repository: Repository, config: RepositoryConfig, run: Run) -> str:
        """Register a passed run's model, should the registry have lost it."""
        branch = await _branch(repository, config)
        text = await repository.file(record_path(run.id), branch)
        if text is None:
            raise NotFound(
                "no_record",
                rule="What is registered is on record.",
                found=f"{record_path(run.id)} does not exist.",
                next_step="Wait until the run has ended, or train again: /retry.",
            )
        try:
            record = RunRecord.model_validate_json(text)
        except ValidationError:
            raise Conflict(
                "record_unreadable",
                rule="What is registered is on record.",
                found=f"{record_path(run.id)} cannot be read.",
                next_step="Look at the file's history: somebody has changed it.",
            ) from None
        versions: list[int] = []

        def change(read: Reader) -> Files:
            files, version = registry_change.registered_again(record, read)
            versions.append(version)
            return files

        why = masked(said.command.reason[:2_000])
        message = f"Register {run.model} of {run.id} [skip ci]\n\nAsked for by {said.who}. {why}".rstrip() + "\n"
        await repository.commit_files(branch, message, change, reads=[model_file.path_of(run.model)])
        return answers.registered(run.model, versions[-1], run.id, config.language)

    @staticmethod
    async def champion(repository: Repository, branch: str, model: str) -> int | None:
        """Return the version that production uses now."""
        champion = model_file.champion(await repository.file(model_file.path_of(model), branch))
        return champion.version if champion is not None else None

    async def _champion(self, repository: Repository, branch: str, file: ModelFile) -> Chosen | None:
        """Return the present champion; None where there is none, or nobody knows what made it: leaving it is right."""
        if "champion" not in file.aliases:
            return None
        try:
            return await self._chosen(repository, branch, file.name, file.aliases["champion"])
        except Conflict:
            return None

    async def _chosen(self, repository: Repository, branch: str, model: str, number: int) -> Chosen:
        file = read_model(model, await repository.file(model_file.path_of(model), branch))
        version = file.version(number)
        record = read_record(version, await repository.file(record_path(version.run), branch))
        return Chosen(version, record, file.aliases.get("champion"))

    async def _decide(
        self,
        what: str,
        said: Said,
        repository: Repository,
        config: RepositoryConfig,
        branch: str,
        chosen: Chosen,
        change: Callable[[Chosen, RecordedDecision, Reader], Files],
    ) -> str:
        check_another(config, said, chosen.record.requester, chosen.record.run)
        decision = _decision(what, said, chosen.version)
        model, version = chosen.record.request.model_name, chosen.version
        if chosen.champion == version.version and not chosen.is_decided(decision):
            return answers.already_champion(version, chosen.record, config.language)
        verb = "Promote" if what == "promote" else "Roll back"
        message = f"{verb} {model} to version {version.version} [skip ci]\n\nBy {said.who}, about {version.run}\n"
        reads = [model_file.path_of(model), record_path(version.run)]
        await repository.commit_files(branch, message, lambda read: change(chosen, decision, read), reads=reads)
        before = chosen.champion if chosen.champion != version.version else None
        return answers.promoted(version, chosen.record, decision, before=before, language=config.language)


def _decision(what: str, said: Said, version: Version) -> RecordedDecision:
    # The comment's own time and id, so that the same comment handled twice is the same decision.
    reason = said.command.reason[:2_000]
    return RecordedDecision(
        who=said.who,
        what=what,
        when=said.written,
        attempt=version.attempt,
        sha256=version.sha256,
        reason=reason,
        comment=said.comment,
    )


async def _branch(repository: Repository, config: RepositoryConfig) -> str:
    return config.history.branch or (await repository.info()).default_branch
