"""Pushes: the repository's configuration and the registry's files are checked.

The result is a check run of the pushed commit, so that a pull request shows problems before it is merged.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection

from actions.errors import OperationError, Problem, invalid_field
from actions.model_registry import model_file
from bot.events.router import Event, router
from bot.github import HubError, Repository
from bot.messages import notices
from bot.parsing.repository_config import CONFIG_PATH, ConfigError, has_config, parse_config, read_config
from bot.runs.labels import definitions

log = logging.getLogger(__name__)

CONFIG_CHECK = "Modelyard configuration"
REGISTRY_CHECK = "Modelyard registry"
_MODEL = re.compile(re.escape(model_file.FOLDER) + r"/[^/]+\.yaml")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MAX_MODELS = 50
_MAX_FILES = 300
"""GitHub names no more files of a comparison."""


@router.on("push")
async def check_push(event: Event) -> None:
    """Check Modelyard's files, where a pushed branch differs from the branch that it would be merged into.

    Every push is checked, even if it does not touch the files: the check belongs to the branch's newest commit.
    """
    repository, payload = event.repository, event.payload
    head, branch = str(payload.get("after")), str(payload.get("ref")).removeprefix("refs/heads/")
    if not event.is_from_person or payload.get("deleted") or not _SHA.fullmatch(head):
        return
    default = (await repository.info()).default_branch
    try:
        history = (await read_config(repository, event.services.commands)).history.branch or default
    except ConfigError:
        history = default
    before = str(payload.get("before"))
    changes = await repository.compare(before if branch == default else default, head)
    if changes is not None and CONFIG_PATH in changes[1]:
        text = await repository.file(CONFIG_PATH, head)
        await _show(repository, head, CONFIG_CHECK, configuration_problems(text, event.services.commands))
    if branch == default and (changes is None or CONFIG_PATH in changes[1]) and await has_config(repository):
        await repository.ensure_labels(definitions())  # GitHub leaves out a form's label that does not exist
    if history != default:
        changes = await repository.compare(before if branch == history else history, head)
    if changes is not None:
        await _check_registry(repository, *changes, head)


async def _check_registry(repository: Repository, base: str, paths: list[str], head: str) -> None:
    changed = [path for path in paths if _MODEL.fullmatch(path)]
    problems = []
    for path in changed[:_MAX_MODELS]:
        problems += registry_problems(path, await repository.file(path, base), await repository.file(path, head))
    if len(changed) > _MAX_MODELS or len(paths) >= _MAX_FILES:
        rule = f"A push must change at most {_MAX_MODELS} models, and fewer than {_MAX_FILES} files."
        problems.append(
            invalid_field(model_file.FOLDER, rule, "There are more.", "Split it into several pull requests.")
        )
    if changed:
        await _show(repository, head, REGISTRY_CHECK, problems)


def configuration_problems(text: bytes | None, commands: Collection[str]) -> list[Problem]:
    """Return what is wrong with a configuration. A missing one is valid; it turns Modelyard off."""
    if text is None:
        return []
    try:
        parse_config(text, commands)
    except OperationError as error:
        return [error.problem.model_copy(update={"field": error.problem.field or CONFIG_PATH})]
    return []


def registry_problems(path: str, before: bytes | None, after: bytes | None) -> list[Problem]:
    """Return what is wrong with a change to a model's file: aliases may move, versions must stay as runs made them."""
    try:
        known = model_file.parse(before).versions if before else ()
    except OperationError:
        known = ()  # this push repairs the file
    if after is None:
        rule, next_step = "A model's versions must be kept.", "Keep the file, and remove aliases instead."
        return [invalid_field(path, rule, "The file is removed.", next_step)] if known else []
    try:
        file = model_file.parse(after)
    except OperationError as error:
        return [error.problem.model_copy(update={"field": path})]
    problems = []
    if model_file.path_of(file.name) != path:
        rule, next_step = "A model's file must have the model's name.", f"Rename it to {model_file.path_of(file.name)}."
        problems.append(invalid_field(path, rule, f"It is about {file.name}.", next_step))
    remaining = {version.version: version for version in file.versions}
    for version in known:
        if remaining.pop(version.version, None) != version:
            rule = "A version must stay as its run made it."
            found = f"Version {version.version} is changed or missing."
            problems.append(invalid_field(path, rule, found, "Undo that change."))
    for number in remaining:
        rule, next_step = "Versions must come from runs.", "Remove it. Train, or use `/register`."
        problems.append(invalid_field(path, rule, f"Version {number} is new.", next_step))
    return problems


async def _show(repository: Repository, head: str, name: str, problems: list[Problem]) -> None:
    try:
        await repository.check_run(
            name=name,
            head_sha=head,
            external_id=name.lower().replace(" ", "-"),
            status="completed",
            conclusion="failure" if problems else "success",
            title=f"{len(problems)} to fix" if problems else "No problems",
            summary=notices.file_findings(problems),
        )
    except HubError as error:
        if error.transient:
            raise
        log.warning("the check %r of %s could not be shown: %s", name, head, error)
