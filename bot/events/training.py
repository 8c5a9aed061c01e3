"""Requests for a training: read out of an issue, answered where they are wrong, opened as a run where they are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from anyio import to_thread

from actions.contracts.run_id import make_run_id
from actions.data_preparation.sources import is_s3
from actions.errors import invalid_field
from actions.storage.s3 import may_read
from actions.tasks.registry import TrainingRequest
from bot.database.store import Store
from bot.engine.effects.comment import sticky_marker
from bot.engine.recovery import Recovery
from bot.github import Repository
from bot.messages import notices, run_comments
from bot.observability import log_context
from bot.parsing.form import parse_form
from bot.parsing.repository_config import CONFIG_PATH, ConfigError, RepositoryConfig, read_config
from bot.runs.advance import end
from bot.runs.labels import STATE_LABELS, state_label
from bot.runs.run import Run
from bot.runs.view import RunView


@dataclass(frozen=True)
class Asked:
    """What an issue's body comes to: a request, or what to answer.

    Attributes
    ----------
    refusal
        What to say where there is no request.
    request
        What is asked for.
    language
        The repository's.
    """

    refusal: str
    request: TrainingRequest | None = None
    language: str = "en"


async def allowed(request: TrainingRequest, config: RepositoryConfig, repository: Repository) -> Asked:
    """Return a request, unless the repository's configuration forbids it as it is now."""
    if not config.public_repository and not (await repository.info()).private:
        return Asked(notices.public_repository_refused(config.language))
    hidden = [uri for uri in request.data_uris if is_s3(uri) and not may_read(uri, config.data_roots)]
    if hidden:
        roots = ", ".join(root for root in config.data_roots if is_s3(root)) or "none so far"
        wrong = invalid_field(
            "data", f"Data in S3 lies below one of the data_roots in {CONFIG_PATH}: {roots}.", hidden[0],
            "Name an object below one of them, or have its place added to that file.",
        )  # fmt: skip
        return Asked(notices.invalid([wrong], config.language))
    if request.runner not in config.runners:
        labels = ", ".join(config.runners)
        wrong = invalid_field(
            "runner", f"One of the labels in {CONFIG_PATH}: {labels}.", request.runner,
            "Choose one of them, or have it added to that file.",
        )  # fmt: skip
        return Asked(notices.invalid([wrong], config.language))
    return Asked("", request, config.language)


class TrainingRequests:
    """What is done with requests, whether an event or a command brings them.

    Parameters
    ----------
    store, recovery
        The database, and what finds the runs that it has lost.
    clock
        Says what time it is (UTC).
    """

    def __init__(self, store: Store, recovery: Recovery, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._recovery = recovery
        self._clock = clock

    async def read(self, repository: Repository, body: str) -> Asked:
        """Return the request that an issue's body makes, or what to answer."""
        try:
            config = await read_config(repository)
        except ConfigError as error:
            return Asked(notices.config_broken(error.body))
        language = config.language
        form = parse_form(body)
        if form.not_a_form:
            return Asked(notices.not_a_form(language))
        if form.request is None:
            return Asked(notices.invalid(list(form.wrong), language))
        return await allowed(form.request, config, repository)

    async def say_invalid(self, repository: Repository, issue: int, run: Run | None, text: str) -> None:
        """One comment and one label; a request that was waiting in the queue leaves it."""
        if run is not None:
            changed = await to_thread.run_sync(
                self._store.runs.change, run, lambda stored: _withdrawn(stored, self._clock())
            )
            if not changed.ended:
                await self.say_frozen(repository, run)
                return
            await to_thread.run_sync(self._store.locks.release, run)
        await repository.upsert_comment(issue, f"issue-{issue}", text)
        await repository.set_state_label(issue, state_label("invalid"), STATE_LABELS)

    async def say_put_right(
        self, repository: Repository, issue: int, before: Run | None, language: str, *, is_new: bool = False
    ) -> None:
        """Take back what was said to be wrong: the run that begins now has a comment of its own."""
        if is_new:
            return
        for marker in (f"issue-{issue}", *([sticky_marker(before)] if before is not None else [])):
            if await repository.own_comment(issue, marker) is not None:
                await repository.upsert_comment(issue, marker, notices.problem_fixed(language))

    async def say_frozen(self, repository: Repository, run: Run) -> None:
        frozen = run_comments.request_frozen(RunView(run, updated=self._clock()))
        await repository.post_once(run.issue, f"frozen-{run.id}", frozen)

    async def open(
        self,
        repository: Repository,
        installation: int,
        issue: int,
        requester: str,
        asked: Asked,
        request_comment: int = 0,
    ) -> Run:
        """Open a run, unless the issue has an open one: then return that.

        Parameters
        ----------
        asked
            What is asked for.
        request_comment
            The comment whose command asks for it.
        """
        now, request = self._clock(), asked.request
        if request is None:
            raise ValueError("nothing is asked for")

        def make(number: int) -> Run:
            return Run(
                id=make_run_id("train", now, number),
                repository=repository.name,
                installation=installation,
                issue=issue,
                requester=requester,
                request=request,
                created=now,
                request_comment=request_comment,
                language=asked.language,
                entered=now,
                due=now,
            )

        await self._recovery.start_numbering(repository)
        run = await to_thread.run_sync(self._store.runs.open, make)
        log_context.about_run(run)
        return run


def _withdrawn(run: Run, now: datetime) -> Run:
    """A request that became invalid while it waited leaves the queue."""
    return end(run, "invalid", now) if run.editable else run
