"""Issues: a label or a form requests training, an edit corrects the request, closing the issue withdraws it."""

from __future__ import annotations

from anyio import to_thread

from actions.tasks.registry import TrainingRequest
from bot.events.router import Event, router
from bot.events.trigger_sources import has_request_label, is_request_event, requester_of
from bot.github import Issue
from bot.messages import notices
from bot.observability import log_context
from bot.parsing.issue_templates import REQUEST_LABEL
from bot.parsing.permissions import REQUEST_PERMISSION, has_at_least
from bot.parsing.repository_config import language_of
from bot.runs.decisions import with_decision
from bot.runs.drift import withdrawal
from bot.runs.labels import definitions
from bot.runs.run import Run


@router.on("issues", "opened", "edited", "labeled", "reopened")
async def request_training(event: Event) -> None:
    """Open a run for an issue that requests training, or correct the request of a run that has not started."""
    if not await is_request_event(event):
        return
    repository, action = event.repository, event.delivery.action
    issue = await repository.issue(event.issue_number)
    requester = await requester_of(event, issue)
    if requester is None or REQUEST_LABEL not in issue.labels or issue.state != "open":
        return
    run = await event.services.recovery.run_of(repository, issue.number)
    log_context.about_run(run)
    if run is not None and action not in ("edited", "reopened"):
        return
    if run is not None and run.status != "invalid" and not run.editable:
        if not run.ended and "body" in event.payload.get("changes", {}):
            await event.services.training.report_frozen(repository, run)
        return
    if requester.is_preapproved or await _has_permission(event, requester.login):
        await repository.ensure_labels(definitions())
        await _open_or_correct(event, issue, run, requester.login)


async def _open_or_correct(event: Event, issue: Issue, run: Run | None, requester: str) -> None:
    repository, training = event.repository, event.services.training
    outcome = await training.read(repository, issue.body)
    if outcome.request is None:
        await training.report_invalid(repository, issue.number, run, outcome.refusal)
        return
    if run is not None and not run.ended:
        await _correct(event, run, outcome.request)
        return
    if event.delivery.action != "opened":  # a new issue has no replies to replace
        await training.report_corrected(repository, issue.number, run, outcome.language)
    await training.open(repository, event.delivery.installation or 0, issue.number, requester, outcome)


async def _correct(event: Event, run: Run, request: TrainingRequest) -> None:
    """Change the request of a run, which is possible until its work begins."""

    def corrected(stored: Run) -> Run:
        return stored.replace(request=request, due=stored.entered) if stored.editable else stored

    changed = await to_thread.run_sync(event.services.store.runs.change, run, corrected)
    if changed.request != request:
        await event.services.training.report_frozen(event.repository, run)


async def _has_permission(event: Event, requester: str) -> bool:
    repository, issue, action = event.repository, event.issue_number, event.delivery.action
    permission = await repository.permission(requester)
    if has_at_least(permission, REQUEST_PERMISSION):
        return True
    if action == "opened" and not has_request_label(event):
        return False  # someone has set the label since: that event names them
    reply = notices.may_not_ask(permission, language=await language_of(repository))
    await repository.post_once(issue, f"refused-{requester}", reply)
    if action in ("opened", "labeled"):
        # If the label stayed, it would later count as the author's own request, because nothing shows who set it.
        await repository.set_labels(issue, remove=[REQUEST_LABEL])
    return False


@router.on("issues", "closed", "deleted")
async def withdraw(event: Event) -> None:
    """Stop the run of an issue that is closed or deleted: nobody would see its result."""
    repository, store = event.repository, event.services.store
    run = await to_thread.run_sync(store.runs.of_issue, repository.name, event.issue_number)
    if run is None or not run.spec.cancellable:  # usually the App closed the issue itself
        return
    issue = None if event.delivery.action == "deleted" else await repository.issue(event.issue_number)
    decision = withdrawal(run, issue, event.services.clock())
    if decision is not None:
        await to_thread.run_sync(store.runs.change, run, lambda stored: with_decision(stored, decision))
