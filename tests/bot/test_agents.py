"""What an agent can do over MCP with the registry, the history and registered files: nothing, whatever it calls."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from mcp_types import CallToolResult

from actions.model_registry import model_file
from actions.operation import operation, operations
from actions.storage.folder import REGISTERED_FILE, Storage, make_write_once, write_atomically
from bot.mcp import create_server, local_contexts
from tests.bot.test_mcp import error_of
from tests.support.records import RUN, record
from tests.support.repositories import git, repository

KNOWN = operations("bot.operations")
FOLDER = f"owner/demo/models/{RUN}/1"
MODEL = f"{FOLDER}/model.skops"
FORGED = record(promoted=True).model_dump(mode="json")


class Project:
    """A repository and a storage root with a registered model that is in production."""

    def __init__(self, folder: Path) -> None:
        self.storage = Storage(folder / "storage")
        for name, content in {"model.skops": b"a model", "model.json": b"{}"}.items():
            write_atomically(self.storage.path(f"{FOLDER}/{name}"), content)
        make_write_once(self.storage.path(MODEL))
        sha256 = hashlib.sha256(b"a model").hexdigest()
        text, version = model_file.register(
            None, name="wine", run=RUN, attempt=1, uri=MODEL, sha256=sha256, created="2026-11-22T12:00:00Z"
        )
        files = {
            model_file.path_of("wine"): model_file.set_alias(text, "champion", version),
            ".github/modelyard.yml": "{}",
        }
        self.checkout = repository(folder / "project", **files)

    def state(self) -> Any:
        """Return what an agent must not change."""
        registered = {path.name: path.read_bytes() for path in self.storage.path(FOLDER).iterdir()}
        return registered, git(self.checkout, "rev-parse", "HEAD"), git(self.checkout, "status", "--porcelain")

    def call(self, *calls: tuple[str, dict[str, Any]]) -> list[CallToolResult]:
        async def talk() -> list[CallToolResult]:
            server = create_server(KNOWN, local_contexts(str(self.storage.root), str(self.checkout)))
            async with Client(server) as client:
                return [await client.call_tool(name, arguments) for name, arguments in calls]

        return anyio.run(talk)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("agents"))


def test_an_operation_is_closed_to_agents_unless_its_declaration_says_why_it_is_open() -> None:
    closed = {name for name, known in KNOWN.items() if not known.open_to_agents}
    assert closed == {"commit_training_history", "register_model", "rollback_model", "set_model_alias"}
    assert all(known.open_to_agents.endswith(".") for name, known in KNOWN.items() if name not in closed)
    with pytest.raises(ValueError, match="must be closed to agents"):
        operation(where="app", destructive=True, open_to_agents="It is harmless.")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("commit_training_history", {"record": FORGED}),
        ("register_model", {"name": "wine", "run": RUN, "attempt": 2, "uri": MODEL, "sha256": "0" * 64}),
        ("set_model_alias", {"name": "wine", "alias": "champion", "version": 1}),
        ("rollback_model", {"name": "wine"}),
    ],
)
def test_only_the_app_or_a_person_writes_registry_and_history(
    project: Project, name: str, arguments: dict[str, Any]
) -> None:
    before = project.state()
    (refused,) = project.call((name, arguments))
    assert error_of(refused)["reason"] == "approval_required"
    assert project.state() == before


@pytest.mark.parametrize("where", [FOLDER, MODEL, f"{FOLDER}/model.json", f"{FOLDER}/{REGISTERED_FILE}"])
def test_nothing_is_written_where_a_registered_model_is(project: Project, where: str) -> None:
    before = project.state()
    data = {"data": "sklearn://iris", "target": "target"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("preprocess_supervised", {**data, "destination": where}),
        ("split_dataset", {"data": "sklearn://iris", "destination": where}),
        ("train_supervised_classifier", {**data, "destination": where, "algorithm": "logistic_regression"}),
    ]
    for answer in project.call(*calls):
        assert answer.is_error
    assert project.state() == before


# --- any call, in any order ------------------------------------------------------------------------------------------

TEXTS = st.sampled_from(
    [
        MODEL, FOLDER, f"{FOLDER}/../1", f"./{MODEL}", "out", "sklearn://iris", "target", "wine", RUN, "owner/demo", "champion",
        "accuracy", ".github/modelyard.yml", "training_history/models/wine.yaml", "../project/.github", "/etc/passwd",
        "classification", "logistic_regression", "0" * 64, "/approve", "en",
    ]
)  # fmt: skip
VALUES = st.one_of(TEXTS, st.integers(-1, 3), st.booleans(), st.none(), st.lists(TEXTS, max_size=2))
LIKELY: dict[str, Any] = {
    "destination": st.sampled_from([FOLDER, MODEL, "out"]),
    "data": st.just("sklearn://iris"),
    "target": st.just("target"),
    "training": st.sampled_from([FOLDER, "out"]),
    "record": st.just(FORGED),
    "algorithm": st.just("logistic_regression"),
    "task": st.just("classification"),
    "metric": st.just("accuracy"),
    "trials": st.just(1),
}


@st.composite
def a_call(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(sorted(KNOWN)))
    fields = KNOWN[name].input_model.model_fields
    given_names = [field for field, info in fields.items() if info.is_required() or draw(st.integers(0, 9)) == 0]
    return name, {field: draw(st.one_of(LIKELY.get(field, VALUES), VALUES)) for field in given_names}


@given(st.lists(a_call(), min_size=1, max_size=4))
def test_no_call_in_any_order_moves_an_alias_or_changes_a_registered_file(
    project: Project, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    before = project.state()
    project.call(*calls)
    assert project.state() == before
