"""One folder with a whole Modelyard: made, served, served again."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from runners.local.act.work_folder import ActMissing
from runners.local.demo.workspace import REPOSITORY, Workspace, WorkspaceError
from runners.local.hub.server import bind
from tests.support.demos import HOSTILE_GITCONFIG


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace under a path with a space."""
    workspace = Workspace(tmp_path_factory.mktemp("a workspace") / "demo")
    workspace.make()
    yield workspace
    assert workspace.folder.exists()


def healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).is_success
    except httpx.HTTPError:
        return False


def test_a_place_is_served_on_its_ports_again_and_again(made: Workspace) -> None:
    state = made.state
    for _ in range(2):
        with made.running() as running:
            assert running.hub.base_url == f"http://127.0.0.1:{state.hub_port}"
            for name in ("classification", "regression", "tune"):
                form = f"/{REPOSITORY}/issues/new?template=modelyard-{name}.yml"
                assert httpx.get(running.hub.base_url + form, timeout=20).is_success
            assert healthy(state.app_port)
            assert [runner.name for runner in running.hub.runs.runners.find()] == ["runner-1", "runner-2"]
        assert running.app.poll() is not None
        assert not healthy(state.app_port)
    assert made.state == state


def test_making_it_again_keeps_the_datasets_and_the_ports_and_names_what_it_deletes(
    made: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(HOSTILE_GITCONFIG))
    before, bare = made.state, made.folder / "hub" / "repositories" / f"{REPOSITORY}.git"
    data = made.folder / "storage" / REPOSITORY / "datasets" / "mine.csv"
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_text("x,y\n1,2\n", encoding="utf-8")
    (bare / "left-behind").touch()

    assert made.contents == f"the issues and the history of {REPOSITORY}"
    after = made.make()

    assert data.read_text(encoding="utf-8") == "x,y\n1,2\n"
    assert not (bare / "left-behind").exists()
    assert (after.hub_port, after.app_port) == (before.hub_port, before.app_port)


def test_datasets_left_by_an_interruption_are_refused_rather_than_replace_newer_ones(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "demo")
    newer = workspace.folder / "storage" / REPOSITORY / "datasets" / "newer.csv"
    older = tmp_path / "demo.datasets" / "older.csv"
    for path in (newer, older):
        path.parent.mkdir(parents=True)
        path.write_text("x\n1\n", encoding="utf-8")
    with pytest.raises(WorkspaceError, match="Datasets are in two places"):
        workspace.make()
    assert newer.exists()
    assert older.exists()


@pytest.mark.slow
def test_a_port_in_use_is_left_alone(made: Workspace) -> None:
    before = made.state.hub_port
    with bind(before)[0] as taken:
        taken.listen()
        with made.running() as running:
            port = made.state.hub_port
            assert port != before
            assert running.hub.base_url.endswith(f":{port}")


def test_what_runs_is_neither_removed_nor_run_twice(made: Workspace) -> None:
    with made.running():
        for again in (made.make, made.running().__enter__):
            with pytest.raises(WorkspaceError, match="is in use"):
                again()
        assert healthy(made.state.app_port)


@pytest.mark.slow
def test_an_app_that_does_not_start_is_told_with_its_log(made: Workspace) -> None:
    database = made.folder / "app.sqlite3"
    kept = database.rename(database.with_suffix(".kept")) if database.exists() else None
    database.mkdir()
    try:
        with (
            pytest.raises(WorkspaceError, match=r"The App stopped right after its start. See its log: .*app\.log"),
            made.running(),
        ):
            pass
    finally:
        database.rmdir()
        if kept:
            kept.rename(database)


def test_its_secrets_are_for_its_user_alone(made: Workspace) -> None:
    assert stat.S_IMODE((made.folder / "workspace.json").stat().st_mode) == 0o600


def test_where_nothing_was_made_the_cure_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(WorkspaceError, match="Run the demo first: make demo"),
        Workspace(tmp_path / "nothing").running(),
    ):
        pass


def test_without_act_nothing_is_made_or_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ActMissing):
        Workspace(tmp_path).make()
    assert (tmp_path / "kept").exists()
