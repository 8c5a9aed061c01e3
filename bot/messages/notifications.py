"""Tells the channels outside of GitHub about a run: at least once each, and never at the run's expense.

The state machine remembers who was told (``Run.told``) and tries the others again. Here is who they are, what they are
told, and what happens where one of them does not take it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import anyio
from anyio import to_thread

from actions.contracts.channels import ChannelError, ChannelName, Channels, Event, MailServer, SlackAccess, missing
from actions.errors import OperationError
from actions.notification import email, slack
from actions.notification.notice import MOST_METRICS, MetricLine, Notice, StageProblem
from actions.notification.templates import Message, footer, message
from bot.messages import run_comments
from bot.parsing.repository_config import EmailConfig, NotificationsConfig, SlackConfig
from bot.runs.run import Run
from bot.runs.view import RunView

log = logging.getLogger(__name__)

Template = Callable[[ChannelName], Awaitable[bytes | None]]
"""Reads the repository's own template for a channel, if it has one."""

RESTS = (timedelta(minutes=1), timedelta(minutes=5))
"""How long a channel that does not say for how long is left alone after its first failure, and after each later one."""
PATIENCE = 3
"""A channel has so many times one answer's time-out for the whole exchange."""
_THREADS = anyio.CapacityLimiter(8)
"""Servers that hang must not take the threads that the database needs."""


@dataclass(frozen=True)
class Told:
    """How it went.

    Attributes
    ----------
    done
        Who need not be told any more: they were, or never can be.
    rest
        How long to leave the others alone; None where none is left.
    """

    done: tuple[str, ...]
    rest: timedelta | None


async def tell(run: Run, notice: Notice, config: NotificationsConfig, channels: Channels, template: Template) -> Told:
    """Tell every channel that wants to hear of the event and was not told yet; nothing that goes wrong there is raised."""
    attempt = _Attempt(run, notice, template)
    attempts = [attempt.slack(config.slack, channels.slack), attempt.email(config.email, channels.email)]
    told = []
    for ended in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(ended, BaseException):  # a bug: the other channel's success is not lost by it
            log.error("run %s: a channel broke: %s", run.id, notice.event, exc_info=ended)
        else:
            told.append(ended)
    rests = [one.rest for one in told if one.rest is not None]
    done = dict.fromkeys([*run.notified, *(name for one in told for name in one.done)])
    return Told(tuple(done), max(rests) if rests else None)


NOBODY = Told((), None)


@dataclass(frozen=True)
class _Attempt:
    """One try to tell one channel."""

    run: Run
    notice: Notice
    template: Template

    async def slack(self, config: SlackConfig | None, access: SlackAccess | None) -> Told:
        if config is None or self.notice.event not in config.events or "slack" in self.run.notified:
            return NOBODY
        if access is None:
            return self._not_there("slack", config)
        channel = config.channel
        try:
            said = await self._said("slack")
            below = footer(self.notice, "slack", said.remark)
            await _within(access.seconds, lambda: slack.post(access, channel, said, below))
        except (OperationError, TimeoutError) as error:
            return self._after(error, "slack", channel)
        log.info("run %s: %s was told: %s", self.run.id, channel, self.notice.event)
        return Told(("slack",), None)

    async def email(self, config: EmailConfig | None, server: MailServer | None) -> Told:
        if config is None or self.notice.event not in config.events:
            return NOBODY
        left = [address for address in dict.fromkeys(config.to) if f"email:{address}" not in self.run.notified]
        if not left or "email" in self.run.notified:
            return NOBODY
        if server is None:
            return self._not_there("email", config)
        try:
            said = await self._said("email")
            mail = email.mail(
                said,
                footer(self.notice, "email", said.remark),
                sender=server.sender,
                to=config.to,
                key=self.notice.key,
                links=self.notice.links,
            )
            refused = await _within(server.seconds, lambda: email.send(server, mail, left))
        except (OperationError, TimeoutError) as error:
            return self._after(error, *(f"email:{address}" for address in left))
        taken = [address for address in left if address not in refused]
        log.info("run %s: %d of %d have the mail: %s", self.run.id, len(taken), len(left), self.notice.event)
        each = [self._after(error, f"email:{address}") for address, error in refused.items()]
        rests = [one.rest for one in each if one.rest is not None]
        done = (*(f"email:{address}" for address in taken), *(name for one in each for name in one.done))
        return Told(done, max(rests) if rests else None)

    async def _said(self, channel: ChannelName) -> Message:
        said = message(self.notice, channel, await self.template(channel))
        if said.remark:
            log.warning("run %s: the repository's own template is not used: %s", self.run.id, said.remark)
        return said

    def _not_there(self, channel: ChannelName, config: SlackConfig | EmailConfig) -> Told:
        """Say once a run, in the log alone, that the deployment lacks what the repository asks for."""
        before = {self.run.machine.spec(visit.state).notifies for visit in self.run.visits}
        if not before & set(config.events):
            log.warning("run %s: nobody is told by %s: %s", self.run.id, channel, missing(channel))
        return Told((channel,), None)

    def _after(self, error: OperationError | TimeoutError, *names: str) -> Told:
        """Decide whether trying again can help."""
        shown = ", ".join(names)
        if isinstance(error, TimeoutError) or (isinstance(error, ChannelError) and error.transient):
            log.warning("run %s: %s could not be told yet: %s", self.run.id, shown, error)
            asked = timedelta(seconds=getattr(error, "retry_after", 0))
            return Told((), asked or RESTS[min(self.run.tries, 1)])
        log.error("run %s: %s cannot be told: %s", self.run.id, shown, error)
        return Told(names, None)


async def _within(seconds: float, work: Callable[[], object]) -> Mapping[str, ChannelError]:
    """Do blocking work in a thread, which is left to itself where it takes too long."""
    try:
        async with asyncio.timeout(PATIENCE * seconds):
            found = await to_thread.run_sync(work, abandon_on_cancel=True, limiter=_THREADS)
    except TimeoutError:
        raise TimeoutError(f"no end after {PATIENCE * seconds:g} seconds") from None
    return found if isinstance(found, dict) else {}


# --- what there is to tell ---------------------------------------------------------------------------------------------


def notice_of(view: RunView, event: Event, repository_url: str) -> Notice:
    """Return what templates may use of a run (pure)."""
    run, verdict = view.run, view.verdict
    decision = view.decision("cancel" if run.status == "cancelled" else "reject") if event == "failure" else None
    figures = [MetricLine(name=name[:200], value=value, champion=best) for name, value, best in view.metric_rows]
    return Notice(
        event=event,
        language="ja" if run.language == "ja" else "en",
        run=run.id,
        repository=run.repository,
        issue=run.issue,
        model=run.model,
        headline=run_comments.headline(view),
        status=run.status or "",
        attempt=run.attempt,
        attempts_allowed=run.attempts_allowed,
        requester=run.requester[:200],
        decided_by=decision.who[:200] if decision else "",
        reason=decision.reason if decision else "",
        metric=verdict.metric if verdict else "",
        value=verdict.value if verdict else None,
        threshold=verdict.threshold if verdict else None,
        at_most=not run.request.judged_metric.higher_is_better,
        champion=verdict.champion_value if verdict else None,
        metrics=tuple(figures[:MOST_METRICS]),
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
    body = run.error.body
    if body is None:
        lines = [line for line in run.error.log_tail.splitlines() if line.strip()]
        return StageProblem(stage=run.error.stage[:200], found=lines[-1][:500] if lines else "")
    return StageProblem(stage=run.error.stage[:200], **dict(body))


def _address(url: str) -> str:
    """Leave out an address that a message could not hold."""
    whole = url.startswith(("https://", "http://")) and not any(mark in url for mark in ' <>|"\n')
    return url if whole and len(url) <= 1_000 else ""  # noqa: PLR2004 - as long as Notice takes
