"""Run a sandbox until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys

from airflow_provider_runcomfy.sandbox.service import serve
from airflow_provider_runcomfy.sandbox.settings import SandboxError, SandboxSettings

logger = logging.getLogger("airflow_provider_runcomfy.sandbox")


def run(settings: SandboxSettings) -> None:
    """Run a sandbox until a signal comes; exit with 1 and a message if it cannot start."""
    _log_to_standard_output()
    try:
        asyncio.run(_run(settings))
    except SandboxError as error:
        sys.exit(f"error: {error}")


def _log_to_standard_output() -> None:
    """Write plain lines, whatever has set up logging before: Airflow does, with times and colours of its own."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


async def _run(settings: SandboxSettings) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with serve(settings) as service:
        connection = json.dumps({"conn_type": "runcomfy", "host": service.url, "password": "anything"})
        logger.info("RunComfy sandbox ready on %s, AIRFLOW_CONN_RUNCOMFY_DEFAULT='%s'", service.url, connection)
        await ended.wait()
