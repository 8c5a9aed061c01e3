"""One folder with everything that Modelyard needs on one machine: hub, App, runners, storage and a demo repository.

``Workspace(folder).make()`` sets it up; ``with workspace.running():`` starts hub and App, on the same ports as before
if they are free. The App is a separate process: hub and App communicate over HTTP and git only.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from actions.runtime.git import isolated
from actions.storage.folder import write_atomically
from runners.local.act.work_folder import find_act
from runners.local.demo import source_repository
from runners.local.hub.git.repository import CONFIGURATION
from runners.local.hub.hub import Hub
from runners.local.hub.seed import Ready, Setup, set_up
from runners.local.hub.server import HOST, bind, serving

REPOSITORY = "owner/demo"
RUNNERS = 2
START_SECONDS = 30.0


class WorkspaceError(Exception):
    """The workspace cannot be created or started; the message says why and what to do."""


@dataclass(frozen=True)
class WorkspaceState:
    """What a workspace keeps on disk, so that links into it stay valid."""

    hub_port: int
    app_port: int
    webhook_secret: str
    source_sha: str
    changed_files: int
    installation: int = 0


@dataclass(frozen=True)
class Running:
    """A workspace with its hub and App running."""

    hub: Hub
    ready: Ready
    app: subprocess.Popen[bytes]
    """The App's process."""


@dataclass(frozen=True)
class OpenedHub:
    """The hub of a workspace, and the settings of its App."""

    hub: Hub
    ready: Ready
    listening: socket.socket
    app_port: int
    settings: Mapping[str, str]
    """The App's environment variables."""


class Workspace:
    """A folder with a complete Modelyard.

    Parameters
    ----------
    folder
        Its path; it need not exist yet.
    webhooks
        Whether the hub delivers webhooks; without them the App notices nothing.
    """

    def __init__(self, folder: Path, *, webhooks: bool = True) -> None:
        self.folder = folder.resolve()
        self.webhooks = webhooks

    @property
    def app_log(self) -> Path:
        return self.folder / "app.log"

    @property
    def state(self) -> WorkspaceState:
        """Return the stored state; WorkspaceError if there is none."""
        try:
            return WorkspaceState(**json.loads((self.folder / "workspace.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise WorkspaceError(f"There is nothing to serve in {self.folder}. Run the demo first: make demo") from None

    def make(self, promotion: str = "approval") -> WorkspaceState:
        """Set everything up from scratch; what was there is removed, except datasets and ports."""
        find_act()
        with self._held():
            return self._make(promotion)

    def _make(self, promotion: str) -> WorkspaceState:
        hub_port, app_port = self._previous_ports()
        self._remove_all_but_datasets()
        with _bound(hub_port) as hub_socket, _bound(app_port) as app_socket:
            hub_port, app_port = hub_socket.getsockname()[1], app_socket.getsockname()[1]
        with _hub(self.folder, hub_port) as hub, tempfile.TemporaryDirectory() as repository:
            # A new browser session acts as the first person of the hub: it must not be the owner of the source, who sees no issues.
            hub.add_person(REPOSITORY.partition("/")[0])
            served = source_repository.serve(hub)
            state = WorkspaceState(hub_port, app_port, secrets.token_hex(20), served.sha, len(served.changed))
            _write_repository(Path(repository), f"{served.repository}@{served.sha}", promotion)
            ready = set_up(hub, _setup(state, Path(repository)))
            for number in range(1, RUNNERS + 1):
                hub.runs.add_runner(f"runner-{number}")
        state = replace(state, installation=ready.installation_id)
        self._remember(state)
        return state

    @property
    def contents(self) -> str:
        """What ``make`` will delete, in words; empty if there is nothing."""
        return f"the issues and the history of {REPOSITORY}" if (self.folder / "workspace.json").exists() else ""

    def _previous_ports(self) -> tuple[int, int]:
        """Return the ports of the last time, so that open browser tabs stay valid; 0 stands for any free one."""
        try:
            return self.state.hub_port, self.state.app_port
        except WorkspaceError:
            return 0, 0

    def _remove_all_but_datasets(self) -> None:
        """Remove what earlier runs left; data that people put into the storage stays."""
        datasets = self.folder / "storage" / REPOSITORY / "datasets"
        aside = self.folder.with_name(f"{self.folder.name}.datasets")
        if datasets.is_dir():
            if aside.exists():
                raise WorkspaceError(
                    f"Datasets are in two places: {datasets} and {aside}. Move them into one, then run again."
                )
            datasets.rename(aside)
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "storage").mkdir(parents=True)
        if aside.exists():  # also after an interruption between the two moves
            datasets.parent.mkdir(parents=True)
            aside.rename(datasets)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Prevent others from removing the running workspace or starting it twice."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.with_name(f"{self.folder.name}.lock").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WorkspaceError(
                    f"{self.folder} is in use by another demo or `make serve`. Stop it first (Ctrl-C)."
                ) from None
            yield

    def _remember(self, state: WorkspaceState) -> None:
        path = self.folder / "workspace.json"
        path.touch(mode=0o600)
        write_atomically(path, json.dumps(asdict(state)))
        path.chmod(0o600)

    @contextlib.contextmanager
    def running(self) -> Iterator[Running]:
        """Serve the hub and run the App, on the previous ports if they are free; both end with the block."""
        # The App first, so that it receives the installation event.
        with self._opened() as opened, self._app(opened) as app, serving(opened.hub, opened.listening):
            yield Running(opened.hub, opened.ready, app)

    @contextlib.contextmanager
    def running_hub(self) -> Iterator[OpenedHub]:
        """Serve only the hub, for a caller that runs the App itself."""
        with self._opened() as opened, serving(opened.hub, opened.listening):
            yield opened

    @contextlib.contextmanager
    def _opened(self) -> Iterator[OpenedHub]:
        state = self.state
        with self._held():
            hub_socket, app_socket = _bound(state.hub_port), _bound(state.app_port)
            state = replace(state, hub_port=hub_socket.getsockname()[1], app_port=app_socket.getsockname()[1])
            self._remember(state)
            with app_socket, hub_socket, _hub(self.folder, state.hub_port, webhooks=self.webhooks) as hub:
                ready = set_up(hub, _setup(state))
                app_socket.close()
                yield OpenedHub(hub, ready, hub_socket, state.app_port, self._app_settings(state, hub, ready))

    def _app_settings(self, state: WorkspaceState, hub: Hub, ready: Ready) -> dict[str, str]:
        return {
            "MODELYARD_APP_ID": str(ready.app.id),
            "MODELYARD_PRIVATE_KEY_PATH": str(ready.private_key_path),
            "MODELYARD_WEBHOOK_SECRET": state.webhook_secret,
            "MODELYARD_GITHUB_API_URL": hub.api_url,
            "MODELYARD_DATABASE_URL": f"sqlite:///{self.folder / 'app.sqlite3'}",
            "MODELYARD_STORAGE_ROOT": str(self.folder / "storage"),
        }

    @contextlib.contextmanager
    def _app(self, opened: OpenedHub) -> Iterator[subprocess.Popen[bytes]]:
        """Run `modelyard serve` as a process; its log is ``app_log``."""
        command = [sys.executable, "-m", "bot.cli", "serve", "--host", "127.0.0.1", "--port", str(opened.app_port)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
        environment = {**inherited, **opened.settings, "PYTHONPATH": str(source_repository.ROOT)}
        with self.app_log.open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._wait_for_app(process, f"http://127.0.0.1:{opened.app_port}/healthz")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _wait_for_app(self, process: subprocess.Popen[bytes], url: str) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if process.poll() is not None:
                raise WorkspaceError(f"The App stopped right after its start. See its log: {self.app_log}")
            with contextlib.suppress(URLError, OSError), urlopen(url, timeout=1):  # noqa: S310 - loopback
                return
            time.sleep(0.05)
        raise WorkspaceError(f"The App did not start within {START_SECONDS:.0f} s. See its log: {self.app_log}")


def reach_this_machine_directly() -> None:
    """Have this process and its children use no proxy for addresses of this machine."""
    for name in ("NO_PROXY", "no_proxy"):
        known = [os.environ[name]] if os.environ.get(name) else []
        os.environ[name] = ",".join([*known, HOST, "localhost"])


@contextlib.contextmanager
def _hub(folder: Path, port: int, *, webhooks: bool = True) -> Iterator[Hub]:
    hub = Hub.open(folder / "hub", f"http://{HOST}:{port}", webhooks_enabled=webhooks)
    try:
        yield hub
    finally:
        hub.close()


def _setup(state: WorkspaceState, repository: Path | None = None) -> Setup:
    return Setup(
        repository=REPOSITORY,
        import_from=repository,
        webhook_url=f"http://{HOST}:{state.app_port}/webhook",
        webhook_secret=state.webhook_secret,
    )


def _bound(port: int) -> socket.socket:
    """Bind a port, or any free one if it is taken."""
    try:
        return bind(port)[0]
    except OSError:
        return bind(0)[0]


def _write_repository(folder: Path, pinned: str, promotion: str) -> None:
    """Prepare the demo repository as a team would: `modelyard init`, then a commit."""
    (folder / "README.md").write_text(
        "# Demo\n\nOpen an issue with one of the forms. Results are in `training_history/`.\n", encoding="utf-8"
    )
    _run([sys.executable, "-m", "bot.cli", "init", "--source", pinned, "--promotion", promotion], folder)
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Set up Modelyard"]):
        _run(["git", *arguments], folder)


def _run(command: Sequence[str], folder: Path) -> None:
    environment = isolated(os.environ, CONFIGURATION) | source_repository.IDENTITY
    environment["PYTHONPATH"] = str(source_repository.ROOT)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkspaceError(f"{' '.join(command[:4])} ... failed: {done.stderr.strip()[-1000:]}")
