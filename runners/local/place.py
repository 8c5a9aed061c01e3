"""One folder with everything that Modelyard needs on one machine: hub, App, runners, storage and a repository to try.

``Place(folder).make()`` sets it up anew; ``with place.running():`` starts hub and App, on the ports that it had before
where they are free. The App is a process of its own: hub and App meet over HTTP and git alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import uvicorn

from runners.local import source
from runners.local.act_folder import find_act
from runners.local.hub.app import serve
from runners.local.hub.hub import Hub

REPOSITORY = "owner/demo"
PEOPLE = ("owner", "writer", "reader")
APP_PERMISSIONS = {"actions": "write", "checks": "write", "contents": "write", "issues": "write"}
APP_EVENTS = ["issues", "issue_comment", "workflow_job", "workflow_run"]
RUNNERS = 2
START_SECONDS = 30.0


class PlaceError(Exception):
    """The place cannot be made or started; the text says why and what to do."""


@dataclass(frozen=True)
class Addresses:
    """What a place remembers of itself, so that links made in it stay true."""

    hub_port: int
    app_port: int
    app_id: int
    sha: str
    changed: int
    webhook_secret: str

    @property
    def hub_url(self) -> str:
        return f"http://127.0.0.1:{self.hub_port}"


class Place:
    """A folder that holds a whole Modelyard.

    Parameters
    ----------
    folder
        Where it is, or will be.
    webhooks
        Whether the hub delivers them; without them the App hears nothing.
    """

    def __init__(self, folder: Path, *, webhooks: bool = True) -> None:
        self.folder = folder.resolve()
        self.webhooks = webhooks

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    @property
    def app_log(self) -> Path:
        return self.folder / "app.log"

    @property
    def addresses(self) -> Addresses:
        """Return what was remembered; PlaceError where nothing was made here."""
        try:
            return Addresses(**json.loads((self.folder / "place.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise PlaceError(f"There is nothing to serve in {self.folder}. Run the demo first: make demo") from None

    def make(self, promotion: str = "approval") -> Addresses:
        """Set everything up from nothing; what was here before is removed."""
        find_act()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.storage.mkdir(parents=True)
        hub_port, app_port = _free_ports(2)
        hub = Hub.open(self.folder / "hub", f"http://127.0.0.1:{hub_port}")
        try:
            served = source.serve(hub)
            secret = secrets.token_hex(20)
            app_id = self._set_up(hub, served, secret, f"http://127.0.0.1:{app_port}/webhook", promotion)
        finally:
            hub.close()
        addresses = Addresses(hub_port, app_port, app_id, served.sha, len(served.changed), secret)
        self._remember(addresses)
        return addresses

    def _set_up(self, hub: Hub, served: source.Source, secret: str, webhook_url: str, promotion: str) -> int:
        for login in PEOPLE:
            hub.add_person(login)
        repository = hub.create_repository(REPOSITORY, description="Open an issue, get a model.")
        hub.set_role(repository, "writer", "write")
        hub.set_role(repository, "reader", "read")
        with tempfile.TemporaryDirectory() as folder:
            _write_repository(Path(folder), f"{served.repository}@{served.sha}", promotion)
            hub.import_git(repository, Path(folder))
        app, key = hub.register_app(
            "modelyard",
            owner="owner",
            webhook_url=webhook_url,
            webhook_secret=secret,
            permissions=APP_PERMISSIONS,
            events=APP_EVENTS,
        )
        _write_private(self.folder / "app.pem", key or "")
        hub.install(app, repository)
        for number in range(1, RUNNERS + 1):
            hub.runs.add_runner(f"runner-{number}")
        return app.id

    def _remember(self, addresses: Addresses) -> None:
        _write_private(self.folder / "place.json", json.dumps(asdict(addresses)))

    @contextlib.contextmanager
    def running(self) -> Iterator[Hub]:
        """Serve the hub and run the App; both have ended when this returns."""
        addresses = self._free_again(self.addresses)
        hub = Hub.open(self.folder / "hub", addresses.hub_url, webhooks_enabled=self.webhooks)
        try:
            with self._app(addresses), _served(hub, addresses.hub_port):
                yield hub
        finally:
            hub.close()

    def _free_again(self, addresses: Addresses) -> Addresses:
        """Keep the ports that are free, and choose others for those that are not."""
        ports = [addresses.hub_port, addresses.app_port]
        free = [port if _is_free(port) else _free_ports(1)[0] for port in ports]
        if free == ports:
            return addresses
        moved = Addresses(**{**asdict(addresses), "hub_port": free[0], "app_port": free[1]})
        hub = Hub.open(self.folder / "hub", moved.hub_url)
        try:
            hub.apps.update(addresses.app_id, webhook_url=f"http://127.0.0.1:{moved.app_port}/webhook")
        finally:
            hub.close()
        self._remember(moved)
        return moved

    @contextlib.contextmanager
    def _app(self, addresses: Addresses) -> Iterator[None]:
        """Run `modelyard serve` as a process; its log is in ``app_log``."""
        command = [sys.executable, "-m", "bot.cli", "serve", "--host", "127.0.0.1", "--port", str(addresses.app_port)]
        settings = {
            "APP_ID": str(addresses.app_id),
            "PRIVATE_KEY_PATH": str(self.folder / "app.pem"),
            "WEBHOOK_SECRET": addresses.webhook_secret,
            "GITHUB_API_URL": f"{addresses.hub_url}/api/v3",
            "DATABASE_URL": f"sqlite:///{self.folder / 'app.sqlite3'}",
            "STORAGE_ROOT": str(self.storage),
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MODELYARD_")}
        environment = inherited | {f"MODELYARD_{name}": value for name, value in settings.items()}
        environment["PYTHONPATH"] = str(source.ROOT)
        with self.app_log.open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._wait_for_app(process, f"http://127.0.0.1:{addresses.app_port}/healthz")
            yield
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
                raise PlaceError(f"The App ended at once. Its log is {self.app_log}")
            with contextlib.suppress(URLError, OSError), urlopen(url, timeout=1):  # noqa: S310 - loopback
                return
            time.sleep(0.05)
        raise PlaceError(f"The App did not start within {START_SECONDS:.0f} s. Its log is {self.app_log}")


@contextlib.contextmanager
def _served(hub: Hub, port: int) -> Iterator[None]:
    """Serve a hub on loopback from a thread."""
    server = uvicorn.Server(uvicorn.Config(serve(hub), host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, name="hub")
    thread.start()
    try:
        end = time.monotonic() + START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > end:
                raise PlaceError(f"The hub could not be served on port {port}.")
            time.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join()


def _write_repository(folder: Path, pinned: str, promotion: str) -> None:
    """Write the repository to try as a team would: `modelyard init`, then a commit."""
    (folder / "README.md").write_text(
        "# Demo\n\nOpen an issue with the form *Train a model*. Results are in `training_history/`.\n", encoding="utf-8"
    )
    _run([sys.executable, "-m", "bot.cli", "init", "--source", pinned, "--promotion", promotion], folder)
    for arguments in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Set Modelyard up"]):
        _run(["git", *arguments], folder)


def _run(command: Sequence[str], folder: Path) -> None:
    environment = os.environ | source.IDENTITY | {"PYTHONPATH": str(source.ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PlaceError(f"{' '.join(command[:4])} ... failed: {done.stderr.strip()[-1000:]}")


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, from the first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
