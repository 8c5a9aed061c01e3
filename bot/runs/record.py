"""A run as the history records it (pure)."""

from __future__ import annotations

from actions.history_management.record import (
    Links,
    RecordedDecision,
    RecordedError,
    RecordedVerdict,
    RecordStatus,
    RunRecord,
    Stay,
)
from bot.runs.run import Run

_STATUS: dict[str | None, RecordStatus] = {"passed": "passed", "rejected": "rejected", "cancelled": "cancelled"}


def record_of(run: Run, repository_url: str) -> RunRecord:
    """Return the record of a run that ends now. It depends on nothing but the run, so that a repeated commit is the same."""
    decisions = [RecordedDecision(**decision.model_dump(exclude={"comment"})) for decision in run.decisions]
    return RunRecord(
        run=run.id,
        attempt=run.attempt,
        attempts_allowed=run.attempts_allowed,
        repository=run.repository,
        issue=run.issue,
        requester=run.requester,
        contributors=run.contributors[:100],
        request=run.request,
        status=_STATUS.get(run.status, "failed"),
        why=_why(run),
        created=run.created,
        finished=run.entered,
        result=run.result,
        promoted=run.promoted,
        verdicts=tuple(RecordedVerdict(**dict(verdict)) for verdict in run.verdicts),
        decisions=tuple(decisions),
        error=RecordedError(**dict(run.error)) if run.error is not None and run.status == "failed" else None,
        stays=_stays(run),
        links=Links(
            issue=f"{repository_url}/issues/{run.issue}",
            workflow_runs=tuple(sent.url for sent in run.dispatches if sent.url),
        ),
    )


def _why(run: Run) -> str:
    """Return what the verdict alone does not explain."""
    last = run.decisions[-1] if run.decisions else None
    if run.status == "cancelled" and last is not None:
        return f"Cancelled by {last.who.login}. {last.reason}".strip()[:2_000]
    return ""


def _stays(run: Run) -> tuple[Stay, ...]:
    seconds: dict[str, float] = {}
    for visit in run.visits:
        seconds[visit.state] = seconds.get(visit.state, 0) + (visit.left - visit.entered).total_seconds()
    return tuple(Stay(state=state, seconds=round(max(time, 0), 3)) for state, time in seconds.items())
