"""Training requests: read from an issue, answered if they are invalid, opened as a run if they are valid."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from anyio import to_thread

from actions.contracts.person import Person, distinct
from actions.contracts.run_id import make_run_id
from actions.data_preparation.sources import is_s3
from actions.errors import Problem, invalid_field
from actions.storage.s3 import may_read
from actions.tasks.registry import TrainingRequest
from bot.database.store import Store
from bot.engine.effects.comment import sticky_marker
from bot.engine.recovery import Recovery
from bot.github import Issue, Repository
from bot.messages import notices, run_comments
from bot.observability import log_context
from bot.parsing.form import parse_form
from bot.parsing.repository_config import CONFIG_PATH, ConfigError, RepositoryConfig, read_config
from bot.runs.advance import end
from bot.runs.labels import STATE_LABELS, state_label
from bot.runs.run import Run, RunConfig
from bot.runs.view import RunView


@dataclass(frozen=True)
class RequestOutcome:
    """What reading an issue's request came to.

    Attributes
    ----------
    refusal
        The reply, if there is no valid request.
    request
        The request.
    language
        The repository's language.
    config
        What its run takes from the repository's configuration.
    """

    refusal: str
    request: TrainingRequest | None = None
    language: str = "en"
    config: RunConfig = field(default_factory=RunConfig)


async def check_allowed(request: TrainingRequest, config: RepositoryConfig, repository: Repository) -> RequestOutcome:
    """Return the request, or a refusal if the repository's configuration forbids it."""
    if not config.public_repository and not (await repository.info()).private:
        return RequestOutcome(notices.public_repository_refused(config.language))
    problem = _storage_problem(request, config) or _runner_problem(request, config)
    if problem is not None:
        return RequestOutcome(notices.invalid([problem], config.language))
    return RequestOutcome("", request, config.language, RunConfig.of(config))


def _storage_problem(request: TrainingRequest, config: RepositoryConfig) -> Problem | None:
    outside = [uri for uri in request.data_uris if is_s3(uri) and not may_read(uri, config.data_roots)]
    if not outside:
        return None
    roots = ", ".join(root for root in config.data_roots if is_s3(root)) or "none so far"
    return invalid_field(
        "data",
        f"Data in S3 must be below one of the data_roots in {CONFIG_PATH}: {roots}.",
        outside[0],
        "Name an object below one of them, or have its location added to that file.",
    )


def _runner_problem(request: TrainingRequest, config: RepositoryConfig) -> Problem | None:
    if request.runner in config.runners:
        return None
    return invalid_field(
        "runner",
        f"The runner must be one of the labels in {CONFIG_PATH}: {', '.join(config.runners)}.",
        request.runner,
        "Choose one of them, or have the label added to that file.",
    )


class TrainingRequests:
    """Reads requests and opens runs for them, whether an event or a command brings them.

    Parameters
    ----------
    store, recovery
        The database, and what restores runs that are missing from it.
    clock
        Returns the current time in UTC.
    commands
        The commands that a configuration may name.
    """

    def __init__(
        self, store: Store, recovery: Recovery, clock: Callable[[], datetime], commands: Collection[str]
    ) -> None:
        self._store = store
        self._recovery = recovery
        self._clock = clock
        self._commands = commands

    async def read(self, repository: Repository, body: str) -> RequestOutcome:
        """Return the request in an issue's body, or the reply if it has none."""
        try:
            config = await read_config(repository, self._commands)
        except ConfigError as error:
            return RequestOutcome(notices.config_broken(error.problem))
        form = parse_form(body)
        if form.not_a_form:
            return RequestOutcome(notices.not_a_form(config.language))
        if form.request is None:
            return RequestOutcome(notices.invalid(list(form.wrong), config.language))
        return await check_allowed(form.request, config, repository)

    async def report_invalid(self, repository: Repository, issue: int, run: Run | None, text: str) -> None:
        """Write the reply to an invalid request, and take a queued run out of the queue."""
        if run is not None:
            changed = await to_thread.run_sync(
                self._store.runs.change, run, lambda stored: _withdrawn(stored, self._clock())
            )
            if not changed.ended:
                await self.report_frozen(repository, run)
                return
            await to_thread.run_sync(self._store.locks.release, run)
        await repository.upsert_comment(issue, f"issue-{issue}", text)
        await repository.set_state_label(issue, state_label("invalid"), STATE_LABELS)

    async def report_corrected(self, repository: Repository, issue: int, previous: Run | None, language: str) -> None:
        """Replace the reply to an invalid request: the run that starts now has its own comment."""
        for marker in (f"issue-{issue}", *([sticky_marker(previous)] if previous is not None else [])):
            if await repository.own_comment(issue, marker) is not None:
                await repository.upsert_comment(issue, marker, notices.problem_fixed(language))

    async def report_frozen(self, repository: Repository, run: Run) -> None:
        """Reply that the request can no longer be edited."""
        frozen = run_comments.request_frozen(RunView(run, updated=self._clock()))
        await repository.post_once(run.issue, f"frozen-{run.id}", frozen)

    async def open(
        self,
        repository: Repository,
        installation: int,
        issue: int,
        requester: Person,
        outcome: RequestOutcome,
        *,
        contributors: Iterable[Person] = (),
        edited: datetime | None = None,
        request_comment: int = 0,
    ) -> Run:
        """Open a run, or return the issue's open run if it has one.

        Parameters
        ----------
        outcome
            The valid request.
        contributors
            Others who wrote or changed the request.
        edited
            When the text that the request is from was last changed, by GitHub's clock.
        request_comment
            The id of the comment whose command requests the run.
        """
        now, request = self._clock(), outcome.request
        if request is None:
            raise ValueError("there is no request")

        def make(number: int) -> Run:
            return Run(
                id=make_run_id("train", now, number),
                repository=repository.name,
                installation=installation,
                issue=issue,
                requester=requester,
                contributors=distinct((requester, *contributors))[1:],
                request_edited=edited,
                request=request,
                created=now,
                request_comment=request_comment,
                language=outcome.language,
                config=outcome.config,
                entered=now,
                due=now,
            )

        await self._recovery.start_numbering(repository)
        run = await to_thread.run_sync(self._store.runs.open, make)
        log_context.about_run(run)
        return run


def _withdrawn(run: Run, now: datetime) -> Run:
    return end(run, "invalid", now) if run.editable else run


def writers_of(issue: Issue, previous: Run | None) -> tuple[Person, ...]:
    """Return everyone known to have written an issue's text: its author, and those who requested or edited it before."""
    author = (Person(login=issue.author, id=issue.author_id),) if issue.author_type == "User" else ()
    return author if previous is None else (*author, *previous.requesters, *previous.edited_by)
