"""Storage in S3: the same small interface as a folder's, on a local copy of what is read and written.

A file is fetched when its path is asked for. What is written below the copy (``actions.storage.folder.replacing``) goes up before it
takes its place there, so a file is in the bucket as a whole or not at all, and never only here. Writing is conditional
(`If-None-Match`, `If-Match`): what somebody else has written meanwhile is not overwritten.
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
from actions.storage.folder import Storage, replacing, sha256_of, written_below

KMS_VARIABLE = "MODELYARD_S3_KMS_KEY"
"""The KMS key that objects are encrypted by, if one is asked for; else the bucket's own default holds."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MOST_BYTES = 5 << 30
_CHUNK = 8 << 20
_T = TypeVar("_T")


@dataclass(frozen=True)
class S3Uri:
    """``s3://bucket/key``, taken apart."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> S3Uri:
        """Read a URI; ValueError where it is none, or where its key leads up, is blank in parts, or is no plain text."""
        scheme, _, rest = text.partition("://")
        bucket, _, key = rest.partition("/")
        key = key.rstrip("/")
        parts = key.split("/") if key else []
        if scheme.lower() != "s3" or not _BUCKET.fullmatch(bucket) or ".." in bucket:
            raise ValueError(f"no s3://bucket/key: {text!r}")
        if any(part in {"", ".", ".."} for part in parts) or "\\" in key or not key.isprintable():
            raise ValueError(f"no plain key: {text!r}")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}".rstrip("/")

    def holds(self, other: S3Uri) -> bool:
        """Tell whether another URI is this one or lies below it."""
        same = self.bucket == other.bucket
        return same and (not self.key or other.key == self.key or other.key.startswith(f"{self.key}/"))


@dataclass(frozen=True)
class S3Storage(Storage):
    """A storage root in a bucket.

    Parameters
    ----------
    root
        The local copy: a folder of this process's own.
    base
        The URI of the storage root.
    kms_key
        Key id, ARN or alias to encrypt by (SSE-KMS); None leaves it to the bucket.
    """

    base: S3Uri
    kms_key: str | None = None
    _seen: dict[str, str | None] = field(default_factory=dict, repr=False, compare=False)
    _digests: dict[str, str | None] = field(default_factory=dict, repr=False, compare=False)

    def path(self, uri: str) -> Path:
        """Return the local copy of a file, fetched anew if it has changed; of what is not there, where it would be.

        ``uri`` is relative to the root, or ``s3://`` and below it.

        Raises
        ------
        ValueError
            Where it leads out of the root.
        OperationError
            Where the bucket cannot be read.
        """
        if "://" in uri:
            given = S3Uri.parse(uri)
            if not self.base.holds(given):
                raise ValueError(f"not below {self.base}: {uri!r}")
            uri = given.key[len(self.base.key) :].strip("/") or "."
        path = super().path(uri)
        if path != self.root.resolve():
            self._fetch(path)
        return path

    def uri(self, path: Path) -> str:
        """Return the ``s3://`` URI of a file of the local copy."""
        return f"s3://{self.base.bucket}/{self._key(path)}"

    def send(self, written: Path, path: Path) -> None:
        """Put a file that was written into the bucket, under the key that ``path`` has there.

        Raises
        ------
        Conflict
            ``changed_meanwhile``.
        OperationError
            Where the bucket cannot be written to.
        """
        key = self._key(path)
        if written.stat().st_size > _MOST_BYTES:
            raise InvalidInput(
                "object_too_large",
                rule="A file is put into a bucket in one piece, of at most 5 GiB.",
                found=f"{written.stat().st_size} bytes for {key}.",
                next_step="Split the data, or use a storage root that is a folder.",
                field="destination",
            )
        if key not in self._seen:
            self._look(key)
        etag = self._seen[key]
        asked: dict[str, str] = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        if self.kms_key:
            asked |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key}
        digest = sha256_of(written)
        asked |= {"ChecksumSHA256": b64encode(bytes.fromhex(digest)).decode()}

        def put(client: Any) -> dict[str, Any]:
            with written.open("rb") as body:
                made: dict[str, Any] = client.put_object(
                    Bucket=self.base.bucket, Key=key, Body=body, Metadata={"sha256": digest}, **asked
                )
            return made

        try:
            self._seen[key] = self._asked(put, key)["ETag"]
        except Conflict:
            # An answer that was lost makes boto3 try again, and that finds what it has written itself.
            if self._look(key) is None or self._digests[key] != digest:
                raise

    def check(self) -> None:
        """List what is below the root, so that an OperationError tells why that cannot be done."""
        asked = {"Bucket": self.base.bucket, "Prefix": self.base.key, "MaxKeys": 1}
        self._asked(lambda client: client.list_objects_v2(**asked), self.base.key)

    # --- the bucket --------------------------------------------------------------------------------------------------

    def _key(self, path: Path) -> str:
        inside = super().uri(path)
        return f"{self.base.key}/{inside}" if self.base.key else inside

    def _look(self, key: str) -> str | None:
        """Return an object's ETag, or None where there is none, and keep it: what is written later goes by it."""
        found: dict[str, Any] = self._asked(
            lambda client: client.head_object(Bucket=self.base.bucket, Key=key), key, absent={}
        )
        self._seen[key], self._digests[key] = found.get("ETag"), found.get("Metadata", {}).get("sha256")
        return self._seen[key]

    def _fetch(self, path: Path) -> None:
        key = self._key(path)
        known = self._seen.get(key)
        etag = self._look(key)
        if etag is None:
            if path.is_file():
                path.unlink()
            return
        if etag == known and path.is_file():
            return

        def get(client: Any) -> None:
            answer = client.get_object(Bucket=self.base.bucket, Key=key, IfMatch=etag, ChecksumMode="ENABLED")
            with replacing(path, sent=True) as temporary, temporary.open("wb") as file:
                for chunk in answer["Body"].iter_chunks(_CHUNK):
                    file.write(chunk)

        self._asked(get, key)

    def _asked(self, ask: Callable[[Any], _T], key: str, absent: _T | None = None) -> _T:
        """Ask S3, its errors as ours; ``absent`` is returned, if given, where there is no such object."""
        require_library("boto3", "S3", "aws")
        import botocore.exceptions

        try:
            return ask(_client())
        except botocore.exceptions.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if absent is not None and code in {"404", "NoSuchKey", "NotFound"}:
                return absent
            self._refused(code, status, str(error), key)
        except botocore.exceptions.BotoCoreError as error:
            raise Unavailable(
                "s3_unavailable",
                rule="S3 can be reached, with credentials.",
                found=f"{type(error).__name__}: {error}"[:500],
                next_step="Give the runner AWS credentials and a region (AWS_PROFILE or a role), and a way to S3.",
            ) from None

    def _refused(self, code: str, status: int | None, text: str, key: str) -> NoReturn:
        place = f"s3://{self.base.bucket}/{key}"
        if status in {409, 412}:
            raise Conflict(
                "changed_meanwhile",
                rule="What is written to S3 replaces what was there when the work began, and nothing newer.",
                found=f"{place} was written or removed meanwhile.",
                next_step="Look who else writes there, then run this again.",
                field="destination",
            )
        if code == "NoSuchBucket":
            raise InvalidInput(
                "bucket_not_found",
                rule="The bucket exists.",
                found=f"no bucket {self.base.bucket}.",
                next_step="Correct its name, or create it.",
                field="data",
            )
        if status in {401, 403}:
            raise NotAllowed(
                "s3_access_denied",
                rule="The runner may read and write there (s3:GetObject, s3:PutObject, s3:ListBucket; for SSE-KMS "
                "kms:GenerateDataKey and kms:Decrypt).",
                found=f"{place}: {text}"[:500],
                next_step="Correct the runner's role or the bucket's policy.",
            )
        raise OperationError(
            "s3_refused",
            rule="S3 does what it is asked.",
            found=f"{place}: {text}"[:500],
            next_step="Try again; if it stays, look at the bucket.",
        )


@functools.cache
def s3_storage(base: str) -> S3Storage:
    """Open a storage root in a bucket, with a local copy that lasts as long as the process.

    Parameters
    ----------
    base
        ``s3://bucket`` or ``s3://bucket/prefix``. ``MODELYARD_S3_KMS_KEY`` asks for SSE-KMS by that key.

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
            rule="A place in S3 is s3://bucket/prefix, without `..`.",
            found=f"{error}.",
            next_step="Correct it.",
            field="storage_root",
        ) from None
    copy = _copies() / f"{len(list(_copies().iterdir()))}"
    copy.mkdir()
    storage = S3Storage(root=copy.resolve(), base=uri, kms_key=os.environ.get(KMS_VARIABLE) or None)
    written_below(storage.root, storage.send)
    return storage


def below_roots(uri: str, roots: tuple[str, ...]) -> S3Storage | None:
    """Return the storage of the first of some roots that an ``s3://`` URI lies below, or None."""
    wanted = S3Uri.parse(uri)
    for root in roots:
        if root.lower().startswith("s3://") and S3Uri.parse(root).holds(wanted):
            return s3_storage(root)
    return None


def may_read(uri: str, roots: Iterable[str]) -> bool:
    """Tell whether an ``s3://`` URI is a right one and lies below one of some roots; nothing is opened."""
    try:
        wanted = S3Uri.parse(uri)
        return any(S3Uri.parse(root).holds(wanted) for root in roots if root.lower().startswith("s3://"))
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
