"""Storage in S3, with the same interface as a folder: files are read and written through a local copy.

A file is downloaded when its path is requested. A file written below the copy (``actions.storage.folder.replacing``) is
uploaded before it takes its place there, so it is in the bucket completely or not at all, and never only on this
machine. Writes are conditional (`If-None-Match`, `If-Match`): they never overwrite what another process has written
meanwhile.
"""

from __future__ import annotations

import functools
import os
import re
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from actions.errors import Conflict, InvalidInput, NotAllowed, OperationError, Unavailable
from actions.optional import require_library
from actions.storage.folder import (
    REGISTERED_FILE,
    Storage,
    registered_file,
    replacing,
    send_files_below,
    sha256_of,
)

KMS_VARIABLE = "MODELYARD_S3_KMS_KEY"
"""Names the KMS key to encrypt objects with; by default, the bucket's own setting applies."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MAX_BYTES = 5 << 30
_CHUNK = 8 << 20
_T = TypeVar("_T")


@dataclass(frozen=True)
class S3Uri:
    """The parts of ``s3://bucket/key``."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> S3Uri:
        """Parse a URI; raise ValueError if it is not one, or if its key has ``..``, empty or unprintable parts."""
        scheme, _, rest = text.partition("://")
        bucket, _, key = rest.partition("/")
        key = key.rstrip("/")
        parts = key.split("/") if key else []
        if scheme.lower() != "s3" or not _BUCKET.fullmatch(bucket) or ".." in bucket:
            raise ValueError(f"not s3://bucket/key: {text!r}")
        if any(part in {"", ".", ".."} for part in parts) or "\\" in key or not key.isprintable():
            raise ValueError(f"not a plain key: {text!r}")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}".rstrip("/")

    def contains(self, other: S3Uri) -> bool:
        """Return whether another URI is this one or is below it."""
        same = self.bucket == other.bucket
        return same and (not self.key or other.key == self.key or other.key.startswith(f"{self.key}/"))


@dataclass(frozen=True)
class S3Storage(Storage):
    """A storage root in a bucket.

    Parameters
    ----------
    root
        The local copy: a folder that only this process uses.
    base
        The URI of the storage root.
    kms_key
        Id, ARN or alias of the key to encrypt with (SSE-KMS); None leaves it to the bucket.
    """

    base: S3Uri
    kms_key: str | None = None
    _etags: dict[str, str | None] = field(default_factory=dict, repr=False, compare=False)
    _digests: dict[str, str | None] = field(default_factory=dict, repr=False, compare=False)

    def path(self, uri: str) -> Path:
        """Return the local copy of a file, downloading it if it has changed. If there is no such file, return its
        place.

        ``uri`` is relative to the root, or an ``s3://`` URI below it.

        Raises
        ------
        ValueError
            The URI leads outside the root.
        OperationError
            The bucket cannot be read.
        """
        if "://" in uri:
            full = S3Uri.parse(uri)
            if not self.base.contains(full):
                raise ValueError(f"not below {self.base}: {uri!r}")
            uri = full.key[len(self.base.key) :].strip("/") or "."
        path = super().path(uri)
        if path != self.root.resolve():
            self._fetch(path)
        return path

    def uri(self, path: Path) -> str:
        """Return the ``s3://`` URI of a file in the local copy."""
        return f"s3://{self.base.bucket}/{self._key(path)}"

    def send(self, written: Path, path: Path) -> None:
        """Upload a newly written file, under the key that ``path`` has in the bucket.

        Raises
        ------
        Conflict
            ``changed_meanwhile``.
        InvalidInput
            ``object_too_large``.
        NotAllowed
            ``registered_file``.
        OperationError
            The bucket cannot be written to.
        """
        key = self._key(path)
        if self._head(self._key(path.with_name(REGISTERED_FILE))) is not None:
            raise registered_file(path)
        if written.stat().st_size > _MAX_BYTES:
            raise InvalidInput(
                "object_too_large",
                rule="A file to upload must be at most 5 GiB, because it is uploaded in one piece.",
                found=f"{written.stat().st_size} bytes for {key}.",
                next_step="Split the data, or use a folder as the storage root.",
                field="destination",
            )
        if key not in self._etags:
            self._head(key)
        etag = self._etags[key]
        options: dict[str, str] = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        if self.kms_key:
            options |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key}
        digest = sha256_of(written)
        options |= {"ChecksumSHA256": b64encode(bytes.fromhex(digest)).decode()}

        def put(client: Any) -> dict[str, Any]:
            with written.open("rb") as body:
                response: dict[str, Any] = client.put_object(
                    Bucket=self.base.bucket, Key=key, Body=body, Metadata={"sha256": digest}, **options
                )
            return response

        try:
            self._etags[key] = self._call(put, key)["ETag"]
        except Conflict:
            # If the response to a successful upload is lost, boto3 retries and conflicts with its own upload.
            if self._head(key) is None or self._digests[key] != digest:
                raise

    def check(self) -> None:
        """Raise the OperationError that explains why the root cannot be listed, if it cannot."""
        options = {"Bucket": self.base.bucket, "Prefix": self.base.key, "MaxKeys": 1}
        self._call(lambda client: client.list_objects_v2(**options), self.base.key)

    # --- the bucket --------------------------------------------------------------------------------------------------

    def _key(self, path: Path) -> str:
        relative = super().uri(path)
        return f"{self.base.key}/{relative}" if self.base.key else relative

    def _head(self, key: str) -> str | None:
        """Return an object's ETag, or None if there is no such object; remember it as the condition of later writes."""
        response: dict[str, Any] = self._call(
            lambda client: client.head_object(Bucket=self.base.bucket, Key=key), key, absent={}
        )
        self._etags[key], self._digests[key] = response.get("ETag"), response.get("Metadata", {}).get("sha256")
        return self._etags[key]

    def _fetch(self, path: Path) -> None:
        key = self._key(path)
        known = self._etags.get(key)
        etag = self._head(key)
        if etag is None:
            if path.is_file():
                path.unlink()
            return
        if etag == known and path.is_file():
            return

        def get(client: Any) -> None:
            response = client.get_object(Bucket=self.base.bucket, Key=key, IfMatch=etag, ChecksumMode="ENABLED")
            with replacing(path, sent=True) as temporary, temporary.open("wb") as file:
                for chunk in response["Body"].iter_chunks(_CHUNK):
                    file.write(chunk)

        self._call(get, key)

    def _call(self, request: Callable[[Any], _T], key: str, absent: _T | None = None) -> _T:
        """Send a request to S3, translating its errors; return ``absent``, if given, when there is no such object."""
        require_library("boto3", "S3", "aws")
        import botocore.exceptions

        try:
            return request(_client())
        except botocore.exceptions.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if absent is not None and code in {"404", "NoSuchKey", "NotFound"}:
                return absent
            self._raise(code, status, str(error), key)
        except botocore.exceptions.BotoCoreError as error:
            raise Unavailable(
                "s3_unavailable",
                rule="S3 must be reachable, and the runner must have credentials.",
                found=f"{type(error).__name__}: {error}."[:500],
                next_step="Give the runner AWS credentials and a region (AWS_PROFILE or a role), and network access to S3.",
            ) from None

    def _raise(self, code: str, status: int | None, text: str, key: str) -> NoReturn:
        place = f"s3://{self.base.bucket}/{key}"
        if status in {409, 412}:
            raise Conflict(
                "changed_meanwhile",
                rule="An object must not change between being read and being written.",
                found=f"{place} was written or removed by another process.",
                next_step="Find out what else writes there, then run this again.",
                field="destination",
            )
        if code == "NoSuchBucket":
            raise InvalidInput(
                "bucket_not_found",
                rule="The bucket must exist.",
                found=f"no bucket {self.base.bucket}.",
                next_step="Correct its name, or create it.",
                field="data",
            )
        if status in {401, 403}:
            raise NotAllowed(
                "s3_access_denied",
                rule="The runner must have permission to read and write there (s3:GetObject, s3:PutObject, s3:ListBucket; "
                "for SSE-KMS kms:GenerateDataKey and kms:Decrypt).",
                found=f"{place}: {text}."[:500],
                next_step="Correct the runner's role or the bucket's policy.",
            )
        raise OperationError(
            "s3_refused",
            rule="S3 rejected the request, which must be valid for this bucket.",
            found=f"{place}: {text}."[:500],
            next_step="Try again. If the error persists, check the bucket.",
        )


@functools.cache
def s3_storage(base: str) -> S3Storage:
    """Return the storage root in a bucket, with a local copy that lasts as long as the process.

    Parameters
    ----------
    base
        ``s3://bucket`` or ``s3://bucket/prefix``. Objects are encrypted with the key in ``MODELYARD_S3_KMS_KEY``, if
        set.

    Raises
    ------
    InvalidInput
        ``invalid_s3_uri``.
    """
    try:
        uri = S3Uri.parse(base)
    except ValueError as error:
        raise InvalidInput(
            "invalid_s3_uri",
            rule="A storage root in S3 must be written as s3://bucket/prefix, without `..`.",
            found=f"{error}.",
            next_step="Correct the URI.",
            field="storage_root",
        ) from None
    copy = _copies() / f"{len(list(_copies().iterdir()))}"
    copy.mkdir()
    storage = S3Storage(root=copy.resolve(), base=uri, kms_key=os.environ.get(KMS_VARIABLE) or None)
    send_files_below(storage.root, storage.send)
    return storage


def below_roots(uri: str, roots: tuple[str, ...]) -> S3Storage | None:
    """Return the storage of the first root that an ``s3://`` URI is below, or None."""
    target = S3Uri.parse(uri)
    for root in roots:
        if root.lower().startswith("s3://") and S3Uri.parse(root).contains(target):
            return s3_storage(root)
    return None


def may_read(uri: str, roots: Iterable[str]) -> bool:
    """Return whether an ``s3://`` URI is valid and below one of the roots, without accessing S3."""
    try:
        target = S3Uri.parse(uri)
        return any(S3Uri.parse(root).contains(target) for root in roots if root.lower().startswith("s3://"))
    except ValueError:
        return False


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="modelyard-s3-", ignore_cleanup_errors=True)


def _copies() -> Path:
    return Path(_folder().name)


@functools.cache
def _client() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 4})
    return boto3.client("s3", config=config)
