"""A sensor that a test runs itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from tests.submission.parts import TaskInstance, context_of


def a_sensor(request_id: str | list[str], *, deferrable: bool, **given: Any) -> RunComfyRequestSensor:
    # One that is deferred needs a pause, which the triggerer makes; the other is not to make any.
    pause = 5.0 if deferrable else 0.0
    return RunComfyRequestSensor(
        task_id="wait", request_id=request_id, deferrable=deferrable, poke_interval=pause, **given
    )


def run(sensor: RunComfyRequestSensor) -> Any:
    ti = TaskInstance()
    ti.start_date = datetime.now(UTC)  # type: ignore[attr-defined]
    ti.get_first_reschedule_date = lambda context: None  # type: ignore[attr-defined]
    return sensor.execute(context_of(ti, None))
