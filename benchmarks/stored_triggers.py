"""Triggers that wait in this process as they do in a triggerer: made from what Airflow stores of them."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CLASS = "airflow_provider_runcomfy.triggers.runcomfy.RunComfyRequestTrigger"


@contextmanager
def environment(connection: dict[str, Any], ca: Any = None) -> Iterator[None]:
    """Have an Airflow home that is not the user's own, the connection, and no log; before Airflow is imported."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "NO_PROXY": "127.0.0.1",
        }
        if ca is not None:
            os.environ["REQUESTS_CA_BUNDLE"] = str(ca)
        connect(connection)
        yield


def connect(connection: dict[str, Any]) -> None:
    """Replace the connection, as a person does who edits it."""
    os.environ["AIRFLOW_CONN_RUNCOMFY_DEFAULT"] = json.dumps(connection)


def stored(request_id: str, *, end_time: float, submitted_at: float, **kwargs: Any) -> str:
    """Return what Airflow stores of a trigger, as JSON."""
    given = {"request_id": request_id, "end_time": end_time, "submitted_at": submitted_at, **kwargs}
    path, name = CLASS.rsplit(".", 1)
    return json.dumps(getattr(importlib.import_module(path), name)(**given).serialize())


async def event_of(row: str) -> dict[str, Any]:
    """Make the trigger from its row, run it, and return what its one event says of its one request."""
    classpath, kwargs = json.loads(row)
    path, name = classpath.rsplit(".", 1)
    trigger = getattr(importlib.import_module(path), name)(**kwargs)
    try:
        events = [event.payload async for event in trigger.run()]
    finally:
        # As the triggerer does, also for a trigger that it hands over.
        await trigger.cleanup()
    if len(events) != 1 or len(events[0]["endings"]) != 1:
        raise RuntimeError(f"not one event of one request: {events}")
    ending: dict[str, Any] = events[0]["endings"][0]
    return ending
