"""What each state does: one small function a state. Deciding is theirs; every effect is handed in (``Effects``).

An effect may be repeated after a crash, so each is idempotent: it looks before it writes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from actions.contracts.stage import Stage
from actions.errors import InvalidInput, Problem
from bot.engine.states import state
from bot.parsing.command import changed_request
from bot.runs.advance import StepResult
from bot.runs.job_status import JobStatus, find, is_lost, job_status, observe_heartbeat, observe_job, queued_for
from bot.runs.machines.training import OPERATOR_TIMEOUT, State
from bot.runs.run import AttemptVerdict, EndStatus, Run, StageError

if TYPE_CHECKING:
    from actions.contracts.channels import Event
    from bot.engine.effects import Effects
    from bot.github import Job

POLL_INTERVAL = timedelta(seconds=5)
"""How often a running stage is looked at, beside the events that GitHub sends."""
IDLE_INTERVAL = timedelta(seconds=60)
"""How often to look where only an event can change something."""
HEARTBEAT_TIMEOUT = timedelta(minutes=5)
"""A stage that has given signs of life and gives none for so long has lost its runner."""
MIN_HEARTBEAT_TIMEOUT = timedelta(minutes=1)
"""However short a deployment's waiting times are, a heart beats no faster."""
REMINDER_LEAD_TIME = timedelta(hours=4)
"""So long before a question to a person lapses, people are reminded of it."""
MAX_CHANNEL_BACKOFF = timedelta(minutes=5)
"""A channel that asks to be left alone for longer is tried again all the same."""
ISSUE = "issue"
"""Among those who were told: the people at the issue."""
UNCLAIMED_AFTER = timedelta(minutes=5)
"""A job that no runner has taken for so long may never be taken: people are told."""


@state(State.QUEUED)
async def queued(run: Run, fx: Effects) -> StepResult:
    """Take the model's lock, or say who has it."""
    owner = await fx.take_lock(run)
    if owner != run.id:
        await fx.show(run, behind=await fx.run_of(owner))
        await fx.label(run, "queued")
        return StepResult(run, again=IDLE_INTERVAL)
    return StepResult(run, "ok")


@state(State.PREPARE_DATA, State.TRAIN_MODEL, State.EVALUATE_MODEL)
async def run_stage(run: Run, fx: Effects) -> StepResult:
    """PrepareData, TrainModel, EvaluateModel: one job each of the attempt's workflow run."""
    name = _stage_of(run)
    if run.needs_dispatch:
        run = await fx.send(run, start_at=name)
        await fx.show(run)
        return StepResult(run, again=POLL_INTERVAL)
    return await _watch(run, fx, name) or StepResult(run.replace(error=None), "ok")


@state(State.JUDGE_RESULTS)
async def judge_results(run: Run, fx: Effects) -> StepResult:
    """Wait for judge and publish, then accept what was published, if it stands the checks."""
    for name in run.spec.stages:
        step = await _watch(run, fx, name)
        if step is not None:
            return step
    try:
        sha, result = await fx.accept(run)
    except InvalidInput as error:
        return StepResult(run.replace(error=StageError(stage="publish", body=error.body)), "failed")
    judged = AttemptVerdict(attempt=run.attempt, verdict=result.verdict)
    run = run.replace(result=result, published_sha=sha, verdicts=(*run.verdicts, judged), error=None)
    return StepResult(run, result.verdict.status)


@state(State.CHECK_RETRY_LIMIT)
async def check_retry_limit(run: Run, _: Effects) -> StepResult:
    """Look whether another attempt may be asked for."""
    if run.attempt < run.attempts_allowed:
        return StepResult(run, "left")
    return StepResult(run.replace(status="rejected"), "none")


@state(State.NOTIFY_OPERATOR)
async def notify_operator(run: Run, fx: Effects) -> StepResult:
    """Ask a person, once an attempt; the model is free for others while the run waits."""
    if ISSUE not in run.notified:
        await fx.release_lock(run)
        question = await fx.ask(run)
        await fx.label(run, "waiting")
        run = run.replace(question_comment=question, notified=(ISSUE,))
    return await _tell_elsewhere(run, fx, "waiting")


@state(State.WAIT_FOR_OPERATOR_INPUT)
async def wait_for_operator_input(run: Run, fx: Effects) -> StepResult:
    """Wait for a person's answer, as long as the question stands."""
    answer = run.answer
    if answer is not None and answer.attempt == run.attempt:
        run = run.replace(answer=None, decisions=(*run.decisions, answer))
        if answer.what == "approve":
            return StepResult(run, "approve")
        return StepResult(run.replace(status="rejected"), "reject")
    if fx.stayed(run) >= OPERATOR_TIMEOUT:
        return StepResult(run.replace(status="rejected"), "time-out")
    await fx.show(run)
    if OPERATOR_TIMEOUT - fx.stayed(run) > REMINDER_LEAD_TIME:
        return StepResult(run, again=OPERATOR_TIMEOUT - REMINDER_LEAD_TIME - fx.stayed(run))
    await fx.remind(run)
    return StepResult(run, again=OPERATOR_TIMEOUT - fx.stayed(run))


@state(State.INCREMENT_RETRY)
async def increment_retry(run: Run, _: Effects) -> StepResult:
    """Open the next attempt: with what the approval changed, else with the next seed."""
    overrides = dict(run.decisions[-1].overrides)
    seed = overrides.pop("seed", None)
    request = changed_request(run.request, overrides)
    fresh = {"seed": seed, "question_comment": 0, "answer": None, "result": None, "published_sha": None, "error": None}
    return StepResult(run.replace(attempt=run.attempt + 1, request=request, **fresh), "ok")


@state(State.REGISTER_MODEL)
async def register_model(run: Run, fx: Effects) -> StepResult:
    """Check that the artifact is there, and settle the version that WriteHistory will commit."""
    await fx.check_artifact(run)
    version, promoted = await fx.next_version(run)
    return StepResult(run.replace(version=version, promoted=promoted, status="passed"), "ok")


@state(State.ROLLBACK_MODEL)
async def rollback_model(run: Run, fx: Effects) -> StepResult:
    """Undo what the run did to the registry; a healthy champion stays."""
    await fx.withdraw(run)
    return StepResult(run.replace(version=None, promoted=False, status=_not_passed(run)), "ok")


@state(State.ERROR_HANDLER)
async def error_handler(run: Run, fx: Effects) -> StepResult:
    """The error was kept where it was seen; nothing of the attempt may go on."""
    await fx.stop(run)
    return StepResult(run.replace(status="failed"), "ok")


@state(State.INVALID_DATA)
async def invalid_data(run: Run, fx: Effects) -> StepResult:
    """The data cannot be what the request says: like an invalid form, it leaves nothing behind."""
    await fx.clear_storage(run)
    await fx.release_lock(run)
    await fx.say_invalid(run)
    run, missed = await fx.tell(run.replace(status="invalid"), "failure")
    if missed is not None:  # not tried again: an edit of the issue is a new request only once this run has ended
        fx.give_up_telling(run, "failure")
    return StepResult(run, "ok")


@state(State.WRITE_HISTORY)
async def write_history(run: Run, fx: Effects) -> StepResult:
    """Commit everything that is to be kept; from here on the model is free for others."""
    run = run.replace(status=run.status or "failed")
    # Shown before it is done: what goes on from the comment then writes the very same history.
    await fx.show(run, may_fail=True)
    sha = await fx.commit_history(run)
    await fx.release_lock(run)
    return StepResult(run.replace(history_sha=sha), "passed" if run.status == "passed" else "failed")


@state(State.NOTIFY_SUCCESS)
async def notify_success(run: Run, fx: Effects) -> StepResult:
    """Tell that the model passed."""
    if ISSUE not in run.notified:
        await fx.conclude(run, label="passed", reason="completed")
        run = run.replace(notified=(ISSUE,))
    return await _tell_elsewhere(run, fx, "success")


@state(State.NOTIFY_FAILURE)
async def notify_failure(run: Run, fx: Effects) -> StepResult:
    """Tell how the run ended otherwise."""
    if ISSUE not in run.notified:
        await fx.release_lock(run)
        if run.history_sha is None:
            await fx.withdraw(run)
        run = run.replace(status=_not_passed(run))
        await fx.conclude(run, label="cancelled" if run.status == "cancelled" else "failed", reason="not_planned")
        run = run.replace(notified=(ISSUE,))
    return await _tell_elsewhere(run, fx, "failure")


async def _tell_elsewhere(run: Run, fx: Effects, event: Event) -> StepResult:
    """Tell the channels outside of GitHub; one that fails is tried again, and at last left alone: the run goes on."""
    run, missed = await fx.tell(run, event)
    if missed is None or run.ended:
        return StepResult(run, "ok")
    answered = event == "waiting" and run.answer is not None  # an answer is not kept waiting
    if run.tries < run.spec.retries and not answered:
        return StepResult(run, "error", again=min(missed, MAX_CHANNEL_BACKOFF))
    fx.give_up_telling(run, event)
    return StepResult(run, "ok")


def _not_passed(run: Run) -> EndStatus:
    """How a run ends that does not pass; one that had passed but could not be recorded has failed."""
    return run.status if run.status not in (None, "passed") else "failed"


def _stage_of(run: Run) -> Stage:
    name = run.spec.stage
    if name is None:
        raise ValueError(f"{run.state} runs no stage")
    return name


async def _watch(run: Run, fx: Effects, name: Stage) -> StepResult | None:
    """Look at a stage's job; None where it has succeeded."""
    limit = fx.scaled(run.timeout)
    jobs = await fx.jobs(run)
    ended = find(jobs, name) is None and await fx.workflow_ended(run)
    if ended:
        jobs = await fx.jobs(run)  # it may have come and gone in between
    job = find(jobs, name)
    run = run.replace(observed_job=observe_job(run.observed_job, job, fx.now()))
    standing = job_status(job, limit, run.observed_job, fx.now())
    if standing == "absent" and ended:
        standing = "error"
    if standing == "ok":
        return None
    if standing == "overdue":
        # The next try writes to the same folder: it waits until nothing of this one runs any more.
        await fx.stop(run)
        return StepResult(run.replace(overdue=True), again=POLL_INTERVAL)
    if standing == "running":
        run = run.replace(
            observed_heartbeat=observe_heartbeat(run.observed_heartbeat, await fx.heartbeat(run, name), fx.now())
        )
        silent = max(fx.scaled(HEARTBEAT_TIMEOUT), MIN_HEARTBEAT_TIMEOUT)
        if run.runner_lost or is_lost(run.observed_heartbeat, silent, fx.now()):
            # Where the runner cannot obey any more, GitHub has to end the job without it.
            await fx.stop(run, force=is_lost(run.observed_heartbeat, 2 * silent, fx.now()))
            return StepResult(run.replace(runner_lost=True), again=IDLE_INTERVAL)
    if standing in ("error", "stopped", "timed out"):
        return await _stage_error(run, fx, job, name, standing)
    if job is not None and queued_for(run.observed_job, fx.now()) > fx.scaled(UNCLAIMED_AFTER):
        await fx.show(run, jobs=jobs, unclaimed=await fx.why_unclaimed(job))
        return StepResult(run, again=IDLE_INTERVAL)
    await fx.show(run, jobs=jobs)
    return StepResult(run, again=POLL_INTERVAL)


async def _stage_error(run: Run, fx: Effects, job: Job | None, name: Stage, standing: JobStatus) -> StepResult:
    """Keep why a stage ended wrongly, and decide whether trying again can help."""
    if standing == "timed out" or (standing == "stopped" and run.overdue):
        return StepResult(run.replace(error=_error(name, job, _timed_out(run, name), await fx.log_tail(job))), "error")
    if standing == "stopped" and run.runner_lost:
        return StepResult(run.replace(error=_error(name, job, _runner_lost(name), await fx.log_tail(job))), "error")
    if standing == "stopped":
        return StepResult(run.replace(error=_error(name, job, _cancelled(name), "")), "refused")
    progress = await fx.progress(run, name)
    body = progress.error if progress is not None else None
    run = run.replace(error=_error(name, job, body, await fx.log_tail(job)))
    if body is None or body.kind == "crash":
        return StepResult(run, "error")
    return StepResult(run, "invalid" if name == "prepare" and body.kind == "invalid_input" else "refused")


def _error(name: Stage, job: Job | None, body: Problem | None, log_tail: str) -> StageError:
    step = next((step.name for step in job.steps if step.conclusion == "failure"), "") if job else ""
    return StageError(stage=name, step=step, body=body, log_tail=log_tail)


def _timed_out(run: Run, name: Stage) -> Problem:
    limit = run.timeout
    minutes = limit.total_seconds() / 60 if limit else 0
    return Problem(
        kind="timed_out",
        reason="stage_timed_out",
        rule=f"The {name} stage may take {minutes:g} minutes.",
        found="It was still running then and was stopped.",
        next_step="Give it more time in the form, less data, or a faster runner.",
    )


def _runner_lost(name: Stage) -> Problem:
    return Problem(
        kind="crash",
        reason="runner_lost",
        rule=f"The {name} stage gives a sign of life every few seconds until it ends.",
        found=f"It gave none for more than {HEARTBEAT_TIMEOUT.total_seconds() / 60:g} minutes, so it was stopped.",
        next_step="Look at the runner: it was switched off, lost its network, or had no memory left.",
    )


def _cancelled(name: Stage) -> Problem:
    return Problem(
        kind="stopped",
        reason="workflow_cancelled",
        rule=f"The {name} stage has to come to its end.",
        found="Its workflow run was cancelled on GitHub.",
        next_step="Open a new issue to train again; `/cancel` stops a run from its issue.",
    )
