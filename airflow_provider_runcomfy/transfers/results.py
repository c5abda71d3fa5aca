"""From a request to its files, also when RunComfy cannot tell any more."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_runcomfy.api.moderation import is_moderation
from airflow_provider_runcomfy.api.types import GenerationResult, MediaFile, MediaKind, RequestState
from airflow_provider_runcomfy.exceptions import (
    GenerationCancelledError,
    GenerationFailedError,
    InsufficientBalanceError,
    RequestNotAvailableError,
    RunComfyRetryableError,
    SubmissionRefusedError,
)
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
from airflow_provider_runcomfy.request_ids import GivenRequest
from airflow_provider_runcomfy.transfers.files import (
    FILES,
    INDEX,
    KIND,
    MODEL_ID,
    REQUEST_ID,
    SOURCE,
    SourceFile,
    files_of,
)
from airflow_provider_runcomfy.transfers.keys import EXTENSIONS, object_key

if TYPE_CHECKING:
    from airflow_provider_runcomfy.transfers.copied import CopyRecord
    from airflow_provider_runcomfy.transfers.store import ObjectStore

log = logging.getLogger(__name__)


class ResultNotYetError(RunComfyRetryableError):
    """The result cannot be had now: the request has not ended, or RunComfy cannot be asked. A retry asks again."""


# An outage, and a look that is refused (4xx) but for its token: that says nothing of what was paid for.
_CANNOT_TELL_NOW = (RunComfyRetryableError, SubmissionRefusedError, InsufficientBalanceError)
#: What is wrong with one request, and says nothing of the others.
OF_ONE_REQUEST = (RequestNotAvailableError, GenerationFailedError, GenerationCancelledError, ResultNotYetError)


class Results:
    """
    Knows the files of requests; used by several threads.

    In this order: what this task instance has copied whole, if it is still there; what RunComfy says, since URLs
    may expire; and where RunComfy cannot tell, what an upstream task handed on, or what the objects themselves say.

    :param runcomfy_conn_id: the RunComfy connection.
    :param store: where the copies are.
    :param template: of the keys.
    :param record: what this task instance has copied.
    """

    def __init__(self, runcomfy_conn_id: str, store: ObjectStore, template: str, record: CopyRecord) -> None:
        self._conn_id, self._store, self._template, self._record = runcomfy_conn_id, store, template, record
        self._of_thread = threading.local()
        self._making = threading.Lock()

    def files(self, request: GivenRequest) -> list[SourceFile]:
        """
        Return a request's files.

        :raises GenerationFailedError: it failed, or its result names no file.
        :raises GenerationCancelledError: it was cancelled.
        :raises RequestNotAvailableError: it has expired or is not ours, and nobody else knows its files.
        :raises ResultNotYetError: it has not ended yet, or RunComfy cannot be asked now.
        """
        copied = self._files(request, self._record.of(request.request_id).media)
        if copied and all(self._is_as_left(file) for file in copied):
            return copied
        try:
            result = self._hook.get_result(request.request_id)
        except (*_CANNOT_TELL_NOW, RequestNotAvailableError) as error:
            files = self._files(request, _handed_on(request)) or copied or self._stored(request)
            if not files:
                raise (
                    error
                    if isinstance(error, RequestNotAvailableError)
                    else ResultNotYetError(_charged(request.request_id, error))
                ) from None
            log.warning("%s Going by what is known of its %d file(s) without it.", error, len(files))
            return files
        return self._files(request, _media_of(result, request), result.cost_usd)

    def fresh(self, file: SourceFile) -> SourceFile:
        """
        Return a file with the URL that RunComfy names now; as it is, where RunComfy does not know it any more.

        :raises ResultNotYetError: if RunComfy cannot be asked now.
        """
        try:
            media = self._hook.get_result(file.request_id).media
        except RequestNotAvailableError:
            return file
        except _CANNOT_TELL_NOW as error:
            raise ResultNotYetError(_charged(file.request_id, error)) from None
        return replace(file, medium=media[file.index]) if file.index < len(media) else file

    def _is_as_left(self, file: SourceFile) -> bool:
        copied, stored = self._record.of(file.request_id).copied[file.index], self._store.find(file.key)
        return stored is not None and (stored.size, stored.version) == (copied.line["size"], copied.version)

    @property
    def _hook(self) -> RunComfyHook:
        # A session of requests is for one thread at a time, and before Airflow 3.3 so is asking for a connection.
        if not hasattr(self._of_thread, "hook"):
            with self._making:
                hook = RunComfyHook(self._conn_id)
                hook.get_conn()
            self._of_thread.hook = hook
        found: RunComfyHook = self._of_thread.hook
        return found

    def _files(self, request: GivenRequest, media: list[MediaFile], cost_usd: float | None = None) -> list[SourceFile]:
        cost_usd = request.cost_usd if cost_usd is None else cost_usd
        return files_of(request.request_id, media, self._template, request.model_id, cost_usd)

    def _stored(self, request: GivenRequest) -> list[SourceFile]:
        """Return the files that the objects' own metadata tell of, if they are complete; else none."""
        files: list[SourceFile] = []
        while file := self._found(request, len(files)):
            files.append(file)
            if len(files) == file.files:
                return files
        return []

    def _found(self, request: GivenRequest, index: int) -> SourceFile | None:
        for key in self._possible_keys(request, index):
            stored = self._store.find(key)
            metadata = stored.metadata if stored else None
            if metadata and (metadata.get(REQUEST_ID), metadata.get(INDEX)) == (request.request_id, str(index)):
                return _described(request, index, key, metadata)
        return None

    def _possible_keys(self, request: GivenRequest, index: int) -> Iterator[str]:
        """Yield each key that a file may have: its kind and extension are not known, and it may not be listed."""
        told: set[str] = set()
        for ext, kind in itertools.product(EXTENSIONS, MediaKind):
            key = object_key(self._template, request_id=request.request_id, index=index, kind=kind, ext=ext)
            if key not in told:
                told.add(key)
                yield key


def _charged(request_id: str, error: Exception) -> str:
    return f"{error} Request {request_id} was paid for and is left alone; a retry asks again and pays nothing."


def _media_of(result: GenerationResult, request: GivenRequest) -> list[MediaFile]:
    from airflow_provider_runcomfy import failures

    if result.state is RequestState.SUCCEEDED:
        if result.media:
            return list(result.media)
        raise GenerationFailedError(
            f"Request {request.request_id} succeeded and was charged, but its result names no file: "
            f"{str(result.output)[:500]}. There is nothing to copy."
        )
    if result.state is RequestState.FAILED:
        raise failures.generation_failed(
            request.request_id,
            result.error or "",
            request.model_id,
            is_moderated=is_moderation(result.error),
            asker=failures.WAITER,
        )
    if result.state is RequestState.CANCELLED:
        raise failures.generation_cancelled(request.request_id, failures.WAITER, request.model_id)
    raise ResultNotYetError(
        f"Request {request.request_id} has not ended yet ({result.state}): there is nothing to copy. It goes on "
        "and is charged. Wait for it with RunComfyRequestSensor before this task; a retry looks again."
    )


def _described(request: GivenRequest, index: int, key: str, metadata: Mapping[str, str]) -> SourceFile | None:
    files, kind = metadata.get(FILES, ""), metadata.get(KIND)
    if not (files.isdecimal() and kind in list(MediaKind)):
        return None
    medium = MediaFile(metadata.get(SOURCE, ""), MediaKind(kind))
    model_id = request.model_id or metadata.get(MODEL_ID)
    return SourceFile(request.request_id, index, int(files), medium, key, model_id, request.cost_usd)


def _handed_on(request: GivenRequest) -> list[MediaFile]:
    media = request.result.get("media")
    return [
        MediaFile(url=str(medium["url"]), kind=MediaKind(medium["kind"]))
        for medium in (media if isinstance(media, list) else [])
        if isinstance(medium, Mapping) and medium.get("url") and medium.get("kind") in list(MediaKind)
    ]
