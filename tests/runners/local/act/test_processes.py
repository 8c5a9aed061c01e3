"""Finding and ending the processes of a run."""

from __future__ import annotations

import subprocess
from pathlib import Path

from runners.local.act import processes


def start(environment: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sleep", "321"], env=environment, cwd=folder, start_new_session=True)


def test_processes_are_found_by_what_they_were_started_with_or_where_they_work(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    ours = start({"MARK": "a", "JOB": "x"}, tmp_path)
    other = start({"MARK": "ab"}, tmp_path)
    emptied = start({}, inside)
    try:
        assert processes.belonging({"MARK": "a"}) == [ours.pid]
        assert processes.belonging({"MARK": "a", "JOB": "y"}) == []
        assert set(processes.belonging({"MARK": "a"}, inside)) == {ours.pid, emptied.pid}
        ours.kill()
        ours.wait()
        emptied.kill()
        emptied.wait()
        assert processes.end({"MARK": "a"}, inside) == []
        assert other.poll() is None
    finally:
        for process in (ours, other, emptied):
            process.kill()
            process.wait()
