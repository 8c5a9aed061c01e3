"""One answer of GitHub goes wrong in each of the ways it can: the run ends rightly, nothing is done twice, and the App
does not ask more often than is allowed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from runners.local.hub.faults import Kind
from tests.support.loop import Loop, running_loop

CALLS = {
    "token": ("POST", "/access_tokens$", 1),
    "permission": ("GET", "/permission$", 1),
    "issue": ("GET", r"/issues/\d+$", 12),  # 4, and one with each look of the reconciler while the run goes on
    "comment": ("POST", r"/issues/\d+/comments$", 2),
    "comment-edit": ("PATCH", r"/issues/comments/\d+$", 12),
    "labels": ("POST", r"/issues/\d+/labels$", 3),
    "dispatch": ("POST", "/dispatches$", 1),
    "jobs": ("GET", r"/runs/\d+/jobs$", 40),
    "tree": ("POST", "/git/trees$", 1),
    "commit": ("POST", "/git/commits$", 1),
    "ref-update": ("PATCH", "/git/refs/", 1),
    "close": ("PATCH", r"/issues/\d+$", 1),
}
"""The calls that a run stands on, each with how often a run that meets no fault makes it at most."""
ONE_MORE = 1
"""So often a call is made again after its one broken answer."""

LOST = [(kind, executed) for kind in (Kind.BROKEN, Kind.SILENT, Kind.CLOSED) for executed in (True, False)]
WAYS = [(kind, kind in (Kind.CUT, Kind.SLOW)) for kind in Kind if kind not in dict(LOST)] + LOST
QUICK = {
    "token": [(Kind.BROKEN, False)],
    "comment": [(Kind.SECONDARY, False), (Kind.CLOSED, True), (Kind.CUT, True)],
    "dispatch": [(Kind.BROKEN, True), (Kind.SILENT, True), (Kind.CLOSED, False)],
    "ref-update": [(Kind.BROKEN, True), (Kind.EXPIRED, False)],
}
"""What is tried at every ``make test``; all else is slow."""


def cases() -> Iterator[object]:
    for name in CALLS:
        for kind, executed in WAYS:
            if (name, kind) == ("token", Kind.EXPIRED):
                continue  # it is not asked for with a token
            quick = (kind, executed) in QUICK.get(name, [])
            what = f"{name}-{kind.name.lower()}" + ("-executed" if executed else "")
            yield pytest.param(name, kind, executed, id=what, marks=[] if quick else pytest.mark.slow)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    folder: Path = tmp_path_factory.mktemp("loop")
    with (
        # Far apart, so that even on a busy machine a slow answer comes before the App gives up.
        patch("runners.local.hub.faults.SLOW_SECONDS", 0.25),
        running_loop(folder, speed=1, time_factor=0.05, http_timeout_seconds=2) as loop,
    ):
        yield loop


@pytest.mark.parametrize(("name", "kind", "executed"), list(cases()))
def test_one_response_goes_wrong(loop: Loop, model: str, name: str, kind: Kind, executed: bool) -> None:
    method, path, calls = CALLS[name]
    for token in loop.hub.tokens.find():
        if token.kind == "installation":  # so that the App asks for another
            loop.hub.tokens.delete(token.id)
    loop.hub.faults.add(method, path, kind, executed=executed)

    issue = loop.open(model_name=model)

    run = loop.until_ended(issue)
    assert loop.hub.faults.counts == {kind: 1}
    assert (run.status, loop.labels(issue), loop.issue(issue)["state"]) == ("passed", {"mlops:passed"}, "closed")
    said = [text.split("\n", 1)[0] for text in loop.comments(issue)]
    assert len(said) == len(set(said)) == 2, "the one comment, and that it has finished"
    assert len(loop.jobs.works) == 1
    log = loop.hub.git(loop.ready.repository).run("log", "--format=%s", "main").decode()
    assert log.count(run.id) == 1
    assert str(loop.file(f"training_history/models/{model}.yaml")).count("run:") == 1
    asked = [
        each.url.path
        for each in loop.network.requests
        if each.method == method and re.search(path, each.url.path) is not None
    ]
    assert len(asked) <= calls + ONE_MORE, asked
