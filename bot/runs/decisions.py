"""Which decisions of people still change a run, and what they change (pure)."""

from __future__ import annotations

from bot.runs.run import Decision, Run


def can_take(run: Run, decision: Decision) -> bool:
    """Tell whether a decision still changes anything: it must be the first answer about the present attempt."""
    if decision.what == "cancel":
        return run.spec.cancellable
    is_first = run.answer is None or run.answer.attempt != run.attempt
    return run.spec.answerable and run.attempt == decision.attempt and is_first


def with_decision(run: Run, decision: Decision) -> Run:
    """Return the run with a decision noted, due now; unchanged if the decision changes nothing any more."""
    if not can_take(run, decision):
        return run
    changed = {"cancel": decision} if decision.what == "cancel" else {"answer": decision}
    return run.replace(due=decision.when, **changed)
