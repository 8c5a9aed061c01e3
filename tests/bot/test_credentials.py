"""Credentials are kept where nobody else reads them, whole or not at all; and settings read them back."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.credentials import Credentials, CredentialsError, CredentialStore
from bot.credentials.env_file import EnvFile
from bot.credentials.secrets_manager import SecretsManager
from bot.settings import SettingsError, load_settings
from tests.support.keys import private_key
from tests.support.setting_up import env_values

CANARY = "canary-9f3b-do-not-show"
API = "https://github.example.org/api/v3"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("MODELYARD_", "MLOPS_", "AWS_", "SAGEMAKER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def credentials(number: int = 17) -> Credentials:
    return Credentials(
        app_id=number,
        webhook_secret=SecretStr(CANARY),
        private_key=SecretStr(private_key()),
        github_api_url=API,
    )


@pytest.fixture(params=["env file", "Secrets Manager"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CredentialStore:
    if request.param == "env file":
        return EnvFile(tmp_path / ".env")
    found: SecretsManager = request.getfixturevalue("secrets_manager")
    return found


# --- both ---------------------------------------------------------------------------------------------------------------------


def test_stored_credentials_are_read_back(store: CredentialStore) -> None:
    assert not store.exists()
    store.save(credentials(), overwrite=False)
    assert store.exists()
    kept = {name: value.strip() for name, value in store.load().plain().items()}
    assert kept == {name: value.strip() for name, value in credentials().plain().items()}


def test_nothing_is_replaced_by_accident(store: CredentialStore) -> None:
    store.save(credentials(), overwrite=False)
    with pytest.raises(CredentialsError) as caught:
        store.save(credentials(18), overwrite=False)
    assert caught.value.problem.reason == "credentials_exist"
    assert store.load().app_id == 17
    store.save(credentials(18), overwrite=True)
    assert store.load().app_id == 18


def test_the_app_starts_with_the_stored_credentials(store: CredentialStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(credentials(), overwrite=False)
    for name, value in store.start().items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.app_id, settings.github_api_url) == (17, API)
    assert settings.webhook_secret.get_secret_value() == CANARY
    assert settings.key().strip() == private_key().strip()


def test_the_environment_takes_precedence_over_stored_credentials(
    store: CredentialStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store.save(credentials(), overwrite=False)
    for name, value in store.start().items():
        monkeypatch.setenv(name, value)
    EnvFile(tmp_path / "other.env").save(credentials(99), overwrite=False)
    for name, other in env_values(tmp_path / "other.env").items():
        monkeypatch.setenv(name, str(other))
    assert load_settings().app_id == 99


def test_the_url_of_github_alone_is_not_a_set_of_credentials(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MODELYARD_GITHUB_API_URL=https://old.example.org/api/v3\n", encoding="utf-8")
    store = EnvFile(tmp_path / ".env")
    assert not store.exists()
    store.save(credentials(), overwrite=False)
    assert store.load().github_api_url == API


def test_no_secret_is_in_a_repr_or_an_error(store: CredentialStore) -> None:
    store.save(credentials(), overwrite=False)
    with pytest.raises(CredentialsError) as caught:
        store.save(credentials(), overwrite=False)
    told = repr(credentials()) + str(credentials()) + str(caught.value) + caught.value.problem.model_dump_json()
    assert CANARY not in told
    assert "BEGIN" not in told


# --- the file -----------------------------------------------------------------------------------------------------------------


def test_other_lines_of_the_env_file_are_kept_whatever_they_look_like(tmp_path: Path) -> None:
    old_key = private_key().replace("END RSA PRIVATE", "END OLD")
    before = (
        f'# first\nOTHER="a\nb"\nexport MODELYARD_APP_ID=7\n\nMODELYARD_PRIVATE_KEY="{old_key}"\nLAST=$OTHER # why\n'
    )
    path = tmp_path / ".env"
    path.write_text(before, encoding="utf-8")
    EnvFile(path).save(credentials(), overwrite=True)
    text = path.read_text(encoding="utf-8")
    assert text.startswith('# first\nOTHER="a\nb"\n')
    assert "LAST=$OTHER # why\n" in text
    assert "END OLD" not in text
    assert text.count("MODELYARD_APP_ID") == 1


def test_a_shell_reads_the_file_as_the_app_does(tmp_path: Path) -> None:
    import subprocess

    path = tmp_path / ".env"
    EnvFile(path).save(credentials(), overwrite=False)
    script = 'set -a; . ./.env; printf "%s" "$MODELYARD_PRIVATE_KEY"'
    said = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.replace("\\n", "\n").strip() == private_key().strip()


def test_other_users_can_never_read_the_env_file(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("OTHER=1\n", encoding="utf-8")
    path.chmod(0o644)
    seen: dict[str, set[int]] = {}
    before = os.umask(0)
    watching = threading.Event()

    def watch() -> None:
        while not watching.is_set():
            for file in tmp_path.iterdir():
                try:
                    if CANARY in file.read_text(encoding="utf-8"):
                        seen.setdefault(file.name, set()).add(stat.S_IMODE(file.stat().st_mode))
                except FileNotFoundError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        for number in range(1, 20):
            EnvFile(path).save(credentials(number), overwrite=True)
    finally:
        watching.set()
        thread.join()
        os.umask(before)
    assert seen
    assert set().union(*seen.values()) == {0o600}
    assert [file.name for file in tmp_path.iterdir()] == [".env"]


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file_intact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    path = tmp_path / ".env"
    path.write_text("OTHER=1\n", encoding="utf-8")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    if where == "fsync":
        monkeypatch.setattr("bot.credentials.env_file.os.fsync", fail)
    else:
        monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(CredentialsError, match="No space left"):
        EnvFile(path).save(credentials(), overwrite=False)
    assert [file.name for file in tmp_path.iterdir()] == [".env"]
    assert path.read_text(encoding="utf-8") == "OTHER=1\n"


@pytest.mark.parametrize("name", ["settings.txt", ".bashrc", "passwd", "x.env/../passwd", ".env\n"])
def test_a_file_that_is_not_an_env_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CredentialsError):
        EnvFile(tmp_path / name).exists()


def test_a_link_or_a_folder_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("", encoding="utf-8")
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "folder.env").mkdir()
    for name in (".env", "folder.env"):
        with pytest.raises(CredentialsError, match="not a regular file"):
            EnvFile(tmp_path / name).save(credentials(), overwrite=True)


def test_a_secret_that_could_end_its_line_is_refused(tmp_path: Path) -> None:
    odd = credentials().model_copy(update={"webhook_secret": SecretStr("a'\nX='b")})
    with pytest.raises(CredentialsError, match="must not contain quotes"):
        EnvFile(tmp_path / ".env").save(odd, overwrite=False)
    assert not (tmp_path / ".env").exists()


# --- AWS ----------------------------------------------------------------------------------------------------------------------


def test_a_missing_secret_is_reported_with_its_setting(
    secrets_manager: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_SECRETS_PREFIX", "nowhere")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (problem,) = caught.value.problems
    assert problem.field == "MLOPS_SECRETS_PREFIX"
    assert "nowhere/github-app" in problem.found
    assert "modelyard setup" in problem.next_step


def test_an_empty_secret_that_was_created_in_advance_is_filled(secrets_manager: SecretsManager) -> None:
    import boto3

    boto3.client("secretsmanager", region_name="eu-central-1").create_secret(Name=secrets_manager.name)
    assert not secrets_manager.exists()
    secrets_manager.save(credentials(), overwrite=False)
    assert secrets_manager.load().app_id == 17


@pytest.mark.parametrize("name", ["MODELYARD_APP_ID", "MODELYARD_WEBHOOK_SECRET", "MODELYARD_PRIVATE_KEY"])
def test_a_secret_is_used_completely_or_not_at_all(
    secrets_manager: SecretsManager, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    secrets_manager.save(credentials(), overwrite=False)
    for variable, value in secrets_manager.start().items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv(name, CANARY)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (problem,) = caught.value.problems
    assert (problem.field, problem.found) == ("MLOPS_SECRETS_PREFIX", f"{name} as well.")
    assert CANARY not in str(caught.value)


def test_a_malformed_secret_is_reported_but_not_shown(
    secrets_manager: SecretsManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    client = boto3.client("secretsmanager", region_name="eu-central-1")
    client.create_secret(Name=secrets_manager.name, SecretString=f'{{"webhook_secret": "{CANARY}"}}')
    with pytest.raises(CredentialsError) as caught:
        secrets_manager.load()
    assert "app_id, github_api_url, private_key" in caught.value.problem.found
    assert CANARY not in str(caught.value)


def test_an_unreachable_aws_is_an_error_with_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    with pytest.raises(CredentialsError) as caught:
        SecretsManager("modelyard", "eu-central-1").exists()
    assert "EndpointConnectionError" in caught.value.problem.found
    assert "AWS_REGION" in caught.value.problem.next_step


@pytest.mark.parametrize("prefix", ["", "/", "a b", "a;b", "a\nb"])
def test_a_prefix_that_aws_does_not_allow_is_refused(secrets_manager: SecretsManager, prefix: str) -> None:
    with pytest.raises(CredentialsError, match="prefix"):
        SecretsManager(prefix, "eu-central-1").exists()


# --- the usual names ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    EnvFile(tmp_path / ".env").save(credentials(), overwrite=False)


def test_the_usual_aws_variables_are_read(complete: None, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = "arn:aws:iam::123456789012:role/service-role/Train"
    monkeypatch.setenv("AWS_REGION", "us-gov-west-1")
    monkeypatch.setenv("SAGEMAKER_ROLE_ARN", arn)
    monkeypatch.setenv("MLOPS_S3_BUCKET", "our-models")
    monkeypatch.setenv("MODELYARD_STORAGE_ROOT", "storage")
    settings = load_settings()
    assert (settings.aws_region, settings.sagemaker_role_arn) == ("us-gov-west-1", arn)
    assert settings.s3_bucket == "our-models"
    assert settings.storage_root == Path.cwd() / "storage"  # the name of our own wins


def test_they_may_stand_in_the_env_file(complete: None, tmp_path: Path) -> None:
    with (tmp_path / ".env").open("a", encoding="utf-8") as file:
        file.write("AWS_REGION=eu-west-1\n")
    assert load_settings().aws_region == "eu-west-1"


@pytest.mark.parametrize("name", ["MLOPS_S3_BUCKET", "MODELYARD_STORAGE_ROOT"])
def test_a_bucket_is_never_taken_for_a_folder(complete: None, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "our-models" if name.startswith("MLOPS") else "s3://our-models/runs")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (problem,) = caught.value.problems
    assert problem.field == name
    assert "S3 is not supported yet" in problem.rule
    assert "our-models" in problem.found


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_REGION", "Frankfurt"), ("SAGEMAKER_ROLE_ARN", "Train"), ("MLOPS_S3_BUCKET", "s3://our-models")],
)
def test_a_wrong_one_is_named_by_its_own_name(
    complete: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (problem,) = caught.value.problems
    assert (problem.field, problem.next_step) == (name, f"Correct {name}.")
    assert value in problem.found
