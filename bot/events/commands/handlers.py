"""Carries out what people say at an issue, and says what came of it.

Permission is asked from GitHub at that moment. Each command may be handled twice (a crash comes in between), so each looks
before it acts.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from anyio import to_thread

from actions.errors import Conflict, InvalidInput, OperationError
from bot.database.store import Store
from bot.events.commands.invocation import Said, check_another
from bot.events.commands.models import ModelAnswers
from bot.events.commands.registry import RegistryAnswers
from bot.events.commands.run_operation import OperationAnswers, PublicRepository
from bot.events.training import Asked, TrainingRequests, allowed
from bot.github import HubError, Repository
from bot.messages import answers, notices, run_comments
from bot.parsing.command import ParsedCommand, UnknownCommand, changed_request
from bot.parsing.permissions import may, needs
from bot.parsing.repository_config import ConfigError, RepositoryConfig, language_of, read_config
from bot.runs.decisions import can_take, with_decision
from bot.runs.history import estimate, past_runs
from bot.runs.job_status import find
from bot.runs.labels import REQUEST_LABEL
from bot.runs.run import Decision, Run
from bot.runs.view import RunView
from bot.settings import Settings

log = logging.getLogger(__name__)

LISTED_RUNS = 10
ESTIMATED_FROM = 5
"""Finished runs that an estimate is made from."""
_WITHOUT_CONFIG = frozenset({"cancel", "help", "history", "plan", "reject", "status"})
"""What can be done while the configuration is broken: whoever may do the rest, and how, cannot be known then."""


@dataclass(frozen=True)
class _About:
    """What a command is about."""

    said: Said
    repository: Repository
    issue: int
    run: Run | None
    config: RepositoryConfig

    @property
    def language(self) -> str:
        """The run's language, or the repository's."""
        return self.run.language if self.run is not None else self.config.language

    def need_run(self) -> Run:
        if self.run is None:
            raise ValueError("this command is not asked without a run")
        return self.run


class CommandAnswers:
    """Answers commands.

    Parameters
    ----------
    store, settings, requests
        The database, the App's settings, what opens runs.
    clock
        Says what time it is (UTC).
    """

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], datetime], requests: TrainingRequests
    ) -> None:
        self._store = store
        self._clock = clock
        self._requests = requests
        registry = RegistryAnswers()
        self._operations = OperationAnswers(settings)
        self._models = ModelAnswers(self._operations)
        about_a_run: dict[str, Callable[[_About], Awaitable[str]]] = {
            "approve": self._decide,
            "reject": self._decide,
            "cancel": self._decide,
            "status": self._status,
            "retry": self._retry,
            "unlock": self._unlock,
            "history": self._history,
            "evaluate": self._evaluate,
            "compare": self._compare,
            "promote": lambda about: registry.promote(about.said, about.repository, about.config, about.need_run()),
            "rollback": lambda about: registry.roll_back(about.said, about.repository, about.config, about.need_run()),
            "register": lambda about: registry.register(about.said, about.repository, about.config, about.need_run()),
        }
        self._about_a_run: Mapping[str, Callable[[_About], Awaitable[str]]] = about_a_run
        self._others: Mapping[str, Callable[[_About], Awaitable[str]]] = {
            "help": self._help,
            "train": self._train,
            "plan": self._plan,
            "run": self._run,
        }

    async def answer(self, said: Said, repository: Repository, issue: int, run: Run | None) -> str:
        """Carry a command out; return what to say, or nothing where the run's own comment will show it."""
        broken = None
        try:
            config = await read_config(repository)
        except ConfigError as error:
            config, broken = RepositoryConfig(), error.body
        permission = await repository.permission(said.who)
        about = _About(said, repository, issue, run, config)
        if not await self._may(said, repository, permission, config):
            wanted = needs(said.command.command, config.commands.get(said.name))
            return answers.refused(said.name, wanted, permission, about.language)
        if broken is not None and said.name not in _WITHOUT_CONFIG:
            return notices.config_broken(broken)
        if said.command.wrong:
            return answers.wrong_arguments(said.command, about.language)
        try:
            return await self._carry_out(about)
        except PublicRepository:
            return notices.public_repository_refused(about.language)
        except OperationError as error:
            if isinstance(error, HubError) and error.transient:
                raise
            return answers.not_done(said.name, error.body, about.language)

    async def _carry_out(self, about: _About) -> str:
        name = about.said.name
        if name in self._others:
            return await self._others[name](about)
        if about.run is None:
            return answers.no_run(name, about.language)
        if about.said.comment < about.run.request_comment:  # it comes late; ids of comments rise
            raise Conflict(
                "about_an_earlier_run",
                rule="A command is about the run that there was when it was written.",
                found=f"{about.run.id} was asked for after that.",
                next_step="Say it again if it is meant for this run.",
            )
        return await self._about_a_run[name](about)

    async def answer_unknown(self, command: UnknownCommand, who: str, repository: Repository) -> str:
        """Name the nearest command, to those who may see the repository at all."""
        if await repository.permission(who) == "none":
            return ""
        return answers.unknown_command(command, await language_of(repository))

    async def _may(self, said: Said, repository: Repository, permission: str, config: RepositoryConfig) -> bool:
        rule = config.commands.get(said.name)
        if may(said.command.command, said.who, permission, rule):
            return True
        for team in rule.teams if rule is not None else ():
            if await repository.in_team(team, said.who):
                return True
        return False

    # --- answers without a run ---------------------------------------------------------------------------------------

    async def _help(self, about: _About) -> str:
        return answers.help_text(about.config.commands, about.language)

    async def _train(self, about: _About) -> str:
        """Begin with this issue's form, whatever its label says."""
        run, said, repository = about.run, about.said, about.repository
        if run is not None and (run.request_comment == said.comment or not run.ended):
            view = RunView(run, updated=self._clock())
            return "" if run.request_comment == said.comment else run_comments.not_waiting(view, said.name)
        below = await repository.issue(about.issue)
        asked = await self._requests.read(repository, below.body)
        if asked.request is None:
            await self._requests.say_invalid(repository, about.issue, None, asked.refusal)
            return ""
        await self._begin(about, asked)
        return ""

    async def _begin(self, about: _About, asked: Asked) -> None:
        repository, said = about.repository, about.said
        await repository.reopen_issue(about.issue)
        await repository.set_labels(about.issue, add=[REQUEST_LABEL])
        if about.run is None or about.run.status == "invalid":
            await self._requests.say_put_right(repository, about.issue, about.run, asked.language)
        await self._requests.open(repository, said.installation, about.issue, said.who, asked, said.comment)

    async def _plan(self, about: _About) -> str:
        """Say what would run, and how long finished runs of this model took."""
        request = about.run.request if about.run is not None and not about.run.ended else None
        if request is None:
            below = await about.repository.issue(about.issue)
            asked = await self._requests.read(about.repository, below.body)
            request = asked.request
            if request is None:
                return asked.refusal
        records = await past_runs(about.repository, await _branch(about), request.model_name, ESTIMATED_FROM)
        champion = await RegistryAnswers.champion(about.repository, await _branch(about), request.model_name)
        return answers.plan(request, estimate(records), champion, about.language)

    async def _run(self, about: _About) -> str:
        return await self._operations.run(about.said, about.repository, await _branch(about), about.config)

    # --- answers about a run -----------------------------------------------------------------------------------------

    async def _status(self, about: _About) -> str:
        return run_comments.status_reply(RunView(about.need_run(), updated=self._clock()))

    async def _history(self, about: _About) -> str:
        model = about.need_run().model
        records = await past_runs(about.repository, await _branch(about), model, LISTED_RUNS)
        return answers.past(model, records, about.language)

    async def _evaluate(self, about: _About) -> str:
        return await self._models.evaluate(about.said, about.repository, about.config, about.need_run())

    async def _compare(self, about: _About) -> str:
        branch = await _branch(about)
        return await self._models.compare(about.said, about.repository, branch, about.config, about.need_run())

    async def _unlock(self, about: _About) -> str:
        """Free the model's lock; whoever waits for it is looked at."""
        run = about.need_run()
        owner = await to_thread.run_sync(self._store.locks.owner, run.repository, run.model)
        if owner is None:
            return answers.unlocked(run.model, None, self._clock(), about.language)
        holder = await to_thread.run_sync(self._store.runs.get, run.repository, owner)
        if holder.lock_since > about.said.received:  # handled before, or somebody else was faster
            return answers.unlocked(run.model, None, self._clock(), about.language)
        await to_thread.run_sync(self._store.locks.release, holder)
        log.warning(
            "%s freed the lock of %s, which %s had: %s", about.said.who, run.model, owner, about.said.command.reason
        )
        return answers.unlocked(run.model, holder, self._clock(), about.language)

    async def _retry(self, about: _About) -> str:
        run, said = about.need_run(), about.said
        if run.request_comment == said.comment:
            return ""
        if not run.ended or run.status in ("passed", "invalid"):
            return run_comments.not_waiting(RunView(run, updated=self._clock()), said.name)
        try:
            request = changed_request(run.request, said.command.overrides)
        except InvalidInput as error:
            return _wrong(said.command, error, about.language)
        asked = await allowed(request, about.config, about.repository)
        if asked.request is None:
            return asked.refusal
        await self._begin(about, asked)
        return ""

    async def _decide(self, about: _About) -> str:
        run, said = about.need_run(), about.said
        if run.has_decision_from(said.comment):
            return ""
        view = RunView(run, updated=self._clock())
        decision = Decision(
            who=said.who,
            what=_DECISIONS[said.name],
            when=self._clock(),
            attempt=run.attempt,
            comment=said.comment,
            reason=said.command.reason,
            overrides=said.command.overrides,
        )
        try:
            changed_request(run.request, decision.overrides)
        except InvalidInput as error:
            return _wrong(said.command, error, about.language)
        if said.name == "approve":
            check_another(about.config, said, run.requester, run.id)
        if not can_take(run, decision) or not await _is_for_this_attempt(run, decision, said.written, about.repository):
            return run_comments.not_waiting(view, said.name)
        await to_thread.run_sync(self._store.runs.change, run, lambda now: with_decision(now, decision))
        return ""


def _wrong(command: ParsedCommand, error: InvalidInput, language: str) -> str:
    return answers.wrong_arguments(replace(command, wrong=(error.body,)), language)


async def _branch(about: _About) -> str:
    return about.config.history.branch or (await about.repository.info()).default_branch


_DECISIONS: Mapping[str, Literal["approve", "reject", "cancel"]] = {
    "approve": "approve",
    "reject": "reject",
    "cancel": "cancel",
}


async def _is_for_this_attempt(run: Run, decision: Decision, written: datetime, repository: Repository) -> bool:
    """Tell whether an answer was written after the present attempt's question, or since its results are judged.

    A comment may come late, in a later attempt than it was written in. It is GitHub's times alone that are compared.
    """
    if decision.what == "cancel" or (run.question_comment and decision.comment > run.question_comment):
        return True
    sent = run.dispatch
    if sent is None or sent.workflow_run is None:
        return False
    judge = find(await repository.jobs(sent.workflow_run), "judge")
    return judge is not None and judge.started_at is not None and written >= judge.started_at
