"""Pushes a result as an orphan commit with plain git. The token must not appear in an argument, a file or a log."""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from actions.errors import OperationError, Unavailable
from actions.runtime.git import isolated

MAX_BYTES = 10 * 1024 * 1024
_MAX_TRIES = 3
_TIMEOUT_SECONDS = 120
_IDENTITY = "Modelyard"
_EMAIL = "modelyard@users.noreply.github.com"
_PASSED_ON = (
    "PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "TMPDIR",
)


def push_orphan(
    files: Mapping[str, bytes], ref: str, message: str, environment: Mapping[str, str] | None = None
) -> str:
    """Push files as one commit without a parent to a ref of the caller's repository; return the commit's SHA.

    The same files and message give the same commit, so a repeated push changes nothing.

    Parameters
    ----------
    files
        Content by path; at most 10 MB together.
    ref
        The full name of the ref; an existing one is replaced.
    message
        The commit's message.
    environment
        ``GITHUB_SERVER_URL``, ``GITHUB_REPOSITORY`` and ``GITHUB_TOKEN``; the process's own by default.

    Raises
    ------
    OperationError
        ``result_too_large``.
    Unavailable
        ``publish_unavailable`` where a setting is missing, ``publish_failed`` where git could not push.
    """
    given = os.environ if environment is None else environment
    size = sum(len(content) for content in files.values())
    if size > MAX_BYTES:
        raise OperationError(
            "result_too_large",
            rule="A published result must not exceed 10 MB.",
            found=f"{size / 2**20:.1f} MB.",
            next_step="Report a bug: plots and figures are far smaller.",
        )
    server, repository = _setting(given, "GITHUB_SERVER_URL"), _setting(given, "GITHUB_REPOSITORY")
    token = given.get("GITHUB_TOKEN", "")
    with tempfile.TemporaryDirectory(prefix="modelyard-publish-") as folder:
        git = _Git(Path(folder), _git_environment(given, folder, server, token))
        sha = git.commit(files, message)
        git.push(f"{server.rstrip('/')}/{repository}.git", sha, ref, token)
    return sha


class _Git:
    """Plain git in a temporary bare repository."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._run("init", "--quiet", "--bare", ".")

    def commit(self, files: Mapping[str, bytes], message: str) -> str:
        tree = self._tree({tuple(path.split("/")): content for path, content in files.items()})
        return self._run("commit-tree", tree, "-m", message)

    def push(self, url: str, sha: str, ref: str, token: str) -> None:
        for attempt in range(1, _MAX_TRIES + 1):
            try:
                self._run("push", "--quiet", "--force", url, f"{sha}:{ref}")
            except subprocess.SubprocessError as error:
                if attempt == _MAX_TRIES:
                    raise _push_failed(error, token) from None
                time.sleep(attempt)
            else:
                return

    def _tree(self, files: Mapping[tuple[str, ...], bytes]) -> str:
        """Write a folder's content and return its tree."""
        lines = []
        for name in sorted({path[0] for path in files}):
            below = {path[1:]: content for path, content in files.items() if path[0] == name}
            if () in below:
                blob = self._run("hash-object", "-w", "--stdin", given=below[()])
                lines.append(f"100644 blob {blob}\t{name}")
            else:
                lines.append(f"040000 tree {self._tree(below)}\t{name}")
        return self._run("mktree", "-z", given=b"\0".join(line.encode() for line in lines) + b"\0")

    def _run(self, *arguments: str, given: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self._folder,
            env=self._environment,
            input=given,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=True,
        )
        return done.stdout.decode().strip()


def _setting(given: Mapping[str, str], name: str) -> str:
    if not given.get(name):
        raise Unavailable(
            "publish_unavailable",
            rule="The stage publish must run in a workflow, which says where to push.",
            found=f"{name} is not set.",
            next_step=f"Run it in a workflow, or set {name}.",
        )
    return given[name]


def _git_environment(given: Mapping[str, str], folder: str, server: str, token: str) -> dict[str, str]:
    """Return all variables that git sees: no configuration of the machine or the user, and fixed dates."""
    environment = isolated({name: given[name] for name in _PASSED_ON if name in given} | {"HOME": folder})
    environment |= {
        "GIT_AUTHOR_NAME": _IDENTITY,
        "GIT_AUTHOR_EMAIL": _EMAIL,
        "GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z",
        "GIT_COMMITTER_NAME": _IDENTITY,
        "GIT_COMMITTER_EMAIL": _EMAIL,
        "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z",
    }
    if token:
        secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        environment |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{server.rstrip('/')}/.extraheader",
            "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {secret}",
        }
    return environment


def _push_failed(error: subprocess.SubprocessError, token: str) -> Unavailable:
    output = error.stderr if isinstance(error, subprocess.CalledProcessError) else b"it took too long"
    found = (output or b"").decode(errors="replace").strip()[-500:]
    return Unavailable(
        "publish_failed",
        rule="git must be able to push the result to the repository that the workflow runs in.",
        found=(found.replace(token, "***") if token else found) or "no reason given",
        next_step="Check that the publish job has `contents: write` and that the server is reachable.",
    )
