"""``modelyard doctor`` names what is missing or wrong, and the cure."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Self

import pytest
from pydantic import SecretStr

from actions.storage import s3
from bot.admin.findings import Finding
from bot.admin.init import Source
from bot.admin.init import files as init_files
from bot.cli import main
from bot.credentials import Credentials, CredentialStore
from bot.credentials.env_file import EnvFile
from bot.credentials.secrets_manager import SecretsManager
from tests.support.keys import private_key
from tests.support.local_hub import Receiver, RunningHub, running_hub, webhook_receiver

ROOT = Path(__file__).parents[3]
SHA = "0123456789" * 4
INIT = ("init", "--source", f"owner/modelyard@{SHA}")


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MODELYARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MODELYARD_STORAGE_ROOT", str(tmp_path / "storage"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


def examined(capsys: pytest.CaptureFixture[str], code: int) -> dict[str, Finding]:
    capsys.readouterr()
    assert main(["doctor", "--json"]) == code
    found = [Finding.model_validate(one) for one in json.loads(capsys.readouterr().out)]
    return {finding.what: finding for finding in found}


def test_on_an_unconfigured_machine_doctor_says_what_works_already(capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys, 0)
    assert [what for what, finding in found.items() if finding.level == "warning"] == ["Settings", "Repository"]
    assert "demo, run and mcp work without them" in found["Settings"].found
    assert "modelyard init" in found["Repository"].cure


def test_every_warning_and_error_has_a_fix(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_APP_ID", "one")
    found = examined(capsys, 1)
    assert found["Setting MODELYARD_APP_ID"].level == "error"
    assert "'one'" in found["Setting MODELYARD_APP_ID"].found
    assert all(finding.cure for finding in found.values() if finding.level != "ok")


def test_a_storage_root_that_is_not_writable_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    monkeypatch.setenv("MODELYARD_STORAGE_ROOT", str(tmp_path / "file" / "storage"))
    assert examined(capsys, 1)["Storage root"].level == "error"


def test_the_storage_check_leaves_nothing_behind(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    examined(capsys, 0)
    assert list((tmp_path / "storage").iterdir()) == []


def test_missing_git_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert examined(capsys, 1)["git"].cure == "Install git."


def test_a_prepared_repository_has_no_problems(capsys: pytest.CaptureFixture[str]) -> None:
    main([*INIT])
    found = examined(capsys, 0)
    assert {finding.level for what, finding in found.items() if what.startswith(".github/")} == {"ok"}
    assert len([what for what in found if what.startswith(".github/")]) == 6


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("name", "before", "after", "level"),
    [
        ("workflows/modelyard-train.yml", f"train.yml@{SHA}", "train.yml@main", "error"),
        ("workflows/modelyard-operation.yml", "uses:", "runs:", "error"),
        ("modelyard.yml", "promotion: approval", "promotion: maybe", "error"),
        ("ISSUE_TEMPLATE/modelyard-tune.yml", "Tune a model", "Tune", "warning"),
    ],
)
def test_a_harmful_change_to_a_file_is_reported(
    capsys: pytest.CaptureFixture[str], name: str, before: str, after: str, level: str
) -> None:
    main([*INIT])
    path = Path(".github") / name
    path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    finding = examined(capsys, 1 if level == "error" else 0)[f".github/{name}"]
    assert finding.level == level
    assert finding.cure


def test_a_missing_file_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    main([*INIT])
    Path(".github/workflows/modelyard-train.yml").unlink()
    assert examined(capsys, 1)[".github/workflows/modelyard-train.yml"].found == "missing"


def test_a_data_root_in_s3_is_checked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, aws: str, tmp_path: Path
) -> None:
    import boto3

    for name, value in {
        "AWS_ENDPOINT_URL": aws, "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    s3._client.cache_clear()
    boto3.client("s3").create_bucket(Bucket="doctors-yard")
    main([*INIT, "--data-root", "s3://doctors-yard/tables", "--data-root", "s3://no-such-yard"])
    found = examined(capsys, 0)
    s3._client.cache_clear()
    assert found["Data root s3://doctors-yard/tables"].level == "ok"
    missing = found["Data root s3://no-such-yard"]
    assert missing.level == "warning"
    assert "no bucket no-such-yard" in missing.found
    assert missing.cure


# --- the App on GitHub ---------------------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as receiver:
        yield receiver


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> Iterator[RunningHub]:
    """Serve a hub on which everything is as it should be, but that the repository was not prepared."""
    with running_hub(tmp_path / "hub", webhook_url=receiver.url) as hub:
        monkeypatch.setenv("MODELYARD_GITHUB_API_URL", hub.api_url)
        monkeypatch.setenv("MODELYARD_WEBHOOK_SECRET", "a planted secret")
        monkeypatch.setenv("MODELYARD_PRIVATE_KEY_PATH", str(hub.ready.private_key_path))
        monkeypatch.setenv("MODELYARD_APP_ID", str(hub.ready.app.id))
        all_sent(hub)
        yield hub


def all_sent(hub: RunningHub) -> None:
    until(lambda: all(sent.state == "done" for sent in hub.hub.deliveries.find()))


def prepare(hub: RunningHub, **changes: str) -> None:
    """Commit what `modelyard init` writes to the repository, or something else in a file's place."""
    content = {**init_files(Source.parse(f"owner/modelyard@{SHA}")), **changes}
    owner = hub.person("owner")
    for path, text in content.items():
        body = {"message": "Prepare", "content": base64.b64encode(text.encode()).decode()}
        assert owner.put(f"/repos/owner/demo/contents/{path}", json=body).status_code == 201


def test_doctor_checks_that_github_knows_the_app(
    hub: RunningHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    well = examined(capsys, 0)
    monkeypatch.setenv("MODELYARD_APP_ID", str(hub.ready.app.id + 1))
    wrong = examined(capsys, 1)
    assert "is installed at owner" in well["GitHub"].found
    assert well["Clock"].level == "ok"
    assert wrong["GitHub"].level == "error"
    assert f"MODELYARD_APP_ID is {hub.ready.app.id + 1}" in wrong["GitHub"].cure


def test_the_key_of_another_app_is_reported(
    hub: RunningHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_text(private_key(), encoding="ascii")
    monkeypatch.setenv("MODELYARD_PRIVATE_KEY_PATH", str(other))
    finding = examined(capsys, 1)["GitHub"]
    assert (finding.level, finding.rule) == ("error", "GitHub must recognise the App by its id and its private key.")


@pytest.mark.parametrize(
    ("ahead", "level"), [(0.0, "ok"), (-45.0, "warning"), (45.0, "warning"), (90.0, "error"), (-600.0, "error")]
)
def test_a_wrong_clock_is_reported_before_the_key(
    hub: RunningHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, ahead: float, level: str
) -> None:
    class Skewed(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(time.time() + ahead, tz)

    monkeypatch.setattr("bot.github.app_facts.datetime", Skewed)
    finding = examined(capsys, 1 if level == "error" else 0)["Clock"]
    assert finding.level == level
    assert level == "ok" or "NTP" in finding.cure


def test_an_unreachable_github_is_reported_and_the_rest_is_still_checked(
    hub: RunningHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELYARD_GITHUB_API_URL", "http://127.0.0.1:9/api/v3")
    monkeypatch.setenv("MODELYARD_TIME_FACTOR", "0.01")
    found = examined(capsys, 1)
    assert found["GitHub"].level == "error"
    assert found["Clock"].level == "warning"
    assert found["Storage root"].level == "ok"


@pytest.mark.parametrize(
    ("changes", "level", "cure"),
    [
        ({"webhook_url": ""}, "error", "set a URL"),
        ({"webhook_secret": ""}, "error", "set the secret"),
        ({"webhook_url": "https://user:pw@example.org/hooks?key=k"}, "warning", "ends in /webhook"),
    ],
)
def test_a_webhook_that_cannot_work_is_reported(
    hub: RunningHub, capsys: pytest.CaptureFixture[str], changes: dict[str, str], level: str, cure: str
) -> None:
    hub.hub.apps.update(hub.ready.app.id, **changes)
    finding = examined(capsys, 1 if level == "error" else 0)["Webhook"]
    assert (finding.level, cure in finding.cure) == (level, True)
    assert "pw" not in finding.found
    assert "key=k" not in finding.found


@pytest.mark.parametrize(("status", "cure"), [(401, "The secrets differ"), (404, "must end in /webhook")])
def test_the_results_of_recent_webhooks_are_reported(
    hub: RunningHub, receiver: Receiver, capsys: pytest.CaptureFixture[str], status: int, cure: str
) -> None:
    receiver.status = status
    writer = hub.person("writer")
    writer.post("/repos/owner/demo/issues", json={"title": "One"}).raise_for_status()
    receiver.wait_for("issues.opened")
    all_sent(hub)
    bad = examined(capsys, 1)["Webhook deliveries"]
    receiver.status = 202
    writer.post("/repos/owner/demo/issues", json={"title": "Two"}).raise_for_status()
    receiver.wait_for("issues.opened", 2)
    all_sent(hub)
    better = examined(capsys, 0)["Webhook deliveries"]
    assert (bad.level, better.level) == ("error", "warning")
    assert cure in bad.cure
    assert f"issues was answered with {status}" in better.found


def test_missing_and_superfluous_permissions_and_events_are_reported(
    hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examined(capsys, 0)["Permissions of the App"].level == "ok"
    permissions = {**hub.ready.app.permissions, "contents": "read", "secrets": "write"}
    del permissions["checks"]
    hub.hub.apps.update(hub.ready.app.id, permissions=permissions, events=["issues", "pull_request"])
    hub.hub.installations.update(hub.ready.installation_id, permissions={"metadata": "read"})
    found = examined(capsys, 1)
    missing = found["Permissions of the App"]
    assert missing.level == "error"
    for name in ("checks: write", "contents: write", "the event issue_comment"):
        assert name in missing.found
    assert "issues" not in missing.found.replace("issue_comment", "")
    surplus = found["Permissions of the App, unused"]
    assert (surplus.level, surplus.found) == ("warning", "not used: secrets: write, the event pull_request")
    installed = found["Installation at owner"]
    assert installed.level == "error"
    assert "actions: write" in installed.found
    assert f"/settings/installations/{hub.ready.installation_id}" in installed.cure


def test_a_prepared_repository_on_github_lacks_only_its_labels(
    hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examined(capsys, 0)["owner/demo: .github/modelyard.yml"].level == "warning", "it was not prepared yet"
    prepare(hub)
    found = examined(capsys, 0)
    for name in ("modelyard.yml", "workflows/modelyard-train.yml", "workflows/modelyard-operation.yml"):
        assert found[f"owner/demo: .github/{name}"].level == "ok"
    assert "mlops:running" in found["owner/demo: labels"].found
    assert "administration: read" in found["owner/demo: runners"].found


@pytest.mark.parametrize(
    ("config", "cure"),
    [("", "Make it private"), ("public_repository: true\n", "Use ephemeral runners: see docs/runners.md.")],
)
def test_a_public_repository_is_refused_or_advised_to_use_ephemeral_runners(
    hub: RunningHub, capsys: pytest.CaptureFixture[str], config: str, cure: str
) -> None:
    hub.hub.repositories.update(hub.ready.repository.id, private=False)
    prepare(hub, **{".github/modelyard.yml": config})
    finding = examined(capsys, 0)["owner/demo: .github/modelyard.yml"]
    assert (finding.level, cure in finding.cure) == ("warning", True)
    assert "`config.sh --ephemeral`" in (ROOT / "docs/runners.md").read_text(encoding="utf-8")


def test_configured_labels_are_compared_with_the_online_runners(
    hub: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(hub, **{".github/modelyard.yml": "runners: [self-hosted, big-gpu]\n"})
    permissions = {**hub.ready.app.permissions, "administration": "read"}
    hub.hub.apps.update(hub.ready.app.id, permissions=permissions)
    hub.hub.installations.update(hub.ready.installation_id, permissions=permissions)
    hub.hub.runs.add_runner("runner-1")
    found = examined(capsys, 0)
    assert found["Permissions of the App"].level == "ok", "administration: read may be granted"
    runners = found["owner/demo: runners"]
    assert runners.level == "warning"
    assert runners.found.startswith("none for big-gpu; online: ")
    assert "self-hosted" in runners.found


@pytest.mark.parametrize(
    ("path", "text", "level"),
    [
        (".github/modelyard.yml", "runners: 7\n", "error"),
        (
            ".github/workflows/modelyard-train.yml",
            "jobs:\n  x:\n    uses: o/m/.github/workflows/train.yml@v1\n",
            "error",
        ),
    ],
)
def test_a_misconfigured_repository_on_github_is_reported(
    hub: RunningHub, capsys: pytest.CaptureFixture[str], path: str, text: str, level: str
) -> None:
    prepare(hub, **{path: text})
    assert examined(capsys, 1)[f"owner/demo: {path}"].level == level


def test_no_secret_is_printed(hub: RunningHub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.hub.apps.update(hub.ready.app.id, webhook_url="https://u:hidden@example.org/webhook?token=hidden")
    for arguments in (["doctor"], ["doctor", "--json"]):
        main(arguments)
        said = capsys.readouterr()
        for secret in ("a planted secret", "hidden", *hub.private_key.splitlines()[1:-1]):
            assert secret not in said.out + said.err


def test_a_key_that_others_can_read_is_reported(hub: RunningHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert examined(capsys, 0)["Private key"].level == "ok"
    hub.ready.private_key_path.chmod(0o644)
    assert examined(capsys, 0)["Private key"].cure == f"chmod 600 {hub.ready.private_key_path}"


@pytest.mark.parametrize("place", ["another file", "Secrets Manager"])
def test_stored_credentials_are_found_in_either_place(
    hub: RunningHub,
    secrets_manager: SecretsManager,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    place: str,
) -> None:
    store: CredentialStore = EnvFile(tmp_path / "kept.env") if place == "another file" else secrets_manager
    kept = Credentials(
        app_id=hub.ready.app.id,
        webhook_secret=SecretStr("a planted secret"),
        private_key=SecretStr(hub.private_key),
        github_api_url=hub.api_url,
    )
    store.save(kept, overwrite=False)
    for name in ("GITHUB_API_URL", "WEBHOOK_SECRET", "PRIVATE_KEY_PATH", "APP_ID"):
        monkeypatch.delenv(f"MODELYARD_{name}")
    for name, value in store.start().items():
        monkeypatch.setenv(name, value)
    Path(".env").write_text("OTHER=1\n", encoding="utf-8")
    Path(".env").chmod(0o644)
    found = examined(capsys, 0)
    assert "is installed at owner" in found["GitHub"].found
    if place == "another file":
        assert (found["Settings file"].level, found["Settings file"].found) == ("ok", str(tmp_path / "kept.env"))


# --- storage that App and runner share -----------------------------------------------------------------------------------


def test_the_apps_nonce_is_found_only_if_storage_is_shared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert main(["doctor", "--leave-nonce"]) == 0
    nonce = capsys.readouterr().out.split()[-1]
    monkeypatch.setenv("MODELYARD_STORAGE_ROOT", str(tmp_path / "elsewhere"))
    assert main(["doctor", "--find-nonce", nonce]) == 1
    monkeypatch.setenv("MODELYARD_STORAGE_ROOT", str(tmp_path / "storage"))
    assert main(["doctor", "--find-nonce", nonce]) == 0
    assert list((tmp_path / "storage").iterdir()) == []
    assert main(["doctor", "--find-nonce", "../../etc/passwd"]) == 1


# --- how it is said ------------------------------------------------------------------------------------------------------


def test_in_text_output_each_finding_is_a_line_followed_by_its_fix(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok       Python: 3.")
    assert any(line.startswith("         rule: ") for line in lines)
    assert any(line.startswith("         cure: ") for line in lines)
