"""An S3 bucket as a transfer sees it. Imports boto3: only when a task runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)
from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber

from airflow_provider_runcomfy.transfers.store import StorageFailedError, StorageRefusedError, StoredObject

if TYPE_CHECKING:
    from airflow_provider_runcomfy.api.download import Download

# Five parts at most are in memory at once: two under way, one read, one being gathered and joined.
_PART = 6 * 1024 * 1024
_PIECE = 1024 * 1024
# Those of an upload's arguments that are needed to look at the object, too.
_READ_ARGS = ("ExpectedBucketOwner", "RequestPayer", "SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")
_MISCONFIGURED = (NoCredentialsError, NoRegionError, ParamValidationError, PartialCredentialsError)
_TRANSIENT_CODES = ("RequestTimeout", "RequestTimeTooSkewed", "ConditionalRequestConflict", "OperationAborted")


class S3Store:
    """
    A bucket, with what Airflow's AWS connection says of how to reach it.

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
        # A client of our own, so that nobody else's uploads get the conditions of ours.
        self._client = S3Hook(aws_conn_id=aws_conn_id, verify=verify).get_conn()
        self._may_replace = False
        for operation in ("PutObject", "CompleteMultipartUpload"):
            self._client.meta.events.register(f"provide-client-params.s3.{operation}", self._only_if_absent)

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
                if _status(error) in (403, 404):
                    return None
                raise
        return StoredObject(
            size=head["ContentLength"],
            content_type=head.get("ContentType", ""),
            metadata={name.lower(): value for name, value in head.get("Metadata", {}).items()},
        )

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the object's bytes, in pieces."""
        with self._errors(key, "reading"):
            body = self._client.get_object(Bucket=self._bucket, Key=key, **self._read_args)["Body"]
            yield from body.iter_chunks(_PIECE)

    def write(self, key: str, source: Download, metadata: Mapping[str, str], *, replace: bool) -> bool:
        """
        Stream ``source`` into an object that is there either whole or not at all.

        Return False, having stored nothing, if an object is already there and ``replace`` is not set.
        """
        extra_args = {
            **self._extra_args,
            "ContentType": source.content_type,
            "Metadata": {**self._extra_args.get("Metadata", {}), **metadata},
        }
        self._may_replace = replace
        with self._errors(key, "writing"):
            try:
                self._upload(key, source, extra_args)
            except ClientError as error:
                if _status(error) == 412 and not replace:
                    return False
                raise
        return True

    def _upload(self, key: str, source: Download, extra_args: dict[str, Any]) -> None:
        # boto3's own argument of `upload_fileobj` has no `max_in_memory_upload_chunks`: it would hold ten.
        config = TransferConfig(
            multipart_threshold=_PART,
            multipart_chunksize=_PART,
            max_request_concurrency=2,
            max_submission_concurrency=1,
            max_in_memory_upload_chunks=2,
        )
        stream = _Stream(source)
        # Leaving the block by an exception, a killed task's too, cancels the upload, and a failed one aborts its parts.
        with TransferManager(self._client, config) as manager:
            manager.upload(stream, self._bucket, key, extra_args=extra_args, subscribers=[stream]).result()

    def _only_if_absent(self, params: dict[str, Any], **_: Any) -> None:
        # s3transfer knows no argument for it, so it is added to the calls that make the object visible.
        if not self._may_replace:
            params["IfNoneMatch"] = "*"

    @contextmanager
    def _errors(self, key: str, doing: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError, ValueError) as error:
            kind = StorageRefusedError if _is_permanent(error) else StorageFailedError
            advice = _advice(error, self._aws_conn_id) if kind is StorageRefusedError else "A retry goes on from here."
            raise kind(
                f"S3 failed while {doing} {self.uri(key)}: {str(error)[:500]} No part of a file is left behind under "
                f"that name; what was paid for is still on RunComfy's servers. {advice}"
            ) from None


class _Stream(BaseSubscriber):  # type: ignore[misc]
    """What s3transfer reads from; it would read on to the end after its upload has failed."""

    def __init__(self, source: Download) -> None:
        self._source = source
        self._future: Any = None

    def on_queued(self, future: Any, **_: Any) -> None:
        """Keep the upload that reads from here; called before the first read."""
        self._future = future

    def read(self, amount: int | None = None) -> bytes:
        """Return the next ``amount`` bytes, unless nobody wants them any more."""
        if self._future.done():
            raise EOFError("the upload has already failed")
        return self._source.read(amount)


def _status(error: ClientError) -> int:
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _is_permanent(error: Exception) -> bool:
    if isinstance(error, ClientError):
        return 400 <= _status(error) < 500 and _status(error) not in (408, 429) and _code(error) not in _TRANSIENT_CODES
    return isinstance(error, (*_MISCONFIGURED, ValueError))


def _advice(error: Exception, aws_conn_id: str | None) -> str:
    if _code(error) in ("NoSuchBucket", "InvalidBucketName"):
        return "Create the bucket or correct `s3_bucket`, and clear this task."
    if isinstance(error, ValueError | ParamValidationError):
        return "Correct `extra_args`, and clear this task."
    return (
        f"Check the connection {aws_conn_id!r}: its identity needs s3:PutObject, s3:GetObject and "
        "s3:AbortMultipartUpload on the keys, and s3:ListBucket to be told what is missing. Then clear this task."
    )
