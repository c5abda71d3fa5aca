"""Copy the results of requests into a Google Cloud Storage bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.parameters import DEFAULT_CONN_ID
from airflow_provider_runcomfy.transfers.base import RunComfyTransferOperator

if TYPE_CHECKING:
    from airflow_provider_runcomfy.transfers.store import ObjectStore


class RunComfyToGCSOperator(RunComfyTransferOperator):
    """
    Copy every file of a request's result, or of several, into a Google Cloud Storage bucket.

    Copying costs nothing at RunComfy. A retry, or a clear, copies only what is not there yet. The files are streamed:
    neither the disk nor, beyond 20 MiB, the memory of the worker holds them. An object is there whole or not at all.
    Needs the extra ``google``.

    The identity needs storage.objects.create and storage.objects.get in the bucket, storage.objects.delete for
    ``replace``, and storage.objects.update to add a file's SHA-256 to its object's metadata.

    ``outlets`` with an ``AssetAlias`` get an asset event for each object, with request, model, hash and cost; a plain
    ``Asset`` gets that where there is one object. A retry and a clear give the events of all objects once more.

    :param request_id: an id, a result as generate and the sensor return it, or a list of either. (templated)
    :param bucket_name: the bucket. (templated)
    :param object_name: the name of each object; ``{request_id}``, ``{index}`` (from 0, among the files of one
        request), ``{kind}`` and ``{ext}`` are replaced, nothing else in braces is touched; default
        ``{request_id}/{index}.{ext}``. (templated)
    :param gcp_conn_id: the Google connection; default ``google_cloud_default``. (templated)
    :param impersonation_chain: the service account to act as, or a list of accounts of which each may act as the
        next, and the last is acted as; by default what the connection says. (templated)
    :param replace: whether another object under the same name is replaced; default: it is an error. A copy of the
        same file is never copied again.
    :param runcomfy_conn_id: the RunComfy connection; default ``runcomfy_default``. (templated)
    :returns: the manifest: a list of ``{"uri", "size", "content_type", "sha256", "kind", "request_id", "source_url"}``.
    :raises RunComfyRetryableError: if a request has not ended, or a file could not be had or stored now.
    :raises RunComfyFailError: if ``request_id`` names no request, or one that failed, was cancelled, or has expired
        before it was copied; if a file is gone or must not be copied; or if the bucket refuses it. Not retried.
    """

    template_fields: Sequence[str] = (
        "request_id",
        "bucket_name",
        "object_name",
        "gcp_conn_id",
        "impersonation_chain",
        "runcomfy_conn_id",
    )
    ui_color = "#d5e8d4"

    def __init__(
        self,
        *,
        request_id: Any,
        bucket_name: str,
        object_name: str = "{request_id}/{index}.{ext}",
        gcp_conn_id: str = "google_cloud_default",
        impersonation_chain: str | Sequence[str] | None = None,
        replace: bool = False,
        runcomfy_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(request_id=request_id, replace=replace, runcomfy_conn_id=runcomfy_conn_id, **kwargs)
        self.bucket_name = bucket_name
        self.object_name = object_name
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain

    def open_store(self) -> tuple[ObjectStore, str]:
        """Return the bucket, and the template of the names in it."""
        from airflow_provider_runcomfy.exceptions import InvalidInputsError
        from airflow_provider_runcomfy.transfers.store import needs_extra

        with needs_extra("google"):
            from airflow_provider_runcomfy.transfers.gcs_store import GCSStore

        if not self.bucket_name:
            raise InvalidInputsError(
                "`bucket_name` is empty: name the bucket that the files go to. Nothing was copied."
            )
        store = GCSStore(self.bucket_name, gcp_conn_id=self.gcp_conn_id, impersonation_chain=self.impersonation_chain)
        return store, self.object_name
