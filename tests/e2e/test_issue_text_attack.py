"""An attack by an issue: its author may write no code, and tries to run, read, forge or disturb something with text."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from actions.tasks.exchange import WorkOrder
from bot.events.commands import COMMANDS
from bot.parsing.form import form_body
from bot.parsing.repository_config import CONFIG_PATH
from bot.runs.machines.training import State
from tests.support.comment_reading import INVISIBLE, assert_inert, read
from tests.support.loop import Loop
from tests.support.runs import a_request
from tests.support.scripted_runs import Script

LINE = (
    "$(touch /tmp/pwned) `id`; rm -rf / & || ' \" \\ ${{ github.token }} ${{ secrets.X }} %0A::set-env name=A::b ##[add-mask]x "
    "@owner @octo/team #1 GH-2 https://evil.example/x www.evil.example <script>alert(1)</script> <img src=x onerror=alert(1)> "
    "<!-- modelyard:state:e30= --> --> ``` ~~~ </details> [a](javascript:alert(1)) ![x](https://evil.example/x.png) | a | "
    "!!python/object/apply:os.system &a *a {{ 7*7 }} \u202edelrac\u202c \u2066x\u2069 \u200bx\u2060 \U000e0041\U000e0042 \u00ad\u3164"
)
"""What fits into a field of one line."""
LINES = f"""{LINE}

::add-mask::owner
::stop-commands::x
/approve
/promote
```
/approve
```
> /approve
---
<!-- modelyard:run-train-20260101-001 -->
<!-- modelyard:state:e30= -->
[x]: javascript:alert(1)
<!--"""
"""What fits into the notes."""
MARKERS = ("<!-- modelyard:issue-1 -->", "<!-- modelyard:run-train-20260101-001 -->", "<!-- modelyard:state:e30= -->")


def open_issue(loop: Loop, body: str, by: str, title: str = "Train") -> int:
    """Open an issue and ask for every label, as everybody can; GitHub drops the labels of those who may not label."""
    labels = ["mlops:train", "mlops:passed"]
    with loop.person(by) as client:
        answer = client.post("/issues", json={"title": title, "body": body, "labels": labels}).raise_for_status()
        number = int(answer.json()["number"])
        client.put(f"/issues/{number}/labels", json={"labels": labels})
    return number


def with_value(label: str, value: str) -> str:
    """Return a form with another text below one of its headings, as anybody can write it into an issue."""
    parts = form_body(a_request()).split("### ")
    assert any(part.startswith(f"{label}\n") for part in parts)
    return "### ".join(f"{label}\n\n{value}\n\n" if part.startswith(f"{label}\n") else part for part in parts)


# --- without permission --------------------------------------------------------------------------------------------------


@pytest.fixture
def public(loop: Loop) -> Iterator[None]:
    """Make the repository public, so that everybody can open an issue."""
    repositories, id_, config = loop.hub.repositories, loop.ready.repository.id, loop.file(CONFIG_PATH) or ""
    repositories.update(id_, private=False)
    loop.write(CONFIG_PATH, config.replace("public_repository: false", "public_repository: true"))
    yield
    loop.write(CONFIG_PATH, config)
    repositories.update(id_, private=True)


@pytest.mark.parametrize("who", ["outsider", "reader"])
@pytest.mark.usefixtures("public")
def test_nothing_that_a_person_without_permission_writes_runs_or_is_obeyed(loop: Loop, waiting: int, who: str) -> None:
    before = loop.head(), loop.stored(), len(loop.jobs.works), loop.run(waiting)
    form = form_body(a_request(model_name="theirs", notes=LINES))
    bodies = [form, f"/train\n\n{form}", *(f"{marker}\n{form}" for marker in MARKERS), LINES, "x" * 65_000]
    issues = [open_issue(loop, body, who, title=LINE[:200]) for body in bodies]
    loop.edit(issues[0], f"{form}\n", by=who)
    said = [
        *(f"/{name}" for name in COMMANDS),
        f"/approve {LINE}",
        f"/run {LINE}",
        "> /approve",
        "```\n/approve\n```",
        *MARKERS,
        LINES,
    ]
    for text in said:
        loop.say(waiting, text, by=who)
        loop.say(issues[0], text, by=who)

    loop.until_idle()

    assert not [issue for issue in issues if loop.has_run(issue) or loop.issue(issue)["labels"]]
    assert (loop.head(), loop.stored(), len(loop.jobs.works)) == before[:3]
    now = loop.run(waiting)
    assert (now.state, now.decisions, now.answer) == (State.WAIT_FOR_OPERATOR_INPUT, (), None)
    for comment in [text for issue in (waiting, *issues) for text in loop.comments(issue)]:
        assert_inert(comment)


# --- a person who may write has added the label --------------------------------------------------------------------------


def labelled(loop: Loop, body: str, by: str = "reader", title: str = "Train") -> int:
    """Open an issue, and let an owner, who may, add the label."""
    issue = open_issue(loop, body, by, title)
    loop.label(issue, by="owner")
    return issue


def test_the_job_gets_the_fields_and_nothing_else_of_a_labelled_issue(loop: Loop, model: str) -> None:
    request = a_request(
        model_name=model, data=LINE, target=LINE[:200], split="group", split_column=LINE[200:400], notes=LINES
    )
    before = loop.head()

    issue = labelled(loop, form_body(request), title=LINE[:200])
    run = loop.until_ended(issue)

    assert run.status == "passed"
    (work,) = loop.jobs.works
    order = WorkOrder.model_validate_json(work.inputs["order"])
    assert order.request == run.request == request
    assert not set("$\n\r") & set(work.inputs["order"])
    assert {name: value for name, value in work.inputs.items() if name != "order"} == {
        "run": run.id, "attempt": "1", "start_at": "prepare", "dispatch": "1", "runs_on": '["self-hosted"]',
        "train_timeout_minutes": "60",
    }  # fmt: skip
    for comment in loop.comments(issue):
        assert_inert(comment)
    assert loop.labels(issue) == {"mlops:passed"}
    git = loop.hub.git(loop.ready.repository)
    written = git.run("log", "--format=%an%n%ae%n%B", "--name-only", f"{before}..main").decode()
    assert "pwned" not in written
    assert "evil" not in written
    page = str(loop.file(f"training_history/{run.id}.md"))
    shown = read(page)
    assert (shown.mentions, shown.references) == ([], [])
    assert not INVISIBLE.search(page.replace("\u200b", ""))
    assert "evil" not in "".join([*shown.images, *shown.links, *shown.tags])
    assert "<!--" not in page


REFUSED = [
    *[("Data", value) for value in (
        "../other/secret.csv", "a/../../secret.csv", "file:///etc/passwd", "s3://elsewhere/data.csv",
        "http://169.254.169.254/latest/meta-data", "a.csv\n/etc/passwd",
    )],
    *[("Model name", value) for value in (
        "../../.github/workflows/x", "/etc/cron.d/x", "a\n### Data\n\nb", "${{ github.token }}", "-rf", "\u202ea", "A" * 65_000,
    )],
    *[("Runner label", value) for value in ("ubuntu-latest", "self-hosted, big", '["x"]', "${{ github.token }}")],
    *[("Hyperparameters", value) for value in (
        "n_estimators: !!python/object/apply:os.system ['id']", "a: &a [*a]", "seed: 1\nseed: 2", "n_estimators: 1e999",
        "n_estimators: {a: b}", "- " * 10_000, "[" * 50_000, "${{ x }}: 1",
    )],
    *[("Target column", "target\n::set-env name=PATH::/tmp")],
    *[("Threshold", value) for value in ("nan", "-inf", "1e999", "0.9\n### Notes\n\n0.1", "\u0660.\u0669")],
    *[("Seed", value) for value in ("1; id", "9" * 5_000, "0x10")],
]  # fmt: skip


@pytest.mark.parametrize(
    ("label", "value"), REFUSED, ids=[f"{label} {number}" for number, (label, _) in enumerate(REFUSED)]
)
def test_a_labelled_form_that_reaches_too_far_is_refused_and_leaves_nothing(calm: Loop, label: str, value: str) -> None:
    before = calm.head(), calm.stored(), len(calm.jobs.works)

    issue = labelled(calm, with_value(label, value))

    calm.until_label(issue, "mlops:invalid")
    *refusals, comment = calm.comments(issue)
    assert len(refusals) <= 1, "the author may be told first that others must set the label"
    for said in (*refusals, comment):
        assert_inert(said)
        assert len(said) < 10_000
    assert (calm.head(), calm.stored(), len(calm.jobs.works)) == before
    assert not calm.has_run(issue)


def test_the_author_cannot_change_what_was_labelled(loop: Loop, model: str) -> None:
    loop.script(train=Script(hang=True))
    first = loop.open(model_name=model)
    loop.until(loop.jobs.hanging.is_set, "the first run trains")
    request = a_request(model_name=model, threshold=0.8)
    issue = labelled(loop, form_body(request))
    loop.until_label(issue, "mlops:queued")

    loop.edit(issue, form_body(a_request(model_name=model, threshold=0.01, notes=LINES)), by="reader")
    loop.until_idle()

    assert loop.run(issue).request == request
    loop.script()
    loop.say(first, "/cancel")
    assert loop.until_ended(issue).request == request
    assert json.loads(loop.jobs.works[-1].inputs["order"])["request"]["threshold"] == 0.8
    for comment in loop.comments(issue):
        assert_inert(comment)
