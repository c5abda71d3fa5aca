"""The site that the outputs come from: another port than the API's, and no place for a token."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from airflow_provider_runcomfy.sandbox.answers import ConnectionCutError, RefusedCallError
from airflow_provider_runcomfy.sandbox.calls import Call, CallKind
from airflow_provider_runcomfy.sandbox.engine import Engine, Request
from airflow_provider_runcomfy.sandbox.faultbook import CallFacts
from airflow_provider_runcomfy.sandbox.faults import Effect
from airflow_provider_runcomfy.sandbox.gate import Gate
from airflow_provider_runcomfy.sandbox.settings import SandboxError
from airflow_provider_runcomfy.sandbox.video import render

logger = logging.getLogger(__name__)

# One ffmpeg fills more than one core by itself.
RENDERERS = 2


class FileSite:
    """
    Serves videos and images; each is drawn when it is first asked for, so requests that nobody downloads cost nothing.

    :param gate: what every call goes through.
    :param engine: knows which request a file belongs to.
    :param folder: where the videos are kept; whoever made it removes it.
    :param ffmpeg: the path of ffmpeg.
    :param pool: the threads that draw.
    """

    def __init__(self, gate: Gate, engine: Engine, folder: Path, ffmpeg: str, pool: ThreadPoolExecutor) -> None:
        self._gate = gate
        self._engine = engine
        self._folder = folder
        self._ffmpeg = ffmpeg
        self._pool = pool
        self._drawn: dict[str, asyncio.Future[Path]] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Route every file's path to the handler; any other path is recorded and answered with 404."""
        router.add_get("/{name}", self._gate.guard(CallKind.FILE, self._file))
        self._gate.guard_the_rest(router)

    async def _file(self, request: web.Request, call: Call, facts: CallFacts) -> web.StreamResponse:
        if call.has_authorization:
            raise RefusedCallError(403, 403000, "files are public: the token must not be sent here")
        about = self._engine.find_file(request.match_info["name"])
        # Its name is known to nobody before /result tells it, so there is no need to ask for the state.
        if about is None:
            raise RefusedCallError(404, 404000, "there is no such file")
        try:
            path = await self._draw(about)
        except SandboxError as error:
            logger.error("%s: %s", about.request_id, error)
            raise RefusedCallError(500, 500000, str(error)) from error
        if not _is_of_the_file_begun(request, path):
            request = request.clone(headers=CIMultiDict(_without_range(request)))
        if request.method == "GET" and (fault := self._gate.take(call, facts, Effect.TRUNCATE)):
            await _send_truncated(request, call, path, fault.after_bytes)
        return _RecordedFile(path, call, request)

    async def _draw(self, request: Request) -> Path:
        """Draw the file once, however many ask for it; a failure is tried again at the next call."""
        name = request.file_name
        if name not in self._drawn:
            self._drawn[name] = asyncio.get_running_loop().run_in_executor(self._pool, self._render, request)
        try:
            return await asyncio.shield(self._drawn[name])
        except SandboxError:
            self._drawn.pop(name, None)
            raise

    def _render(self, request: Request) -> Path:
        target = self._folder / request.file_name
        render(self._ffmpeg, request.clip, request_id=request.request_id, model_id=request.model_id, target=target)
        return target


class _RecordedFile(web.FileResponse):
    """A file as ``asked`` for; its status (200, 206, 304, 416) is known only when it is about to be sent."""

    def __init__(self, path: Path, call: Call, asked: web.Request) -> None:
        super().__init__(path)
        self._call = call
        self._asked = asked

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return await super().prepare(self._asked)

    def set_status(self, status: int, reason: str | None = None) -> None:
        super().set_status(status, reason)
        self._call.status = status


async def _send_truncated(request: web.Request, call: Call, path: Path, after_bytes: int) -> None:
    """
    Announce all that was asked for, as aiohttp's FileResponse does, send ``after_bytes`` of it, and cut.

    A range that cannot be had is left to FileResponse.
    """
    about = await asyncio.to_thread(path.stat)
    asked = _asked_for(request, about.st_size)
    if not asked:
        return
    partial = "Range" in request.headers
    response = web.StreamResponse(status=206 if partial else 200)
    response.content_type = mimetypes.guess_type(path)[0] or "video/mp4"
    response.content_length = len(asked)
    response.etag = _etag(about)
    response.last_modified = about.st_mtime
    response.headers["Accept-Ranges"] = "bytes"
    if partial:
        response.headers["Content-Range"] = f"bytes {asked.start}-{asked.stop - 1}/{about.st_size}"
    call.status = response.status
    await response.prepare(request)
    content = await asyncio.to_thread(path.read_bytes)
    await response.write(content[asked.start : asked.stop][:after_bytes])
    raise ConnectionCutError


def _etag(about: os.stat_result) -> str:
    """Return the file's ETag as aiohttp's FileResponse makes it."""
    return f"{about.st_mtime_ns:x}-{about.st_size:x}"


def _is_of_the_file_begun(request: web.Request, path: Path) -> bool:
    """Return whether ``If-Range``, where there is one, names this file; of ETags aiohttp takes no notice."""
    given = request.headers.get("If-Range")
    if given is None:
        return True
    about, date = path.stat(), request.if_range
    return given == f'"{_etag(about)}"' or (date is not None and about.st_mtime <= date.timestamp())


def _without_range(request: web.Request) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.headers.items() if name.lower() != "range"]


def _asked_for(request: web.Request, size: int) -> range:
    try:
        return range(*request.http_range.indices(size))
    except ValueError:
        return range(0)
