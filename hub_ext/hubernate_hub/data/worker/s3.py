"""S3 and its relatives, by botocore: its connections are Python's, so that the guard sees every one of them."""

import os
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from typing import Any, TypeVar

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hubernate_core.source_path import join_path, split_path
from hubernate_core.source_place import S3Place
from hubernate_core.source_view import Check, Entry

from ..frames import CHUNK
from .faults import Fault, not_found
from .guard import GUARD
from .http_pool import kind_of
from .tree import Piece

_T = TypeVar("_T")
_PART = 16 * 1024**2  # of a multipart upload; S3 allows 10,000 parts: files up to 160 GB
_PARTS_MAX = 10_000
_ABSENT = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}
_DENIED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AllAccessDisabled", "ExpiredToken"}
_PRECONDITION = {"412", "PreconditionFailed", "ConditionalRequestConflict"}


class Bucket:
    """`verbs.Tree` on a bucket."""

    def __init__(self, place: S3Place, credential: dict[str, str], ca_file: str) -> None:
        if place.endpoint.startswith("http://"):
            host, _, port = place.endpoint.removeprefix("http://").partition(":")
            GUARD.resolve(host, int(port or 80), encrypted=False)
        self._client: Any = _client(
            place, credential.get("access_key_id", ""), credential.get("secret_access_key", ""), ca_file
        )
        self._bucket, self._prefix = place.bucket, split_path(place.prefix)

    def info(self, path: tuple[str, ...]) -> Entry:
        """An object, or a folder if there is anything below."""
        if path:
            try:
                return self._head(path)
            except Fault as fault:
                if fault.kind != "not_found":
                    raise
        entries, _ = self.listing(path, "", 1)
        if not entries and path:
            raise not_found(join_path(path))
        return Entry(path=join_path(path), type="folder")

    def listing(self, path: tuple[str, ...], after: str, limit: int) -> tuple[list[Entry], str]:
        """One page; `after` is the store's own continuation token. Keys that are no paths (``a//b``) are left out."""
        prefix = self._key(path) + "/" if (*self._prefix, *path) else ""
        options = {"ContinuationToken": after} if after else {}
        page = self._ask(
            path,
            self._client.list_objects_v2,
            Bucket=self._bucket,
            Prefix=prefix,
            Delimiter="/",
            MaxKeys=min(limit, 1000),
            **options,
        )
        found: list[Entry] = []
        for each in page.get("CommonPrefixes", ()):
            name = each["Prefix"].removeprefix(prefix).removesuffix("/")
            if name and name not in (".", ".."):
                found.append(Entry(path=join_path(path, (name,)), type="folder"))
        for each in page.get("Contents", ()):
            name = each["Key"].removeprefix(prefix)
            if name:
                etag, at = each["ETag"].strip('"'), each["LastModified"]
                found.append(
                    Entry(path=join_path(path, (name,)), type="file", size=each["Size"], etag=etag, modified_at=at)
                )
        return sorted(found, key=lambda entry: entry.path), page.get("NextContinuationToken", "")

    def read(self, path: tuple[str, ...], start: int, end: int | None, etag: str) -> Piece:
        """Bytes of an object, asked for as a range of it."""
        options: dict[str, Any] = {"IfMatch": f'"{etag}"'} if etag else {}
        if end is not None and start >= 0 and end <= start:
            head = self._head(path)
            return Piece(head.size or 0, head.etag, start, 0, iter(()))
        whole = start == 0 and end is None
        if not whole:
            options["Range"] = f"bytes={start}" if start < 0 else f"bytes={start}-{'' if end is None else end - 1}"
        try:
            answer = self._ask(path, self._client.get_object, Bucket=self._bucket, Key=self._key(path), **options)
        except Fault as fault:
            if fault.kind != "range":
                raise
            head = self._head(path)
            return Piece(head.size or 0, head.etag, head.size or 0, 0, iter(()))
        length = answer["ContentLength"]
        size, first = length, 0
        if "ContentRange" in answer:
            span, _, total = answer["ContentRange"].removeprefix("bytes ").partition("/")
            first, size = int(span.partition("-")[0]), int(total)
        return Piece(size, answer["ETag"].strip('"'), first, length, _chunks(answer["Body"], length))

    def write(self, path: tuple[str, ...], content: Iterator[bytes], only_new: bool) -> Entry:
        """One request for a small object, else a multipart upload: seen when it is complete, or never."""
        if not path:
            raise Fault("invalid", "an object needs a name")
        target = {"Bucket": self._bucket, "Key": self._key(path)}
        options = {"IfNoneMatch": "*"} if only_new else {}
        parts = _in_parts(content)
        first = next(parts, b"")
        second = next(parts, None)
        if second is None:
            self._ask(path, self._client.put_object, **target, Body=first, **options)
        else:
            self._multipart(path, target, _again(first, second, parts), options)
        return self._head(path)

    def test(self, writable: bool) -> list[Check]:
        """Lists one key, reads one byte, and for writing begins an upload that is taken back."""
        try:
            entries, _ = self.listing((), "", 50)
        except Fault as fault:
            return _failed_listing(fault)
        checks = [Check(question="reachable", ok=True), Check(question="exists", ok=True)]
        file = next((each for each in entries if each.type == "file"), None)
        checks.append(self._test_read(file))
        return [*checks, self._test_write()] if writable else checks

    def _test_read(self, file: Entry | None) -> Check:
        if file is None:
            return Check(question="readable", ok=None, answer="it may be listed; there is no object to read at the top")
        try:
            for _ in self.read(split_path(file.path), 0, 1, "").chunks:
                pass
        except Fault as fault:
            return Check(question="readable", ok=False, answer=fault.message, advice="allow s3:GetObject on the prefix")
        return Check(question="readable", ok=True)

    def _test_write(self) -> Check:
        target = {"Bucket": self._bucket, "Key": self._key((".hubernate-test",))}
        try:
            begun = self._ask((), self._client.create_multipart_upload, **target)
            self._ask((), self._client.abort_multipart_upload, **target, UploadId=begun["UploadId"])
        except Fault as fault:
            advice = "allow s3:PutObject and s3:AbortMultipartUpload on the prefix"
            return Check(question="writable", ok=False, answer=fault.message, advice=advice)
        return Check(question="writable", ok=True)

    def _multipart(self, path: tuple[str, ...], target: Any, parts: Iterator[bytes], options: dict[str, str]) -> None:
        begun = self._ask(path, self._client.create_multipart_upload, **target)
        target = target | {"UploadId": begun["UploadId"]}
        try:
            done = []
            for number, part in enumerate(parts, 1):
                if number > _PARTS_MAX:
                    raise Fault("large", "a file of over 160 GB cannot be uploaded")
                sent = self._ask(path, self._client.upload_part, **target, PartNumber=number, Body=part)
                done.append({"PartNumber": number, "ETag": sent["ETag"]})
            whole = {"Parts": done}
            self._ask(path, self._client.complete_multipart_upload, **target, MultipartUpload=whole, **options)
        except BaseException:
            self._ask(path, self._client.abort_multipart_upload, **target)
            raise

    def _head(self, path: tuple[str, ...]) -> Entry:
        found = self._ask(path, self._client.head_object, Bucket=self._bucket, Key=self._key(path))
        return Entry(
            path=join_path(path),
            type="file",
            size=found["ContentLength"],
            etag=found["ETag"].strip('"'),
            modified_at=found["LastModified"],
        )

    def _key(self, path: tuple[str, ...]) -> str:
        return join_path(self._prefix, path)

    def _ask(self, path: tuple[str, ...], operation: Callable[..., _T], **options: Any) -> _T:
        try:
            return operation(**options)
        except ClientError as problem:
            raise _fault(problem, join_path(path)) from problem
        except BotoCoreError as problem:
            raise Fault("unavailable", f"the store does not answer ({type(problem).__name__})") from problem


@cache
def _session() -> Any:
    # Nothing of this machine's own: no profile, no role, no identity of the instance.
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    return botocore.session.Session()


def warm_up() -> None:
    """Read what botocore knows of S3, which takes longer than most calls."""
    _session().create_client("s3", region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")


@lru_cache(1)
def _client(place: S3Place, access_key_id: str, secret_access_key: str, ca_file: str) -> Any:
    """Kept for the next call with its connections: a process serves one source."""
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": place.addressing if place.addressing != "auto" or not place.endpoint else "path"},
        connect_timeout=5,
        read_timeout=30,
        retries={"total_max_attempts": 2, "mode": "standard"},
        max_pool_connections=4,
        proxies={},
        # Only where it must: most relatives of S3 do not know the newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return _session().create_client(
        "s3",
        region_name=place.region,
        endpoint_url=place.endpoint or None,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        verify=ca_file or None,
        config=config,
    )


def _chunks(body: Any, length: int) -> Iterator[bytes]:
    left = length
    try:
        while left > 0:
            part = body.read(min(CHUNK, left))
            if not part:
                raise Fault("unavailable", "the store broke off in the middle of the object")
            left -= len(part)
            yield part
    except BotoCoreError as problem:
        raise Fault("unavailable", f"the store broke off ({type(problem).__name__})") from problem
    finally:
        if left > 0:
            body.close()


def _in_parts(content: Iterator[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for piece in content:
        held += piece
        if len(held) >= _PART:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


def _again(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


def _fault(problem: ClientError, path: str) -> Fault:
    code = str(problem.response.get("Error", {}).get("Code", ""))
    if code in _ABSENT:
        return Fault("not_found", "the bucket does not exist") if code == "NoSuchBucket" else not_found(path)
    if code in _DENIED:
        return Fault("refused", f"the store refused this ({code}): the source's credential does not allow it")
    if code in _PRECONDITION:
        return Fault("changed", "the object is not the version that was asked for (or, for a new one, exists already)")
    if code in ("416", "InvalidRange"):
        return Fault("range", "beyond the end of the object")
    message = problem.response.get("Error", {}).get("Message", "")
    status = int(problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    # A store tells with 400 that the bytes of a request came too slowly.
    kind = "unavailable" if code == "RequestTimeout" else kind_of(status)
    return Fault(kind, f"the store answered {code}: {message}")


def _failed_listing(fault: Fault) -> list[Check]:
    question = {"refused": "readable", "not_found": "exists"}.get(fault.kind, "reachable")
    advice = {
        "readable": "check the keys, and allow s3:ListBucket on the prefix",
        "exists": "correct the bucket's name, or make it",
        "reachable": "check endpoint, port and the platform's open networks",
    }[question]
    checks: list[Check] = []
    for each in ("reachable", "exists", "readable"):
        if each == question:
            return [*checks, Check(question=each, ok=False, answer=fault.message, advice=advice)]
        checks.append(Check(question=each, ok=True))
    return checks
