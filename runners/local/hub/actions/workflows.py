"""The workflows of a repository, and validation of dispatches against their declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runners.local.act import workflow_plan
from runners.local.act.expressions import UnknownExpression, as_text, fill
from runners.local.act.workflow_plan import Input
from runners.local.hub.actions.records import Workflow
from runners.local.hub.errors import ApiError
from runners.local.hub.git.repository import GitRepository
from runners.local.hub.records import Repository, now

if TYPE_CHECKING:
    from runners.local.hub.hub import Hub

FOLDER = ".github/workflows"
MAX_INPUTS = 25
MAX_TEXT = 65_535


@dataclass(frozen=True)
class Dispatch:
    """A valid dispatch: workflow, commit and inputs."""

    workflow: Workflow
    definition: Mapping[str, Any]
    branch: str
    sha: str
    inputs: Mapping[str, str]

    def title(self, actor: str) -> str:
        """Return the run's name: ``run-name`` with expressions evaluated, else the workflow's name."""
        template = self.definition.get("run-name")
        if not isinstance(template, str) or not template:
            return self.workflow.name
        github = {"actor": actor, "ref_name": self.branch, "sha": self.sha, "workflow": self.workflow.name}
        try:
            filled = as_text(fill(template, {"inputs": self.inputs, "github": github}))
        except UnknownExpression:
            return self.workflow.name
        return filled.strip() or self.workflow.name


def found(hub: Hub, repository: Repository) -> list[Workflow]:
    """Return the workflows on the default branch, ordered by id. Invalid files are omitted."""
    git = hub.git(repository)
    head = git.head(repository.default_branch)
    files = _files(git, head) if head else ()
    return sorted((_known(hub, repository, path, name) for path, name in files), key=lambda item: item.id)


def named(hub: Hub, repository: Repository, name: str) -> Workflow | None:
    """Return the workflow with this id or file name."""
    path = f"{FOLDER}/{name.removeprefix(FOLDER + '/')}"
    return next((item for item in found(hub, repository) if str(item.id) == name or item.path == path), None)


def check(hub: Hub, repository: Repository, workflow: Workflow, ref: str, given: Mapping[str, Any]) -> Dispatch:
    """Return the dispatch with all inputs, or refuse it with 422 if the workflow cannot be started that way."""
    branch, sha = _commit(hub, repository, ref)
    try:
        declared = definition(hub, repository, workflow, branch, sha)
    except workflow_plan.WorkflowError as error:
        raise ApiError(422, str(error)) from None
    if workflow_plan.trigger(declared, "workflow_dispatch") is None:
        raise ApiError(422, "Workflow does not have 'workflow_dispatch' trigger")
    inputs = _inputs(workflow_plan.inputs_of(declared, "workflow_dispatch"), given)
    return Dispatch(workflow, declared, branch, sha, inputs)


def definition(hub: Hub, repository: Repository, workflow: Workflow, branch: str, sha: str) -> dict[str, Any]:
    """Read a workflow at a commit of a branch.

    Raises
    ------
    WorkflowError
        If it is missing or invalid, in GitHub's words.
    """
    text = hub.git(repository).read(sha, workflow.path)
    if text is None:
        raise workflow_plan.WorkflowError(
            f"Workflow does not exist or does not have a workflow_dispatch trigger in {branch!r}"
        )
    try:
        return workflow_plan.load(text.decode("utf-8", "replace"))
    except workflow_plan.WorkflowError as error:
        raise workflow_plan.WorkflowError(f"failed to parse workflow: {error}") from None


def planned(hub: Hub, repository: Repository, run: Dispatch) -> tuple[workflow_plan.PlannedJob, ...]:
    """Return the jobs of a dispatch, including those of called workflows."""

    def fetch(full_name: str, ref: str, path: str) -> str | None:
        where = hub.repository(full_name) if full_name else repository
        # As on GitHub, only the repository itself can use the workflows of a private repository.
        if where is None or (where.private and where.id != repository.id):
            return None
        content = hub.git(where).read(ref or run.sha, path)
        return None if content is None else content.decode("utf-8", "replace")

    github = {"repository": repository.full_name, "repository_owner": repository.owner, "sha": run.sha,
              "ref_name": run.branch, "event_name": "workflow_dispatch"}  # fmt: skip
    return workflow_plan.plan(run.definition, {"inputs": run.inputs, "github": github}, fetch)


@lru_cache(maxsize=64)
def _files(git: GitRepository, sha: str) -> tuple[tuple[str, str], ...]:
    """Return path and name of every workflow file of a commit."""
    listed = git.text("ls-tree", "-z", "--name-only", sha, f"{FOLDER}/").split("\0")
    files = []
    for path in sorted(path for path in listed if path.endswith((".yml", ".yaml"))):
        try:
            definition = workflow_plan.load((git.read(sha, path) or b"").decode("utf-8", "replace"))
        except workflow_plan.WorkflowError:
            continue
        files.append((path, str(definition.get("name") or path)))
    return tuple(files)


def _known(hub: Hub, repository: Repository, path: str, name: str) -> Workflow:
    table = hub.store.table(Workflow)
    with hub.store.transaction():
        known = table.first(repository_id=repository.id, path=path)
        if known is None:
            return table.add(Workflow(repository_id=repository.id, path=path, name=name))
        return known if known.name == name else table.update(known.id, name=name, updated_at=now())


def _commit(hub: Hub, repository: Repository, ref: str) -> tuple[str, str]:
    git = hub.git(repository)
    for prefix in ("refs/heads/", "refs/tags/"):
        name = ref.removeprefix(prefix)
        sha = git.resolve(prefix + name) if name and not ref.startswith("refs/pull") else None
        if sha:
            return name, sha
    raise ApiError(422, f"No ref found for: {ref}")


def _inputs(declared: Mapping[str, Input], given: Mapping[str, Any]) -> dict[str, str]:
    unexpected = [name for name in given if name not in declared]
    if unexpected or len(given) > MAX_INPUTS:
        listed = ", ".join(f'"{name}"' for name in unexpected or given)
        raise ApiError(422, f"Unexpected inputs provided: [{listed}]")
    values = {name: _value(one, given.get(name)) for name, one in declared.items()}
    if sum(len(value) for value in values.values()) > MAX_TEXT:
        raise ApiError(422, "inputs are too large.")
    return values


def _value(declared: Input, given: Any) -> str:
    if given is None:
        if declared.required and not declared.default:
            raise ApiError(422, f"Required input '{declared.name}' not provided")
        return declared.default or ("false" if declared.type == "boolean" else "")
    if not isinstance(given, str | bool | int | float):
        raise ApiError(422, f"Invalid value for input '{declared.name}'")
    value = as_text(given)
    wrong = {
        "choice": bool(declared.options) and value not in declared.options,
        "boolean": value not in ("true", "false"),
        "number": not _is_number(value),
    }.get(declared.type, False)
    if wrong and declared.type == "choice":
        raise ApiError(422, f"Provided value '{value}' for input '{declared.name}' not in the list of allowed values")
    if wrong:
        raise ApiError(422, f"Provided value '{value}' for input '{declared.name}' is not a {declared.type}")
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and text.strip().lower().lstrip("+-") not in ("nan", "inf", "infinity")
