"""`/setup`: registers an App on the local hub over HTTP, keeps its credentials, checks it; strangers can do nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from actions.github_integration.app_needs import wanted_events, wanted_permissions
from bot.app import create_app
from bot.credentials.secrets_manager import SecretsManager
from bot.runs.labels import definitions
from bot.settings import load_settings
from runners.local.hub.records import Delivery
from runners.local.hub.services import installations
from tests.support.local_hub import RunningHub, running_hub
from tests.support.serving import serving
from tests.support.setting_up import NAME, Clock, configure, env_values, setting_up


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("MODELYARD_", "MLOPS_", "AWS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    with running_hub(tmp_path_factory.mktemp("hub"), webhooks_enabled=False) as hub:
        yield hub


@pytest.fixture
def hub(served: RunningHub) -> RunningHub:
    for app in served.hub.apps.find():
        if app.slug != "modelyard":
            for installation in served.hub.installations.find(app_id=app.id):
                served.hub.installations.delete(installation.id)
            served.hub.apps.delete(app.id)
    return served


def finding(page: httpx.Response, what: str) -> str:
    """Return the text of one finding on the page."""
    for item in page.text.split("<li>"):
        if f"<strong>{what}</strong>" in item:
            return item
    raise AssertionError(f"nothing about {what}: {page.text}")


# --- the whole way ----------------------------------------------------------------------------------------------------------


def test_an_app_is_registered_stored_installed_and_checked_and_starts_with_its_credentials(
    hub: RunningHub, tmp_path: Path
) -> None:
    Path(".env").write_text("OTHER=1\n# a remark\n", encoding="utf-8")
    with setting_up(hub) as (person, _):
        done = person.setup()
        assert done.status_code == 200
        assert urlsplit(str(done.url)).path == "/setup/done"
        app = hub.hub.apps.first(slug=NAME)
        assert app is not None
        assert app.permissions == wanted_permissions()
        assert tuple(app.events) == wanted_events()
        assert app.webhook_url == f"{person.address}/webhook"
        assert f'href="{hub.url}/apps/{NAME}/installations/new"' in done.text

        values = env_values(Path(".env"))
        assert values["MODELYARD_WEBHOOK_SECRET"] == app.webhook_secret
        assert values["OTHER"] == "1"
        assert "# a remark" in Path(".env").read_text(encoding="utf-8")
        assert stat.S_IMODE(Path(".env").stat().st_mode) == 0o600
        assert app.webhook_secret not in done.text
        assert "PRIVATE KEY" not in done.text

        before = person.send("/setup/check")
        assert "not installed anywhere" in finding(before, "GitHub")
        hub.hub.install(app, hub.ready.repository)
        configure(hub)
        checked = person.send("/setup/check")
        assert "state error" not in checked.text, checked.text
        assert "granted" in finding(checked, "Installation at owner")
        assert "all exist" in finding(checked, "owner/demo: labels")
    names = {label["name"] for label in hub.person("owner").get("/repos/owner/demo/labels").json()}
    assert {label.name for label in definitions()} <= names

    settings = load_settings(storage_root=tmp_path / "storage", database_url=f"sqlite:///{tmp_path}/app.db")
    assert settings.github_api_url == hub.api_url
    with serving(create_app(settings)) as address:
        assert httpx.get(f"{address}/readyz", timeout=20).json() == {"status": "ready"}
        body = json.dumps({"action": "opened"}).encode()
        signature = hmac.new(app.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json", "x-github-event": "issues", "x-github-delivery": "d-1",
            "x-hub-signature-256": f"sha256={signature}",
        }  # fmt: skip
        assert httpx.post(f"{address}/webhook", content=body, headers=headers, timeout=20).status_code == 202


def test_the_manifest_requests_what_the_table_lists_and_redirects_back(hub: RunningHub) -> None:
    with setting_up(hub) as (person, _):
        person.choose(organization="owner", public_url="https://modelyard.example.org/below/webhook")
        manifest = json.loads(person.fields(person.register_url)["manifest"])
        address = urlsplit(person.register_url)
    assert manifest["default_permissions"] == wanted_permissions()
    assert tuple(manifest["default_events"]) == wanted_events()
    assert manifest["hook_attributes"] == {"url": "https://modelyard.example.org/below/webhook", "active": True}
    assert manifest["redirect_url"] == f"{person.address}/setup/callback"
    assert manifest["public"] is False
    assert address.path == "/organizations/owner/settings/apps/new"
    assert len(parse_qs(address.query)["state"][0]) >= 32


# --- strangers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/setup", "/setup/done", "/setup/check", "/setup/callback?code=x&state=y", "/setup?token=x"]
)
def test_a_stranger_is_shown_nothing(hub: RunningHub, path: str) -> None:
    with setting_up(hub, enters=False) as (stranger, _):
        answer = stranger.get(path)
        assert answer.status_code == 403
        assert "Only the person who started this setup" in answer.text
        assert "form_token" not in answer.text


@pytest.mark.parametrize("path", ["/setup", "/setup/store", "/setup/check"])
def test_a_stranger_cannot_send_anything(hub: RunningHub, path: str) -> None:
    with setting_up(hub, enters=False) as (stranger, _):
        assert stranger.client.post(f"{stranger.address}{path}", data={"store": "env_file"}).status_code == 403
    assert not Path(".env").exists()


def test_the_token_works_only_once(hub: RunningHub) -> None:
    with setting_up(hub, enters=False) as (person, setup):
        token = setup.session.token
        assert person.get(f"/setup?token={token}").status_code == 200
        assert "token" not in str(person.page and person.page.url)
        with httpx.Client(timeout=20) as other:
            assert other.get(f"{person.address}/setup?token={token}", follow_redirects=True).status_code == 403
        assert person.get(f"/setup?token={token}").status_code == 200  # who has come in may press reload


@pytest.mark.parametrize(
    "headers", [{"origin": "http://127.0.0.1:9"}, {"sec-fetch-site": "same-site"}, {"origin": "null"}]
)
def test_a_form_from_another_site_is_refused_even_with_the_cookie(hub: RunningHub, headers: dict[str, str]) -> None:
    with setting_up(hub) as (person, _):
        person.get("/setup")
        assert person.send("/setup", {"github": hub.url}, **headers).status_code == 403
        person.get("/setup")
        assert person.send("/setup", {"form_token": "0" * 64}).status_code == 403


def test_nothing_but_setup_is_served(hub: RunningHub) -> None:
    with setting_up(hub) as (person, _):
        assert [person.get(path).status_code for path in ("/", "/webhook", "/metrics", "/docs")] == [404] * 4


def test_the_ping_of_the_new_app_is_accepted_and_other_webhooks_are_left_to_be_sent_again(hub: RunningHub) -> None:
    with setting_up(hub) as (person, _):
        answers = [
            httpx.post(f"{person.address}/webhook", headers={"x-github-event": event}, content=b"{}").status_code
            for event in ("ping", "issues")
        ]
    assert answers == [202, 503]


def test_pages_contain_no_script_and_cannot_load_any(hub: RunningHub) -> None:
    with setting_up(hub) as (person, _):
        first, confirm = person.get("/setup"), person.choose()
    assert "form-action 'self';" in first.headers["content-security-policy"]
    assert f"form-action 'self' {hub.url};" in confirm.headers["content-security-policy"]
    for page in (first, confirm):
        assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert page.headers["cache-control"] == "no-store"
        assert "<script" not in page.text


# --- what comes back from GitHub --------------------------------------------------------------------------------------------------


def test_a_callback_with_a_wrong_state_is_refused(hub: RunningHub) -> None:
    with setting_up(hub) as (person, _):
        person.choose()
        back = person.agree()
        wrong = back.replace("state=", "state=x")
        assert person.get(wrong).status_code == 400
        assert not Path(".env").exists()
        assert urlsplit(str(person.get(back).url)).path == "/setup/done"  # the right one still counts


def test_a_callback_is_accepted_only_once(hub: RunningHub) -> None:
    with setting_up(hub) as (person, _):
        person.choose()
        back = person.agree()
        person.get(back)
        kept = Path(".env").read_bytes()
        assert person.get(back).status_code == 400
        assert Path(".env").read_bytes() == kept


def test_a_callback_after_an_hour_is_refused(hub: RunningHub) -> None:
    clock = Clock()
    with setting_up(hub, clock=clock) as (person, _):
        person.choose()
        back = person.agree()
        clock.seconds = 3_601
        assert person.get(back).status_code == 400
    assert not Path(".env").exists()


def test_a_callback_in_another_browser_is_refused(hub: RunningHub) -> None:
    with setting_up(hub) as (person, _):
        person.choose()
        assert httpx.get(person.agree(), timeout=20).status_code == 403
    assert not Path(".env").exists()


@pytest.mark.parametrize("code", ["0" * 40, "", "../../app", "a b"])
def test_a_code_unknown_to_github_is_refused(hub: RunningHub, code: str) -> None:
    with setting_up(hub) as (person, _):
        person.choose()
        state = parse_qs(urlsplit(person.register_url).query)["state"][0]
        answer = person.client.get(f"{person.address}/setup/callback", params={"code": code, "state": state})
        assert answer.status_code in (400, 502)
        assert "tart again" in answer.text
        assert person.get("/setup").status_code == 200
    assert not Path(".env").exists()


@pytest.mark.parametrize(
    ("body", "found"),
    [(b'{"pem": "' + b"x" * 2**21 + b'"}', "larger than 1 MiB"), (b"[" * 200_000 + b"]" * 200_000, "no JSON")],
    ids=["larger than any", "nested deep"],
)
def test_credentials_are_read_with_a_limit(hub: RunningHub, body: bytes, found: str) -> None:
    network = httpx.MockTransport(lambda _: httpx.Response(201, content=body))
    with setting_up(hub, transport=network) as (person, _):
        person.choose()
        state = parse_qs(urlsplit(person.register_url).query)["state"][0]
        answer = person.client.get(f"{person.address}/setup/callback", params={"code": "abc", "state": state})
    assert answer.status_code == 502
    assert found in answer.text


def test_an_unreachable_github_is_reported(hub: RunningHub) -> None:
    with setting_up(hub) as (person, _):
        person.choose(github="http://127.0.0.1:9")
        state = parse_qs(urlsplit(person.register_url).query)["state"][0]
        answer = person.client.get(f"{person.address}/setup/callback", params={"code": "abc", "state": state})
    assert answer.status_code == 502
    assert "ConnectError" in answer.text
    assert "abc" not in answer.text


# --- where credentials go -----------------------------------------------------------------------------------------------------------


def test_existing_credentials_are_not_replaced(hub: RunningHub) -> None:
    Path(".env").write_text("MODELYARD_APP_ID=7\n", encoding="utf-8")
    with setting_up(hub) as (person, _):
        page = person.get("/setup")
        assert "--overwrite" in page.text
        token = person.fields("/setup/check")["form_token"]
        answer = person.client.post(f"{person.address}/setup", data={"form_token": token, "store": "env_file"})
        assert answer.status_code == 409
    assert Path(".env").read_text(encoding="utf-8") == "MODELYARD_APP_ID=7\n"


def test_a_file_with_other_credentials_is_refused_before_the_app_is_created(hub: RunningHub, tmp_path: Path) -> None:
    other = tmp_path / "other.env"
    other.write_text("MODELYARD_APP_ID=7\n", encoding="utf-8")
    with setting_up(hub) as (person, _):
        answer = person.choose(env_file=str(other))
    assert answer.status_code == 422
    assert "already has an App" in answer.text


def test_with_overwrite_existing_credentials_are_replaced(hub: RunningHub) -> None:
    Path(".env").write_text("MODELYARD_APP_ID=7\nMODELYARD_PRIVATE_KEY_PATH=old.pem\n", encoding="utf-8")
    with setting_up(hub, overwrite=True) as (person, _):
        person.setup()
    values = env_values(Path(".env"))
    assert values["MODELYARD_APP_ID"] != "7"
    assert "MODELYARD_PRIVATE_KEY_PATH" not in values


def test_credentials_that_cannot_be_stored_are_held_until_another_place_is_chosen(
    hub: RunningHub, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    with setting_up(hub) as (person, _):
        person.choose(env_file="gone/app.env")
        back = person.agree()
        (tmp_path / "gone").rmdir()
        page = person.get(back)
        assert "could not be stored" in page.text
        assert "its folder does not exist" in page.text
        assert person.send("/setup/store", {"store": "env_file", "env_file": ""}).status_code == 422
        done = person.send("/setup/store", {"store": "env_file", "env_file": "app.env"})
        assert "MODELYARD_ENV_FILE=app.env modelyard serve" in done.text
    assert env_values(tmp_path / "app.env")["MODELYARD_GITHUB_API_URL"] == hub.api_url


def test_credentials_are_held_whatever_goes_wrong_while_storing_them(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("a word that may be a secret")

    with setting_up(hub) as (person, _):
        person.choose()
        back = person.agree()
        with monkeypatch.context() as broken:
            broken.setattr("bot.credentials.env_file.EnvFile.save", breaks)
            page = person.get(back)
        assert "could not be stored" in page.text
        assert "RuntimeError" in page.text
        assert "a word that may be" not in page.text
        done = person.send("/setup/store", {"store": "env_file", "env_file": ".env"})
    assert urlsplit(str(done.url)).path == "/setup/done"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("github", "ftp://github.com", "It must be a URL such as"),
        ("github", "http://github.example.org", "https, except on this machine"),
        ("github", "https://github.example.org/owner", "without a path"),
        ("github", "https://user:word@github.example.org", "It must be a URL such as"),
        ("organization", "a/b", "letters, digits and hyphens"),
        ("name", "", "It must have 1 to 34"),
        ("name", "x" * 35, "It must have 1 to 34"),
        ("public_url", "modelyard", "It must be a URL such as"),
        ("public_url", "https://a.example.org/?x=1", "It must be a URL such as"),
        ("store", "somewhere", "Choose one of the two"),
        ("env_file", "", "It must be the path of a file"),
        ("env_file", "/etc/passwd", "must end in .env"),
        ("env_file", "no/such/folder/.env", "its folder does not exist"),
        ("env_file", "~nosuchuser/.env", "It must be the path of a file"),
        ("env_file", f"{'x' * 300}/.env", "File name too long"),
        ("env_file", f"{'x' * 300}.env", "File name too long"),
    ],
)
def test_problems_on_the_first_page_are_shown_next_to_their_field(
    hub: RunningHub, field: str, value: str, words: str
) -> None:
    with setting_up(hub) as (person, _):
        answer = person.choose(**{field: value})
        assert answer.status_code == 422
        assert words in answer.text.replace("&#39;", "'")
        assert "settings/apps/new" not in answer.text


@pytest.mark.parametrize("url", ["http://modelyard.example.org", "https://127.0.0.1:8000", "https://localhost"])
def test_a_url_that_github_cannot_reach_is_refused_with_a_workaround(hub: RunningHub, url: str) -> None:
    with setting_up(hub) as (person, _):
        answer = person.choose(github="https://github.com", public_url=url)
    assert answer.status_code == 422
    assert "modelyard serve --poll" in answer.text


def test_text_in_fields_is_escaped(hub: RunningHub) -> None:
    with setting_up(hub) as (person, _):
        assert '"><b>' not in person.choose(name='"><b>', github="x").text


# --- the check ------------------------------------------------------------------------------------------------------------------------


def test_missing_and_superfluous_permissions_are_reported_with_a_fix(hub: RunningHub) -> None:
    with setting_up(hub) as (person, _):
        person.setup()
        app = hub.hub.apps.first(slug=NAME)
        assert app is not None
        installation = hub.hub.install(app, hub.ready.repository)
        less = {**app.permissions, "checks": "read"}
        hub.hub.installations.update(installation.id, permissions=less, events=["issues", "issue_comment"])
        said = finding(person.send("/setup/check"), "Installation at owner")
        for name in ("checks: write", "the event workflow_job"):
            assert name in said
        assert f"{hub.url}/settings/installations/{installation.id}" in said
        installations.accept_permissions(hub.hub, installation)
        installations.suspend(hub.hub, installation)
        assert "suspended" in finding(person.send("/setup/check"), "Installation at owner")
        installations.unsuspend(hub.hub, installation)
        hub.hub.apps.update(app.id, webhook_url="http://127.0.0.1:1/elsewhere")
        assert "webhooks go to http://127.0.0.1:1/elsewhere" in finding(person.send("/setup/check"), "Webhook")
        hub.hub.apps.update(app.id, webhook_secret="")
        assert "no secret, so nothing is signed" in finding(person.send("/setup/check"), "Webhook")


def test_the_check_creates_labels_in_as_many_repositories_as_a_few_seconds_allow(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.admin.app_check.MAX_LABEL_SECONDS", -1.0)
    with setting_up(hub) as (person, _):
        person.setup()
        app = hub.hub.apps.first(slug=NAME)
        assert app is not None
        hub.hub.install(app, hub.ready.repository)
        assert "1 more repositories get theirs within minutes" in finding(person.send("/setup/check"), "Labels")


OLD = {"MODELYARD_APP_ID": "7", "MODELYARD_PRIVATE_KEY_PATH": "old.pem"}


def test_the_check_reports_environment_variables_that_override_the_stored_credentials(
    hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in OLD.items():
        monkeypatch.setenv(name, value)
    with setting_up(hub, overwrite=True) as (person, _):
        person.setup()
        said = finding(person.send("/setup/check"), "Credentials")
    assert "MODELYARD_APP_ID, MODELYARD_PRIVATE_KEY_PATH in the environment would be used instead" in said


def test_the_check_reports_env_file_settings_that_override_aws(
    hub: RunningHub, secrets_manager: SecretsManager
) -> None:
    Path(".env").write_text("".join(f"{name}={value}\n" for name, value in OLD.items()), encoding="utf-8")
    chosen = {"store": "secrets_manager", "secrets_prefix": secrets_manager.prefix, "aws_region": "eu-central-1"}
    with setting_up(hub, overwrite=True) as (person, _):
        person.setup(**chosen)
        said = finding(person.send("/setup/check"), "Credentials")
        assert "MODELYARD_APP_ID, MODELYARD_PRIVATE_KEY_PATH in the environment or .env would be used instead" in said
        Path(".env").unlink()
        assert "<strong>Credentials</strong>" not in person.send("/setup/check").text


def test_a_refused_webhook_signature_is_reported(hub: RunningHub, tmp_path: Path) -> None:
    with setting_up(hub) as (person, _):
        person.setup()
        app = hub.hub.apps.first(slug=NAME)
        assert app is not None
        sent = hub.hub.deliveries.add(_delivery(app.id))
        assert "The secrets differ" in finding(person.send("/setup/check"), "Webhook deliveries")
        hub.hub.deliveries.save(dataclasses.replace(sent, status_code=0))
        assert "Start the App" in finding(person.send("/setup/check"), "Webhook deliveries")
        hub.hub.deliveries.save(dataclasses.replace(sent, status_code=202))
        assert "1 of the last 1 succeeded" in finding(person.send("/setup/check"), "Webhook deliveries")


def _delivery(app: int) -> Delivery:
    return Delivery(app_id=app, guid="0-1", event="ping", state="done", status="failed", status_code=401)


def test_no_page_of_the_setup_contains_a_secret(hub: RunningHub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "bot")
    with setting_up(hub) as (person, setup):
        seen = [person.choose().text, person.get(person.agree()).text, person.send("/setup/check").text]
    app = hub.hub.apps.first(slug=NAME)
    assert app is not None
    key = env_values(Path(".env"))["MODELYARD_PRIVATE_KEY"]
    assert key is not None
    told = "".join(seen) + caplog.text + repr(setup.__dict__)
    assert app.webhook_secret not in told
    assert key.split("\\n")[1] not in told
    assert "BEGIN" not in told


# --- the command ----------------------------------------------------------------------------------------------------------------------


def test_the_command_prints_the_link_and_no_secret_is_in_its_arguments(hub: RunningHub, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot.cli", "setup", "--port", "0", "--github", hub.url]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            assert process.stdout is not None
            said = "".join(line for line in iter(process.stdout.readline, "Press Ctrl-C to stop.\n"))
            found = re.search(r"http://127\.0\.0\.1:\d+/setup\?token=\S{40,}", said)
            assert found is not None
            with httpx.Client(timeout=20, follow_redirects=True) as client:
                assert client.get(found[0].partition("?")[0]).status_code == 403
                assert hub.url in client.get(found[0]).text
        finally:
            process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode in {0, -signal.SIGTERM}
    assert errors == ""
