"""Issues: a label or a form requests training, an edit corrects the request, closing the issue withdraws it."""

from __future__ import annotations

from anyio import to_thread

from actions.contracts.person import Person, distinct
from actions.tasks.registry import TrainingRequest
from bot.events.router import Event, router
from bot.events.training import writers_of
from bot.events.trigger_sources import has_request_label, is_form_without_label, is_request_event, requester_of
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
    is_labelled = REQUEST_LABEL in issue.labels
    if requester is None or issue.state != "open" or not (is_labelled or is_form_without_label(event)):
        return
    run = await event.services.recovery.run_of(repository, issue.number)
    log_context.about_run(run)
    if run is not None and action not in ("edited", "reopened"):
        return
    if run is not None and run.status != "invalid" and not run.editable:
        if not run.ended and "body" in event.payload.get("changes", {}):
            await event.services.training.report_frozen(repository, run)
        return
    if requester.is_preapproved or await _has_permission(event, requester.person, is_labelled=is_labelled):
        await repository.ensure_labels(definitions())
        if not is_labelled:
            await repository.set_labels(issue.number, add=[REQUEST_LABEL])
        await _open_or_correct(event, issue, run, requester.person)


async def _open_or_correct(event: Event, issue: Issue, run: Run | None, requester: Person) -> None:
    repository, training = event.repository, event.services.training
    if run is not None and _is_superseded(event, run):
        return
    # The text of the event, which its sender saw: the present one may be the later work of someone without permission.
    outcome = await training.read(repository, issue.body if event.issue_body is None else event.issue_body)
    if outcome.request is None:
        await training.report_invalid(repository, issue.number, run, outcome.refusal)
        return
    if run is not None and not run.ended:
        await _correct(event, run, outcome.request)
        return
    if event.delivery.action != "opened":  # a new issue has no replies to replace
        await training.report_corrected(repository, issue.number, run, outcome.language)
    await training.open(
        repository,
        event.delivery.installation or 0,
        issue.number,
        requester,
        outcome,
        contributors=writers_of(issue, run),
        edited=event.issue_updated,
    )


def _is_superseded(event: Event, run: Run) -> bool:
    """Return whether the run's request is from a later text than the event's: events may arrive in any order."""
    updated, known = event.issue_updated, run.request_edited
    return not run.ended and updated is not None and known is not None and updated < known


async def _correct(event: Event, run: Run, request: TrainingRequest) -> None:
    """Change the request of a run, which is possible until its work begins. Who changes it has requested it too."""

    def corrected(stored: Run) -> Run:
        if not stored.editable or stored.request == request:
            return stored
        return stored.replace(
            request=request,
            contributors=distinct((*stored.requesters, event.sender))[1:],
            request_edited=event.issue_updated,
            due=stored.entered,
        )

    changed = await to_thread.run_sync(event.services.store.runs.change, run, corrected)
    if changed.request != request:
        await event.services.training.report_frozen(event.repository, run)


async def _has_permission(event: Event, requester: Person, *, is_labelled: bool) -> bool:
    repository, issue, action = event.repository, event.issue_number, event.delivery.action
    permission = await repository.permission(requester)
    if has_at_least(permission, REQUEST_PERMISSION):
        return True
    if action == "opened" and is_labelled and not has_request_label(event):
        return False  # someone has set the label since: that event names them
    reply = notices.request_refused(permission, language=await language_of(repository))
    await repository.post_once(issue, f"refused-{requester.login}", reply)
    if is_labelled and action in ("opened", "labeled"):
        # If the label stayed, it would later count as the author's own request, because nothing shows who set it.
        await repository.set_labels(issue, remove=[REQUEST_LABEL])
    return False


@router.on("issues", "edited")
async def note_late_edit(event: Event) -> None:
    """Note who changed an issue's text after its run had begun, or ended: a later run may train from that text."""
    store = event.services.store
    run = await to_thread.run_sync(store.runs.of_issue, event.repository.name, event.issue_number)
    if run is None or run.editable or not event.is_from_person or "body" not in event.payload.get("changes", {}):
        return

    def noted(stored: Run) -> Run:
        return stored.replace(edited_by=distinct((*stored.edited_by, event.sender)))

    await to_thread.run_sync(store.runs.change, run, noted)


@router.on("issues", "closed", "deleted", "transferred")
async def withdraw(event: Event) -> None:
    """Stop the run of an issue that is closed, deleted or moved to another repository: nobody would see its result."""
    repository, store = event.repository, event.services.store
    run = await to_thread.run_sync(store.runs.of_issue, repository.name, event.issue_number)
    if run is None or not run.spec.cancellable:  # usually the App closed the issue itself
        return
    issue = None if event.delivery.action in ("deleted", "transferred") else await repository.issue(event.issue_number)
    decision = withdrawal(run, issue, event.services.clock())
    if decision is not None:
        await to_thread.run_sync(store.runs.change, run, lambda stored: with_decision(stored, decision))
