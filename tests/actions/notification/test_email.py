"""A mail says the same as text and as HTML, its headers stay whole, and each recipient has it or is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actions.context import Context
from actions.contracts.channels import ChannelError, DeploymentChannels, MailServer
from actions.errors import InvalidInput, Unavailable
from actions.notification.email import SentMail, compose_mail, send
from actions.notification.notice import StageProblem, example_notice
from actions.notification.templates import Message, compose, compose_footer
from actions.operation import find_operation
from actions.storage.folder import Storage
from tests.support import channels
from tests.support.channels import PASSWORD, USER, LocalMail, body_of

SENDER, TEAM, BOSS = "modelyard@example.org", "team@example.org", "boss@example.org"


def server(local: LocalMail, **changes: Any) -> MailServer:
    return MailServer.at(local.url, SENDER, **{"seconds": 5, **changes})


def run_operation(local: LocalMail | None, **arguments: Any) -> SentMail:
    known = DeploymentChannels(email=server(local) if local else None)
    found = find_operation("notify_email").call(arguments, Context(Storage(Path()), channels=known))
    assert isinstance(found, SentMail)
    return found


def a_mail(said: Message | None = None, **changes: Any) -> Any:
    given = {"sender": SENDER, "to": [TEAM], **changes}
    return compose_mail(said or Message("title", "text"), "train-20261122-001", **given)


def test_an_email_says_the_same_as_text_and_as_html(mail: LocalMail) -> None:
    notice = example_notice("failure", "ja")
    made = a_mail(compose(notice, "email"), links=notice.links, key=notice.key)
    assert send(server(mail), made, [TEAM]) == {}
    ((recipients, got),) = mail.taken
    assert recipients == [TEAM]
    assert got["Subject"] == "[owner/models] ❌ train ステージで失敗しました"
    assert (got["From"], got["To"]) == ("Modelyard <modelyard@example.org>", TEAM)
    assert got["Auto-Submitted"] == "auto-generated"
    for text in (body_of(got), body_of(got, "html")):
        assert "検出内容: MemoryError" in text
        assert "train-20261122-001" in text
    assert f'<a href="{notice.issue_url}">{notice.issue_url}</a>' in body_of(got, "html")


def test_a_repeated_notification_has_the_same_message_id_and_another_one_has_not() -> None:
    first, again, other = (a_mail(key=key)["Message-ID"] for key in ("run.success.1", "run.success.1", "run.success.2"))
    assert first == again != other
    assert first.endswith("@example.org>")


def test_runs_with_the_same_number_in_two_repositories_are_two_emails() -> None:
    first = example_notice("success")
    second = first.model_copy(update={"repository": "owner/others"})
    assert len({a_mail(key=notice.key)["Message-ID"] for notice in (first, second)}) == 2


def test_text_by_people_becomes_neither_html_nor_a_link(mail: LocalMail) -> None:
    hostile = '<img src=x onerror=y> <a href="https://e.x">x</a> & https://e.x "'
    problem = StageProblem(stage=hostile, rule=hostile, found=hostile, next_step=hostile)
    names = ("headline", "requester", "metric", "decided_by", "reason")
    notice = example_notice("failure").model_copy(
        update={**dict.fromkeys(names, hostile), "problem": problem, "value": 1.0}
    )
    made = a_mail(compose(notice, "email"), links=notice.links)
    send(server(mail), made, [TEAM])
    html = body_of(mail.taken[0][1], "html")
    assert "<img" not in html
    assert html.count("<a ") == len(notice.links)
    assert "&lt;img src=x onerror=y&gt;" in html
    assert hostile in body_of(mail.taken[0][1])


@pytest.mark.parametrize(
    "spell", ["\r\nBcc: evil@example.org", "\nBcc: evil@example.org", "\rX: y", "\u2028Bcc: e@x.y"]
)
def test_a_line_break_cannot_add_a_header(mail: LocalMail, spell: str) -> None:
    notice = example_notice("success").model_copy(update={"headline": f"Passed{spell}"})
    for said in (compose(notice, "email"), Message(f"Passed{spell}", "text")):
        mail.reset()
        send(server(mail), a_mail(said), [TEAM])
        ((recipients, got),) = mail.taken
        assert recipients == [TEAM]
        assert got["Bcc"] is None
        assert got["X"] is None
        assert "Passed " in got["Subject"]


def test_a_refused_recipient_is_reported_and_the_others_get_the_email(mail: LocalMail) -> None:
    mail.refuses = {BOSS: "450 4.2.1 later", "gone@example.org": "550 5.1.1 no such user"}
    refused = send(server(mail), a_mail(), [TEAM, BOSS, "gone@example.org"])
    assert {address: error.transient for address, error in refused.items()} == {BOSS: True, "gone@example.org": False}
    assert mail.recipients == [TEAM]


def test_if_all_recipients_are_refused_no_one_gets_the_email(mail: LocalMail) -> None:
    mail.refuses = {TEAM: "450 4.2.1 later"}
    assert list(send(server(mail), a_mail(), [TEAM])) == [TEAM]
    assert mail.taken == []


@pytest.mark.parametrize(("reply", "transient"), [("451 4.3.0 try again", True), ("554 5.7.1 spam", False)])
def test_a_refusal_says_whether_a_retry_can_help(mail: LocalMail, reply: str, transient: bool) -> None:
    mail.replies.append(reply)
    with pytest.raises(ChannelError) as error:
        send(server(mail), a_mail(), [TEAM])
    assert error.value.transient is transient
    assert reply in error.value.problem.found


def test_an_accepted_email_counts_as_sent_whatever_the_server_says_last(mail: LocalMail) -> None:
    mail.farewell = "what?"
    assert send(server(mail), a_mail(), [TEAM]) == {}
    assert mail.recipients == [TEAM]


def test_a_server_that_hangs_is_abandoned() -> None:
    with channels.mute_mail() as port, pytest.raises(ChannelError) as error:
        send(MailServer("127.0.0.1", port, "plain", SENDER, seconds=0.2), a_mail(), [TEAM])
    assert error.value.transient


def test_an_unreachable_server_is_a_temporary_error() -> None:
    with pytest.raises(ChannelError) as error:
        send(MailServer("127.0.0.1", 9, "plain", SENDER, seconds=1), a_mail(), [TEAM])
    assert error.value.transient


def test_the_password_is_sent_only_after_starttls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = channels.certificate(tmp_path)
    with channels.local_mail(certificate=pair) as local:
        url = f"smtp://{USER}:pass%20word%2Fonly%3Afor%40tests@localhost:{local.port}?starttls=yes"
        asked = MailServer.at(url, SENDER, 5)
        assert (asked.security, asked.password) == ("starttls", PASSWORD)
        with pytest.raises(ChannelError) as error:
            send(asked, a_mail(), [TEAM])
        assert "an untrusted certificate" in error.value.problem.found
        assert not error.value.transient
        monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
        assert send(asked, a_mail(), [TEAM]) == {}
        assert (local.logins, local.recipients) == ([USER], [TEAM])
        wrong = MailServer("localhost", local.port, "starttls", SENDER, USER, "another", 5)
        with pytest.raises(ChannelError) as error:
            send(wrong, a_mail(), [TEAM])
        assert "535" in error.value.problem.found
        assert not error.value.transient


def test_a_server_without_starttls_gets_nothing(mail: LocalMail) -> None:
    with pytest.raises(ChannelError) as error:
        send(MailServer("127.0.0.1", mail.port, "starttls", SENDER, USER, PASSWORD, 5), a_mail(), [TEAM])
    assert not error.value.transient
    assert mail.logins == []
    assert mail.taken == []


@pytest.mark.parametrize(
    ("url", "host", "port", "security"),
    [
        ("smtp://mail.example.org", "mail.example.org", 587, "starttls"),
        ("smtp://u:p@mail.example.org:2525", "mail.example.org", 2525, "starttls"),
        ("smtps://u:p@mail.example.org", "mail.example.org", 465, "tls"),
        ("smtp://mail.example.org?starttls=no", "mail.example.org", 25, "plain"),
        ("smtp://localhost:1025", "localhost", 1025, "plain"),
        ("smtp://[::1]:1025?starttls=yes", "::1", 1025, "starttls"),
    ],
)
def test_a_url_says_how_the_server_is_reached(url: str, host: str, port: int, security: str) -> None:
    found = MailServer.at(url, SENDER)
    assert (found.host, found.port, found.security) == (host, port, security)


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example.org", "smtp://", "mail.example.org", "smtp://u:canary@mail.example.org:port",
        "smtp://u:can/ary@mail.example.org", "smtp://u:canary@mail.example.org?starttls=no",
        "smtp://mail.example.org?starttls=maybe", "smtp://mail.example.org?tls=no", "smtp://u:canary%0d%0a@mail.example.org",
        "smtp://mail.example.org/path",
    ],
)  # fmt: skip
def test_a_wrong_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ValueError, match="a URL") as error:
        MailServer.at(url, SENDER)
    assert "can" not in str(error.value)


def test_the_operation_reports_who_got_the_email(mail: LocalMail) -> None:
    mail.refuses = {BOSS: "550 5.1.1 no such user"}
    found = run_operation(mail, to=[TEAM, BOSS], subject="A title", text="one\ntwo", about="train-1")
    assert found.taken == [TEAM]
    assert "no such user" in found.refused[BOSS]
    assert body_of(mail.taken[0][1]).splitlines() == ["one", "two", "", "-- ", "train-1"]


def test_the_operation_reports_missing_settings() -> None:
    with pytest.raises(Unavailable) as error:
        run_operation(None, to=[TEAM], subject="t", text="t")
    assert "MODELYARD_SMTP_URL" in error.value.problem.next_step


@pytest.mark.parametrize(
    "address",
    ["team", "a@b@c", "a b@example.org", "Team <team@example.org>", "a@example.org\nBcc: x@y.z", "a@-..", "ä@x.y"],
)
def test_only_plain_addresses_are_accepted(mail: LocalMail, address: str) -> None:
    with pytest.raises(InvalidInput, match="one plain address"):
        run_operation(mail, to=[address], subject="t", text="t")
    assert mail.taken == []


def test_the_footer_names_run_and_issue_in_every_channel() -> None:
    assert compose_footer(example_notice("waiting"), "email") == "train-20261122-001 · owner/models#7"
