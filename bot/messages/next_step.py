"""What the reader of a run's comment can do now (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from actions.contracts.algorithms import algorithms
from bot.messages.markup import Markdown, bold, bullets, code, link, paragraphs, text
from bot.messages.run_page import RunPage, Situation, is_unrecorded, situation
from bot.runs.run import Decision, Run

_NOTHING = Markdown("")


def next_step(page: RunPage) -> Markdown:
    """Return what happened, as far as the first line does not say it, and what to do next."""
    now = situation(page.view)
    return paragraphs(_STEPS.get(now, _working)(page), _unrecorded(page))


def _unrecorded(page: RunPage) -> Markdown:
    recorded = page.run.status is None or page.run.status == "invalid" or not is_unrecorded(page.view)
    return _NOTHING if recorded else page.say("next.unrecorded")


def _working(page: RunPage) -> Markdown:
    """Return the next step while the run goes on by itself."""
    tries, retries = page.run.tries, page.view.retries
    retry = page.say("next.retrying", tries=tries, retries=retries) if tries and retries else _NOTHING
    return paragraphs(retry, page.say("next.working"))


def _as_the_text(key: str) -> Callable[[RunPage], Markdown]:
    return lambda page: page.say(f"next.{key}")


def _after(key: str) -> Callable[[RunPage], Markdown]:
    """Return a step that first says that nothing has changed in production."""
    return lambda page: paragraphs(page.say("next.unchanged"), page.say(f"next.{key}"))


def _rejected(page: RunPage) -> Markdown:
    return paragraphs(_why_no_retry(page), page.say("next.unchanged"), page.say("next.rejected"))


def _why_no_retry(page: RunPage) -> Markdown:
    """Return why a rejected model is not trained again."""
    run, view = page.run, page.view
    decision = view.decision("reject")
    if decision is not None:
        return _decided(page, "next.rejected_by", decision)
    if view.lapsed:
        return page.say("next.lapsed")
    if view.attempts_left == 0 and run.attempts_allowed > 1:
        return page.say("next.exhausted", attempts=run.attempts_allowed)
    return _NOTHING


def _decided(page: RunPage, key: str, decision: Decision) -> Markdown:
    reason = page.say("next.because", reason=text(decision.reason, page.detail.text)) if decision.reason else ""
    return page.say(key, who=text(decision.who.login, 40), because=reason or page.say("next.no_reason"))


def _cancelled(page: RunPage) -> Markdown:
    decision = page.view.decision("cancel")
    who = _decided(page, "next.cancelled_by", decision) if decision is not None else _NOTHING
    return paragraphs(who, page.say("next.unchanged"), page.say("next.cancelled"))


def _failed_in_stage(page: RunPage) -> Markdown:
    error, say = page.run.error, page.say
    if error is not None and error.problem is not None:
        step = say("next.problem")
    else:
        url = page.view.workflow_url
        step = say("next.crashed", log=link(say("link.log"), url) if url else say("link.log"))
    return paragraphs(say("next.unchanged"), step)


def _cancelling(page: RunPage) -> Markdown:
    cancel = page.run.cancel
    return page.say("next.cancelling", who=text(cancel.who.login, 40)) if cancel is not None else _NOTHING


def _queued_behind(page: RunPage) -> Markdown:
    ahead = page.view.ahead
    return page.say("next.queued_behind", ahead=_described(page, ahead)) if ahead is not None else _NOTHING


def _described(page: RunPage, ahead: Run) -> Markdown:
    """Return which run is ahead: its issue as plain text, since a reference would show up on that issue's page."""
    say = page.say
    key = "next.ahead_queued" if ahead.spec.phase == "queued" else "next.ahead"
    return say(
        key,
        run=code(ahead.id),
        issue=ahead.issue,
        requester=text(ahead.requester.login, 40),
        state=code(ahead.state),
        since=say.moment(ahead.lock_since),
    )


def _no_runner(page: RunPage) -> Markdown:
    job, say = page.view.unclaimed, page.say
    if job is None:
        return _NOTHING
    labels = say.count("runner.labels", len(job.labels), labels=say.both([code(label) for label in job.labels]))
    return paragraphs(say(f"runner.{job.runners}", labels=labels), say("runner.next", labels=labels))


def question(page: RunPage) -> Markdown:
    """Return who decides by when, and the answers that are possible."""
    view, say = page.view, page.say
    if view.waiting_until is None:
        who = say("question.who")
    else:
        who = say("question.who_until", until=bold(say.moment(view.waiting_until)))
    example = f"/approve {approve_example(page.run.request.algorithm)} {say('question.example_reason')}"
    answers = [say("question.approve"), say("question.change", example=code(example)), say("question.reject")]
    problem = _NOTHING if page.run.error is None else say("question.not_begun", attempt=page.run.attempt + 1)
    return paragraphs(
        problem,
        say.sentences(who, say.count("question.left", view.attempts_left)),
        bullets(answers),
        say("question.expires"),
    )


def approve_example(algorithm: str) -> str:
    """Return a change of settings that the algorithm takes; where none is declared, another seed."""
    facts = algorithms().get(algorithm)
    return facts.example_override if facts is not None else "seed=7"


_STEPS: Mapping[Situation, Callable[[RunPage], Markdown]] = {
    "asking": question,
    "queued_behind": _queued_behind,
    "no_runner": _no_runner,
    "cancelling": _cancelling,
    "registering": _as_the_text("registering"),
    "champion": _as_the_text("champion"),
    "candidate": _as_the_text("candidate"),
    "not_registered": _after("not_registered"),
    "rejected": _rejected,
    "cancelled": _cancelled,
    "invalid": _as_the_text("invalid"),
    "failed_in_stage": _failed_in_stage,
    "not_judged": _after("not_judged"),
    "failed": _after("failed"),
}
