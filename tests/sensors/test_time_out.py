"""What a sensor that waits on a worker says when its time is over: of which request, of the money, and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy.compat import AirflowSensorTimeout, AirflowSkipException
from airflow_provider_runcomfy.exceptions import RunComfyRetryableError
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
from airflow_provider_runcomfy.sandbox.server import Sandbox
from tests.sensors.parts import a_sensor, run
from tests.triggers.waiting import submit

NEXT = "Clear this task to wait for it again, which pays nothing."


def said_by(request_id: str | list[str], kind: type[AirflowException] = AirflowSensorTimeout, **given: Any) -> str:
    """Return what a sensor without any time says after its one look."""
    with pytest.raises(kind) as caught:
        run(a_sensor(request_id, deferrable=False, timeout=0, **given))
    assert type(caught.value) is kind
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return str(caught.value)


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_it_names_the_request_says_that_it_is_charged_and_what_to_do(sandbox: Sandbox, mode: str) -> None:
    request_id = submit(sandbox)

    said = said_by(request_id, mode=mode)

    assert said.startswith(f"Request {request_id}")
    assert "did not end in time." in said
    assert "It goes on and is charged." in said
    assert said.endswith(NEXT)
    assert "run duration" not in said


def test_it_says_why_the_last_look_failed(sandbox: Sandbox) -> None:
    sandbox.add_fault("status", code=503, calls=["result"], times=None)

    assert "The last poll failed: " in said_by(submit(sandbox))


def test_of_a_list_it_names_the_first_that_has_not_ended_and_those_that_were_not_looked_at(sandbox: Sandbox) -> None:
    ids = [submit(sandbox) for _ in range(4)]
    answer = {"status": "completed", "output": {"video": "https://cdn.runcomfy.com/a.mp4"}}
    sandbox.add_fault("status", code=200, body=answer, calls=["result"], times=1)

    said = said_by(ids)

    assert said.startswith(f"Request {ids[1]}")
    assert ids[0] not in said
    assert said.endswith(f"{NEXT} After it these were not looked at: {ids[2]}, {ids[3]}.")


def test_a_soft_time_out_is_a_skip_and_the_log_says_the_same(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    request_id = submit(sandbox)

    said = said_by(request_id, AirflowSkipException, soft_fail=True)

    assert said.startswith(f"Request {request_id}")
    assert capsys.readouterr().out.count(f"Skipping instead of failing: {said}") == 1


def test_a_time_out_of_a_sensor_that_could_never_look_names_its_request(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_conn(hook: RunComfyHook) -> None:
        raise RunComfyRetryableError("Airflow could not be asked.")

    monkeypatch.setattr(RunComfyHook, "get_conn", get_conn)

    said = said_by("r-1", silent_fail=True)

    assert said.startswith("Request r-1")
    assert said.endswith(NEXT)
