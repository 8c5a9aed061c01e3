"""The files' pages over HTTP: folders, rendered Markdown, raw content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub_pages import HOME, Pages, serve_pages, tags

PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)
HISTORY = "# A run\n\n![ROC](train-1/roc.png)\n\n| f1 |\n|---|\n| 0.9 |\n\n<script>alert(1)</script>\n"
FILES: dict[str, str | bytes] = {
    "README.md": "# Hello\n\nSee [the history](training_history/train-1.md).\n",
    "training_history/train-1.md": HISTORY,
    "training_history/train-1/roc.png": PNG,
    "training_history/train-1.json": '{"seed": 42}\n',
    "settings.yml": "a: <b>1</b>\n",
    "page.html": "<script>alert(1)</script>",
    "picture.svg": "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "script.js": "alert(1)",
    "data.bin": bytes(range(256)),
    "latin.txt": "caf\xe9".encode("latin-1"),
    "a b/ä #1?.txt": "odd",
    "empty.txt": "",
}


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    with serve_pages(tmp_path) as served:
        served.write_files(FILES)
        yield served


def test_the_repositorys_page_lists_its_files_and_renders_its_readme(pages: Pages) -> None:
    text = pages.user.get(HOME).text
    for name in ("training_history", "settings.yml", "a b"):
        assert f">{name}</a>" in text
    assert "<h1>Hello</h1>" in text
    assert f'href="{HOME}/blob/main/training_history/train-1.md"' in text


def test_an_empty_repository_says_where_to_push(tmp_path: Path) -> None:
    with serve_pages(tmp_path) as served:
        assert f"{HOME}.git" in served.user.get(HOME).text
        assert served.user.get(f"{HOME}/issues/new/choose").status_code == 200
        assert served.user.get(f"{HOME}/tree/main").status_code == 404


def test_a_runs_history_shows_its_plot_and_no_script(pages: Pages) -> None:
    text = pages.user.get(f"{HOME}/blob/main/training_history/train-1.md").text
    found = tags(text)
    (source,) = [attributes["src"] for tag, attributes in found if tag == "img"]
    assert source == f"{HOME}/raw/main/training_history/train-1/roc.png"
    assert "<td>0.9</td>" in text
    assert len([tag for tag, _ in found if tag == "script"]) == 1
    picture = pages.user.get(source)
    assert (picture.headers["Content-Type"], picture.content) == ("image/png", PNG)
    plain = pages.user.get(f"{HOME}/blob/main/training_history/train-1.md?plain=1").text
    assert "![ROC](train-1/roc.png)" in plain


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("training_history/train-1/roc.png", "image/png"),
        ("picture.svg", "image/svg+xml"),
        ("page.html", "text/plain; charset=utf-8"),
        ("script.js", "text/plain; charset=utf-8"),
        ("training_history/train-1.json", "text/plain; charset=utf-8"),
        ("settings.yml", "text/plain; charset=utf-8"),
        ("data.bin", "application/octet-stream"),
        ("latin.txt", "application/octet-stream"),
        ("empty.txt", "text/plain; charset=utf-8"),
        ("a%20b/%C3%A4%20%231%3F.txt", "text/plain; charset=utf-8"),
    ],
)
def test_raw_content_comes_with_a_kind_that_runs_nothing(pages: Pages, path: str, kind: str) -> None:
    answer = pages.user.get(f"{HOME}/raw/main/{path}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_text_is_shown_as_text(pages: Pages) -> None:
    assert "a: &lt;b&gt;1&lt;/b&gt;" in pages.user.get(f"{HOME}/blob/main/settings.yml").text
    assert "&lt;script&gt;" in pages.user.get(f"{HOME}/blob/main/page.html").text
    assert "binary or too large" in pages.user.get(f"{HOME}/blob/main/data.bin").text
    assert f'<img src="{HOME}/raw/main/picture.svg"' in pages.user.get(f"{HOME}/blob/main/picture.svg").text
    assert "&#34;seed&#34;: 42" in pages.user.get(f"{HOME}/blob/main/training_history/train-1.json").text


def test_odd_names_lead_where_they_say(pages: Pages) -> None:
    listed = tags(pages.user.get(f"{HOME}/tree/main/a%20b").text)
    (address,) = [a["href"] for tag, a in listed if tag == "a" and "%231" in (a.get("href") or "")]
    assert address is not None
    assert "odd" in pages.user.get(address).text


def test_a_branch_with_slashes_a_tag_and_a_commit_can_be_looked_at(pages: Pages) -> None:
    sha = pages.write_files({"only-here.txt": "x"}, branch="feature/new/thing")
    git = pages.hub.git(pages.repository)
    git.run("update-ref", "refs/tags/v1", sha)
    for ref in ("feature/new/thing", "v1", sha, sha[:10]):
        assert pages.user.get(f"{HOME}/blob/{ref}/only-here.txt").status_code == 200
    assert pages.user.get(f"{HOME}/blob/main/only-here.txt").status_code == 404
    assert "private" in pages.user.get(f"{HOME}/raw/{sha}/only-here.txt").headers["Cache-Control"]


def test_files_of_a_published_result_are_served_by_their_commit(pages: Pages) -> None:
    sha = pages.write_files({"plots/roc.png": PNG}, branch="result")
    git = pages.hub.git(pages.repository)
    git.run("update-ref", "refs/modelyard/train-1/1", sha)
    git.run("update-ref", "-d", "refs/heads/result")
    assert pages.user.get(f"{HOME}/raw/{sha}/plots/roc.png").content == PNG


def test_folders_and_files_lead_to_each_other(pages: Pages) -> None:
    moved = pages.user.get(f"{HOME}/blob/main/training_history")
    assert moved.headers["Location"] == f"{HOME}/tree/main/training_history"
    moved = pages.user.get(f"{HOME}/tree/main/settings.yml")
    assert moved.headers["Location"] == f"{HOME}/blob/main/settings.yml"
    moved = pages.user.get(f"{HOME}/blob/main/settings.yml?raw=true")
    assert moved.headers["Location"] == f"{HOME}/raw/main/settings.yml"


@pytest.mark.parametrize("view", ["tree", "blob", "raw"])
@pytest.mark.parametrize(
    "rest",
    [
        "main/nothing",
        "nothing",
        "main/..%2f..%2fhub.sqlite3",
        "main/%2e%2e/config",
        "--help",
        "main/a%00b",
        "HEAD~1",
        "main/a%0ab",
        "main%0a/x",
        "refs/heads/main/settings.yml",
        "main^{tree}",
        "%ff%fe",
        "@{-1}",
        "main:settings.yml",
    ],
)
def test_a_missing_file_is_404(pages: Pages, view: str, rest: str) -> None:
    assert pages.user.get(f"{HOME}/{view}/{rest}").status_code == 404


def test_a_commit_shows_its_message_and_its_files(pages: Pages) -> None:
    sha = pages.write_files({"settings.yml": "a: 2\n", "new.txt": "n"})
    text = pages.user.get(f"{HOME}/commit/{sha}").text
    assert '<span class="badge">modified</span>' in text
    assert f'href="{HOME}/blob/{sha}/new.txt"' in text
    for odd in ("0" * 40, "main", "--all", "x"):
        assert pages.user.get(f"{HOME}/commit/{odd}").status_code == 404
