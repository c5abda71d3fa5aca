"""An S3 bucket as a transfer sees it. Imports boto3: only when a task runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk.exceptions import AirflowException
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber

from airflow_provider_runcomfy.storage_errors import code, is_permanent, said, status
from airflow_provider_runcomfy.transfers.files import REQUEST_ID
from airflow_provider_runcomfy.transfers.memory import give_back_large_blocks
from airflow_provider_runcomfy.transfers.store import SHA256, StoredObject, storage_error

if TYPE_CHECKING:
    from airflow_provider_runcomfy.transfers.source import Source

log = logging.getLogger(__name__)

# In memory at once: for each file a part that is being gathered, and two parts under way. 5 MiB are the least.
_PART_OF_ONE, _PART_OF_SEVERAL = 6 * 1024 * 1024, 5 * 1024 * 1024
_PARTS_UNDER_WAY = 2
_PIECE = 1024 * 1024
# Those of an upload's arguments that are needed to look at the object, too.
_OTHER_ARGS = ("ExpectedBucketOwner", "RequestPayer")
_READ_ARGS = (*_OTHER_ARGS, "SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")
_NOTED_KEY = "runcomfy_key"
_NO_UPLOAD = "NoSuchUpload"
# Not where Airflow cannot be asked for the connection now.
_NO_CLIENT = (ClientError, BotoCoreError, AirflowException, NotImplementedError, OSError, TypeError, ValueError)


class S3Store:
    """
    A bucket, with what Airflow's AWS connection says of how to reach it.

    The hash of a file that is larger than a part is known only after its upload has begun, when S3 takes no more
    metadata: it is kept as a tag, where the identity may write tags.

    :param bucket: its name.
    :param aws_conn_id: the AWS connection; None for what boto3 finds by itself.
    :param verify: as S3Hook takes it.
    :param extra_args: arguments of each upload, as boto3's ``upload_fileobj`` takes them.
    """

    def __init__(
        self, bucket: str, *, aws_conn_id: str | None, verify: bool | str | None, extra_args: Mapping[str, Any]
    ) -> None:
        self._bucket = bucket
        self._aws_conn_id = aws_conn_id
        self._extra_args = dict(extra_args)
        self._read_args = {name: value for name, value in extra_args.items() if name in _READ_ARGS}
        self._other_args = {name: value for name, value in extra_args.items() if name in _OTHER_ARGS}
        # A client of our own, so that nobody else's uploads get the conditions of ours.
        self._client = self._connect(verify)
        self._may_replace = False
        self._began: dict[str, Callable[[str], None]] = {}
        self._etags: dict[str, str] = {}
        events = self._client.meta.events
        for operation in ("PutObject", "CompleteMultipartUpload"):
            events.register(f"provide-client-params.s3.{operation}", self._only_if_absent)
            events.register(f"after-call.s3.{operation}", self._note_etag)
        for operation in ("PutObject", "CompleteMultipartUpload", "CreateMultipartUpload"):
            events.register(f"provide-client-params.s3.{operation}", _note_key)
        events.register("after-call.s3.CreateMultipartUpload", self._tell_upload)

    def uri(self, key: str) -> str:
        """Return the object's ``s3://`` URI."""
        return f"s3://{self._bucket}/{key}"

    def find(self, key: str) -> StoredObject | None:
        """Return the object, or None if there is none, or none that may be seen."""
        with self._errors(key, "looking for"):
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=key, **self._read_args)
            except ClientError as error:
                # Who may not list the bucket is told 403 of an object that is not there.
                if status(error) in (403, 404):
                    return None
                raise
        metadata = {name.lower(): value for name, value in head.get("Metadata", {}).items()}
        if REQUEST_ID in metadata and SHA256 not in metadata:
            metadata |= self._hash_of(key)
        return StoredObject(head["ContentLength"], head.get("ContentType", ""), metadata, head.get("ETag"))

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the object's bytes, in pieces."""
        with self._errors(key, "reading"):
            body = self._client.get_object(Bucket=self._bucket, Key=key, **self._read_args)["Body"]
            yield from body.iter_chunks(_PIECE)

    @contextmanager
    def writing(self, files_at_once: int) -> Iterator[None]:
        """Make ready for so many `write` at the same time: their parts share one bound."""
        self._part = _PART_OF_ONE if files_at_once == 1 else _PART_OF_SEVERAL
        if files_at_once > 1:
            give_back_large_blocks()
        # boto3's own argument of `upload_fileobj` has no `max_in_memory_upload_chunks`: it would hold ten of each file.
        config = TransferConfig(
            multipart_threshold=self._part,
            multipart_chunksize=self._part,
            max_request_concurrency=max(_PARTS_UNDER_WAY, files_at_once),
            max_submission_concurrency=files_at_once,
            max_in_memory_upload_chunks=_PARTS_UNDER_WAY,
        )
        # Leaving the block by an exception cancels what is under way, and a failed upload aborts its parts.
        with TransferManager(self._client, config) as self._manager:
            yield

    def write(
        self, key: str, source: Source, metadata: Mapping[str, str], *, replace: bool, began: Callable[[str], None]
    ) -> StoredObject | None:
        """
        Stream ``source`` into an object that is there either whole or not at all.

        Return None, having stored nothing, if an object is already there and ``replace`` is not set. ``began`` is
        told the id of a multipart upload before its first part is sent. Of what was sent, S3 has checked each part, so
        the object is told without asking for it.
        """
        self._may_replace = replace
        self._began[key] = began
        first = source.read(self._part) if source.size is None or source.size < self._part else b""
        is_whole = 0 < len(first) < self._part
        metadata = {**self._extra_args.get("Metadata", {}), **metadata}
        if is_whole:
            metadata[SHA256] = source.sha256
        extra_args = {**self._extra_args, "ContentType": source.content_type, "Metadata": metadata}
        stream = _Stream(first, source)
        with self._errors(key, "writing"):
            try:
                upload = self._manager.upload(stream, self._bucket, key, extra_args=extra_args, subscribers=[stream])
                del first
                upload.result()
            except ClientError as error:
                if status(error) == 412 and not replace:
                    return None
                raise
            finally:
                del self._began[key]
        etag = self._etags.pop(key, None)
        if not is_whole:
            self._tag(key, source.sha256, etag)
        return StoredObject(source.bytes_read, source.content_type, metadata, etag)

    def discard(self, key: str, unfinished: str) -> None:
        """Abort the multipart upload of that id."""
        if not unfinished:
            return
        with self._errors(key, "aborting an unfinished upload of"):
            try:
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=unfinished, **self._other_args
                )
            except ClientError as error:
                if code(error) != _NO_UPLOAD:
                    raise

    def _tell_upload(self, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        if "UploadId" in parsed:
            self._began[context[_NOTED_KEY]](parsed["UploadId"])

    def _note_etag(self, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        if "ETag" in parsed:
            self._etags[context[_NOTED_KEY]] = parsed["ETag"]

    def _tag(self, key: str, sha256: str, etag: str | None) -> None:
        given = parse_qsl(self._extra_args.get("Tagging", ""), keep_blank_values=True)
        tag_set = [{"Key": name, "Value": value} for name, value in {**dict(given), SHA256: sha256}.items()]
        try:
            # S3 has no condition for this, and another writer may just have replaced the object.
            now = self._client.head_object(Bucket=self._bucket, Key=key, **self._read_args).get("ETag")
            if now != etag:
                log.info("The SHA-256 of %s is in the manifest only: another writer has replaced it.", self.uri(key))
                return
            self._client.put_object_tagging(
                Bucket=self._bucket, Key=key, Tagging={"TagSet": tag_set}, **self._other_args
            )
        except (ClientError, BotoCoreError) as error:
            log.info("The SHA-256 of %s is in the manifest only, not among its tags: %s", self.uri(key), error)

    def _hash_of(self, key: str) -> dict[str, str]:
        with suppress(ClientError, BotoCoreError):
            tags = self._client.get_object_tagging(Bucket=self._bucket, Key=key, **self._other_args)["TagSet"]
            return {tag["Key"]: tag["Value"] for tag in tags if tag["Key"] == SHA256}
        return {}

    def _only_if_absent(self, params: dict[str, Any], **_: Any) -> None:
        # s3transfer knows no argument for it, so it is added to the calls that make the object visible.
        if not self._may_replace:
            params["IfNoneMatch"] = "*"

    def _connect(self, verify: bool | str | None) -> Any:
        try:
            return S3Hook(aws_conn_id=self._aws_conn_id, verify=verify).get_conn()
        except _NO_CLIENT as error:
            advice = (
                f"Correct the connection {self._aws_conn_id!r}, and clear this task." if is_permanent(error) else None
            )
            raise storage_error("S3", "getting a client for", self.uri(""), said(error), advice=advice) from None

    @contextmanager
    def _errors(self, key: str, doing: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError, ValueError) as error:
            advice = _advice(error, self._aws_conn_id) if is_permanent(error) else None
            raise storage_error("S3", doing, self.uri(key), str(error)[:500], advice=advice) from None


def _note_key(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[_NOTED_KEY] = params["Key"]


class _Stream(BaseSubscriber):  # type: ignore[misc]
    """What s3transfer reads from; it would read on to the end after its upload has failed."""

    def __init__(self, first: bytes, source: Source) -> None:
        self._first, self._source = first, source
        self._future: Any = None

    def on_queued(self, future: Any, **_: Any) -> None:
        """Keep the upload that reads from here; called before the first read."""
        self._future = future

    def read(self, amount: int | None = None) -> bytes:
        """Return the next ``amount`` bytes, or all that is left, unless nobody wants them any more."""
        if self._future.done():
            raise EOFError("the upload has already failed")
        first = self._first[:amount]
        self._first = self._first[len(first) :]
        if amount is None:
            return b"".join([first, *iter(lambda: self._source.read(_PIECE), b"")])
        return first if len(first) == amount else first + self._source.read(amount - len(first))


def _advice(error: Exception, aws_conn_id: str | None) -> str:
    if code(error) in ("NoSuchBucket", "InvalidBucketName"):
        return "Create the bucket or correct `s3_bucket`, and clear this task."
    if status(error) == 501:
        return "If it does not know `If-None-Match`, set `replace=True`, which leaves that out. Then clear this task."
    if isinstance(error, ParamValidationError) and "bucket name" in str(error):
        return "`s3_bucket` is a bucket's name, without `s3://` and without a prefix: correct it, and clear this task."
    if isinstance(error, ValueError | ParamValidationError):
        return "Correct `extra_args`, and clear this task."
    return (
        f"Check the connection {aws_conn_id!r}: its identity needs s3:PutObject, s3:GetObject and "
        "s3:AbortMultipartUpload on the keys. Then clear this task."
    )
