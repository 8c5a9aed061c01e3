"""What a comment shows of a run."""

from __future__ import annotations

from bot.messages import run_comments
from bot.runs.machines.training import State
from bot.runs.run import AttemptVerdict, Visit
from tests.support.run_views import NOON, a_decision, a_run, a_verdict, a_view


def test_a_question_that_was_answered_before_the_last_attempt_did_not_expire() -> None:
    run = a_run(
        State.END,
        status="rejected",
        attempt=3,
        verdicts=(AttemptVerdict(attempt=3, verdict=a_verdict("rejected")),),
        visits=(Visit(state=State.WAIT_FOR_OPERATOR_INPUT, entered=NOON, left=NOON),),
        decisions=(a_decision("approve"),),
    )
    text = run_comments.finished(a_view(run))
    assert "No one answered" not in text
    assert "All 3 attempts that the request allows have been used." in text
