"""Secrets are planted wherever one could come in; after whole runs they are looked for wherever one could get out."""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import httpx
import pytest

from bot.parsing.repository_config import CONFIG_PATH
from bot.runs.machines.training import State
from tests.support.channels import PASSWORD as MAIL_PASSWORD
from tests.support.channels import TOKEN, USER, LocalMail, LocalSlack, body_of, certificate, local_mail, local_slack
from tests.support.keys import private_key
from tests.support.loop import SECRET, Loop, loop_of_processes
from tests.support.scripted_runs import Script

DASHBOARD = "canary-of-the-dashboard-0123456789"
# What people and jobs bring along. Put together here, so that no scanner takes this file for a leak.
SLACK = "xoxb-" + "17653672481-19874698323-pdFZKVeTuE8sk7oOcBrzbqgy"
AWS = "AKIA" + "IOSFODNN7CANARY1"
PERSONAL = "ghp_" + "Canary0123456789abcdefghijklmnopqrst"
PASSWORD = "c4nary" + "-in-an-address"
FOREIGN_KEY = private_key()
FOREIGN = [SLACK, AWS, PERSONAL, PASSWORD, *FOREIGN_KEY.splitlines()[1:-1]]
SPILT = (
    f"could not post to Slack with {SLACK}",
    f"AWS_ACCESS_KEY_ID={AWS} git clone https://x:{PASSWORD}@example.org/a {PERSONAL}",
    *FOREIGN_KEY.splitlines(),
    "MemoryError",
)


@dataclasses.dataclass
class Planted:
    """A loop whose App runs as it does in production, and the secrets that it was given."""

    loop: Loop
    own: list[str]
    log: Path
    slack: LocalSlack
    mail: LocalMail
    pages: dict[str, str] = dataclasses.field(default_factory=dict)

    def ask(self, path: str, **more: Any) -> httpx.Response:
        """Ask the App for a page, and keep what it says."""
        answer = httpx.request(more.pop("method", "GET"), urljoin(self.loop.ready.app.webhook_url, path), **more)
        self.pages[f"{path} {answer.status_code} {len(self.pages)}"] = f"{answer.headers}\n{answer.text}"
        return answer


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planted]:
    pair = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pair[0]))
    with (
        local_slack() as slack,
        local_mail(certificate=pair) as mail,
        loop_of_processes(tmp_path) as (loop, start),
    ):
        address = f"{USER}:{quote(MAIL_PASSWORD, safe='')}@localhost:{mail.port}"
        own = [
            SECRET,
            DASHBOARD,
            TOKEN,
            MAIL_PASSWORD,
            address,
            *loop.ready.private_key_path.read_text(encoding="ascii").splitlines()[1:-1],
        ]
        issue_token = loop.hub.auth.issue_installation_token

        @functools.wraps(issue_token)
        def issue_and_tell(*given: Any, **named: Any) -> Any:
            text, token = issue_token(*given, **named)
            own.append(text)
            return text, token

        monkeypatch.setattr(loop.hub.auth, "issue_installation_token", issue_and_tell)
        channels = {"slack": {"channel": "#models"}, "email": {"to": ["team@example.org"]}}
        loop.write(CONFIG_PATH, json.dumps({"notifications": channels}))
        start(
            time_factor="0.1",
            log_level="DEBUG",
            dashboard_token=DASHBOARD,
            slack_token=TOKEN,
            slack_api_url=slack.url,
            smtp_url=f"smtp://{address}?starttls=yes",
            mail_from="modelyard@example.org",
        )
        yield Planted(loop, own, tmp_path / "app.log", slack, mail)


def written(planted: Planted) -> Mapping[str, str]:
    """Return every text that came out of the App, by where it stands."""
    loop = planted.loop
    git = loop.hub.git(loop.ready.repository)
    found = {f"log {planted.log.name}": planted.log.read_text(encoding="utf-8"), **planted.pages}
    with loop.person("owner") as client:
        for issue in client.get("/issues", params={"state": "all"}).raise_for_status().json():
            number = issue["number"]
            found[f"comments of {number}"] = said = "\n".join(loop.comments(number))
            found[f"snapshots of {number}"] = "\n".join(
                zlib.decompress(base64.b64decode(held)).decode()
                for held in re.findall(r"modelyard:state:([^.]+)\.", said)
            )
    found["check runs"] = "\n".join(json.dumps(check.output) for check in loop.hub.check_runs.find())
    found["Slack"] = json.dumps(planted.slack.posted)
    found["mail"] = "\n".join(f"{mail}{body_of(mail)}{body_of(mail, 'html')}" for _, mail in planted.mail.taken)
    for path in git.run("ls-tree", "-r", "--name-only", "main", "training_history").decode().split():
        found[path] = (git.read("main", path) or b"").decode("utf-8", "replace")
    found["commits"] = git.run("log", "--format=%B%an%ae", "--all").decode()
    for file in loop.storage.rglob("*"):
        if file.is_file():
            found[f"storage {file.relative_to(loop.storage)}"] = file.read_bytes().decode("utf-8", "replace")
    return found


def look_at_every_page(planted: Planted) -> None:
    """Ask for all pages, rightly and wrongly."""
    with_token = {"headers": {"Authorization": f"Bearer {DASHBOARD}"}}
    for path in ("/", "/metrics"):
        assert planted.ask(path, **with_token).status_code == httpx.codes.OK
        assert planted.ask(path, headers={"Authorization": f"Bearer {SLACK}"}).status_code == httpx.codes.UNAUTHORIZED
    planted.ask("/readyz")
    planted.ask(f"/{SLACK}")
    headers = {"X-GitHub-Event": "issues", "X-GitHub-Delivery": "x", "X-Hub-Signature-256": f"sha256={SECRET}"}
    refused = planted.ask("/webhook", method="POST", headers=headers, content=f"{SLACK} {SECRET}".encode())
    assert refused.status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.slow
def test_no_secret_leaks_from_a_passed_run_a_failed_run_or_a_failed_delivery(planted: Planted) -> None:
    loop = planted.loop
    notes = f"the bot is {SLACK}\nand {PERSONAL}"
    # A passed run whose request carries secrets, after a rejected attempt that somebody talks about.
    loop.values[:] = [0.5, 0.95]
    passed = loop.open(model_name="passes", notes=notes)
    loop.until_state(passed, State.WAIT_FOR_OPERATOR_INPUT)
    loop.say(passed, f"/nonsense {SLACK}")
    loop.say(passed, f"/approve criterion={AWS} again with {SLACK}")
    assert loop.until_ended(passed).status == "passed"
    loop.say(passed, f"/promote 1 because of {SLACK}", "owner")
    loop.say(passed, f"/register because of {PERSONAL}", "owner")
    loop.until(lambda: sum("modelyard:reply-" in text for text in loop.comments(passed)) == 3, "all were answered")
    # A form that is wrong by a secret: the answer says what was found.
    wrong = loop.open("### Model name\n\n" + SLACK)
    loop.until_label(wrong, "mlops:invalid")
    # A run whose training spills secrets into its log and fails.
    loop.script(train=Script(outcome="failure", log=SPILT))
    failed = loop.open(model_name="fails", notes=notes)
    assert loop.until_ended(failed).status == "failed"
    # A delivery that no handler can read, so that its error is logged with what it held.
    broken = {
        "action": "opened",
        "issue": {"number": f"{SLACK} {PERSONAL}"},
        "repository": {"full_name": loop.name},
        "installation": {"id": loop.ready.installation_id},
        "sender": {"login": "writer", "type": "User"},
    }
    assert loop.deliver("issues", broken) == httpx.codes.ACCEPTED
    loop.until(lambda: "ValueError" in planted.log.read_text(encoding="utf-8"), "it was tried")
    look_at_every_page(planted)

    found = written(planted)

    # It was looked where something is: each place has what it should, and says that something was masked.
    assert "MemoryError" in found[f"comments of {failed}"]
    assert "\\*\\*\\*" in found[f"comments of {wrong}"] or "***" in found[f"comments of {wrong}"]
    history = {path: text for path, text in found.items() if path.startswith("training_history/train-")}
    assert {Path(path).suffix for path in history} >= {".md", ".json"}
    assert all("***" in text.replace("\\*", "*") for text in history.values() if "the bot is" in text)
    assert sum("the bot is" in text for text in history.values()) == 4
    assert any(token.startswith("ghs_") for token in planted.own)
    assert any(place.startswith("storage ") for place in found)
    assert "the bot is ***" in found[f"snapshots of {passed}"]
    assert "again with ***" in found[f"snapshots of {passed}"]
    assert any("because of ***" in text for text in history.values())
    assert "registered as a candidate" in found["check runs"]
    for place in ("Slack", "mail"):
        assert "Train it again?" in found[place]
        assert "Failed in the train stage" in found[place]
    spilt = [(place, secret[:12]) for place, text in found.items() for secret in planted.own if secret in text]
    brought = [(place, secret[:12]) for place, text in found.items() for secret in FOREIGN if secret in text]
    assert (spilt, brought) == ([], [])
    # Nor is any in what is sent to a runner: what real jobs write into storage comes from there.
    orders = "\n".join(text for work in loop.jobs.works for text in work.inputs.values())
    assert not [secret[:12] for secret in (*planted.own, *FOREIGN) if secret in orders]
