"""``modelyard doctor``: configuration, workflows, labels and runners of the repositories on which the App is installed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from actions.errors import OperationError
from bot.admin.findings import Finding
from bot.admin.init import OPERATION_CALLER, TRAIN_CALLER
from bot.events.commands import COMMANDS
from bot.parsing.repository_config import CONFIG_PATH, ConfigError, RepositoryConfig, read_config
from bot.runs.labels import definitions

if TYPE_CHECKING:
    from bot.github import GitHub, Repository

MAX_REPOSITORIES = 50
"""Repositories to check; each costs six requests."""
INIT = "modelyard init --source OWNER/REPO@SHA"
_CALL = re.compile(r"^\s*uses:\s*(?P<target>\S+/\.github/workflows/\w+\.yml)@(?P<ref>\S+)", re.MULTILINE)


async def examine_repositories(github: GitHub) -> AsyncIterator[Finding]:
    """Check the repositories of every installation."""
    checked = 0
    try:
        for installation in await github.installed():
            for name in [] if installation.suspended else await github.installed_repositories(installation.id):
                checked += 1
                if checked <= MAX_REPOSITORIES:
                    async for finding in _examine(github.repository(name, installation.id), name):
                        yield finding
    except OperationError as error:
        yield Finding.from_problem("Repositories", error.problem)
    if checked > MAX_REPOSITORIES:
        rule = f"At most {MAX_REPOSITORIES} repositories are checked."
        cure = "To check one of the others, run modelyard doctor in a checkout of it."
        yield Finding.warning("Repositories", rule, f"{checked - MAX_REPOSITORIES} more were not checked", cure)


async def _examine(repository: Repository, name: str) -> AsyncIterator[Finding]:
    try:
        info = await repository.info()
        if info.archived:
            yield Finding.warning(
                name, "A repository must be writable.", "it is archived", "Remove it from the installation."
            )
            return
        try:
            config = await read_config(repository, COMMANDS)
        except ConfigError as error:
            level = Finding.warning if error.problem.reason == "config_missing" else Finding.error
            yield level(f"{name}: {CONFIG_PATH}", error.problem.rule, error.problem.found, error.problem.next_step)
            return
        yield _public(name, config, private=info.private)
        for path in (TRAIN_CALLER, OPERATION_CALLER):
            text = await repository.file(path)
            yield pinned(f"{name}: {path}", None if text is None else text.decode("utf-8", "replace"))
        yield _labels(name, await repository.label_names())
        for finding in await _runners(repository, name, config):
            yield finding
    except OperationError as error:
        yield Finding.from_problem(name, error.problem)


def _public(name: str, config: RepositoryConfig, *, private: bool) -> Finding:
    what, rule = (
        f"{name}: {CONFIG_PATH}",
        "It must be valid, and a public repository must be allowed explicitly.",
    )
    if private:
        return Finding.ok(what, rule, "valid")
    if config.public_repository:
        found = (
            "the repository is public: anybody can open an issue, but only people with write permission can start a run"
        )
        return Finding.warning(what, rule, found, "Use ephemeral runners: see docs/runners.md.")
    return Finding.warning(
        what,
        rule,
        "the repository is public, so its requests are refused",
        "Make it private, or set public_repository: true.",
    )


def _labels(name: str, present: set[str]) -> Finding:
    what, rule = f"{name}: labels", "The labels that the App sets must exist."
    missing = [label.name for label in definitions() if label.name.lower() not in present]
    if missing:
        cure = "Start the App: it creates them within minutes. Until then GitHub leaves them out of issues, and the App adds them."
        return Finding.warning(what, rule, f"missing: {', '.join(missing)}", cure)
    return Finding.ok(what, rule, "all exist")


async def _runners(repository: Repository, name: str, config: RepositoryConfig) -> list[Finding]:
    """Compare the labels that requests may use with the runners that are online."""
    what, rule = f"{name}: runners", f"A runner must be online for each label in {CONFIG_PATH}."
    runners = await repository.runners()
    if runners is None:
        found = f"not visible without administration: read. Labels: {', '.join(config.runners)}"
        return [Finding.ok(what, rule, found)]
    online = [runner for runner in runners if runner.online]
    without = [label for label in config.runners if not any(_has(runner.labels, label) for runner in online)]
    if not without:
        return [Finding.ok(what, rule, f"{len(online)} online")]
    known = sorted({label for runner in online for label in runner.labels})
    cure = (
        f"Start one with that label, or correct `runners` in {CONFIG_PATH}. Runners of the organisation and runners that "
        "start on demand are not visible here."
    )
    found = f"none for {', '.join(without)}; online: {', '.join(known) or 'no runner'}"
    return [Finding.warning(what, rule, found, cure)]


def _has(labels: tuple[str, ...], wanted: str) -> bool:
    return wanted.lower() in {label.lower() for label in labels}


def pinned(what: str, text: str | None) -> Finding:
    """Check that a caller workflow exists and calls a commit, which cannot move."""
    rule = "The workflow must call Modelyard's at a commit's SHA."
    cure = f"{INIT} --yes"
    if text is None:
        return Finding.error(what, rule, "missing", INIT)
    calls = list(_CALL.finditer(text))
    if not calls:
        return Finding.error(what, rule, "does not call a reusable workflow", cure)
    for call in calls:
        if not re.fullmatch(r"[0-9a-f]{40}", call["ref"]):
            return Finding.error(what, rule, f"calls {call['target']} at {call['ref'][:100]}, which can move", cure)
    return Finding.ok(what, rule, f"calls {calls[0]['target']} at {calls[0]['ref'][:12]}")
