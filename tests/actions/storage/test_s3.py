"""Data from S3 and to it, against moto's server.

What moto cannot show: that KMS keys exist and may be used, what IAM and bucket policies allow, S3's 409 for writes that race,
and that a checksum is computed again on the other side.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import boto3
import pandas as pd
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from sklearn.datasets import load_wine

from actions.context import Context
from actions.errors import Conflict, InvalidInput, NotAllowed, OperationError, Unavailable
from actions.operation import find_operation
from actions.storage import s3
from actions.storage.folder import Storage, make_write_once, open_storage, write_atomically
from runners.job import main
from tests.support.operating import Desk, people
from tests.support.stages import run_stage

ROOT = "s3://yard/models"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    served = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    served.start()
    host, port = served.get_host_and_port()
    yield f"http://{host}:{port}"
    served.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    for name, value in {
        "AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    s3._client.cache_clear()
    s3.s3_storage.cache_clear()
    made = boto3.resource("s3").Bucket("yard")
    made.create()
    yield made
    made.objects.delete()
    made.delete()
    s3._client.cache_clear()
    s3.s3_storage.cache_clear()


@pytest.fixture
def context(bucket: Any) -> Context:
    return Context(storage=open_storage(ROOT))


def call(context: Context, name: str, /, **arguments: Any) -> Any:
    return find_operation(name).call(arguments, context)


def put(bucket: Any, key: str, content: str | bytes) -> str:
    bucket.put_object(Key=key, Body=content.encode() if isinstance(content, str) else content)
    return f"s3://yard/{key}"


def keys(bucket: Any) -> list[str]:
    return sorted(found.key for found in bucket.objects.all())


@pytest.mark.parametrize("name", ["people.csv", "people.csv.gz", "people.tsv", "people.parquet"])
def test_data_is_read_from_a_bucket_below_an_allowed_root(bucket: Any, tmp_path: Path, name: str) -> None:
    frame = pd.read_csv(io.StringIO(people()))
    written = tmp_path / name
    if name.endswith("parquet"):
        frame.to_parquet(written)
    else:
        frame.to_csv(written, index=False, sep="\t" if name.endswith("tsv") else ",")
    uri = put(bucket, f"data/{name}", written.read_bytes())
    context = Context(storage=Storage(tmp_path), data_roots=("s3://yard/data",))
    found = call(context, "load_dataset", data=uri)
    assert (found.uri, found.rows, len(found.columns)) == (uri, 60, 4)


@pytest.mark.parametrize(
    "uri",
    ["s3://yard/data-too/a.csv", "s3://other/data/a.csv", "s3://yard/data/../secret.csv", "s3://yard//data/a.csv",
     "s3://Yard/data/a.csv", "s3://yard", "s3:///data/a.csv", "s3://yard/data/a\n.csv"],
)  # fmt: skip
def test_nothing_outside_the_allowed_roots_is_requested(bucket: Any, tmp_path: Path, uri: str) -> None:
    context = Context(storage=Storage(tmp_path), data_roots=("s3://yard/data",))
    with pytest.raises(InvalidInput) as caught:
        call(context, "load_dataset", data=uri)
    assert caught.value.problem.reason == "data_outside_roots"


def test_a_missing_object_and_a_missing_bucket_are_reported(bucket: Any, tmp_path: Path) -> None:
    context = Context(storage=Storage(tmp_path), data_roots=("s3://yard/data", "s3://nowhere"))
    with pytest.raises(InvalidInput) as caught:
        call(context, "load_dataset", data="s3://yard/data/none.csv")
    assert caught.value.problem.reason == "data_not_found"
    with pytest.raises(OperationError) as refused:
        call(context, "load_dataset", data="s3://nowhere/none.csv")
    assert refused.value.problem.reason in {"data_not_found", "bucket_not_found"}


def test_a_whole_preparation_and_training_goes_by_a_bucket(bucket: Any, context: Context) -> None:
    put(bucket, "models/raw/wine.csv.gz", gzip.compress(load_wine(as_frame=True).frame.to_csv(index=False).encode()))
    split = call(
        context, "split_dataset", data="raw/wine.csv.gz", destination="parts", strategy="stratified", column="target"
    )
    assert split.train.uri == f"{ROOT}/parts/train.parquet"
    made = call(context, "preprocess_supervised", data=split.train.uri, target="target", destination=f"{ROOT}/steps")
    model = call(
        context, "train_supervised_classifier", data=split.train.uri, target="target", destination="model",
        algorithm="logistic_regression", preprocessor=made.uri, validation=split.validation.uri,
    )  # fmt: skip
    assert model.metrics["validation_accuracy"] >= 0.9
    assert keys(bucket) == [
        "models/model/model.skops",
        "models/model/training.json",
        "models/parts/test.parquet",
        "models/parts/train.parquet",
        "models/parts/validation.parquet",
        "models/raw/wine.csv.gz",
        "models/steps/preprocessor.skops",
    ]
    body = bucket.Object("models/parts/train.parquet").get()["Body"].read()
    assert len(pd.read_parquet(io.BytesIO(body))) == split.train.rows


def test_the_command_line_takes_a_storage_root_in_s3(bucket: Any, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--data", "sklearn://iris", "--destination", "iris.csv", "--storage-root", ROOT]
    assert main(["save_processed_data", *arguments]) == 0
    assert f'"uri": "{ROOT}/iris.csv"' in capsys.readouterr().out
    assert keys(bucket) == ["models/iris.csv", "models/iris.csv.schema.json"]


def test_what_has_changed_is_fetched_again(bucket: Any, context: Context) -> None:
    put(bucket, "models/a.csv", people(12))
    assert call(context, "load_dataset", data="a.csv").rows == 12
    put(bucket, "models/a.csv", people(20))
    assert call(context, "load_dataset", data="a.csv").rows == 20
    bucket.Object("models/a.csv").delete()
    with pytest.raises(InvalidInput):
        call(context, "load_dataset", data="a.csv")


def test_a_concurrent_write_is_not_overwritten(bucket: Any, context: Context) -> None:
    new, old = context.storage.path("new.csv"), context.storage.path("old.csv")
    write_atomically(old, "first\n")
    for key in ("models/new.csv", "models/old.csv"):
        put(bucket, key, "theirs\n")
    for path in (new, old):
        with pytest.raises(Conflict) as caught:
            write_atomically(path, "ours\n")
        assert caught.value.problem.reason == "changed_meanwhile"
    assert not new.exists()
    assert old.read_text(encoding="utf-8") == "first\n"
    for key in ("models/new.csv", "models/old.csv"):
        assert bucket.Object(key).get()["Body"].read() == b"theirs\n"


def test_a_registered_model_in_a_bucket_is_never_written_again(bucket: Any, context: Context) -> None:
    model = context.storage.path("m/model.skops")
    write_atomically(model, "a model")
    make_write_once(model)
    assert keys(bucket) == ["models/m/.registered", "models/m/model.skops"]
    s3.s3_storage.cache_clear()
    elsewhere = open_storage(ROOT)  # another process, whose local copy has no marker yet
    assert elsewhere.root != context.storage.root
    for storage in (context.storage, elsewhere):
        for name in ("model.skops", "model.json"):
            with pytest.raises(NotAllowed) as refused:
                write_atomically(storage.path(f"m/{name}"), "another model")
            assert refused.value.problem.reason == "registered_file"
    assert bucket.Object("models/m/model.skops").get()["Body"].read() == b"a model"
    assert keys(bucket) == ["models/m/.registered", "models/m/model.skops"]


def test_an_object_that_changes_during_a_download_is_not_accepted(
    bucket: Any, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, "models/a.csv", "seen\n")
    client = s3._client()

    class Racing:
        def head_object(self, **request: Any) -> Any:
            answer = client.head_object(**request)
            put(bucket, "models/a.csv", "newer\n")
            return answer

        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

    with monkeypatch.context() as patch:
        patch.setattr(s3, "_client", Racing)
        with pytest.raises(Conflict):
            context.storage.path("a.csv")
    assert context.storage.path("a.csv").read_text(encoding="utf-8") == "newer\n"


@pytest.mark.parametrize(
    ("uri", "may"),
    [
        ("s3://yard/data/a.csv", True),
        ("s3://yard/data", True),
        ("s3://yard/other/a.csv", False),
        ("s3://yard/data2/a.csv", False),
        ("s3://whole/a.csv", True),
        ("s3://none/data/a.csv", False),
        ("s3://yard/data/../other", False),
        ("nothing", False),
    ],
)
def test_only_what_is_below_an_allowed_root_may_be_read(uri: str, may: bool) -> None:
    roots = ("/folder", "s3://yard/data", "S3://whole")
    assert s3.may_read(uri, roots) is may


def test_what_was_seen_is_replaced_and_the_same_content_is_no_conflict(bucket: Any, context: Context) -> None:
    put(bucket, "models/a.csv", "before\n")
    path = context.storage.path("a.csv")
    write_atomically(path, "after\n")
    write_atomically(path, "and again\n")
    assert bucket.Object("models/a.csv").get()["Body"].read() == b"and again\n"
    storage = s3.s3_storage(ROOT)
    storage._etags["models/a.csv"] = None  # as after an answer that was lost: the next try finds what it has written
    write_atomically(path, "and again\n")
    storage._etags["models/a.csv"] = None
    with pytest.raises(Conflict):
        write_atomically(path, "another\n")


def test_bad_input_leaves_nothing_in_the_bucket(bucket: Any, context: Context) -> None:
    put(bucket, "models/broken.csv", "a,b\n1\n")
    for name, more in (("split_dataset", {}), ("preprocess_supervised", {"target": "a"}), ("save_processed_data", {})):
        destination = "out.parquet" if name == "save_processed_data" else "out"
        with pytest.raises(InvalidInput):
            call(context, name, data="broken.csv", destination=destination, **more)
    assert keys(bucket) == ["models/broken.csv"]


def test_kms_is_used_if_requested(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(open_storage(ROOT).path("plain.txt"), "a")
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    monkeypatch.setenv(s3.KMS_VARIABLE, key)
    s3.s3_storage.cache_clear()
    write_atomically(open_storage(ROOT).path("locked.txt"), "a")
    plain, locked = (bucket.Object(f"models/{name}.txt") for name in ("plain", "locked"))
    assert plain.server_side_encryption != "aws:kms"
    assert (locked.server_side_encryption, locked.ssekms_key_id) == ("aws:kms", key)


def test_the_content_is_sent_with_its_digest(bucket: Any, context: Context) -> None:
    write_atomically(context.storage.path("a.txt"), "content")
    digest = hashlib.sha256(b"content").hexdigest()
    assert bucket.Object("models/a.txt").metadata == {"sha256": digest}


@pytest.mark.parametrize(
    ("code", "status", "kind", "reason"),
    [
        ("AccessDenied", 403, NotAllowed, "s3_access_denied"),
        ("InvalidToken", 401, NotAllowed, "s3_access_denied"),
        ("ConditionalRequestConflict", 409, Conflict, "changed_meanwhile"),
        ("SlowDown", 503, OperationError, "s3_refused"),
        ("NoSuchBucket", 404, InvalidInput, "bucket_not_found"),
    ],
)
def test_each_refusal_has_its_own_reason(code: str, status: int, kind: type[OperationError], reason: str) -> None:
    storage = s3.S3Storage(root=Path("nowhere"), base=s3.S3Uri.parse(ROOT))
    with pytest.raises(kind) as caught:
        storage._raise(code, status, "no", "models/a")
    assert caught.value.problem.reason == reason


def test_an_object_that_may_not_be_seen_does_not_count_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = ClientError(
        {"Error": {"Code": "403"}, "ResponseMetadata": {"HTTPStatusCode": 403}},
        "HeadObject",
    )
    monkeypatch.setattr(s3, "_client", lambda: Mock(head_object=Mock(side_effect=denied)))
    storage = s3.S3Storage(root=Path("nowhere"), base=s3.S3Uri.parse(ROOT))
    with pytest.raises(NotAllowed):
        storage.path("a.csv")


@pytest.mark.parametrize(("size", "is_refused"), [(5 * 2**30, False), (5 * 2**30 + 1, True)])
def test_files_of_up_to_five_gibibytes_are_uploaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, is_refused: bool
) -> None:
    client = Mock(head_object=Mock(return_value={}), put_object=Mock(return_value={"ETag": "1"}))
    monkeypatch.setattr(s3, "_client", lambda: client)
    monkeypatch.setattr(s3, "sha256_of", lambda _: "0" * 64)
    written = tmp_path / "written"
    with written.open("wb") as sparse:
        sparse.truncate(size)
    with pytest.raises(InvalidInput) if is_refused else nullcontext():
        s3.S3Storage(root=tmp_path, base=s3.S3Uri.parse(ROOT)).send(written, tmp_path / "a.csv")
    assert client.put_object.called is not is_refused


def test_a_registered_model_can_be_fetched_though_not_written(bucket: Any, context: Context) -> None:
    put(bucket, "models/m/.registered", "")
    put(bucket, "models/m/model.skops", "model")
    assert context.storage.path("m/.registered").is_file()
    path = context.storage.path("m/model.skops")
    assert path.read_text(encoding="utf-8") == "model"
    with pytest.raises(NotAllowed):
        write_atomically(path, "forged")


def test_a_root_is_checked_by_listing_it(bucket: Any) -> None:
    s3.s3_storage(ROOT).check()
    with pytest.raises(InvalidInput) as caught:
        s3.s3_storage("s3://nowhere").check()
    assert caught.value.problem.reason == "bucket_not_found"


def test_missing_responses_and_missing_credentials_are_distinguished(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = Context(storage=Storage(tmp_path), data_roots=("s3://yard",))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3._client.cache_clear()
    with pytest.raises(Unavailable) as caught:
        call(context, "load_dataset", data="s3://yard/a.csv")
    assert caught.value.problem.reason == "s3_unavailable"


@pytest.mark.parametrize("root", ["s3://", "s3://UPPER/a", "s3://yard/../b", "s3://a"])
def test_an_invalid_storage_root_is_refused(root: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_storage(root)
    assert caught.value.problem.reason == "invalid_s3_uri"


def test_a_stage_prepares_data_from_a_bucket_and_says_so(bucket: Any, tmp_path: Path) -> None:
    uri = put(bucket, "data/people.csv.gz", gzip.compress(people(60).encode()))
    desk = Desk(tmp_path, data_roots=("s3://yard/data",))
    outcome = run_stage("prepare", desk.order(data=uri, target="pays"))
    assert outcome.record.result["data"]["uri"] == uri
    assert not outcome.skipped
    assert run_stage("prepare", desk.order(data=uri, target="pays")).skipped
    put(bucket, "data/people.csv.gz", gzip.compress(people(61).encode()))
    assert not run_stage("prepare", desk.order(data=uri, target="pays")).skipped
