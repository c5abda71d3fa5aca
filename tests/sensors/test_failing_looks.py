"""What becomes of an error of a look: what Airflow's own loop makes of it, also of a sensor that is to be deferred."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_runcomfy.compat import AirflowSkipException, AirflowTaskTimeout
from airflow_provider_runcomfy.exceptions import RunComfyConnectionError, RunComfyRetryableError
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
from airflow_provider_runcomfy.sandbox.server import Sandbox
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from tests.compat import TaskDeferred
from tests.sensors.parts import a_sensor, run
from tests.triggers.waiting import submit

PASSES = RunComfyRetryableError("Airflow could not be asked.")
IS_FINAL = RunComfyConnectionError("There is no connection.")
IS_A_TIMEOUT = AirflowTaskTimeout("execution_timeout")
IS_A_BUG = KeyError("unexpected")

RAISED, SKIPPED, GOES_ON = "raised", "skipped", "goes on"
LOOKS: list[tuple[BaseException, tuple[str, ...], str]] = [
    (PASSES, (), RAISED),
    (PASSES, ("soft_fail",), RAISED),
    (PASSES, ("never_fail",), SKIPPED),
    (PASSES, ("silent_fail",), GOES_ON),
    (PASSES, ("silent_fail", "soft_fail"), GOES_ON),
    (PASSES, ("silent_fail", "never_fail"), GOES_ON),
    (IS_FINAL, (), RAISED),
    (IS_FINAL, ("soft_fail",), SKIPPED),
    (IS_FINAL, ("never_fail",), SKIPPED),
    (IS_FINAL, ("silent_fail",), RAISED),
    (IS_FINAL, ("silent_fail", "soft_fail"), SKIPPED),
    (IS_FINAL, ("silent_fail", "never_fail"), SKIPPED),
    (IS_A_TIMEOUT, (), RAISED),
    (IS_A_TIMEOUT, ("soft_fail",), SKIPPED),
    (IS_A_TIMEOUT, ("never_fail",), SKIPPED),
    (IS_A_TIMEOUT, ("silent_fail",), RAISED),
    (IS_A_BUG, ("soft_fail",), RAISED),
    (IS_A_BUG, ("never_fail",), SKIPPED),
    (IS_A_BUG, ("silent_fail",), GOES_ON),
]


def outcome(sensor: RunComfyRequestSensor) -> object:
    try:
        return run(sensor)
    except (Exception, AirflowTaskTimeout, TaskDeferred) as error:
        return error


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on a worker"])
@pytest.mark.parametrize(
    ("error", "flags", "became"),
    [pytest.param(*look, id=f"{type(look[0]).__name__}-{'+'.join(look[1]) or 'plain'}") for look in LOOKS],
)
def test_a_look_that_fails_is_the_same_in_every_mode_and_a_skip_says_why(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    flags: tuple[str, ...],
    became: str,
    deferrable: bool,
) -> None:
    answer = {"status": "completed", "output": {"video": "https://cdn.runcomfy.com/a.mp4"}}
    sandbox.add_fault("status", code=200, body=answer, calls=["result"], times=None)
    softly: dict[str, Any] = dict.fromkeys(flags, True)
    sensor = a_sensor(submit(sandbox), deferrable=deferrable, timeout=60, **softly)
    looks = iter([error])

    def get_conn(hook: RunComfyHook) -> None:
        for fails in looks:
            raise fails

    monkeypatch.setattr(RunComfyHook, "get_conn", get_conn)

    became_of_it = outcome(sensor)

    log = capsys.readouterr().out
    assert log.count(f"Skipping instead of failing: {error}") == (became == SKIPPED)
    if became == GOES_ON:
        assert isinstance(became_of_it, TaskDeferred if deferrable else dict)
        assert str(error) in log
    elif became == SKIPPED:
        assert isinstance(became_of_it, AirflowSkipException)
        assert became_of_it.__cause__ is error
    else:
        assert became_of_it is error


@pytest.mark.parametrize("flag", ["soft_fail", "never_fail", "silent_fail"])
@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on a worker"])
def test_a_look_that_skips_by_itself_stays_what_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], deferrable: bool, flag: str
) -> None:
    skip = AirflowSkipException("nothing to wait for")

    def get_conn(hook: RunComfyHook) -> None:
        raise skip

    monkeypatch.setattr(RunComfyHook, "get_conn", get_conn)
    softly: dict[str, Any] = {flag: True}

    assert outcome(a_sensor("r-1", deferrable=deferrable, timeout=60, **softly)) is skip
    assert "Skipping instead of failing" not in capsys.readouterr().out
