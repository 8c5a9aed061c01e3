"""``modelyard doctor``: the repositories that the App is installed on. Config, workflows, labels, runners."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from actions.errors import OperationError
from bot.admin.findings import Finding, ill, odd, of_error, well
from bot.admin.init import OPERATION_CALLER, TRAIN_CALLER
from bot.events.commands import COMMANDS
from bot.parsing.repository_config import CONFIG_PATH, ConfigError, RepositoryConfig, read_config
from bot.runs.labels import definitions

if TYPE_CHECKING:
    from bot.github import GitHub, Repository

MOST = 50
"""Repositories that are looked at; each costs six requests."""
INIT = "modelyard init --source OWNER/REPO@SHA"
_CALL = re.compile(r"^\s*uses:\s*(?P<target>\S+/\.github/workflows/\w+\.yml)@(?P<ref>\S+)", re.MULTILINE)


async def examine_repositories(github: GitHub) -> AsyncIterator[Finding]:
    """Look at each repository of each installation."""
    looked_at = 0
    try:
        for installation in await github.installed():
            for name in [] if installation.suspended else await github.installed_repositories(installation.id):
                looked_at += 1
                if looked_at <= MOST:
                    async for finding in _examine(github.repository(name, installation.id), name):
                        yield finding
    except OperationError as error:
        yield of_error("Repositories", error.body)
    if looked_at > MOST:
        rule = f"At most {MOST} repositories are looked at."
        cure = "Run modelyard doctor --directory in a checkout of one of the others."
        yield odd("Repositories", rule, f"{looked_at - MOST} more were not", cure)


async def _examine(repository: Repository, name: str) -> AsyncIterator[Finding]:
    try:
        info = await repository.info()
        if info.archived:
            yield odd(name, "A repository can be written to.", "it is archived", "Take it out of the installation.")
            return
        try:
            config = await read_config(repository, COMMANDS)
        except ConfigError as error:
            level = odd if error.body.reason == "config_missing" else ill
            yield level(f"{name}: {CONFIG_PATH}", error.body.rule, error.body.found, error.body.next_step)
            return
        yield _public(name, config, private=info.private)
        for path in (TRAIN_CALLER, OPERATION_CALLER):
            text = await repository.file(path)
            yield pinned(f"{name}: {path}", None if text is None else text.decode("utf-8", "replace"))
        yield _labels(name, await repository.label_names())
        for finding in await _runners(repository, name, config):
            yield finding
    except OperationError as error:
        yield of_error(name, error.body)


def _public(name: str, config: RepositoryConfig, *, private: bool) -> Finding:
    what, rule = (
        f"{name}: {CONFIG_PATH}",
        "It can be read, and the repository is private or meant to be served though it is not.",
    )
    if private:
        return well(what, rule, "can be read")
    if config.public_repository:
        found = "the repository is public: everybody can open an issue, though only who may write can have it trained"
        return odd(what, rule, found, "Use ephemeral runners: see docs/runners.md.")
    return odd(what, rule, "the repository is public, and refused", "Make it private, or set public_repository: true.")


def _labels(name: str, present: set[str]) -> Finding:
    what, rule = f"{name}: labels", "The labels that the App sets are there."
    missing = [label.name for label in definitions() if label.name.lower() not in present]
    if missing:
        return odd(
            what, rule, f"missing: {', '.join(missing)}", "The App makes them at the next request; nothing to do."
        )
    return well(what, rule, "all there")


async def _runners(repository: Repository, name: str, config: RepositoryConfig) -> list[Finding]:
    """Compare the labels that requests may name with the runners that are online."""
    what, rule = f"{name}: runners", f"For each label in {CONFIG_PATH} a runner is online."
    runners = await repository.runners()
    if runners is None:
        found = f"cannot be seen: that takes administration: read. Labels: {', '.join(config.runners)}"
        return [well(what, rule, found)]
    online = [runner for runner in runners if runner.online]
    without = [label for label in config.runners if not any(_has(runner.labels, label) for runner in online)]
    if not without:
        return [well(what, rule, f"{len(online)} online")]
    known = sorted({label for runner in online for label in runner.labels})
    cure = (
        f"Start one with that label, or correct `runners` in {CONFIG_PATH}. Runners of the organisation and those that "
        "start on demand are not seen here."
    )
    found = f"none for {', '.join(without)}; online: {', '.join(known) or 'no runner'}"
    return [odd(what, rule, found, cure)]


def _has(labels: tuple[str, ...], wanted: str) -> bool:
    return wanted.lower() in {label.lower() for label in labels}


def pinned(what: str, text: str | None) -> Finding:
    """Tell whether a caller workflow is there and calls a commit, which cannot move."""
    rule = "The workflow calls Modelyard's at a commit's SHA."
    cure = f"{INIT} --yes"
    if text is None:
        return ill(what, rule, "missing", INIT)
    calls = list(_CALL.finditer(text))
    if not calls:
        return ill(what, rule, "calls no reusable workflow", cure)
    for call in calls:
        if not re.fullmatch(r"[0-9a-f]{40}", call["ref"]):
            return ill(what, rule, f"calls {call['target']} at {call['ref'][:100]}, which can move", cure)
    return well(what, rule, f"calls {calls[0]['target']} at {calls[0]['ref'][:12]}")
