"""What a webhook delivery means: a new request, a corrected one, or a command.

News of a workflow run is not among them: it has its effect when it is stored (``Store.take_in_all``). Every handler may run twice
for one delivery (a crash comes in between), so each looks before it acts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from anyio import to_thread

from actions.operation import InvalidInput
from actions.request import TrainingRequest
from bot import comments, installations, log_context
from bot.commands import ParsedCommand, UnknownCommand, changed_request, may, parse_command
from bot.config import CONFIG_PATH, ConfigError, read_config
from bot.delivery import Delivery
from bot.drift import withdrawal
from bot.effects import sticky_marker
from bot.forms import parse_form
from bot.github import GitHub, HubError, Repository
from bot.labels import ASKS, STATE_LABELS, definitions, state_label
from bot.pipeline import TABLE, Decision, Run, State, can_take, with_decision
from bot.recovery import Recovery
from bot.run_view import RunView
from bot.settings import Settings
from bot.stage_watch import find
from bot.store import Store
from bot.values import WrongField

log = logging.getLogger(__name__)


class Intake:
    """Handles deliveries, one at a time for each repository."""

    def __init__(self, store: Store, github: GitHub, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._github = github
        self._settings = settings
        self._clock = clock
        self._recovery = Recovery(store, settings, clock)

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
            elif delivery.event == "issue_comment":
                await self._comment(delivery, payload, repository)

    async def say_dead(self, delivery: Delivery) -> None:
        """Tell the people at the issue that something about it could not be handled."""
        number = json.loads(delivery.payload).get("issue", {}).get("number")
        if not number or not delivery.repository:
            return
        repository = self._github.repository(delivery.repository, delivery.installation)
        try:
            await repository.post_once(number, f"dead-{delivery.id}", comments.internal_trouble(delivery.id))
        except HubError:
            log.warning("nobody could be told that delivery %s is a dead letter", delivery.id)

    # --- requests ----------------------------------------------------------------------------------------------------

    async def _issue(self, delivery: Delivery, payload: Mapping[str, Any], repository: Repository) -> None:
        if delivery.action not in ("opened", "edited", "labeled", "reopened") or _is_bot(payload["sender"]):
            return
        issue = await repository.issue(int(payload["issue"]["number"]))
        if ASKS not in issue.labels or issue.state != "open":
            return
        run = await self._recovery.run_of(repository, issue.number)
        log_context.about_run(run)
        if run is not None and delivery.action not in ("edited", "reopened"):
            return
        if run is not None and run.status != "invalid" and not run.editable:
            if not run.ended and "body" in payload.get("changes", {}):
                await self._say_frozen(repository, run)
            return
        requester = str(payload["sender"]["login"])
        permission = await repository.permission(requester)
        if not may("approve", permission):
            reply = comments.may_not_ask(has=permission)
            await repository.post_once(issue.number, f"refused-{requester}", reply)
            return
        await repository.ensure_labels(definitions())
        refusal, request = await self._read_request(repository, issue.body)
        if request is None:
            await self._say_invalid(repository, issue.number, run, refusal)
        elif run is not None and not run.ended:
            changed = await to_thread.run_sync(self._store.change, run, lambda now: _corrected(now, request))
            if changed.request != request:
                await self._say_frozen(repository, run)
        else:
            await self._say_put_right(repository, delivery, issue.number, run)
            await self._open(repository, delivery, issue.number, requester, request)

    async def _withdraw(self, delivery: Delivery, payload: Mapping[str, Any], repository: Repository) -> None:
        """Stop the run of an issue that is closed, or gone: nobody would see its end."""
        number = int(payload["issue"]["number"])
        run = await to_thread.run_sync(self._store.run_of_issue, repository.name, number)
        if run is None or run.ended or not TABLE[run.state].cancellable:  # closed by the App itself, mostly
            return
        issue = None if delivery.action == "deleted" else await repository.issue(number)
        withdrawn = withdrawal(run, issue, self._clock())
        if withdrawn is not None:
            await to_thread.run_sync(self._store.change, run, lambda now: with_decision(now, withdrawn))

    async def _read_request(self, repository: Repository, body: str) -> tuple[str, TrainingRequest | None]:
        """Return the request that an issue's body makes, or what to answer."""
        try:
            config = await read_config(repository)
        except ConfigError as error:
            return comments.config_broken(error.body), None
        info = await repository.info()
        if not info.private and not config.public_repository:
            return comments.public_repository_refused(), None
        form = parse_form(body)
        if form.not_a_form:
            return comments.not_a_form(), None
        if form.request is None:
            return comments.invalid(list(form.wrong)), None
        if form.request.runner not in config.runners:
            allowed = ", ".join(config.runners)
            wrong = WrongField(
                "runner", "Runner label", f"One of the labels in {CONFIG_PATH}: {allowed}.", form.request.runner,
                "Choose one of them, or have it added to that file.",
            )  # fmt: skip
            return comments.invalid([wrong]), None
        return "", form.request

    async def _say_invalid(self, repository: Repository, issue: int, run: Run | None, text: str) -> None:
        """One comment and one label; a request that was waiting in the queue leaves it."""
        if run is not None:
            changed = await to_thread.run_sync(self._store.change, run, _withdrawn)
            if not changed.ended:
                await self._say_frozen(repository, run)
                return
            await to_thread.run_sync(self._store.release_lock, run)
        await repository.upsert_comment(issue, f"issue-{issue}", text)
        await repository.set_state_label(issue, state_label("invalid"), STATE_LABELS)

    async def _say_put_right(self, repository: Repository, delivery: Delivery, issue: int, before: Run | None) -> None:
        """Take back what was said to be wrong: the run that begins now has a comment of its own."""
        if delivery.action == "opened":
            return
        for marker in (f"issue-{issue}", *([sticky_marker(before)] if before is not None else [])):
            if await repository.own_comment(issue, marker) is not None:
                await repository.upsert_comment(issue, marker, comments.put_right())

    async def _say_frozen(self, repository: Repository, run: Run) -> None:
        frozen = comments.request_frozen(RunView(run, updated=self._clock()))
        await repository.post_once(run.issue, f"frozen-{run.id}", frozen)

    async def _open(
        self, repository: Repository, delivery: Delivery, issue: int, requester: str, request: TrainingRequest
    ) -> None:
        now = self._clock()

        def make(number: int) -> Run:
            return Run(
                id=f"train-{now:%Y%m%d}-{number:03}",
                repository=repository.name,
                installation=delivery.installation or 0,
                issue=issue,
                requester=requester,
                request=request,
                created=now,
                entered=now,
                due=now,
            )

        await self._recovery.count_on(repository)
        log_context.about_run(await to_thread.run_sync(self._store.open_run, make))

    # --- commands ----------------------------------------------------------------------------------------------------

    async def _comment(self, delivery: Delivery, payload: Mapping[str, Any], repository: Repository) -> None:
        if delivery.action != "created" or _is_bot(payload["sender"]) or "pull_request" in payload["issue"]:
            return
        command = parse_command(str(payload["comment"]["body"] or ""))
        if command is None:
            return
        issue, comment = int(payload["issue"]["number"]), int(payload["comment"]["id"])
        written = datetime.fromisoformat(payload["comment"]["created_at"])
        run = await to_thread.run_sync(self._store.run_of_issue, repository.name, issue)
        if run is None and not _asks_for_training(payload["issue"]):
            return
        run = run or await self._recovery.run_of(repository, issue)
        log_context.about_run(run)
        answer = await self._answer(command, str(payload["sender"]["login"]), comment, written, repository, run)
        if answer:
            await repository.post_once(issue, f"reply-{comment}", answer)
        else:
            await repository.react(comment, "+1")

    async def _answer(
        self,
        command: ParsedCommand | UnknownCommand,
        who: str,
        comment: int,
        written: datetime,
        repository: Repository,
        run: Run | None,
    ) -> str:
        """Carry a command out; return what to say, or nothing where the sticky comment will show it."""
        permission = await repository.permission(who)
        if isinstance(command, UnknownCommand):
            return comments.unknown_command(command) if permission != "none" else ""
        if not may(command.command, permission):
            return comments.refused(command.name, command.command.permission, permission)
        if command.wrong:
            return comments.wrong_arguments(command)
        if command.name == "help":
            return comments.help_text()
        if run is None:
            return comments.no_run(command.name)
        return await self._about_run(command, who, comment, written, repository, run)

    async def _about_run(
        self, command: ParsedCommand, who: str, comment: int, written: datetime, repository: Repository, run: Run
    ) -> str:
        if run.knows(comment):
            return ""
        view = RunView(run, updated=self._clock())
        if command.name == "status":
            return comments.status_reply(view)
        decision = Decision(
            who=who,
            what=_DECISIONS[command.name],
            when=self._clock(),
            attempt=run.attempt,
            comment=comment,
            reason=command.reason,
            overrides=command.overrides,
        )
        try:
            changed_request(run.request, decision.overrides)
        except InvalidInput as error:
            body = error.body
            wrong = WrongField(body.field or "", body.field or "", body.rule, body.found, body.next_step)
            return comments.wrong_arguments(replace(command, wrong=(wrong,)))
        if not can_take(run, decision) or not await _is_for_this_attempt(run, decision, written, repository):
            return comments.not_waiting(view, command.name)
        await to_thread.run_sync(self._store.change, run, lambda now: with_decision(now, decision))
        return ""


_DECISIONS: Mapping[str, Literal["approve", "reject", "cancel"]] = {
    "approve": "approve",
    "reject": "reject",
    "cancel": "cancel",
}


async def _is_for_this_attempt(run: Run, decision: Decision, written: datetime, repository: Repository) -> bool:
    """Tell whether an answer was written after the present attempt's question, or since its results are judged.

    A comment may come late, in a later attempt than it was written in. It is GitHub's times alone that are compared.
    """
    if decision.what == "cancel" or (run.question and decision.comment > run.question):
        return True
    sent = run.dispatch
    if sent is None or sent.workflow_run is None:
        return False
    judge = find(await repository.jobs(sent.workflow_run), "judge")
    return judge is not None and judge.started_at is not None and written >= judge.started_at


def _corrected(run: Run, request: TrainingRequest) -> Run:
    """A request may be corrected until the work begins."""
    return run.but(request=request, due=run.entered) if run.editable else run


def _withdrawn(run: Run) -> Run:
    """A request that became invalid while it waited leaves the queue."""
    return run.but(state=State.END, status="invalid", due=None) if run.editable else run


def _is_bot(sender: Mapping[str, Any]) -> bool:
    return sender.get("type") != "User"


def _asks_for_training(issue: Mapping[str, Any]) -> bool:
    return any(label.get("name") == ASKS for label in issue.get("labels") or [])
