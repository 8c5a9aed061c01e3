from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping

import pytest

from actions.context import Reader
from actions.errors import Conflict
from bot.github import GitHub, HubError, Repository
from runners.local.hub.hub import Hub
from tests.support import unreliable
from tests.support.gateway import World
from tests.support.github_openapi import AsyncCheckedTransport

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def commit_beside(world: World, path: str, content: str, branch: str = "main") -> str:
    """Commit one file by plain git, as somebody else would."""
    git, head = world.git, world.git.head(branch)
    blob = git.text("hash-object", "-w", "--stdin", data=content.encode())
    entries = git.text("ls-tree", "-r", str(head)).splitlines()
    kept = [entry for entry in entries if entry.partition("\t")[2] != path]
    tree = _tree(world, [*kept, f"100644 blob {blob}\t{path}"])
    commit = git.text("commit-tree", tree, "-p", str(head), "-m", "beside", environment=_SOMEBODY)
    git.run("update-ref", f"refs/heads/{branch}", commit, str(head))
    return commit


_SOMEBODY = {f"GIT_{who}_{what}": "writer" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def _tree(world: World, entries: list[str]) -> str:
    index = {**_SOMEBODY, "GIT_INDEX_FILE": str(world.folder / "index")}
    (world.folder / "index").unlink(missing_ok=True)
    world.git.run("update-index", "--add", "--index-info", data="\n".join(entries).encode() + b"\n", environment=index)
    return world.git.text("write-tree", environment=index)


def publish(world: World, ref: str, files: Mapping[str, bytes]) -> str:
    """Push an orphan commit as the publish job does."""
    git = world.git
    entries = [
        f"100644 blob {git.text('hash-object', '-w', '--stdin', data=content)}\t{path}"
        for path, content in files.items()
    ]
    commit = git.text("commit-tree", _tree(world, entries), "-m", "result", environment=_SOMEBODY)
    git.run("update-ref", ref, commit)
    return commit


def count(read: Reader, path: str = "count.txt") -> int:
    return int(read(path) or b"0")


# --- reading -----------------------------------------------------------------------------------------------------------


def test_files_are_read_from_the_default_branch_or_a_commit(world: World) -> None:
    first = str(world.git.head("main"))
    commit_beside(world, "README.md", "Changed.\n")

    async def read(repository: Repository) -> tuple[bytes | None, bytes | None, bytes | None, bytes | None]:
        return (
            await repository.file("README.md"),
            await repository.file("README.md", first),
            await repository.file("no/such/file"),
            await repository.file(".github"),
        )

    assert world.do(read) == (b"Changed.\n", b"A project.\n", None, None)


def test_a_file_too_large_for_the_contents_route_is_read_completely(world: World) -> None:
    content = "0123456789abcdef" * 100_000
    commit_beside(world, "large.txt", content)

    assert world.do(lambda repository: repository.file("large.txt")) == content.encode()


def test_a_folder_lists_its_files_and_a_missing_one_lists_none(world: World) -> None:
    commit_beside(world, "docs/b.md", "b")
    commit_beside(world, "docs/a b.md", "a")
    commit_beside(world, "docs/deeper/c.md", "c")

    async def both(repository: Repository) -> tuple[list[str], list[str], bytes | None]:
        listed = await repository.folder("docs")
        return listed, await repository.folder("nothing"), await repository.file(listed[0])

    assert world.do(both) == (["docs/a b.md", "docs/b.md"], [], b"a")


@pytest.mark.parametrize("path", ["../secret", "a/../b", "/etc/passwd", "a//b", "."])
def test_a_path_that_leads_elsewhere_is_never_requested(world: World, path: str) -> None:
    with pytest.raises(ValueError, match="not a plain path"):
        world.do(lambda repository: repository.file(path))


# --- commits -----------------------------------------------------------------------------------------------------------


def test_many_files_become_one_commit_on_top_of_the_head(world: World) -> None:
    before = world.git.head("main")
    commit_beside(world, "old.txt", "old")

    def change(read: Reader) -> dict[str, bytes | None]:
        return {
            "a.md": b"# A\n",
            "plots/a.png": PNG,
            "old.txt": None,
            "README.md": (read("README.md") or b"") + b"More.\n",
        }

    sha = world.do(lambda repository: repository.commit_files("main", "Add [skip ci]", change))

    assert world.git.head("main") == sha
    assert world.git.text("rev-list", "--count", f"{before}..{sha}") == "2"
    assert world.git.read(sha, "plots/a.png") == PNG
    assert world.git.read(sha, "README.md") == b"A project.\nMore.\n"
    assert world.git.read(sha, "old.txt") is None
    assert world.git.read(sha, ".github/workflows/modelyard-train.yml") is not None
    assert world.git.text("log", "-1", "--format=%an|%s", sha) == "modelyard[bot]|Add [skip ci]"


def test_a_commit_of_text_files_takes_three_writes(world: World) -> None:
    world.do(lambda repository: repository.commit_files("main", "Add", lambda _: {"a": b"1", "b": b"2", "c": b"3"}))

    assert world.network.writes() == ["POST trees", "POST commits", "PATCH main"]


def test_a_change_that_changes_nothing_makes_no_commit(world: World) -> None:
    def change(read: Reader) -> dict[str, bytes | None]:
        return {"README.md": read("README.md"), "not-there.txt": None}

    sha = world.do(lambda repository: repository.commit_files("main", "Nothing", change))

    assert sha == world.git.head("main")
    assert world.network.writes() == []


def test_identical_content_makes_no_commit_even_if_it_was_not_read(world: World) -> None:
    first = world.do(lambda repository: repository.commit_files("main", "Add", lambda _: {"a.md": b"# A\n"}))
    second = world.do(lambda repository: repository.commit_files("main", "Add", lambda _: {"a.md": b"# A\n"}))

    assert first == second == world.git.head("main")


def test_existing_blobs_are_reused(world: World) -> None:
    blob = world.git.text("hash-object", "-w", "--stdin", data=PNG)

    sha = world.do(
        lambda repository: repository.commit_files(
            "main", "Add", lambda _: {"a.md": b"![plot](a.png)\n"}, blobs={"plots/a.png": blob}
        )
    )

    assert world.git.read(sha, "plots/a.png") == PNG
    assert "POST blobs" not in world.network.writes()


def test_files_are_fetched_only_when_the_change_needs_them(world: World) -> None:
    commit_beside(world, "index.txt", "one.txt")
    commit_beside(world, "one.txt", "content")

    def change(read: Reader) -> dict[str, bytes | None]:
        named = (read("index.txt") or b"").decode()
        return {"copy.txt": read(named)}

    sha = world.do(lambda repository: repository.commit_files("main", "Copy", change, reads=["index.txt"]))

    assert world.git.read(sha, "copy.txt") == b"content"


def test_a_commit_that_lost_a_race_is_recomputed_from_the_new_files(world: World) -> None:
    seen = []

    def change(read: Reader) -> dict[str, bytes | None]:
        present = count(read)
        seen.append(present)
        if len(seen) < 3:  # between reading and writing, somebody else commits
            commit_beside(world, "count.txt", str(present + 10))
        return {"count.txt": str(present + 1).encode()}

    sha = world.do(lambda repository: repository.commit_files("main", "Count", change, reads=["count.txt"]))

    assert seen == [0, 10, 20]
    assert world.git.read(sha, "count.txt") == b"21"
    assert world.git.head("main") == sha


def test_two_apps_that_commit_at_once_lose_nothing(world: World) -> None:
    async def add(number: int) -> None:
        async with GitHub(world.settings(), AsyncCheckedTransport(unreliable.Unreliable())) as github:
            await github.repository(world.name).commit_files(
                "main", f"Count {number}", lambda read: {"count.txt": str(count(read) + 1).encode()}
            )

    async def at_once() -> None:
        await asyncio.gather(*(add(number) for number in range(4)))

    asyncio.run(at_once())

    assert world.git.read("main", "count.txt") == b"4"


@pytest.mark.parametrize("path", ["/git/trees$", "/git/commits$"])
@pytest.mark.parametrize("fault", [unreliable.timed_out, unreliable.answering(502)])
def test_a_commit_that_failed_half_way_leaves_the_branch_unchanged(
    world: World, path: str, fault: unreliable.Fault
) -> None:
    before = world.git.head("main")
    world.network.add("POST", path, fault, delivered=True)

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.commit_files("main", "Add", lambda _: {"a.md": b"# A\n"}))

    assert caught.value.transient
    assert world.git.head("main") == before


@pytest.mark.parametrize("delivered", [True, False])
def test_a_commit_is_made_once_even_if_the_last_response_was_lost(world: World, delivered: bool) -> None:
    before = world.git.head("main")
    world.network.add("PATCH", "/git/refs/heads/main$", unreliable.timed_out, delivered=delivered)

    sha = world.do(
        lambda repository: repository.commit_files(
            "main", "Note", lambda read: {"notes.txt": b"" if read("notes.txt") else b"one note\n"}
        )
    )

    assert world.git.head("main") == sha
    assert world.git.text("rev-list", "--count", f"{before}..{sha}") == "1"
    assert world.git.read(sha, "notes.txt") == b"one note\n"


def test_a_protected_branch_is_reported_as_such_and_not_retried(world: World) -> None:
    refusal = {"message": "Repository rule violations found\n\nChanges must be made through a pull request."}
    world.network.add("PATCH", "/git/refs/heads/main$", unreliable.answering(422, refusal), times=10)

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.commit_files("main", "Add", lambda _: {"a.md": b"# A\n"}))

    assert caught.value.problem.reason == "branch_protected"
    assert len(world.network.writes("/git/refs/heads/main$")) == 1


@pytest.mark.parametrize("place", ["history", "history/run-1", "history/run-1/plot.png"])
@pytest.mark.parametrize("kind", ["100644 blob", "120000 blob", "160000 commit"], ids=["file", "link", "submodule"])
def test_a_commit_replaces_no_file_link_or_submodule_that_is_in_the_place_of_its_folders_or_files(
    world: World, place: str, kind: str
) -> None:
    if (place, kind) == ("history/run-1/plot.png", "100644 blob"):
        place = f"{place}/note.txt"  # a folder in the place of the file
    git, head = world.git, str(world.git.head("main"))
    there = head if kind == "160000 commit" else git.text("hash-object", "-w", "--stdin", data=b"elsewhere")
    entries = git.text("ls-tree", "-r", head).splitlines()
    tree = _tree(world, [*entries, f"{kind} {there}\t{place}"])
    commit = git.text("commit-tree", tree, "-p", head, "-m", "beside", environment=_SOMEBODY)
    git.run("update-ref", "refs/heads/main", commit, head)
    blob = git.text("hash-object", "-w", "--stdin", data=PNG)

    with pytest.raises(Conflict, match=r"history") as caught:
        world.do(
            lambda repository: repository.commit_files(
                "main",
                "Add",
                lambda _: {"history/run-1.md": b"# Run\n"},
                blobs={"history/run-1/plot.png": blob},
            )
        )

    assert caught.value.problem.reason == "history_path_taken"
    assert world.git.head("main") == commit


def test_a_missing_branch_is_created_by_the_commit(world: World) -> None:
    sha = world.do(lambda repository: repository.commit_files("history", "Begin", lambda _: {"a.md": b"# A\n"}))
    later = world.do(lambda repository: repository.commit_files("history", "Go on", lambda _: {"b.md": b"# B\n"}))

    assert world.git.head("history") == later
    assert world.git.text("rev-list", later).splitlines() == [later, sha]
    assert world.git.text("ls-tree", "-r", "--name-only", later).split() == ["a.md", "b.md"]


def test_an_empty_repository_gets_its_first_commits(hub: Hub, world: World) -> None:
    empty = hub.create_repository(f"{world.name}-empty", private=True)
    hub.install(world.ready.app, empty)
    files = {"training_history/b.md": b"# B\n", "training_history/a.md": b"# A\n", "plots/a.png": PNG}

    sha = world.do(
        lambda repository: repository.commit_files("main", "Begin", lambda _: dict(files)), name=empty.full_name
    )

    git = hub.git(empty)
    assert git.head("main") == sha
    assert {path: git.read(sha, path) for path in files} == files


def test_a_commit_never_writes_outside_of_the_repository(world: World) -> None:
    with pytest.raises(ValueError, match="not a plain path"):
        world.do(lambda repository: repository.commit_files("main", "Add", lambda _: {"../a.md": b"# A\n"}))


# --- what a job published ----------------------------------------------------------------------------------------------

REF = "refs/modelyard/train-20261122-001/1"


def test_a_published_commit_is_listed_and_read_within_limits(world: World) -> None:
    result = json.dumps({"run": "train-20261122-001"}).encode()
    sha = publish(world, REF, {"result.json": result, "plots/roc.png": PNG})

    async def look(repository: Repository) -> tuple[str | None, bytes]:
        commit = await repository.published_commit(sha)
        assert commit.sha == sha
        assert commit.parents == ()
        assert {path: size for path, (_, size) in commit.files.items()} == {
            "result.json": len(result),
            "plots/roc.png": len(PNG),
        }
        blob, size = commit.files["result.json"]
        return await repository.resolve_ref(REF), await repository.blob(blob, size)

    assert world.do(look) == (sha, result)


def test_entries_of_a_published_commit_that_are_not_plain_files_are_marked(world: World) -> None:
    link = world.git.text("hash-object", "-w", "--stdin", data=b"/etc/passwd")
    commit = world.git.text(
        "commit-tree", _tree(world, [f"120000 blob {link}\tlink"]), "-m", "x", environment=_SOMEBODY
    )

    published = world.do(lambda repository: repository.published_commit(commit))

    assert (dict(published.files), published.others) == ({}, ("link",))


def test_a_blob_larger_than_allowed_is_refused(world: World) -> None:
    blob = world.git.text("hash-object", "-w", "--stdin", data=b"x" * 500_000)

    with pytest.raises(HubError) as caught:
        world.do(lambda repository: repository.blob(blob, 100_000))

    assert caught.value.problem.reason == "too_large"


def test_a_ref_is_found_by_its_full_name_and_can_be_deleted_twice(world: World) -> None:
    sha = publish(world, REF, {"result.json": b"{}"})
    publish(world, f"{REF}0", {"result.json": b"[]"})

    async def use(repository: Repository) -> tuple[str | None, str | None, str | None]:
        found = await repository.resolve_ref(REF)
        await repository.delete_ref(REF)
        await repository.delete_ref(REF)
        return found, await repository.resolve_ref(REF), await repository.resolve_ref("heads/main")

    assert world.do(use) == (sha, None, world.git.head("main"))
    assert world.git.resolve(f"{REF}0") is not None
