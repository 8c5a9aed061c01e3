"""Prepare the environment of a lock file, or find it complete: one virtual environment for each lock and interpreter.

``environment.sh`` finds the interpreter and calls ``main``. Standard library only, and quick to import: a job that finds
its environment complete must not wait for this. Environments stay in a cache folder that jobs and ``make`` share:

- ``<key>/``, the environment. The key says which lock, which Python and which platform, so what is in it never changes.
- ``<key>/.complete``, written last. An environment without it is rebuilt from nothing.
- ``<key>/.layer-<digest>``, written last for each further lock that was installed on top (``make`` adds its tools so).
- ``<key>.lock``, held with ``flock`` by the one process that builds; others wait. The kernel frees it with its holder.
- ``interpreter``, the path of the interpreter that was used last: ``environment.sh`` tries it first.
"""

from __future__ import annotations

import hashlib
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES

if sys.version_info < (3, 11):  # noqa: UP036 - for people who run this file with an older Python
    sys.exit("modelyard: Python 3.11 or newer is needed, this is " + sys.version.split()[0])

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from subprocess import Popen

NO_VENV = 65
"""Exit status where this interpreter cannot make environments: ``environment.sh`` then tries the next."""
FAILED = 66
"""Exit status after an error that was reported: another interpreter would not help."""

COMPLETE = ".complete"
PACKAGES = 10
"""A line of progress after so many packages ..."""
SECONDS = 10.0
"""... or after so long without one."""


class SetupError(Exception):
    """The environment could not be made; the text says why and what to do."""


class NoVenvError(SetupError):
    """The interpreter lacks the modules that make virtual environments."""


class Lock:
    """A lock file: where it is, and the digest of its content, which decides the environment."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            content = file.read()
        self.path = path
        self.name = os.path.basename(path)
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.packages = sum(b"==" in line.partition(b"#")[0] for line in content.splitlines())
        self.is_whole = not content.startswith(b"# Not whole:")
        self.stamp = f".layer-{self.sha256[:16]}"


def main(arguments: list[str]) -> int:
    """Prepare the environment of ``LOCK [LAYER ...]``, print its path and return the exit status."""
    try:
        lock, *layers = map(Lock, arguments)
        print(prepare(cache_folder(os.environ), lock, *layers))
    except NoVenvError:
        print("{}.{}".format(*sys.version_info))
        return NO_VENV
    except (SetupError, OSError) as error:
        say(str(error))
        return FAILED
    return 0


def cache_folder(variables: Mapping[str, str]) -> str:
    """Return the folder that holds the environments, without symbolic links.

    Scripts in an environment name their interpreter by the path that it was made under, so that path has to be the
    real one before the environment is made.
    """
    tools = variables.get("RUNNER_TOOL_CACHE")
    shared = os.path.join(tools, "modelyard") if tools else "~/.cache/modelyard/environments"
    return os.path.realpath(os.path.expanduser(variables.get("MODELYARD_ENVIRONMENTS") or shared))


def key(lock: Lock) -> str:
    """Name the environment by its lock, its Python and its platform: ``py3.11.7-x86_64-3f786850e387550f``."""
    version = "{}.{}.{}".format(*sys.version_info)
    machine = os.uname().machine
    content = "\n".join((lock.sha256, sys.implementation.name, version, machine, EXTENSION_SUFFIXES[0]))
    return f"py{version}-{machine}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def prepare(cache: str, lock: Lock, *layers: Lock) -> str:
    """Return the path of the environment of ``lock`` with ``layers`` on top, made where it is not complete.

    Raises
    ------
    NoVenvError
        If it must be created and this interpreter cannot do that.
    SetupError
        Where making it failed.
    """
    path = os.path.join(cache, key(lock))
    found = "Python {}.{}.{} at {}".format(*sys.version_info[:3], sys.executable)
    if _is_complete(path, *layers):
        say(f"{found}; cache warm: {path}")
        _remember(cache)
        return path
    _need_venv()
    os.makedirs(cache, exist_ok=True)
    with _Held(f"{path}.lock"):
        if not _is_complete(path):
            say(f"{found}; cache cold, making {path}")
            _make(path, lock)
        for layer in layers:
            if not _is_complete(path, layer):
                _install(path, layer)
                _write(os.path.join(path, layer.stamp), f"{layer.name}\n")
    _remember(cache)
    return path


def say(text: str) -> None:
    """Report progress on standard error; standard output is for the path only."""
    print(f"modelyard: {text}", file=sys.stderr, flush=True)


def _remember(cache: str) -> None:
    """Note the interpreter for the next time; a cache that may only be read does without."""
    note, text = os.path.join(cache, "interpreter"), f"{sys.executable}\n"
    try:
        with open(note, encoding="utf-8") as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    try:
        _write(note, text)
    except OSError as error:
        say(f"could not note the interpreter: {error}")


def _is_complete(path: str, *layers: Lock) -> bool:
    """Tell whether everything was installed and the interpreter that it was made with is still there."""
    needed = [COMPLETE, os.path.join("bin", "python"), *(layer.stamp for layer in layers)]
    return all(os.path.exists(os.path.join(path, name)) for name in needed)


def _need_venv() -> None:
    from importlib.util import find_spec

    if find_spec("venv") is None or find_spec("ensurepip") is None:
        raise NoVenvError


class _Held:
    """Hold an environment's lock file; say so where another process has it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        import fcntl

        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is making this environment; waiting for it")
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)


def _make(path: str, lock: Lock) -> None:
    import json
    import shutil
    import subprocess

    if os.path.lexists(path):
        say("an earlier attempt did not finish; starting again from nothing")
        shutil.rmtree(path)
    command = [sys.executable, "-I", "-m", "venv", "--prompt", "modelyard", path]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if made.returncode:
        raise SetupError(f"{sys.executable} could not make an environment:\n{made.stdout.decode(errors='replace')}")
    _install(path, lock)
    facts = {"lock": lock.name, "lock_sha256": lock.sha256, "python": sys.version, "made_with": sys.executable}
    _write(os.path.join(path, COMPLETE), json.dumps(facts, indent=1) + "\n")


def _install(path: str, lock: Lock) -> None:
    """Install what the lock names and nothing else: it is whole, so that pip has nothing to resolve.

    A layer that says that it is not (its first line) is installed with what its packages need.
    """
    import subprocess
    import time

    started = time.monotonic()
    say(f"installing {lock.name}: {lock.packages} packages. This is done once and takes a minute or two")
    log = os.path.join(path, f"pip-{lock.name}.log")
    python = os.path.join(path, "bin", "python")
    command = [python, "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-compile"]
    command += ["--only-binary", ":all:", "--requirement", lock.path, *(["--no-deps"] if lock.is_whole else [])]
    terminal = sys.stderr.isatty()
    with open(log, "wb") as file:
        output = sys.stderr if terminal else file
        with subprocess.Popen(command, env=_pip_variables(os.environ), stdout=output, stderr=output) as pip:
            for line in () if terminal else _progress(pip, path, log, lock):
                say(line)
    if pip.returncode:
        hint = "Is a package index reachable, and is there room on the disk?"
        raise SetupError(f"pip could not install {lock.path}:\n{_last_lines(log)}{hint} Then try again.")
    # All cores, and without the packages' own tests: pip would take twice as long. What fails is compiled on import.
    compiling = [python, "-I", "-m", "compileall", "-qq", "-j", "0", "-x", r"/tests/", os.path.join(path, "lib")]
    subprocess.run(compiling, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    say(f"installed {lock.name} in {time.monotonic() - started:.0f} s")


def _pip_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would send packages elsewhere; index, proxy and cache stay as this machine has them."""
    elsewhere = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_EDITABLE", "PIP_REQUIREMENT", "PIP_DRY_RUN"}
    return {name: value for name, value in variables.items() if name not in elsewhere}


def _progress(pip: Popen[bytes], path: str, log: str, lock: Lock) -> Iterator[str]:
    """Yield a line every so often until pip ends: it first fetches all packages, then installs them all."""
    import subprocess
    import time

    reported, reported_at = 0, time.monotonic()
    before = _installed(path)
    while True:
        try:
            pip.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            pass
        else:
            return
        fetched, installed = _fetched(log), _installed(path) - before
        if fetched + installed >= reported + PACKAGES or time.monotonic() >= reported_at + SECONDS:
            reported, reported_at = fetched + installed, time.monotonic()
            yield f"{min(fetched, lock.packages)} of {lock.packages} packages fetched, {installed} installed"


def _fetched(log: str) -> int:
    with open(log, "rb") as file:
        return sum(line.startswith((b"Collecting ", b"Processing ", b"Requirement already satisfied")) for line in file)


def _installed(path: str) -> int:
    packages = "python{}.{}".format(*sys.version_info)
    return sum(name.endswith(".dist-info") for name in os.listdir(os.path.join(path, "lib", packages, "site-packages")))


def _last_lines(log: str) -> str:
    with open(log, encoding="utf-8", errors="replace") as file:
        return "".join(f"  {line}" for line in file.readlines()[-15:])


def _write(path: str, text: str) -> None:
    """Write a file whole or not at all, and on the disk before it is there."""
    new = f"{path}.{os.getpid()}"
    with open(new, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
