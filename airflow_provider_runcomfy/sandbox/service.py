"""A sandbox's two sites, started and ended."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from airflow_provider_runcomfy.sandbox.api import ModelApi
from airflow_provider_runcomfy.sandbox.calls import CallLog
from airflow_provider_runcomfy.sandbox.catalogue import MICRODOLLARS
from airflow_provider_runcomfy.sandbox.control import Control
from airflow_provider_runcomfy.sandbox.engine import Engine
from airflow_provider_runcomfy.sandbox.faultbook import FaultBook
from airflow_provider_runcomfy.sandbox.files import RENDERERS, FileSite
from airflow_provider_runcomfy.sandbox.gate import Gate
from airflow_provider_runcomfy.sandbox.settings import LOOPBACK, SandboxError, SandboxSettings
from airflow_provider_runcomfy.sandbox.video import find_ffmpeg

# What an official client caps a request at.
_LARGEST_BODY = 64 * 2**20
# A Dag with hundreds of mapped tasks connects at once.
_BACKLOG = 1024
# Plain http goes to a loopback address only, as the provider has it.
_LOOPBACK_OF = {"": LOOPBACK, "0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104
# Calls that a fault delays need not end before the sandbox does.
_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Service:
    """A sandbox that is running: the addresses of its two sites, and what they share."""

    url: str
    files_url: str
    calls: CallLog
    faults: FaultBook
    engine: Engine


@asynccontextmanager
async def serve(settings: SandboxSettings) -> AsyncIterator[Service]:
    """
    Run a sandbox in the current event loop while the block runs; its files are removed afterwards.

    :raises SandboxError: if ffmpeg or Pillow is missing, or the port is taken.
    """
    ffmpeg = find_ffmpeg()
    calls, faults = CallLog(), FaultBook()
    engine = Engine(
        queue_seconds=settings.queue_seconds,
        run_seconds=settings.run_seconds,
        concurrency=settings.concurrency,
        balance=round(settings.balance_usd * MICRODOLLARS),
    )
    gate = Gate(calls, faults, engine)
    with tempfile.TemporaryDirectory(prefix="runcomfy-sandbox-") as folder, _renderers() as pool:
        files = web.Application()
        FileSite(gate, engine, Path(folder), ffmpeg, pool).add_routes(files.router)
        async with _site(files, settings.host, 0) as files_port:
            api = web.Application(client_max_size=_LARGEST_BODY)
            Control(calls, faults, engine).add_routes(api.router)
            ModelApi(gate, engine, files_port).add_routes(api.router)
            async with _site(api, settings.host, settings.port) as port:
                yield Service(address(settings.host, port), address(settings.host, files_port), calls, faults, engine)


@contextmanager
def _renderers() -> Iterator[ThreadPoolExecutor]:
    """Have threads while the block runs; afterwards the videos that are being drawn are the last."""
    pool = ThreadPoolExecutor(RENDERERS, "runcomfy-sandbox-video")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@asynccontextmanager
async def _site(application: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Listen while the block runs; yield the port."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_PATIENCE_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        except OSError as error:
            raise SandboxError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def address(host: str, port: int) -> str:
    """Return the URL of a site that listens on ``host``; where that is every address, its loopback one."""
    host = _LOOPBACK_OF.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
