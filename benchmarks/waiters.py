"""What waits, each for a task of its own: our trigger, those of peers as they are released, and a bare loop."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

#: Seconds between two polls of one trigger.
INTERVAL = 5
OURS, BARE, EMPTY = "RunComfyRequestTrigger", "bare aiohttp, one session", "a trigger that never polls"

_TOKEN = "token-of-the-benchmark"
_A_DAY = 24 * 3600

#: Makes a trigger from its number; where there is none, the loop is bare.
Make = Callable[[int], Any]


@dataclass(frozen=True)
class Waiter:
    """
    Who waits.

    :param make: imports and makes one trigger, as the operator of the same package does.
    :param connection: the Airflow connection that leads to a server, given its host and port.
    """

    make: Make
    connection: Callable[[str, int], Mapping[str, Any]]


def _runcomfy(number: int) -> Any:
    from airflow_provider_runcomfy.triggers.runcomfy import RunComfyRequestTrigger

    return RunComfyRequestTrigger(
        request_id=request_id(number),
        runcomfy_conn_id="benchmark",
        end_time=time.time() + _A_DAY,
        poll_interval=INTERVAL,
        max_poll_interval=INTERVAL,
        submitted_at=time.time(),
    )


def _databricks(number: int) -> Any:
    from airflow.providers.databricks.triggers.databricks import DatabricksExecutionTrigger

    return DatabricksExecutionTrigger(
        run_id=number, databricks_conn_id="benchmark", polling_period_seconds=INTERVAL, run_page_url="https://example"
    )


def _dbt(number: int) -> Any:
    from airflow.providers.dbt.cloud.triggers.dbt import DbtCloudRunJobTrigger

    return DbtCloudRunJobTrigger(
        conn_id="benchmark", run_id=number, end_time=time.time() + _A_DAY, poll_interval=INTERVAL, account_id=None
    )


def _http(number: int) -> Any:
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    return HttpSensorTrigger(
        http_conn_id="benchmark", method="GET", endpoint=f"sensor/{number}", poke_interval=float(INTERVAL)
    )


def _anthropic(number: int) -> Any:
    from airflow.providers.anthropic.triggers.batch import AnthropicBatchTrigger

    return AnthropicBatchTrigger(
        conn_id="benchmark", batch_id=f"msgbatch_{number:024}", poll_interval=INTERVAL, end_time=time.time() + _A_DAY
    )


def _openai(number: int) -> Any:
    from airflow.providers.openai.triggers.openai import OpenAIBatchTrigger

    return OpenAIBatchTrigger(
        conn_id="benchmark", batch_id=f"batch_{number:024}", poll_interval=INTERVAL, timeout=float(_A_DAY)
    )


def _empty(number: int) -> Any:
    from benchmarks.empty_trigger import EmptyTrigger

    return EmptyTrigger()


def _no_trigger(number: int) -> Any:
    raise NotImplementedError("the bare loop has no triggers")


def request_id(number: int) -> str:
    """Return a request id as RunComfy's are: a UUID."""
    return f"5f0c7a52-3c41-4d6e-9b1a-{number:012}"


def _at(conn_type: str, path: str = "") -> Callable[[str, int], Mapping[str, Any]]:
    return lambda host, port: {"conn_type": conn_type, "host": f"https://{host}:{port}{path}", "password": _TOKEN}


WAITERS: dict[str, Waiter] = {
    BARE: Waiter(_no_trigger, _at("http")),
    OURS: Waiter(_runcomfy, _at("runcomfy")),
    "DatabricksExecutionTrigger": Waiter(
        _databricks,
        lambda host, port: {"conn_type": "databricks", "host": f"https://{host}", "port": port, "password": _TOKEN},
    ),
    "DbtCloudRunJobTrigger": Waiter(
        _dbt,
        lambda host, port: {
            "conn_type": "dbt_cloud", "host": f"{host}:{port}", "login": "1", "password": _TOKEN,
        },
    ),
    "HttpSensorTrigger": Waiter(
        _http,
        lambda host, port: {
            "conn_type": "http", "schema": "https", "host": host, "port": port,
            "extra": {"Authorization": f"Bearer {_TOKEN}"},
        },
    ),
    "AnthropicBatchTrigger": Waiter(_anthropic, _at("anthropic")),
    "OpenAIBatchTrigger": Waiter(_openai, _at("openai", "/v1")),
    EMPTY: Waiter(_empty, _at("http")),
}  # fmt: skip
PEERS = [name for name in WAITERS if name not in (OURS, BARE, EMPTY)]


def environment(name: str, host: str, port: int) -> dict[str, str]:
    """Return what the process of a waiter needs in its environment, to reach a server."""
    return {"AIRFLOW_CONN_BENCHMARK": json.dumps(WAITERS[name].connection(host, port))}


async def bare(session: Any, url: str) -> None:
    """What the floor is: sleep, ask, look."""
    import asyncio

    while True:
        await asyncio.sleep(INTERVAL)
        async with session.get(url, headers={"Authorization": f"Bearer {_TOKEN}"}) as response:
            if (await response.json())["status"] != "in_progress":
                return
