"""The script that finds a Python and prepares an environment, run as jobs and make run it: by sh, from outside."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[3] / "actions" / "setup"
PYTHON = Path(sys.executable).resolve()


def wheel(folder: Path, name: str = "tiny", version: str = "1.0", *, needs: str = "") -> None:
    """Write a wheel that holds one module with its version."""
    info = f"{name}-{version}.dist-info"
    needed = f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        f"{name}.py": f'version = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {path: hashlib.sha256(text.encode()).digest() for path, text in files.items()}
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()},{len(files[path])}\n"
        for path, digest in digests.items()
    )
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")


@dataclass
class Machine:
    """A machine with a cache, a folder of wheels in place of an index, and the Pythons that a test puts into PATH."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.programs = self.root / "bin"
        self.programs.mkdir(parents=True)
        for program in ("dirname", "sh"):
            (self.programs / program).symlink_to(shutil.which(program) or program)
        self.cache = self.root / "cache"
        wheel(self.root / "wheels")

    def python(self, name: str = "python3", *, first: str = "") -> None:
        """Put an interpreter into PATH, one that runs the code ``first`` before whatever it is asked to run."""
        if not first:
            (self.programs / name).symlink_to(PYTHON)
            return
        text = f'#!/bin/sh\nprogram=$5\nshift 5\nexec {shlex.quote(str(PYTHON))} -E -s -S -c {shlex.quote(first)}"\n'
        (self.programs / name).write_text(text + '$program" "$@"\n', encoding="utf-8")
        (self.programs / name).chmod(0o755)

    def lock(self, text: str, name: str = "runner.txt") -> Path:
        path = self.root / name
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, *locks: Path) -> subprocess.Popen[str]:
        return self._started([str(self.programs / "sh"), str(SETUP / "environment.sh"), *map(str, locks)])

    def job(self, script: Path) -> Outcome:
        """Run a step's script as a job does."""
        return Outcome.of(self._started([shutil.which("bash") or "bash", str(script)]))

    def _started(self, command: list[str]) -> subprocess.Popen[str]:
        variables = {
            "PATH": str(self.programs),
            "HOME": str(self.root),
            "MODELYARD_ENVIRONMENTS": str(self.cache),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.root / "wheels"),
            "PIP_CONFIG_FILE": os.devnull,
            **self.variables,
        }
        return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *locks: Path) -> Outcome:
        return Outcome.of(self.start(*locks))


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    told: str

    @classmethod
    def of(cls, process: subprocess.Popen[str]) -> Outcome:
        out, told = process.communicate(timeout=120)
        return cls(process.returncode, out, told)

    @property
    def environment(self) -> Path:
        """The last line on standard output, as the callers read it."""
        assert self.status == 0, self.told
        return Path(self.out.splitlines()[-1])


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def asked(environment: Path, code: str) -> str:
    command = [str(environment / "bin" / "python"), "-I", "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_cold_start_installs_under_the_real_path_and_a_warm_one_finds_it_and_adds_layers(machine: Machine) -> None:
    real = machine.root / "disk"
    real.mkdir()
    machine.cache.symlink_to(real)
    machine.python()
    lock = machine.lock("# what jobs need\ntiny==1.0\n")

    cold = machine.run(lock)

    assert cold.environment.parent == real
    assert asked(cold.environment, "import tiny; print(tiny.version)") == "1.0"
    assert f"at {machine.programs}/python3; cache cold" in cold.told
    assert "installing runner.txt: 1 packages" in cold.told
    pip = (cold.environment / "bin" / "pip").read_text(encoding="utf-8").splitlines()[0]
    assert str(real) in pip
    facts = json.loads((cold.environment / ".complete").read_text(encoding="utf-8"))
    assert facts["lock_sha256"] == hashlib.sha256(lock.read_bytes()).hexdigest()

    (machine.programs / "python3.13").write_text('#!/bin/sh\n: > "$HOME/asked"\nexit 127\n', encoding="utf-8")
    (machine.programs / "python3.13").chmod(0o755)
    warm = machine.run(lock)

    assert warm.environment == cold.environment
    assert warm.out.count("\n") == 1
    assert "cache warm" in warm.told
    assert warm.told.count("\n") == 1
    assert not (machine.root / "asked").exists(), "the interpreter that served last time is asked first"

    wheel(machine.root / "wheels", "tool", "2.0")
    tools = machine.lock("tiny==1.0\ntool==2.0\n", "dev.txt")
    assert machine.run(lock, tools).environment == cold.environment
    assert asked(cold.environment, "import tool; print(tool.version)") == "2.0"
    assert "cache warm" in machine.run(lock, tools).told


@pytest.mark.slow
def test_a_layer_that_says_that_it_is_not_whole_gets_what_its_packages_need_and_any_other_does_not(
    machine: Machine,
) -> None:
    machine.python()
    lock = machine.lock("tiny==1.0\n")
    for name in ("one", "two"):
        wheel(machine.root / "wheels", name, needs=f"of_{name}")
        wheel(machine.root / "wheels", f"of_{name}")
    whole = machine.lock("one==1.0\n", "whole.txt")
    partial = machine.lock("# Not whole: two's build says what it needs.\ntwo==1.0\n", "partial.txt")

    environment = machine.run(lock, whole, partial).environment

    found = "from importlib.util import find_spec; print(*(name for name in ('of_one', 'of_two') if find_spec(name)))"
    assert asked(environment, found) == "of_two"
    again = machine.run(lock, whole, partial)
    assert (again.environment, "cache warm" in again.told) == (environment, True)


def test_of_the_locks_only_that_of_pytorch_says_that_it_is_not_whole() -> None:
    folder = SETUP.parents[1] / "requirements"
    partial = [path.name for path in folder.glob("*.txt") if path.read_bytes().startswith(b"# Not whole:")]
    assert partial == ["torch.txt"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "layered"),
    [
        ("", False),
        ('{"request": {"algorithm": "random_forest", "notes": "no neural_network"}}', False),
        ('{"request": {"algorithm": "neural_network"}}', True),
        ('{"algorithm":"neural_network","data":"a.csv"}', True),
        ('{"model": "owner/repo/models/run/1/model.skops"}', True),
        (
            '{"champion": "owner/repo/models/run/1/model.skops", "challenger": "owner/repo/models/run/2/model.skops"}',
            True,
        ),
        ('{"model": "owner/repo/models/run/2/model.skops"}', False),
        ('{"model": "owner/repo/models/run/3/model.skops"}', False),
        ('{"a": "another_network", "b": "neural_network"}', True),
    ],
)
def test_a_job_about_a_neural_network_gets_pytorch_and_no_other_does(
    machine: Machine, wanted: str, layered: bool
) -> None:
    source = machine.root / "source"
    shutil.copytree(SETUP, source / "actions" / "setup")
    (source / "requirements").mkdir()
    layers = source / "actions" / "setup" / "layers.txt"
    layers.write_text(layers.read_text(encoding="utf-8") + "another_network torch\n", encoding="utf-8")
    (source / "requirements" / "runner.txt").write_text("tiny==1.0\n", encoding="utf-8")
    (source / "requirements" / "torch.txt").write_text("# Not whole: of the test.\ntorch==2.0\n", encoding="utf-8")
    wheel(machine.root / "wheels", "torch", "2.0")
    machine.python()
    told = machine.root / "github_env"
    for attempt, algorithm in (("1", "neural_network"), ("2", "random_forest")):
        folder = machine.root / "storage" / "owner" / "repo" / "models" / "run" / attempt
        folder.mkdir(parents=True)
        (folder / "model.json").write_text(json.dumps({"algorithm": algorithm}, indent=2), encoding="utf-8")
    machine.variables = {
        "LOCK": "requirements/runner.txt",
        "MODELYARD_INPUT": wanted,
        "MODELYARD_STORAGE_ROOT": str(machine.root / "storage"),
        "GITHUB_ENV": str(told),
    }

    ran = machine.job(source / "actions" / "setup" / "setup.sh")

    assert ran.status == 0, ran.told
    name, _, python = told.read_text(encoding="utf-8").strip().partition("=")
    assert name == "MODELYARD_PYTHON"
    installed = asked(
        Path(python).parents[1], "from importlib.util import find_spec; print(find_spec('torch') is not None)"
    )
    assert installed == str(layered)


@pytest.mark.slow
def test_two_cold_starts_at_once_end_in_one_complete_environment(machine: Machine) -> None:
    machine.python()
    lock = machine.lock("tiny==1.0\n")

    first, second = [Outcome.of(process) for process in [machine.start(lock), machine.start(lock)]]

    assert first.environment == second.environment
    assert asked(first.environment, "import tiny; print(tiny.version)") == "1.0"
    told = first.told + second.told
    assert told.count("installing runner.txt") == 1
    assert told.count("waiting for it") == 1


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["not stamped", "interpreter gone"])
def test_an_environment_that_is_not_complete_is_rebuilt_from_nothing(machine: Machine, damage: str) -> None:
    machine.python()
    lock = machine.lock("tiny==1.0\n")
    environment = machine.run(lock).environment
    (environment / "rest of an earlier attempt").touch()
    if damage == "not stamped":
        (environment / ".complete").unlink()
    else:
        (environment / "bin" / "python").unlink()
        (environment / "bin" / "python").symlink_to(machine.root / "gone")

    again = machine.run(lock)

    assert again.environment == environment
    assert "starting again from nothing" in again.told
    assert not (environment / "rest of an earlier attempt").exists()
    assert asked(environment, "import tiny; print(tiny.version)") == "1.0"


@pytest.mark.slow
def test_what_pip_says_is_shown_where_it_fails_and_nothing_counts_as_complete(machine: Machine) -> None:
    machine.python()
    machine.python("python3.12")
    failed = machine.run(machine.lock("absent==1.0\n"))
    assert failed.status == 1
    assert failed.out == ""
    assert "No matching distribution found for absent==1.0" in failed.told
    assert "Is a package index reachable" in failed.told
    assert failed.told.count("installing runner.txt") == 1, "another interpreter would not help"
    assert not list(machine.cache.glob("*/.complete"))


def test_a_missing_lock_is_named(machine: Machine) -> None:
    machine.python()
    failed = machine.run(machine.root / "absent.txt")
    assert failed.status == 1
    assert "absent.txt" in failed.told


def test_a_python_that_is_too_old_is_named_with_the_cure(machine: Machine) -> None:
    machine.python("python3", first='import sys; sys.version_info = (3, 9, 2, "final", 0)\n')
    failed = machine.run(machine.lock(""))
    assert failed.status == 1
    assert failed.out == ""
    assert f"{machine.programs}/python3: Python 3.9, too old" in failed.told
    assert "Install Python 3.11 or newer" in failed.told


def test_a_python_without_ensurepip_is_named_with_the_package_that_has_it(machine: Machine) -> None:
    machine.python("python3.11", first='import sys; sys.modules["ensurepip"] = None\n')
    failed = machine.run(machine.lock(""))
    assert failed.status == 1
    version = "{}.{}".format(*sys.version_info)
    assert f"python3.11: Python {version}, without venv or ensurepip" in failed.told
    assert f"apt-get install python{version}-venv" in failed.told


def test_a_missing_python_is_reported(machine: Machine) -> None:
    failed = machine.run(machine.lock(""))
    assert failed.status == 1
    assert "no Python at all" in failed.told


@pytest.mark.slow
def test_interpreters_that_do_not_serve_are_passed_over(machine: Machine) -> None:
    (machine.programs / "python3.13").write_text("#!/bin/sh\necho not installed >&2\nexit 127\n", encoding="utf-8")
    (machine.programs / "python3.13").chmod(0o755)
    machine.python("python3.12", first='import sys; sys.version_info = (3, 9, 2, "final", 0)\n')
    machine.python("python3.11", first='import sys; sys.modules["ensurepip"] = None\n')
    machine.python("python3")
    found = machine.run(machine.lock("tiny==1.0\n"))
    assert asked(found.environment, "import tiny; print(tiny.version)") == "1.0"
    assert "not installed" not in found.told


@pytest.mark.slow
def test_packages_land_in_the_environment_whatever_pip_is_told_by_variables(machine: Machine) -> None:
    machine.variables = {"PIP_TARGET": str(machine.root / "elsewhere"), "PIP_USER": "1", "PYTHONPATH": str(SETUP)}
    machine.python()
    found = machine.run(machine.lock("tiny==1.0\n"))
    assert asked(found.environment, "import tiny; print(tiny.__file__)").startswith(str(found.environment))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "home/.cache/modelyard/environments"),
        ({"RUNNER_TOOL_CACHE": "tools"}, "tools/modelyard"),
        ({"RUNNER_TOOL_CACHE": "tools", "MODELYARD_ENVIRONMENTS": "given"}, "given"),
        ({"RUNNER_TOOL_CACHE": "", "MODELYARD_ENVIRONMENTS": ""}, "home/.cache/modelyard/environments"),
    ],
)
def test_the_cache_is_where_the_variables_say(tmp_path: Path, variables: dict[str, str], expected: str) -> None:
    paths = {name: str(tmp_path / value) if value else "" for name, value in variables.items()}
    code = "import os, sys; sys.path[0] = sys.argv[1]; import environment; print(environment.cache_folder(os.environ))"
    command = [sys.executable, "-c", code, str(SETUP)]
    environment = {"HOME": str(tmp_path / "home"), **paths}
    found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    assert found == str((tmp_path / expected).resolve())
