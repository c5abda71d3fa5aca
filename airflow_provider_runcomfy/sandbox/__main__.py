"""``python -m airflow_provider_runcomfy.sandbox``: run a sandbox until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import signal
import sys
from collections.abc import Callable, Sequence

from airflow_provider_runcomfy.sandbox.service import serve
from airflow_provider_runcomfy.sandbox.settings import SandboxError, SandboxSettings

logger = logging.getLogger("airflow_provider_runcomfy.sandbox")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sandbox until a signal comes; exit with 1 and a message if it cannot start."""
    settings = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        asyncio.run(_run(settings))
    except SandboxError as error:
        sys.exit(f"error: {error}")


async def _run(settings: SandboxSettings) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with serve(settings) as service:
        connection = json.dumps({"conn_type": "runcomfy", "host": service.url, "password": "anything"})
        logger.info("RunComfy sandbox ready on %s, Airflow connection: %s", service.url, connection)
        await ended.wait()


def _parse(arguments: Sequence[str] | None) -> SandboxSettings:
    default = SandboxSettings()
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_runcomfy.sandbox",
        description="A local RunComfy: same calls, real videos, no bill. Any non-empty token is accepted.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    seconds = _number(float, 0)
    parser.add_argument("--host", default=default.host, help="address to listen on")
    parser.add_argument(
        "--port", type=_number(int, 0, 65535), default=default.port, help="port of the API; 0: a free one"
    )
    parser.add_argument("--queue-seconds", type=seconds, default=default.queue_seconds, help="shortest wait")
    parser.add_argument("--run-seconds", type=seconds, default=default.run_seconds, help="how long a request runs")
    parser.add_argument("--concurrency", type=_number(int, 1), default=default.concurrency, help="running slots")
    parser.add_argument(
        "--balance", type=seconds, default=default.balance_usd, dest="balance_usd", help="account at the start, in USD"
    )
    return SandboxSettings(**vars(parser.parse_args(arguments)))


def _number(kind: Callable[[str], float], low: int, high: float = math.inf) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = kind(text)
        if not math.isfinite(number) or not low <= number <= high:
            upto = f" to {high}" if math.isfinite(high) else ""
            raise argparse.ArgumentTypeError(f"must be a number from {low}{upto}")
        return number

    # argparse names the type when a text is no number at all.
    parse.__name__ = "number"
    return parse


if __name__ == "__main__":
    main()
