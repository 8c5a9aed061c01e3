"""What a webhook delivery means: a new request, a corrected one, or a command.

News of a workflow run is not among them: it has its effect when it is stored (``Inbox.add_all``). Every handler may run twice
for one delivery (a crash comes in between), so each looks before it acts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from anyio import to_thread

from actions.tasks.registry import TrainingRequest
from bot.database.store import Store
from bot.engine.recovery import Recovery
from bot.events import installations
from bot.events.commands.handlers import CommandAnswers
from bot.events.commands.invocation import Said
from bot.events.doors import Doors, Told
from bot.events.push import check_push
from bot.events.training import TrainingRequests
from bot.github import GitHub, HubError, Repository
from bot.messages import notices
from bot.observability import log_context
from bot.parsing.command import UnknownCommand, parse_command
from bot.parsing.form import parse_form
from bot.parsing.permissions import LEAST_TO_ASK, reaches
from bot.parsing.repository_config import language_of
from bot.runs.decisions import with_decision
from bot.runs.drift import withdrawal
from bot.runs.labels import REQUEST_LABEL, definitions
from bot.runs.reactions import READ, TAKEN
from bot.runs.run import Run
from bot.settings import Settings
from bot.webhooks.delivery import Delivery
from bot.webhooks.synthetic import SCHEDULE_EVENT

log = logging.getLogger(__name__)


class Intake:
    """Handles deliveries, one at a time for each repository."""

    def __init__(
        self,
        store: Store,
        github: GitHub,
        settings: Settings,
        clock: Callable[[], datetime],
        door_used: Told = lambda *_: None,
    ) -> None:
        self._doors = Doors(settings, clock, door_used)
        self._store = store
        self._github = github
        self._settings = settings
        self._clock = clock
        self._recovery = Recovery(store, settings, clock)
        self._requests = TrainingRequests(store, self._recovery, clock)
        self._commands = CommandAnswers(store, settings, clock, self._requests)

    async def handle(self, delivery: Delivery) -> None:
        """Do what a delivery asks for; unknown events and actions ask for nothing."""
        payload = json.loads(delivery.payload)
        log_context.about_issue(delivery.repository, (payload.get("issue") or {}).get("number"))
        if delivery.event in installations.EVENTS:
            await installations.Installations(self._store, self._github, self._clock).follow(delivery, payload)
        elif delivery.repository and delivery.installation:
            repository = self._github.repository(delivery.repository, delivery.installation)
            if delivery.event == "issues" and delivery.action in ("closed", "deleted"):
                await self._withdraw(delivery, payload, repository)
            elif delivery.event == "issues":
                await self._issue(delivery, payload, repository)
            elif delivery.event == "push" and not _is_bot(payload["sender"]):
                await check_push(repository, payload)
            elif delivery.event == "issue_comment":
                await self._comment(delivery, payload, repository)
            elif delivery.event == "repository_dispatch":
                await self._doors.dispatched(delivery, payload, repository)
            elif delivery.event == SCHEDULE_EVENT:
                await self._doors.scheduled(delivery, payload, repository)

    async def say_dead(self, delivery: Delivery) -> None:
        """Tell the people at the issue that something about it could not be handled."""
        number = json.loads(delivery.payload).get("issue", {}).get("number")
        if not number or not delivery.repository:
            return
        repository = self._github.repository(delivery.repository, delivery.installation)
        try:
            language = await language_of(repository)
            await repository.post_once(number, f"dead-{delivery.id}", notices.internal_trouble(delivery.id, language))
        except HubError:
            log.warning("nobody could be told that delivery %s is a dead letter", delivery.id)

    # --- requests ----------------------------------------------------------------------------------------------------

    async def _issue(self, delivery: Delivery, payload: Mapping[str, Any], repository: Repository) -> None:
        if not await self._doors.may_ask(delivery.action, payload, repository):
            return
        issue = await repository.issue(int(payload["issue"]["number"]))
        asker = await self._doors.asker(payload["sender"], issue, repository)
        if asker is None or REQUEST_LABEL not in issue.labels or issue.state != "open":
            return
        run = await self._recovery.run_of(repository, issue.number)
        log_context.about_run(run)
        if run is not None and delivery.action not in ("edited", "reopened"):
            return
        if run is not None and run.status != "invalid" and not run.editable:
            if not run.ended and "body" in payload.get("changes", {}):
                await self._requests.say_frozen(repository, run)
            return
        if not asker.decided and not await self._may_ask(repository, delivery, payload, asker.login):
            return
        await repository.ensure_labels(definitions())
        asked = await self._requests.read(repository, issue.body)
        request = asked.request
        if request is None:
            await self._requests.say_invalid(repository, issue.number, run, asked.refusal)
        elif run is not None and not run.ended:
            changed = await to_thread.run_sync(self._store.runs.change, run, lambda now: _corrected(now, request))
            if changed.request != request:
                await self._requests.say_frozen(repository, run)
        else:
            # Where the issue has just been opened nothing was said yet.
            await self._requests.say_put_right(
                repository, issue.number, run, asked.language, is_new=delivery.action == "opened"
            )
            await self._requests.open(repository, delivery.installation or 0, issue.number, asker.login, asked)

    async def _may_ask(
        self, repository: Repository, delivery: Delivery, payload: Mapping[str, Any], requester: str
    ) -> bool:
        issue, permission = int(payload["issue"]["number"]), await repository.permission(requester)
        if reaches(permission, LEAST_TO_ASK):
            return True
        if delivery.action == "opened" and not _asks(payload["issue"]):
            return False  # somebody has labelled it since: that event says who
        await repository.post_once(
            issue, f"refused-{requester}", notices.may_not_ask(permission, language=await language_of(repository))
        )
        if delivery.action in ("opened", "labeled"):
            # Left there, the label would be read as the author's own request once nothing tells who has set it.
            await repository.set_labels(issue, remove=[REQUEST_LABEL])
        return False

    async def _withdraw(self, delivery: Delivery, payload: Mapping[str, Any], repository: Repository) -> None:
        """Stop the run of an issue that is closed, or gone: nobody would see its end."""
        number = int(payload["issue"]["number"])
        run = await to_thread.run_sync(self._store.runs.of_issue, repository.name, number)
        if run is None or not run.spec.cancellable:  # closed by the App itself, mostly
            return
        issue = None if delivery.action == "deleted" else await repository.issue(number)
        withdrawn = withdrawal(run, issue, self._clock())
        if withdrawn is not None:
            await to_thread.run_sync(self._store.runs.change, run, lambda now: with_decision(now, withdrawn))

    # --- commands ----------------------------------------------------------------------------------------------------

    async def _comment(self, delivery: Delivery, payload: Mapping[str, Any], repository: Repository) -> None:
        if delivery.action != "created" or _is_bot(payload["sender"]) or "pull_request" in payload["issue"]:
            return
        command = parse_command(str(payload["comment"]["body"] or ""))
        if command is None:
            return
        issue, comment = int(payload["issue"]["number"]), int(payload["comment"]["id"])
        written = datetime.fromisoformat(payload["comment"]["created_at"])
        run = await to_thread.run_sync(self._store.runs.of_issue, repository.name, issue)
        if run is None and not _is_ours(payload["issue"]):
            return
        run = run or await self._recovery.run_of(repository, issue)
        log_context.about_run(run)
        who = str(payload["sender"]["login"])
        if isinstance(command, UnknownCommand):
            answer = await self._commands.answer_unknown(command, who, repository)
            if not answer:
                return
        else:
            again = not await self._say_read(repository, comment)
            said = Said(command, who, comment, written, delivery.received_at, delivery.installation or 0, again)
            answer = await self._commands.answer(said, repository, issue, run)
        if answer:
            await repository.post_once(issue, f"reply-{comment}", answer)
        else:
            await repository.react(comment, TAKEN)

    async def _say_read(self, repository: Repository, comment: int) -> bool:
        """React on receipt, for some answers take a while; return whether that is new. It may fail: the answer counts."""
        try:
            return await repository.react(comment, READ)
        except HubError as error:
            log.warning("no reaction to comment %d: %s", comment, error)
            return False


def _corrected(run: Run, request: TrainingRequest) -> Run:
    """A request may be corrected until the work begins."""
    return run.replace(request=request, due=run.entered) if run.editable else run


def _is_bot(sender: Mapping[str, Any]) -> bool:
    return sender.get("type") != "User"


def _is_ours(issue: Mapping[str, Any]) -> bool:
    """Tell whether an issue without a run asks for one, or could: other Apps may have commands of the same names."""
    return _asks(issue) or not parse_form(str(issue.get("body") or "")).not_a_form


def _asks(issue: Mapping[str, Any]) -> bool:
    return any(label.get("name") == REQUEST_LABEL for label in issue.get("labels") or [])
