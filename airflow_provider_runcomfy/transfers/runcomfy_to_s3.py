"""Copy the results of requests into an S3 bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.parameters import DEFAULT_CONN_ID
from airflow_provider_runcomfy.transfers.base import RunComfyTransferOperator

if TYPE_CHECKING:
    from airflow_provider_runcomfy.transfers.store import ObjectStore


class RunComfyToS3Operator(RunComfyTransferOperator):
    """
    Copy every file of a request's result, or of several, into an S3 bucket.

    Copying costs nothing at RunComfy. A retry, or a clear, copies only what is not there yet. The files are streamed:
    neither the disk nor, beyond a few parts of 6 MiB, the memory of the worker holds them. An object is there whole or
    not at all. Needs the extra ``amazon``.

    ``outlets`` with an ``AssetAlias`` get an asset event for each object, with request, model, hash and cost; a plain
    ``Asset`` gets that where there is one object. A retry and a clear give the events of all objects once more.

    :param request_id: an id, a result as generate and the sensor return it, or a list of either. (templated)
    :param s3_bucket: the bucket. (templated)
    :param s3_key: the key of each file; ``{request_id}``, ``{index}`` (from 0, among the files of one request),
        ``{kind}`` and ``{ext}`` are replaced, nothing else in braces is touched; default
        ``{request_id}/{index}.{ext}``. (templated)
    :param aws_conn_id: the AWS connection; default ``aws_default``. (templated)
    :param replace: whether another object under the same key is replaced; default: it is an error. A copy of the same
        file is never copied again.
    :param encrypt: whether S3 encrypts the objects with its own keys (SSE-S3), False by default; for KMS use
        ``extra_args``.
    :param acl_policy: a canned ACL, say ``bucket-owner-full-control``; none by default. (templated)
    :param extra_args: further arguments of the upload as boto3's ``upload_fileobj`` takes them: ``StorageClass``,
        ``SSEKMSKeyId``, ``Metadata``, ...; none by default. (templated)
    :param verify: False, or the path of a bundle of certificate authorities, for the S3 connection; by default what
        the AWS connection says.
    :param runcomfy_conn_id: the RunComfy connection; default ``runcomfy_default``. (templated)
    :returns: the manifest: a list of ``{"uri", "size", "content_type", "sha256", "kind", "request_id", "source_url"}``.
    :raises RunComfyRetryableError: if a request has not ended, or a file could not be had or stored now.
    :raises RunComfyFailError: if ``request_id`` names no request, or one that failed, was cancelled, or has expired
        before it was copied; if a file is gone or must not be copied; or if the bucket refuses it. Not retried.
    """

    template_fields: Sequence[str] = (
        "request_id",
        "s3_bucket",
        "s3_key",
        "aws_conn_id",
        "acl_policy",
        "extra_args",
        "runcomfy_conn_id",
    )
    template_fields_renderers = {"extra_args": "json"}  # noqa: RUF012
    ui_color = "#d5e8d4"

    def __init__(
        self,
        *,
        request_id: Any,
        s3_bucket: str,
        s3_key: str = "{request_id}/{index}.{ext}",
        aws_conn_id: str | None = "aws_default",
        replace: bool = False,
        encrypt: bool = False,
        acl_policy: str | None = None,
        extra_args: dict[str, Any] | None = None,
        verify: bool | str | None = None,
        runcomfy_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(request_id=request_id, replace=replace, runcomfy_conn_id=runcomfy_conn_id, **kwargs)
        self.s3_bucket = s3_bucket
        self.s3_key = s3_key
        self.aws_conn_id = aws_conn_id
        self.encrypt = encrypt
        self.acl_policy = acl_policy
        self.extra_args = extra_args
        self.verify = verify

    def open_store(self) -> tuple[ObjectStore, str]:
        """Return the bucket, and the template of the keys in it."""
        from airflow_provider_runcomfy.exceptions import InvalidInputsError
        from airflow_provider_runcomfy.transfers.store import needs_extra

        with needs_extra("amazon"):
            from airflow_provider_runcomfy.transfers.s3_store import S3Store

        if not self.s3_bucket:
            raise InvalidInputsError("`s3_bucket` is empty: name the bucket that the files go to. Nothing was copied.")
        own = {"ServerSideEncryption": "AES256"} if self.encrypt else {}
        if self.acl_policy:
            own["ACL"] = self.acl_policy
        given = self.extra_args or {}
        if not isinstance(given, Mapping) or {"ContentType", *own} & set(given):
            raise InvalidInputsError(
                f"`extra_args` has to be a dict without {', '.join(['ContentType', *own])}, which the copy sets by "
                f"itself; got {str(given)[:200]}. Nothing was copied."
            )
        extra_args = {**given, **own}
        store = S3Store(self.s3_bucket, aws_conn_id=self.aws_conn_id, verify=self.verify, extra_args=extra_args)
        return store, self.s3_key
