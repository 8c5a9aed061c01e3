"""The states that a run goes through, by how it ends."""

from __future__ import annotations

from bot.runs.machine import State

S = State

HAPPY = [
    S.QUEUED, S.PREPARE_DATA, S.TRAIN_MODEL, S.EVALUATE_MODEL, S.JUDGE_RESULTS, S.REGISTER_MODEL, S.WRITE_HISTORY,
    S.NOTIFY_SUCCESS, S.END,
]  # fmt: skip
UNHAPPY_END = [S.ROLLBACK_MODEL, S.WRITE_HISTORY, S.NOTIFY_FAILURE, S.END]
REJECTED = [*HAPPY[:5], S.CHECK_RETRY_LIMIT]
ASKED = [*REJECTED, S.NOTIFY_OPERATOR, S.WAIT_FOR_OPERATOR_INPUT]
