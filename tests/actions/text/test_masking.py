"""Whatever looks like a secret is taken out of a text, wherever it stands, in time linear in the text's length."""

from __future__ import annotations

import json
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.text.markdown import code, fence, inline
from actions.text.masking import masked, masked_json
from tests.support.keys import private_key

KEY = private_key()
# Put together here, so that no scanner takes this file for a leak.
SECRETS = {
    "installation token": "ghs_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "personal token": "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "oauth token": "gho_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "user token": "ghu_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "refresh token": "ghr_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "old installation token": "v1." + "0123456789abcdef0123456789abcdef01234567",
    "fine-grained token": "github_pat_" + "11ABCDEFG0123456789_abcdefgh",
    "jwt": "eyJhbGciOiJSUzI1NiJ9." + "eyJpc3MiOiIxNyJ9.c2lnbmF0dXJl",
    "slack bot": "xoxb-" + "17653672481-19874698323-pdFZKVeTuE8sk7oOcBrzbqgy",
    "slack user": "xoxp-" + "17653672481-19874698323-pdFZKVeTuE8sk7oOcBrzbqgy",
    "slack app": "xapp-1-" + "A0123456789-1234567890123-abcdef0123456789",
    "slack refresh": "xoxe-" + "1-My0xLTQ3NDY4OTg5",
    "slack webhook": "services/T000/" + "B000/XXXXXXXXXXXXXXXX",
    "slack workflow": "workflows/T000/" + "A000/123456789/XXXXXXXXXXXXXXXX",
    "slack trigger": "triggers/T000/" + "123456789/XXXXXXXXXXXXXXXX",
    "aws key": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws session": "ASIA" + "IOSFODNN7EXAMPLE",
    "aws secret": "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
    "aws session token": "FwoGZXIvYXdzEBYaD" + "FTKSBVyIBRQEXAMPLE",
    "aws secret in JSON": "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
    "aws secret in YAML": "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
    "password": "s3cr3t" + "-word",
    "rest of a password with an @": "end" + "-of-it",
    "bearer token": "abcdefghijklmnop" + "qrstuvwxyz",
    "signed address": "0123456789abcdef" * 4,
    "session token of a signed address": "IQoJb3JpZ2luX2VjEJr%2F" + "aCXVzLWVhc3QtMSJHMEUCIQ",
    "Hugging Face": "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYz",
    "GitLab": "glpat-" + "AbCdEfGhIjKlMnOpQrSt",
    "OpenAI": "sk-proj-" + "AbCdEfGhIjKlMnOpQrStUvWxYz",
    "npm": "npm_" + "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "PyPI": "pypi-" + "AgEIcHlwaS5vcmcCJDAwMDAwMDAwLTAwMDA",
    "Google": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "password without a user": "hunter2" + "-secret",
    "password with a slash": "hunter2/" + "-/secret",
    "bearer in capitals": "abcdefghijklmnop" + "qrstuvwxyz",
    "bearer in JSON": "abcdefghijklmnop" + "qrstuvwxyz",
    "signature in lower case": "0123456789abcdef" * 4,
    "signature in JSON": "0123456789abcdef" * 4,
    "password of a connection": "hunter2" + "-secret",
    "quoted password": "two words" + " and more",
    "password in JSON": "hunter2" + "-secret",
    "basic authentication": "dXNlcjpw" + "YXNzd29yZA==",
    "token header": "abcdefghijklmnop" + "qrstuvwxyz",
    "Azure": "abcdefghijklmnopqrstuvwxyz" + "0123456789+/==",
    "API key": "abcdefghijklmnop" + "qrstuvwxyz",
    "client secret": "abcdefghijklmnop" + "qrstuvwxyz",
}
TEXTS = {
    "password without a user": "redis://:{}@cache:6379/0",
    "password with a slash": "postgresql://modelyard:{}@db/modelyard",
    "bearer in capitals": "AUTHORIZATION:  BEARER   {}",
    "bearer in JSON": '{{"authorization": "bearer {}"}}',
    "signature in lower case": "https://b.s3.amazonaws.com/m.csv?x-amz-signature={}",
    "signature in JSON": '"X-Amz-Signature": "{}"',
    "password of a connection": "host=db user=modelyard password={} dbname=modelyard",
    "quoted password": "connect(user='modelyard', password='{}')",
    "password in JSON": '"password": "{}"',
    "basic authentication": "Authorization: Basic {}",
    "token header": "authorization: token {}",
    "Azure": "AccountName=a;AccountKey={};EndpointSuffix=core.windows.net",
    "API key": "api_key={}",
    "client secret": '"client_secret": "{}"',
    "slack webhook": "to https://hooks.slack.com/{}",
    "slack workflow": "to https://hooks.slack.com/{}",
    "slack trigger": "to https://hooks.slack.com/{}",
    "aws session token": "aws_session_token={}",
    "aws secret in JSON": '"SecretAccessKey": "{}"',
    "aws secret in YAML": "secret_access_key : '{}'",
    "aws secret": "AWS_SECRET_ACCESS_KEY={}",
    "password": "postgresql://modelyard:{}@db/modelyard",
    "rest of a password with an @": "postgresql://modelyard:s3cr3t@{}@db/modelyard",
    "bearer token": "Authorization: Bearer {}",
    "signed address": "https://b.s3.amazonaws.com/m.csv?X-Amz-Expires=9&X-Amz-Signature={}",
    "session token of a signed address": "https://b.s3.amazonaws.com/m.csv?X-Amz-Security-Token={}&X-Amz-Expires=9",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_masked_in_every_kind_of_text(kind: str) -> None:
    secret = SECRETS[kind]
    text = TEXTS.get(kind, "with {} in it").format(secret)
    for shown in (masked(text), inline(text), code(text), fence(text), masked_json(json.dumps([text]))):
        assert secret not in shown
        assert "***" in shown.replace("\\*", "*").replace("&#42;", "*")


@pytest.mark.parametrize("cut", [slice(None), slice(200, None), slice(None, 900)], ids=["whole", "end", "beginning"])
def test_a_key_is_masked_even_where_a_part_of_it_was_cut_off(cut: slice) -> None:
    shown = masked(f"the key:\n{KEY[cut]}\nno key")
    assert "the key:" in shown
    for line in KEY[cut].splitlines():
        assert len(line) < 20 or line not in shown


def test_the_ends_of_two_keys_are_masked_each_and_nothing_before_them() -> None:
    end = "\n".join(KEY.strip().splitlines()[-3:])
    assert masked(end) == "***"
    assert masked(f"{end}\n{end}\nno key") == "***\n***\nno key"
    assert masked(f"a word!\n{end}\nA\na word!\n{end}") == "a word!\n***\nA\na word!\n***"


def test_json_around_a_secret_keeps_its_letters() -> None:
    assert masked_json(json.dumps(f"für {SECRETS['slack bot']}", ensure_ascii=False)) == '"für ***"'


def test_text_without_secrets_is_unchanged() -> None:
    text = (
        "sklearn://iris xoxb AKIA eyJ ghs_ s3://bucket/a:b https://github.com/a/b v1.2 mailto:a@b 0123456789abcdef "
        "sk-learn-contrib-imbalanced-metrics http://host:8080/a?mail=me@example.org http://host:80?mail=me@example.org "
        "http://host?mail=a:me@example.org the bearer of bad news"
    )
    assert masked(text) == text


@given(st.recursive(st.text() | st.integers() | st.floats(allow_nan=False), st.lists))
def test_json_without_secrets_stays_byte_for_byte(value: object) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    assert masked_json(text) == text


def test_json_stays_json_around_a_secret() -> None:
    value = {"a": f'"{SECRETS["slack bot"]}" \\', "b": KEY[:300], "c": [1.5, None]}
    shown = json.loads(masked_json(json.dumps(value)))
    assert shown == {"a": '"***" \\', "b": "***", "c": [1.5, None]}


@given(st.text(alphabet="eyJ.-_:/@ABEGINPRVTKxoabp =\n\"'123"))
def test_no_text_makes_it_fail_and_masking_twice_changes_nothing(text: str) -> None:
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "piece",
    ["eyJ", "eyJ.", "eyJaaaaaaaa.", "xox", "xoxb-", "a", "://a:", "://a:b@", "://", "bearer ", "x-amz-signature=", "sk-", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----",
     "A\n", "A" * 64 + "\n", "-----END PRIVATE KEY-----\n", "session_token=", "secret_access_key ", " ", '"', "AKIA",
     "password=", "password='", 'password="a'],
)  # fmt: skip
def test_a_long_text_is_scanned_quickly(piece: str) -> None:
    text = (piece * 65_536)[:65_536] + "-----END PRIVATE KEY-----"
    began = process_time()
    masked(text)
    masked_json(text)
    assert process_time() - began < 0.5
