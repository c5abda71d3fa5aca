"""Copy the results of requests into any store that Airflow's ObjectStoragePath knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.parameters import DEFAULT_CONN_ID
from airflow_provider_runcomfy.transfers.base import RunComfyTransferOperator

if TYPE_CHECKING:
    from airflow_provider_runcomfy.transfers.store import ObjectStore


class RunComfyToObjectStorageOperator(RunComfyTransferOperator):
    """
    Copy every file of a request's result, or of several, into any store that Airflow's ObjectStoragePath knows.

    Azure (``abfs://``, needs ``apache-airflow-providers-microsoft-azure``), folders (``file://``), and what other
    providers bring. For S3 and Google Cloud Storage their own operators are better: they are faster, and keep with
    each object where it comes from.

    Copying costs nothing at RunComfy. A retry, or a clear, copies only what is not there yet; to tell whether what is
    there is a file's copy, both may be read once more. The files are streamed: neither the disk nor, beyond 30 MiB,
    the memory of the worker holds them. A file is there whole or not at all.

    ``outlets`` with an ``AssetAlias`` get an asset event for each object, with request, model, hash and cost; a plain
    ``Asset`` gets that where there is one object. A retry and a clear give the events of all objects once more.

    :param request_id: an id, a result as generate and the sensor return it, or a list of either. (templated)
    :param destination: where each file goes, say ``abfs://container/clips/{request_id}/{index}.{ext}`` or
        ``file:///mnt/clips/{request_id}/{index}.{ext}``; ``{request_id}``, ``{index}`` (from 0, among the files of one
        request), ``{kind}`` and ``{ext}`` are replaced, nothing else in braces is touched, and nothing is escaped. What
        stands before the first brace, up to its last slash, has to exist where the store has folders: a share that is
        not mounted is not made up for. (templated)
    :param conn_id: the store's connection; by default the one in ``destination`` (``abfs://conn_id@container/...``),
        else what the store's library finds by itself. Folders need none. (templated)
    :param replace: whether another file under the same name is replaced; default: it is an error. A copy of the same
        file is never copied again.
    :param runcomfy_conn_id: the RunComfy connection; default ``runcomfy_default``. (templated)
    :returns: the manifest: a list of ``{"uri", "size", "content_type", "sha256", "kind", "request_id", "source_url"}``;
        ``ObjectStoragePath(uri, conn_id=...)`` opens a file again.
    :raises RunComfyRetryableError: if a request has not ended, or a file could not be had or stored now.
    :raises RunComfyFailError: if ``request_id`` names no request, or one that failed, was cancelled, or has expired
        before it was copied; if a file is gone or must not be copied; or if the store refuses it. Not retried.
    """

    template_fields: Sequence[str] = ("request_id", "destination", "conn_id", "runcomfy_conn_id")
    ui_color = "#d5e8d4"

    def __init__(
        self,
        *,
        request_id: Any,
        destination: str,
        conn_id: str | None = None,
        replace: bool = False,
        runcomfy_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(request_id=request_id, replace=replace, runcomfy_conn_id=runcomfy_conn_id, **kwargs)
        self.destination = destination
        self.conn_id = conn_id

    def open_store(self) -> tuple[ObjectStore, str]:
        """Return the store, and the template of the keys in it."""
        from airflow_provider_runcomfy.transfers.destination import open_destination

        return open_destination(self.destination, self.conn_id)
