"""What a Dag file is refused while it is parsed: parameters with which no task could do what they say."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor

NO_TIME = "must be a number of seconds above 0; got"
NO_LIFE = "media_url_seconds must be a whole number of seconds from 1 to 604800; got"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"poll_interval": 0}, f"poll_interval {NO_TIME} 0"),
        ({"poll_interval": "5"}, f"poll_interval {NO_TIME} '5'"),
        ({"max_poll_interval": True}, f"max_poll_interval {NO_TIME} True"),
        ({"max_poll_interval": float("nan")}, f"max_poll_interval {NO_TIME} nan"),
        ({"timeout": timedelta()}, "timeout must be a timedelta above zero; got datetime.timedelta(0)"),
        ({"timeout": 3600}, "timeout must be a timedelta above zero; got 3600"),
        ({"media_url_seconds": 0}, f"{NO_LIFE} 0"),
        ({"media_url_seconds": 604801}, f"{NO_LIFE} 604801"),
        ({"media_url_seconds": 60.0}, f"{NO_LIFE} 60.0"),
        ({"media_url_seconds": True}, f"{NO_LIFE} True"),
    ],
)
def test_a_generation_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        RunComfyGenerateOperator(task_id="make", model_id="a/model", inputs={}, **given)


@pytest.mark.parametrize("limit", [0.001, 1, 604800])
def test_what_is_just_allowed_is_taken(limit: float) -> None:
    made = RunComfyGenerateOperator(
        task_id="make", model_id="a/model", inputs={}, poll_interval=limit, media_url_seconds=max(1, int(limit))
    )

    assert (made.poll_interval, made.media_url_seconds) == (limit, max(1, int(limit)))


def test_a_sensor_is_refused_polls_that_never_come() -> None:
    with pytest.raises(ValueError, match=re.escape(f"max_poll_interval {NO_TIME} -1")):
        RunComfyRequestSensor(task_id="wait", request_id="an-id", max_poll_interval=-1)


def test_a_sensor_that_is_not_deferrable_makes_no_use_of_the_longest_interval() -> None:
    RunComfyRequestSensor(task_id="wait", request_id="an-id", max_poll_interval=-1, deferrable=False)
