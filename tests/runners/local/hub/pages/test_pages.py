"""The pages over HTTP: what protects them, issues, and the form's way into an issue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.local.hub.records import Comment, Issue
from runners.local.hub.services import issues, labels
from tests.support.hub_pages import HOME, TRAIN, Pages, open_issue, serve_pages, tags

FILLED = {"title": "Train: wine", "field-model_name": "wine", "field-algorithm": "xgboost"}
NEW = f"{HOME}/issues/new?template=train.yml"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    with serve_pages(tmp_path) as served:
        yield served


def only_issue(pages: Pages) -> Issue:
    (found,) = pages.hub.issues.find()
    return found


# --- what protects the pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_form_sent_from_elsewhere_changes_nothing(pages: Pages, headers: dict[str, str]) -> None:
    sent = {"title": "By somebody else", "body": ""}
    assert pages.user.post(f"{HOME}/issues/new", sent, headers=headers).status_code == 403
    assert pages.hub.issues.count() == 0


@pytest.mark.parametrize("token", ["", "0" * 64, "ä"])
def test_a_form_without_this_sessions_token_changes_nothing(pages: Pages, token: str) -> None:
    sent = {"title": "Forged", "body": "", "token": token}
    assert pages.user.post(f"{HOME}/issues/new", sent).status_code == 403
    assert pages.hub.issues.count() == 0


def test_another_sessions_token_is_no_good(pages: Pages) -> None:
    token = pages.user.token()
    pages.user.client.cookies.clear()
    pages.user.token()
    answer = pages.user.post(f"{HOME}/issues/new", {"title": "Forged", "body": "", "token": token})
    assert answer.status_code == 403


def test_only_ordinary_forms_of_a_bounded_size_are_read(pages: Pages) -> None:
    client, path = pages.user.client, f"{HOME}/issues/new"
    assert client.post(path, json={"title": "x"}).status_code == 413
    assert client.post(path, files={"title": b"x"}).status_code == 413
    assert pages.user.post(path, {"title": "x" * 1_100_000}).status_code == 413
    assert pages.hub.issues.count() == 0


def test_every_page_forbids_foreign_content_inline_scripts_and_framing(pages: Pages) -> None:
    for path in ("/", HOME, f"{HOME}/issues", f"{HOME}/issues/new", f"{HOME}/actions", "/no/where", "/static/live.js"):
        policy = pages.user.get(path).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert pages.user.get(path).headers["X-Content-Type-Options"] == "nosniff"


def test_the_sessions_cookies_are_kept_from_scripts_and_other_sites(pages: Pages) -> None:
    cookie = pages.user.get("/").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_static_files_are_those_of_the_folder_alone(pages: Pages) -> None:
    assert pages.user.get("/static/hub.css").headers["Content-Type"].startswith("text/css")
    for name in ("..%2fpages%2fframe.py", "%2e%2e/hub.py", "nothing.css"):
        assert pages.user.get(f"/static/{name}").status_code == 404


# --- as whom one acts ------------------------------------------------------------------------------------------------


def test_the_switch_says_as_whom_the_browser_acts(pages: Pages) -> None:
    for login in ("writer", "reader", "owner"):
        answer = pages.user.post("/-/person", {"login": login, "back": f"{HOME}/issues"})
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{HOME}/issues")
        pages.user.post(f"{HOME}/issues/new", {"title": f"By {login}", "body": ""})
    authors = [pages.hub.users.need(issue.user_id).login for issue in pages.hub.issues.find()]
    assert authors == ["writer", "reader", "owner"]


def test_only_listed_users_can_be_chosen_and_never_bots(pages: Pages) -> None:
    pages.hub.register_app(
        "modelyard", owner="owner", webhook_url="http://127.0.0.1:9", webhook_secret="s", permissions={}, events=[]
    )
    for login in ("modelyard[bot]", "somebody", ""):
        assert pages.user.post("/-/person", {"login": login, "back": "/"}).status_code == 422
    assert "modelyard[bot]" not in pages.user.get("/").text


def test_the_switch_offers_those_who_see_something(pages: Pages) -> None:
    pages.hub.add_person("outsider")
    assert 'value="reader"' in pages.user.get("/").text
    assert 'value="outsider"' not in pages.user.get("/").text
    pages.user.act_as("outsider")
    assert 'value="outsider"' in pages.user.get("/").text


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", ""])
def test_the_switch_leads_back_to_this_hub_alone(pages: Pages, back: str) -> None:
    assert pages.user.post("/-/person", {"login": "reader", "back": back}).headers["Location"] == "/"


def test_who_does_not_see_a_repository_gets_404(pages: Pages) -> None:
    pages.hub.add_person("outsider")
    open_issue(pages)
    pages.user.act_as("outsider")
    for path in (
        HOME,
        f"{HOME}/issues",
        f"{HOME}/issues/1",
        f"{HOME}/issues/new",
        f"{HOME}/actions",
        f"{HOME}/tree/main",
    ):
        assert pages.user.get(path).status_code == 404
    assert "owner/demo" not in pages.user.get("/").text
    assert pages.user.post(f"{HOME}/issues/1/comments", {"body": "hi", "do": "comment"}).status_code == 404


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_list_shows_open_and_closed_issues_apart(pages: Pages) -> None:
    first = open_issue(pages, title="Still open")
    labels.create(pages.hub, pages.hub.person("owner"), pages.repository, "mlops:passed", "1d76db", "Good")
    issues.add_labels(pages.hub, pages.hub.person("owner"), first, ["mlops:passed"])
    issues.add_comment(pages.hub, pages.hub.person("reader"), first, "hello")
    issues.close_issue(pages.hub, pages.hub.person("owner"), open_issue(pages, title="All done"))
    opened, closed = (pages.user.get(f"{HOME}/issues{query}").text for query in ("", "?state=closed"))
    assert "Still open" in opened
    assert "All done" not in opened
    assert "--colour: #1d76db" in opened
    assert 'aria-label="1 comment"' in opened
    assert "1 Open" in closed
    assert "All done" in closed


def test_a_long_list_is_paged(pages: Pages) -> None:
    for number in range(30):
        open_issue(pages, title=f"Number {number}")
    assert "Page 1 of 2" in pages.user.get(f"{HOME}/issues").text
    last = pages.user.get(f"{HOME}/issues?page=2").text
    assert "Number 0<" in last
    assert "Number 29<" not in last
    for odd in ("0", "-1", "x", "99999999999999999999", "²"):
        assert pages.user.get(f"{HOME}/issues?page={odd}").status_code == 200


# --- new issue -------------------------------------------------------------------------------------------------------


def test_the_chooser_shows_the_default_branchs_forms_and_what_is_wrong_with_broken_ones(pages: Pages) -> None:
    folder = ".github/ISSUE_TEMPLATE"
    pages.write_files({f"{folder}/train.yml": TRAIN, f"{folder}/broken.yml": "name: x\nbody: 3", f"{folder}/x.md": "x"})
    pages.write_files({f"{folder}/other.yml": TRAIN.replace("Train a", "Other")}, branch="other")
    text = pages.user.get(f"{HOME}/issues/new/choose").text
    assert "Train a model" in text
    assert "Blank issue" in text
    assert "cannot be shown" in text
    assert "Other model" not in text
    pages.write_files({f"{folder}/config.yml": "blank_issues_enabled: false"})
    assert "Blank issue" not in pages.user.get(f"{HOME}/issues/new/choose").text


def test_the_form_shows_every_element_with_its_rules(pages: Pages) -> None:
    pages.write_files({".github/ISSUE_TEMPLATE/train.yml": TRAIN})
    labels.create(pages.hub, pages.hub.person("owner"), pages.repository, "mlops:train")
    text = pages.user.get(NEW + "&model_name=iris").text
    fields = {attributes["name"]: (tag, attributes) for tag, attributes in tags(text) if "name" in attributes}
    assert fields["title"][1]["value"] == "Train: "
    assert fields["field-model_name"][1] | {"required": None, "value": "iris"} == fields["field-model_name"][1]
    assert fields["field-algorithm"][0] == "select"
    assert "required" in fields["field-algorithm"][1]
    assert fields["field-notes"][0] == "textarea"
    assert "<strong>what</strong>" in text
    assert "<script>alert" not in text
    assert "mlops:train" in text


def test_a_sent_form_opens_an_issue_with_githubs_body_and_the_forms_labels(pages: Pages) -> None:
    pages.write_files({".github/ISSUE_TEMPLATE/train.yml": TRAIN})
    labels.create(pages.hub, pages.hub.person("owner"), pages.repository, "mlops:train")
    pages.user.act_as("reader")
    notes = f"### Algorithm\r\n\r\nrandom_forest\r\n{HOSTILE} ${{{{ github.token }}}} ; rm -rf / `id`"
    filled = {**FILLED, "field-hyperparameters": "n_estimators: 5", "field-notes": notes}
    answer = pages.user.post(NEW, filled)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{HOME}/issues/1")
    issue = only_issue(pages)
    assert issue.title == "Train: wine"
    assert issue.body == (
        "### Model name\n\nwine\n\n### Algorithm\n\nxgboost\n\n### Hyperparameters\n\n```yaml\nn_estimators: 5\n```\n\n"
        "### Notes\n\n" + notes.replace("\r\n", "\n")
    )
    assert [label.name for label in labels.of_issue(pages.hub, issue)] == ["mlops:train"]
    assert pages.hub.users.need(issue.user_id).login == "reader"


def test_a_form_creates_no_label(pages: Pages) -> None:
    pages.write_files({".github/ISSUE_TEMPLATE/train.yml": TRAIN})
    pages.user.post(NEW, FILLED)
    assert only_issue(pages).label_ids == []
    assert pages.hub.labels.count(repository_id=pages.repository.id) == 0


def test_what_is_missing_is_said_at_its_field_and_nothing_is_created(pages: Pages) -> None:
    pages.write_files({".github/ISSUE_TEMPLATE/train.yml": TRAIN})
    answer = pages.user.post(NEW, {"title": " ", "field-algorithm": "magic", "field-notes": HOSTILE})
    assert answer.status_code == 422
    for name in ("title", "field-model_name", "field-algorithm"):
        assert f'id="{name}-wrong"' in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
    assert pages.hub.issues.count() == 0


def test_a_body_longer_than_github_takes_is_refused(pages: Pages) -> None:
    pages.write_files({".github/ISSUE_TEMPLATE/train.yml": TRAIN})
    answer = pages.user.post(NEW, {**FILLED, "field-notes": "x" * 66_000})
    assert answer.status_code == 422
    assert "too long" in answer.text


@pytest.mark.parametrize("file", ["nothing.yml", "broken.yml", "config.yml", "../modelyard.yml", "train.yml%00"])
def test_only_forms_that_can_be_shown_are_shown(pages: Pages, file: str) -> None:
    folder = ".github/ISSUE_TEMPLATE"
    pages.write_files({f"{folder}/broken.yml": "x", f"{folder}/config.yml": TRAIN, ".github/modelyard.yml": TRAIN})
    assert pages.user.get(f"{HOME}/issues/new?template={file}").status_code == 404


def test_a_blank_issue_can_be_opened(pages: Pages) -> None:
    assert "Train" not in pages.user.get(f"{HOME}/issues/new").text
    pages.user.post(f"{HOME}/issues/new", {"title": "Blank", "body": "text\r\nmore"})
    assert (only_issue(pages).title, only_issue(pages).body) == ("Blank", "text\nmore")


# --- the issue -------------------------------------------------------------------------------------------------------


def test_what_people_wrote_is_never_taken_for_html(pages: Pages) -> None:
    issue = open_issue(pages, title=HOSTILE, body=HOSTILE)
    issues.add_comment(pages.hub, pages.hub.person("reader"), issue, HOSTILE)
    issues.add_labels(pages.hub, pages.hub.person("owner"), issue, ["<b>bold</b>"])
    for path in (f"{HOME}/issues", f"{HOME}/issues/1"):
        found = tags(pages.user.get(path).text)
        assert [attributes for tag, attributes in found if tag == "script"] == [
            {"src": "/static/live.js", "defer": None}
        ]
        assert not [attributes for _, attributes in found if any(name.startswith("on") for name in attributes)]
        assert "b" not in [tag for tag, _ in found]


def test_the_bots_comment_is_shown_as_markdown_without_its_marker(pages: Pages) -> None:
    app, _ = pages.hub.register_app(
        "modelyard", owner="owner", webhook_url="http://127.0.0.1:9", webhook_secret="s", permissions={}, events=[]
    )
    issue = open_issue(pages)
    body = "<!-- modelyard:1 -->\n| metric | value |\n|---|--:|\n| f1 | 0.9 |\n\n![roc](/owner/demo/raw/main/roc.png)"
    pages.hub.comments.add(
        Comment(repository_id=pages.repository.id, issue_id=issue.id, user_id=app.bot_id, app_id=app.id, body=body)
    )
    text = pages.user.get(f"{HOME}/issues/1").text
    assert "modelyard:1" not in text
    assert "<td>f1</td>" in text
    assert '<img src="/owner/demo/raw/main/roc.png"' in text
    assert '<span class="badge">bot</span>' in text


def test_a_comment_is_written_in_the_persons_name(pages: Pages) -> None:
    open_issue(pages)
    pages.user.act_as("reader")
    answer = pages.user.post(f"{HOME}/issues/1/comments", {"body": "/approve\r\nseed=7", "do": "comment"})
    (comment,) = pages.hub.comments.find()
    assert answer.headers["Location"] == f"{HOME}/issues/1#issuecomment-{comment.id}"
    assert comment.body == "/approve\nseed=7"
    assert pages.hub.users.need(comment.user_id).login == "reader"


def test_an_empty_comment_and_an_unknown_button_are_refused(pages: Pages) -> None:
    open_issue(pages)
    assert pages.user.post(f"{HOME}/issues/1/comments", {"body": " ", "do": "comment"}).status_code == 422
    assert pages.user.post(f"{HOME}/issues/1/comments", {"body": "x", "do": "delete"}).status_code == 422
    assert pages.hub.comments.count() == 0


def test_an_issue_is_closed_with_a_comment_and_opened_again(pages: Pages) -> None:
    open_issue(pages)
    path = f"{HOME}/issues/1/comments"
    pages.user.post(path, {"body": "No longer needed", "do": "close_not_planned"})
    assert (only_issue(pages).state, only_issue(pages).state_reason) == ("closed", "not_planned")
    assert pages.hub.comments.count() == 1
    assert "Closed as not planned" in pages.user.get(f"{HOME}/issues/1").text
    pages.user.post(path, {"body": "", "do": "reopen"})
    assert only_issue(pages).state == "open"
    pages.user.post(path, {"body": "", "do": "close"})
    assert only_issue(pages).state_reason == "completed"


def test_a_reader_may_close_only_the_issues_of_their_own(pages: Pages) -> None:
    open_issue(pages, "writer")
    pages.user.act_as("reader")
    assert "Close issue" not in pages.user.get(f"{HOME}/issues/1").text
    assert pages.user.post(f"{HOME}/issues/1/comments", {"body": "mine", "do": "close"}).status_code == 403
    assert only_issue(pages).state == "open"
    assert pages.hub.comments.count() == 0
    open_issue(pages, "reader")
    assert "Close issue" in pages.user.get(f"{HOME}/issues/2").text


def test_author_and_writers_edit_texts_and_others_do_not(pages: Pages) -> None:
    issue = open_issue(pages, "reader", body="old")
    comment = issues.add_comment(pages.hub, pages.hub.person("writer"), issue, "old too")
    pages.user.act_as("reader")
    pages.user.post(f"{HOME}/issues/1/edit", {"title": "Better", "body": "new"})
    assert (only_issue(pages).title, only_issue(pages).body) == ("Better", "new")
    path = f"{HOME}/issues/1/comments/{comment.id}"
    assert pages.user.post(path, {"body": "changed"}).status_code == 403
    pages.user.act_as("writer")
    assert ">\nold too</textarea>" in pages.user.get(path).text
    assert pages.user.post(path, {"body": "changed"}).status_code == 303
    assert pages.hub.comments.need(comment.id).body == "changed"
    assert pages.user.post(f"{HOME}/issues/1/comments/1", {"body": "x"}).status_code == 404


def test_labels_are_set_by_those_who_may(pages: Pages) -> None:
    issue = open_issue(pages)
    owner = pages.hub.person("owner")
    issues.add_labels(pages.hub, owner, issue, ["one"])
    labels.create(pages.hub, owner, pages.repository, "two")
    pages.user.post(f"{HOME}/issues/1/labels", {"label": ["two"]})
    assert [label.name for label in labels.of_issue(pages.hub, only_issue(pages))] == ["two"]
    pages.user.act_as("reader")
    assert "Edit labels" not in pages.user.get(f"{HOME}/issues/1").text
    assert pages.user.post(f"{HOME}/issues/1/labels", {"label": ["one"]}).status_code == 403


@pytest.mark.parametrize("number", ["2", "0", "x", "9" * 30, "²"])
def test_an_issue_that_is_not_there_is_404(pages: Pages, number: str) -> None:
    open_issue(pages)
    assert pages.user.get(f"{HOME}/issues/{number}").status_code == 404


def test_pages_ask_again_for_what_may_change_and_name_each_region(pages: Pages) -> None:
    open_issue(pages)
    text = pages.user.get(f"{HOME}/issues/1").text
    assert '<body data-every="1000">' in text
    live = [attributes for _, attributes in tags(text) if "data-live" in attributes]
    assert {attributes["id"] for attributes in live} == {"issue-top", "timeline", "buttons", "side"}


def test_every_field_has_a_label_and_every_id_stands_once(pages: Pages) -> None:
    pages.write_files({".github/ISSUE_TEMPLATE/train.yml": TRAIN})
    issues.add_labels(pages.hub, pages.hub.person("owner"), open_issue(pages), ["one"])
    editors = (f"{HOME}/issues/1/edit", f"{HOME}/issues/1/labels")
    for path in (NEW, f"{HOME}/issues/1", f"{HOME}/issues/new", *editors):
        text = pages.user.get(path).text
        found = tags(text)
        labelled = {attributes.get("for") for tag, attributes in found if tag == "label"}
        fields = [a for tag, a in found if tag in ("input", "textarea", "select") and a.get("type") != "hidden"]
        assert {attributes["id"] for attributes in fields} <= labelled
        ids = re.findall(r'\sid="([^"]+)"', text)
        assert len(ids) == len(set(ids))
