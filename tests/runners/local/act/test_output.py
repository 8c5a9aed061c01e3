"""What a process writes is read to its end."""

from __future__ import annotations

import subprocess
import time

from runners.local.act.output import Output


def started(script: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def lines(process: subprocess.Popen[bytes]) -> list[str]:
    output = Output(process)
    found = list(iter(lambda: output.next(5), None))
    output.close()
    return found


def test_what_was_written_just_before_the_end_is_read_whole_however_late_the_reader_is() -> None:
    with started("seq 5000; printf end") as process:
        process.wait(30)
        assert lines(process) == [*(f"{number}\n" for number in range(1, 5001)), "end"]


def test_a_child_that_holds_the_pipe_delays_nothing_and_loses_nothing() -> None:
    begun = time.monotonic()
    with started("exec 3<&0; cat <&3 & seq 100") as process:  # cat ends with the block.
        process.wait(30)
        assert lines(process) == [f"{number}\n" for number in range(1, 101)]
        assert time.monotonic() - begun < 30


def test_a_silent_process_is_waited_for_no_longer_than_asked() -> None:
    with started("read answer; echo $answer") as process:
        output, begun = Output(process), time.monotonic()
        assert output.next(0.05) == ""
        assert time.monotonic() - begun < 30
        assert process.stdin is not None
        process.stdin.write(b"word\n")
        process.stdin.close()
        assert [line for line in iter(lambda: output.next(5), None) if line] == ["word\n"]
        output.close()
