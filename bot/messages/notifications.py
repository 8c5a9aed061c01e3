"""Notifies the channels outside GitHub about a run: each at least once, and without ever failing the run.

The run remembers who was notified (``Run.notified``), and its state machine retries the others. This module knows the
channels, the message and what to do if a channel does not accept it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import get_args

import anyio
from anyio import to_thread

from actions.contracts.channels import (
    ChannelError,
    ChannelName,
    Channels,
    Event,
    Language,
    MailServer,
    SlackAccess,
    missing,
)
from actions.errors import OperationError
from actions.notification import email, slack
from actions.notification.notice import MAX_METRICS, MetricLine, Notice, StageProblem
from actions.notification.templates import Message, compose, compose_footer
from bot.messages import run_comments
from bot.parsing.repository_config import EmailConfig, NotificationsConfig, SlackConfig
from bot.runs.run import Run
from bot.runs.view import RunView

log = logging.getLogger(__name__)

ReadTemplate = Callable[[ChannelName], Awaitable[bytes | None]]
"""Reads the repository's own template for a channel, if it has one."""

RETRY_DELAYS = (timedelta(minutes=1), timedelta(minutes=5))
"""How long to wait after a channel's first failure and after each later one, unless its server says how long."""
MAX_ANSWERS = 3
"""The whole exchange with a channel may take this many times the time limit of one answer."""
_THREADS = anyio.CapacityLimiter(8)
"""Servers that hang must not take the threads that the database needs."""


@dataclass(frozen=True)
class Notified:
    """The result of notifying.

    Attributes
    ----------
    done
        The recipients that need no further try: they were notified, or never can be.
    delay
        How long to wait before trying the others again; None if there are no others.
    """

    done: tuple[str, ...] = ()
    delay: timedelta | None = None


async def notify(
    run: Run, notice: Notice, config: NotificationsConfig, channels: Channels, read_template: ReadTemplate
) -> Notified:
    """Notify every channel that wants the event and was not notified yet; no channel's failure is raised."""
    attempt = _Attempt(run, notice, read_template)
    attempts = [attempt.slack(config.slack, channels.slack), attempt.email(config.email, channels.email)]
    results = []
    for result in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(result, BaseException):  # a bug, which must not lose the other channel's success
            log.error("run %s: a channel failed unexpectedly: %s", run.id, notice.event, exc_info=result)
        else:
            results.append(result)
    return _together([Notified(run.notified), *results])


def _together(results: list[Notified]) -> Notified:
    done = dict.fromkeys(name for result in results for name in result.done)
    delays = [result.delay for result in results if result.delay is not None]
    return Notified(tuple(done), max(delays, default=None))


@dataclass(frozen=True)
class _Attempt:
    """One attempt to notify the channels."""

    run: Run
    notice: Notice
    read_template: ReadTemplate

    async def slack(self, config: SlackConfig | None, access: SlackAccess | None) -> Notified:
        if config is None or self.notice.event not in config.events or "slack" in self.run.notified:
            return Notified()
        if access is None:
            return self._unavailable("slack", config)
        channel = config.channel
        try:
            message = await self._message("slack")
            footer = compose_footer(self.notice, "slack", message.remark)
            await _within(access.seconds, lambda: slack.post(access, channel, message, footer))
        except (OperationError, TimeoutError) as error:
            return self._failed(error, "slack", channel)
        log.info("run %s: notified %s: %s", self.run.id, channel, self.notice.event)
        return Notified(("slack",))

    async def email(self, config: EmailConfig | None, server: MailServer | None) -> Notified:
        if config is None or self.notice.event not in config.events:
            return Notified()
        recipients = [address for address in dict.fromkeys(config.to) if f"email:{address}" not in self.run.notified]
        if not recipients or "email" in self.run.notified:
            return Notified()
        if server is None:
            return self._unavailable("email", config)
        try:
            message = await self._message("email")
            mail = email.compose_mail(
                message,
                compose_footer(self.notice, "email", message.remark),
                sender=server.sender,
                to=config.to,
                key=self.notice.key,
                links=self.notice.links,
            )
            refused = await _within(server.seconds, lambda: email.send(server, mail, recipients))
        except (OperationError, TimeoutError) as error:
            return self._failed(error, *(f"email:{address}" for address in recipients))
        accepted = [address for address in recipients if address not in refused]
        log.info(
            "run %s: emailed %d of %d recipients: %s", self.run.id, len(accepted), len(recipients), self.notice.event
        )
        failed = [self._failed(error, f"email:{address}") for address, error in refused.items()]
        return _together([Notified(tuple(f"email:{address}" for address in accepted)), *failed])

    async def _message(self, channel: ChannelName) -> Message:
        message = compose(self.notice, channel, await self.read_template(channel))
        if message.remark:
            log.warning("run %s: the repository's own template is not used: %s", self.run.id, message.remark)
        return message

    def _unavailable(self, channel: ChannelName, config: SlackConfig | EmailConfig) -> Notified:
        """Log, once per run, that the deployment lacks a channel that the repository asks for."""
        earlier = {self.run.machine.spec(visit.state).notifies for visit in self.run.visits}
        if not earlier & set(config.events):
            log.warning("run %s: nobody is notified by %s: %s", self.run.id, channel, missing(channel))
        return Notified((channel,))

    def _failed(self, error: OperationError | TimeoutError, *names: str) -> Notified:
        """Decide whether a retry can help."""
        shown = ", ".join(names)
        if isinstance(error, TimeoutError) or (isinstance(error, ChannelError) and error.transient):
            log.warning("run %s: could not notify %s yet: %s", self.run.id, shown, error)
            requested = timedelta(seconds=getattr(error, "retry_after", 0))
            return Notified(delay=requested or RETRY_DELAYS[min(self.run.tries, 1)])
        log.error("run %s: cannot notify %s: %s", self.run.id, shown, error)
        return Notified(names)


async def _within(seconds: float, work: Callable[[], object]) -> Mapping[str, ChannelError]:
    """Do blocking work in a thread, which is abandoned if it takes too long."""
    try:
        async with asyncio.timeout(MAX_ANSWERS * seconds):
            result = await to_thread.run_sync(work, abandon_on_cancel=True, limiter=_THREADS)
    except TimeoutError:
        raise TimeoutError(f"no end after {MAX_ANSWERS * seconds:g} seconds") from None
    return result if isinstance(result, dict) else {}


# --- the notice ----------------------------------------------------------------------------------------------------------


def notice_of(view: RunView, event: Event, repository_url: str) -> Notice:
    """Return the event of a run as templates may use it (pure)."""
    run, verdict = view.run, view.verdict
    decision = view.decision("cancel" if run.status == "cancelled" else "reject") if event == "failure" else None
    metrics = [MetricLine(name=name[:200], value=value, champion=best) for name, value, best in view.metric_rows]
    return Notice(
        event=event,
        language=next((language for language in get_args(Language) if language == run.language), "en"),
        run=run.id,
        repository=run.repository,
        issue=run.issue,
        model=run.model,
        headline=run_comments.headline(view),
        status=run.status or "",
        attempt=run.attempt,
        attempts_allowed=run.attempts_allowed,
        requester=run.requester.login,
        decided_by=decision.who.login if decision else "",
        reason=decision.reason if decision else "",
        metric=verdict.metric if verdict else "",
        value=verdict.value if verdict else None,
        threshold=verdict.threshold if verdict else None,
        at_most=not run.request.judged_metric.higher_is_better,
        champion=verdict.champion_value if verdict else None,
        metrics=tuple(metrics[:MAX_METRICS]),
        version=run.version,
        promoted=run.promoted,
        problem=_problem(run),
        waiting_until=view.waiting_until,
        issue_url=_address(f"{repository_url}/issues/{run.issue}"),
        history_url=_address(view.history_url),
        workflow_url=_address(view.workflow_url),
    )


def _problem(run: Run) -> StageProblem | None:
    if run.error is None:
        return None
    problem = run.error.problem
    if problem is None:
        lines = [line for line in run.error.log_tail.splitlines() if line.strip()]
        return StageProblem(stage=run.error.stage[:200], found=lines[-1][:500] if lines else "")
    return StageProblem(stage=run.error.stage[:200], **dict(problem))


def _address(url: str) -> str:
    """Leave out an address that a message could not hold."""
    whole = url.startswith(("https://", "http://")) and not any(mark in url for mark in ' <>|"\n')
    return url if whole and len(url) <= 1_000 else ""  # noqa: PLR2004 - as long as Notice takes
