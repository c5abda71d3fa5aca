"""A sandbox inside a test: real HTTP on loopback, run by a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from airflow_provider_runcomfy.sandbox.calls import Call
from airflow_provider_runcomfy.sandbox.faults import parse_fault
from airflow_provider_runcomfy.sandbox.service import Service, serve
from airflow_provider_runcomfy.sandbox.settings import SandboxSettings

T = TypeVar("T")


class Sandbox:
    """A running sandbox, as a test sees it; made by :func:`running_sandbox`, safe to use from any thread."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop

    @property
    def url(self) -> str:
        """The base address of the API: what a connection has as its host."""
        return self._service.url

    @property
    def files_url(self) -> str:
        """The base address of the site that outputs come from."""
        return self._service.files_url

    def calls(self) -> list[Call]:
        """Return the calls so far, oldest first."""
        return self._on_loop(self._service.calls.all)

    def requests(self) -> list[dict[str, Any]]:
        """Return the accepted requests, oldest first: state, model, inputs, what each cost."""
        return self._on_loop(lambda: [made.as_dict() for made in self._service.engine.all()])

    def add_fault(self, effect: str, **keys: object) -> None:
        """
        Inject a fault; the keys are those of the table in :mod:`airflow_provider_runcomfy.sandbox.faults`.

        :raises InvalidFaultError: if they do not fit.
        """
        fault = parse_fault({"effect": effect, **keys})
        self._on_loop(lambda: self._service.faults.add(fault))

    def clear_faults(self) -> None:
        """Forget all faults."""
        self._on_loop(self._service.faults.clear)

    def _on_loop(self, action: Callable[[], T]) -> T:
        async def act() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result()


@contextmanager
def running_sandbox(
    *,
    port: int = 0,
    queue_seconds: float = 0.0,
    run_seconds: float = 0.1,
    concurrency: int = 2,
    balance_usd: float = 100.0,
) -> Iterator[Sandbox]:
    """
    Run a sandbox while the block runs, on loopback and by default on a free port; see ``SandboxSettings``.

    :raises ValueError: if a number is none that a sandbox can have.
    :raises SandboxError: if it cannot start.
    """
    settings = SandboxSettings(
        port=port,
        queue_seconds=queue_seconds,
        run_seconds=run_seconds,
        concurrency=concurrency,
        balance_usd=balance_usd,
    )
    started: Future[Sandbox] = Future()
    stop = asyncio.Event()

    async def run() -> None:
        async with serve(settings) as service:
            started.set_result(Sandbox(service, asyncio.get_running_loop()))
            await stop.wait()

    def run_in_thread() -> None:
        try:
            asyncio.run(run())
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run_in_thread, name="runcomfy-sandbox", daemon=True)
    thread.start()
    sandbox = started.result()
    try:
        yield sandbox
    finally:
        sandbox._on_loop(stop.set)
        thread.join()
