"""Checks of what people push: the repository's configuration, and the registry's files.

Each becomes a check run of the pushed commit, so that a pull request shows before it is merged whether Modelyard could work
with it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from actions.errors import OperationError, Problem, invalid_field
from actions.model_registry import model_file
from bot.github import HubError, Repository
from bot.messages import notices
from bot.parsing.repository_config import CONFIG_PATH, ConfigError, parse_config, read_config

log = logging.getLogger(__name__)

CONFIG_CHECK = "Modelyard configuration"
REGISTRY_CHECK = "Modelyard registry"
_MODEL = re.compile(re.escape(model_file.FOLDER) + r"/[^/]+\.yaml")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MOST_FILES = 50
_MOST_TOLD = 300
"""GitHub names no more files of a comparison."""


async def check_push(repository: Repository, payload: Mapping[str, Any]) -> None:
    """Check in what a pushed branch differs from the one that it would be merged into, as far as it is Modelyard's.

    Each push is looked at, not only one that touches the files: the check belongs to the branch's newest commit.
    """
    head, branch = str(payload.get("after")), str(payload.get("ref")).removeprefix("refs/heads/")
    if payload.get("deleted") or not _SHA.fullmatch(head):
        return
    default = (await repository.info()).default_branch
    try:
        history = (await read_config(repository)).history.branch or default
    except ConfigError:
        history = default
    before = str(payload.get("before"))
    configured = await repository.compare(before if branch == default else default, head)
    if configured is not None and CONFIG_PATH in configured[1]:
        await _show(repository, head, CONFIG_CHECK, configuration_findings(await repository.file(CONFIG_PATH, head)))
    kept = configured
    if history != default:
        kept = await repository.compare(before if branch == history else history, head)
    if kept is not None:
        await _check_registry(repository, *kept, head)


async def _check_registry(repository: Repository, base: str, paths: list[str], head: str) -> None:
    changed = [path for path in paths if _MODEL.fullmatch(path)]
    findings = []
    for path in changed[:_MOST_FILES]:
        findings += registry_findings(path, await repository.file(path, base), await repository.file(path, head))
    if len(changed) > _MOST_FILES or len(paths) >= _MOST_TOLD:
        rule = f"At most {_MOST_FILES} models, and fewer than {_MOST_TOLD} files, are changed at once."
        findings.append(invalid_field(model_file.FOLDER, rule, "There are more.", "Make several pull requests of it."))
    if changed:
        await _show(repository, head, REGISTRY_CHECK, findings)


def configuration_findings(text: bytes | None) -> list[Problem]:
    """Return what is wrong with a configuration; one that is not there is not wrong, but turns Modelyard off."""
    if text is None:
        return []
    try:
        parse_config(text)
    except OperationError as error:
        return [error.body.model_copy(update={"field": error.body.field or CONFIG_PATH})]
    return []


def registry_findings(path: str, before: bytes | None, after: bytes | None) -> list[Problem]:
    """Return what is wrong with a change of a model's file: aliases may move, versions are what runs have made."""
    try:
        known = model_file.parse(before).versions if before else ()
    except OperationError:
        known = ()  # it is being put right
    if after is None:
        rule, cure = "A model's versions stay known.", "Remove aliases instead; keep the file."
        return [invalid_field(path, rule, "The file is removed.", cure)] if known else []
    try:
        file = model_file.parse(after)
    except OperationError as error:
        return [error.body.model_copy(update={"field": path})]
    found = []
    if model_file.path_of(file.name) != path:
        rule, cure = "A model's file has the model's name.", f"Name it {model_file.path_of(file.name)}."
        found.append(invalid_field(path, rule, f"It is about {file.name}.", cure))
    there = {version.version: version for version in file.versions}
    for version in known:
        if there.pop(version.version, None) != version:
            rule = "A version is what its run has made, and stays so."
            found.append(invalid_field(path, rule, f"Version {version.version} is changed or gone.", "Take that back."))
    for number in there:
        rule = "Versions come from runs alone."
        found.append(invalid_field(path, rule, f"Version {number} is new.", "Take it out; train, or say `/register`."))
    return found


async def _show(repository: Repository, head: str, name: str, findings: list[Problem]) -> None:
    try:
        await repository.check_run(
            name=name,
            head_sha=head,
            external_id=name.lower().replace(" ", "-"),
            status="completed",
            conclusion="failure" if findings else "success",
            title=f"{len(findings)} to put right" if findings else "All is well",
            summary=notices.file_findings(findings),
        )
    except HubError as error:
        if error.transient:
            raise
        log.warning("the check %r of %s could not be shown: %s", name, head, error)
