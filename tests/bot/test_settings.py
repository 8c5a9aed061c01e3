from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.observability.log_format import JsonLines
from bot.settings import SettingsError, load_settings, settings_or_exit
from tests.support.keys import private_key

CANARY = "canary-9f3b-do-not-show"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("MODELYARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_text(private_key(), encoding="ascii")
    return path


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, key_file: Path) -> None:
    monkeypatch.setenv("MODELYARD_WEBHOOK_SECRET", CANARY)
    monkeypatch.setenv("MODELYARD_APP_ID", "17")
    monkeypatch.setenv("MODELYARD_PRIVATE_KEY_PATH", str(key_file))


def problems() -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert CANARY not in str(caught.value)
    found = {}
    for problem in caught.value.problems:
        assert all((problem.rule, problem.found, problem.next_step))
        assert CANARY not in problem.model_dump_json()
        assert problem.field is not None
        found[problem.field.removeprefix("MODELYARD_")] = problem.found
    return found


def test_secret_id_and_key_are_all_that_is_required(complete: None, tmp_path: Path) -> None:
    settings = load_settings()

    assert settings.app_id == 17
    assert settings.github_api_url == "https://api.github.com"
    assert settings.database_url == "sqlite:///.modelyard/app.db"
    assert settings.storage_root == tmp_path / ".modelyard/storage"
    assert settings.key() == private_key()


def test_printed_settings_contain_no_secret(complete: None) -> None:
    assert CANARY not in repr(load_settings())
    assert "PRIVATE KEY" not in repr(load_settings())


def test_all_missing_settings_are_reported_at_once() -> None:
    assert problems() == {"WEBHOOK_SECRET": "nothing.", "APP_ID": "nothing.", "PRIVATE_KEY": "neither."}


def test_an_empty_variable_counts_as_missing(complete: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_WEBHOOK_SECRET", "")

    assert problems() == {"WEBHOOK_SECRET": "nothing."}


def test_a_misspelt_variable_is_pointed_out(complete: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODELYARD_WEBHOOK_SECRET")
    monkeypatch.setenv("MODELYARD_WEBHOOK_SECRT", CANARY)

    assert problems() == {"WEBHOOK_SECRET": "nothing, but MODELYARD_WEBHOOK_SECRT is set."}


def test_the_key_may_be_given_as_text_on_one_line(complete: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODELYARD_PRIVATE_KEY_PATH")
    monkeypatch.setenv("MODELYARD_PRIVATE_KEY", private_key().replace("\n", "\\n"))

    assert load_settings().key() == private_key()


def test_a_key_given_twice_is_refused(complete: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_PRIVATE_KEY", private_key())

    assert problems() == {"PRIVATE_KEY": "both."}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_ID", "seventeen"),
        ("APP_ID", "0"),
        ("GITHUB_API_URL", "api.github.com"),
        ("GITHUB_API_URL", "ftp://api.github.com"),
        ("GITHUB_API_URL", "http://github.example.org/api/v3"),
        ("DATABASE_URL", "mysql://db/modelyard"),
        ("LOG_LEVEL", "loud"),
        ("HTTP_TIMEOUT_SECONDS", "-1"),
        ("TIME_FACTOR", "nan"),
        ("PRIVATE_KEY_PATH", "no-such-file.pem"),
    ],
)
def test_a_wrong_value_is_reported_with_what_was_found(
    complete: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MODELYARD_{name}", value)

    found = problems()

    assert list(found) == [name]
    assert value in found[name].lower() or name == "DATABASE_URL"


def test_secrets_are_not_shown_even_if_they_are_wrong(complete: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODELYARD_PRIVATE_KEY_PATH")
    monkeypatch.setenv("MODELYARD_PRIVATE_KEY", CANARY)
    monkeypatch.setenv("MODELYARD_DATABASE_URL", f"mysql://user:{CANARY}@db/modelyard")
    monkeypatch.setenv("MODELYARD_GITHUB_API_URL", f"https://user:{CANARY}@api.github.com")

    monkeypatch.setenv("MODELYARD_DASHBOARD_TOKEN", CANARY[:8])

    found = problems()
    assert set(found) == {"PRIVATE_KEY", "DATABASE_URL", "GITHUB_API_URL", "DASHBOARD_TOKEN"}
    assert CANARY[:8] not in found["DASHBOARD_TOKEN"]


def test_a_storage_root_that_is_a_file_is_refused(
    complete: None, monkeypatch: pytest.MonkeyPatch, key_file: Path
) -> None:
    monkeypatch.setenv("MODELYARD_STORAGE_ROOT", str(key_file))

    assert list(problems()) == ["STORAGE_ROOT"]


def test_a_plain_http_hub_on_this_machine_is_fine(complete: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_GITHUB_API_URL", "http://127.0.0.1:4000/api/v3/")

    assert load_settings().github_api_url == "http://127.0.0.1:4000/api/v3"


def test_a_dotenv_file_is_read_and_the_environment_takes_precedence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key_file: Path
) -> None:
    lines = [f"MODELYARD_WEBHOOK_SECRET={CANARY}", "MODELYARD_APP_ID=17", f"MODELYARD_PRIVATE_KEY_PATH={key_file}"]
    (tmp_path / ".env").write_text("\n".join([*lines, "OTHER=1"]), encoding="utf-8")
    monkeypatch.setenv("MODELYARD_APP_ID", "18")

    settings = load_settings()

    assert settings.app_id == 18
    assert settings.webhook_secret.get_secret_value() == CANARY


def test_the_process_ends_with_code_2_and_reports_every_problem(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        settings_or_exit()

    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert all(name in said for name in ("MODELYARD_WEBHOOK_SECRET", "MODELYARD_APP_ID", "MODELYARD_PRIVATE_KEY"))


# --- channels outside of GitHub ----------------------------------------------------------------------------------------


def test_without_their_settings_there_are_no_channels(complete: None) -> None:
    channels = load_settings().channels
    assert (channels.slack, channels.email) == (None, None)


def test_channels_use_the_settings(complete: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_SLACK_TOKEN", CANARY)
    monkeypatch.setenv("MODELYARD_SMTP_URL", f"smtps://mailer:{CANARY}%40@mail.example.org")
    monkeypatch.setenv("MODELYARD_MAIL_FROM", "modelyard@example.org")
    settings = load_settings()
    slack, email = settings.channels.slack, settings.channels.email
    assert slack is not None
    assert (slack.token, slack.api_url, slack.seconds) == (CANARY, "https://slack.com/api/", 10)
    assert email is not None
    assert (email.host, email.port, email.security) == ("mail.example.org", 465, "tls")
    assert (email.user, email.password) == ("mailer", f"{CANARY}@")
    assert CANARY not in repr(settings)
    assert CANARY not in repr(settings.channels)
    masked = JsonLines(settings.secrets()).masked(f"{CANARY} {CANARY}@ smtps://mailer:{CANARY}%40@mail.example.org")
    assert CANARY not in masked


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("SMTP_URL", f"smtp://u:{CANARY}@mail.example.org?starttls=no", "a value that is not shown."),
        ("SMTP_URL", f"http://u:{CANARY}@mail.example.org", "a value that is not shown."),
        ("SMTP_URL", f"smtp://u:{CANARY}@mail.example.org:{CANARY}", "a value that is not shown."),
        ("SLACK_API_URL", "http://slack.example.org/api/", "'http://slack.example.org/api/'."),
        ("SLACK_API_URL", f"https://u:{CANARY}@slack.example.org/api/", "'https://***@slack.example.org/api/'."),
        ("MAIL_FROM", "Modelyard <a@b.c>", "'Modelyard <a@b.c>'."),
        ("MAIL_FROM", "ml..ops@example.org", "'ml..ops@example.org'."),
    ],
)
def test_invalid_channel_settings_are_reported(
    complete: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str, found: str
) -> None:
    monkeypatch.setenv("MODELYARD_MAIL_FROM", "modelyard@example.org")
    monkeypatch.setenv(f"MODELYARD_{name}", value)
    assert problems() == {name: found}


def test_a_mail_server_needs_a_sender(complete: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELYARD_SMTP_URL", "smtp://localhost:25")
    assert problems() == {"MAIL_FROM": "nothing."}
