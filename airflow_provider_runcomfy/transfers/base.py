"""What all transfers share: from requests to files, from files to objects, and the manifest."""

from __future__ import annotations

import hashlib
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy.api.types import MediaFile, MediaKind, RequestState
from airflow_provider_runcomfy.compat import AirflowFailException
from airflow_provider_runcomfy.exceptions import (
    DownloadRefusedError,
    GenerationCancelledError,
    GenerationFailedError,
    InvalidInputsError,
    RequestNotAvailableError,
    RunComfyDownloadError,
    RunComfyRetryableError,
    airflow_errors,
)
from airflow_provider_runcomfy.parameters import DEFAULT_CONN_ID
from airflow_provider_runcomfy.request_ids import GivenRequest, given_requests
from airflow_provider_runcomfy.transfers.keys import extension, object_key
from airflow_provider_runcomfy.transfers.store import ObjectStore, StorageFailedError, StorageRefusedError, StoredObject

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook

# What is wrong with one request or one file, and says nothing of the others.
_OF_ONE_REQUEST = (
    RequestNotAvailableError,
    RunComfyRetryableError,
    GenerationFailedError,
    GenerationCancelledError,
)
_OF_ONE_FILE = (DownloadRefusedError, RunComfyDownloadError)

#: The names under which an object's metadata say where it comes from.
REQUEST_ID, INDEX, SIZE, SOURCE, MODEL_ID = (
    "runcomfy-request-id",
    "runcomfy-index",
    "runcomfy-size",
    "runcomfy-source",
    "runcomfy-model-id",
)


@dataclass(frozen=True)
class SourceFile:
    """One file of a request's result, and the key under which it is stored."""

    request_id: str
    index: int
    medium: MediaFile
    key: str
    model_id: str | None = None

    @property
    def source_url(self) -> str:
        """Where the file is at RunComfy, without what may be a signature."""
        return self.medium.url.partition("#")[0].partition("?")[0]

    def metadata(self, size: int | None) -> dict[str, str]:
        """Return what is stored with the object, so that a later run knows it again."""
        known = {
            REQUEST_ID: self.request_id,
            INDEX: str(self.index),
            SIZE: None if size is None else str(size),
            # Object metadata are HTTP headers: ASCII, and 2 KB in all.
            SOURCE: quote(self.source_url, safe=":/%")[:1000],
            MODEL_ID: self.model_id,
        }
        return {name: value for name, value in known.items() if value}

    def is_stored_as(self, stored: StoredObject) -> bool:
        """Whether an object is a whole copy of this file, by the metadata that it was stored with."""
        return (
            stored.metadata.get(REQUEST_ID) == self.request_id
            and stored.metadata.get(INDEX) == str(self.index)
            and stored.metadata.get(SIZE, str(stored.size)) == str(stored.size)
        )

    def manifest_line(self, uri: str, size: int, content_type: str, sha256: str) -> dict[str, Any]:
        """Return what the manifest says of this file."""
        return {
            "uri": uri,
            "size": size,
            "content_type": content_type,
            "sha256": sha256,
            "kind": self.medium.kind.value,
            "request_id": self.request_id,
            "source_url": self.source_url,
        }


class RunComfyTransferOperator(BaseOperator):
    """
    Copy the results of requests into a store; each store has its own subclass.

    :param request_id: an id, a result, or a list of either. (templated)
    :param replace: whether another object under the same key is replaced; default: it is an error.
    :param runcomfy_conn_id: the RunComfy connection; default ``runcomfy_default``. (templated)
    """

    def __init__(
        self, *, request_id: Any, replace: bool = False, runcomfy_conn_id: str = DEFAULT_CONN_ID, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.request_id = request_id
        self.replace = replace
        self.runcomfy_conn_id = runcomfy_conn_id

    @abstractmethod
    def destination(self) -> tuple[ObjectStore, str]:
        """Return the store and the template of the keys in it."""

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """
        Copy every file that is not there yet, and return the manifest of all.

        One file that cannot be had does not keep the others from being copied: the error comes last.
        """
        from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook

        hook = RunComfyHook(self.runcomfy_conn_id)
        store, template = self.destination()
        problems: list[AirflowException] = []
        files: list[SourceFile] = []
        for request in given_requests(self.request_id):
            try:
                files += self._files(hook, request, template)
            except _OF_ONE_REQUEST as error:
                self._note(problems, error)
        _refuse_shared_keys(files)
        manifest = []
        for file in files:
            try:
                manifest.append(self._land(hook, store, file))
            except _OF_ONE_FILE as error:
                self._note(problems, error)
        if problems:
            self.log.error("%d of %d files are stored; problems: %d.", len(manifest), len(files), len(problems))
            # If a retry can mend one of them, it has to be given the chance.
            raise next((p for p in problems if not isinstance(p, AirflowFailException)), problems[0])
        return manifest

    def _note(self, problems: list[AirflowException], error: AirflowException) -> None:
        self.log.error("%s", error)
        problems.append(error)

    def _files(self, hook: RunComfyHook, request: GivenRequest, template: str) -> list[SourceFile]:
        model_id = request.result.get("model_id")
        return [
            SourceFile(
                request_id=request.request_id,
                index=index,
                medium=medium,
                key=object_key(
                    template,
                    request_id=request.request_id,
                    index=index,
                    kind=medium.kind,
                    ext=extension(medium.url, medium.kind),
                ),
                model_id=model_id if isinstance(model_id, str) else None,
            )
            for index, medium in enumerate(self._media(hook, request))
        ]

    def _media(self, hook: RunComfyHook, request: GivenRequest) -> list[MediaFile]:
        """Ask for the result anew, since URLs may expire; what was handed on serves where RunComfy cannot tell."""
        from airflow_provider_runcomfy import failures

        try:
            result = hook.get_result(request.request_id)
        except (RunComfyRetryableError, RequestNotAvailableError) as error:
            media = _media_of(request)
            if not media:
                raise
            self.log.warning("%s Using the result that the upstream task handed on.", error)
            return media
        if result.state is RequestState.SUCCEEDED:
            if result.media:
                return list(result.media)
            raise GenerationFailedError(
                f"Request {request.request_id} succeeded and was charged, but its result names no file: "
                f"{str(result.output)[:500]}. There is nothing to copy."
            )
        if result.state is RequestState.FAILED:
            raise failures.generation_failed(
                request.request_id, result.error or "", request.model_id, asker=failures.WAITER
            )
        if result.state is RequestState.CANCELLED:
            raise failures.generation_cancelled(request.request_id, failures.WAITER)
        raise RunComfyRetryableError(
            f"Request {request.request_id} has not ended yet ({result.state}): there is nothing to copy. It goes on "
            "and is charged. Wait for it with RunComfyRequestSensor before this task; a retry looks again."
        )

    def _land(self, hook: RunComfyHook, store: ObjectStore, file: SourceFile) -> dict[str, Any]:
        try:
            line = self._line_of_stored(store, file)
            if line is None:
                return self._copy(hook, store, file)
        except (StorageRefusedError, StorageFailedError) as error:
            raise type(error)(f"Request {file.request_id}, file {file.index}: {error}") from None
        self.log.info("%s is already there: not copied again.", line["uri"])
        return line

    def _line_of_stored(self, store: ObjectStore, file: SourceFile) -> dict[str, Any] | None:
        stored = store.find(file.key)
        if stored is None:
            return None
        uri = store.uri(file.key)
        if file.is_stored_as(stored):
            sha256 = hashlib.sha256()
            for piece in store.read(file.key):
                sha256.update(piece)
            return file.manifest_line(uri, stored.size, stored.content_type, sha256.hexdigest())
        if self.replace:
            self.log.warning("%s is another object (%d bytes): replacing it.", uri, stored.size)
            return None
        raise StorageRefusedError(
            f"{uri} is already there ({stored.size} bytes), and it is not a whole copy of this file. It was left as it "
            "is, and nothing was copied. The file was paid for and is still on RunComfy's servers. "
            "Delete the object, choose another key, or set `replace=True`, and clear this task."
        )

    def _copy(self, hook: RunComfyHook, store: ObjectStore, file: SourceFile) -> dict[str, Any]:
        from airflow_provider_runcomfy.api.download import open_download

        uri, started = store.uri(file.key), time.monotonic()
        policy = hook.download_policy
        with (
            airflow_errors(),
            open_download(file.medium.url, policy, kind=file.medium.kind, request_id=file.request_id) as download,
        ):
            written = store.write(file.key, download, file.metadata(download.size), replace=self.replace)
        if not written:
            return self._line_of_other_writer(store, file)
        seconds = time.monotonic() - started
        self.log.info(
            "Copied request %s, file %d to %s: %d bytes in %.1f s (%.1f MiB/s), sha256 %s.",
            file.request_id,
            file.index,
            uri,
            download.bytes_read,
            seconds,
            download.bytes_read / 2**20 / max(seconds, 1e-6),
            download.sha256,
        )
        return file.manifest_line(uri, download.bytes_read, download.content_type, download.sha256)

    def _line_of_other_writer(self, store: ObjectStore, file: SourceFile) -> dict[str, Any]:
        line = self._line_of_stored(store, file)
        if line is None:
            raise StorageRefusedError(
                f"{store.uri(file.key)} was there when the copy was to be completed, but it cannot be seen: the "
                "identity may write it but not read it, or another writer has just deleted it. It was left as it is, "
                "and nothing was copied. The file was paid for and is still on RunComfy's servers. "
                "Let the identity read the object, delete it, or set `replace=True`, and clear this task."
            )
        return line


def _media_of(request: GivenRequest) -> list[MediaFile]:
    media = request.result.get("media")
    return [
        MediaFile(url=str(medium["url"]), kind=MediaKind(medium["kind"]))
        for medium in (media if isinstance(media, list) else [])
        if isinstance(medium, Mapping) and medium.get("url") and medium.get("kind") in list(MediaKind)
    ]


def _refuse_shared_keys(files: list[SourceFile]) -> None:
    by_key: dict[str, SourceFile] = {}
    for file in files:
        other = by_key.setdefault(file.key, file)
        if other is not file:
            raise InvalidInputsError(
                f"File {other.index} of request {other.request_id} and file {file.index} of request {file.request_id} "
                f"would both be stored as {file.key!r}. Nothing was copied. Put {{request_id}} and {{index}} into it."
            )
