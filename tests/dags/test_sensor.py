"""The sensor, in Dags that Airflow runs, against the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator, RunComfySubmitOperator
from airflow_provider_runcomfy.sandbox.server import Sandbox
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from tests.airflow_db import states, tries, xcom
from tests.dags.parts import CLIP, QUICK, RunDag, raised
from tests.runcomfy import PRO, count

pytestmark = pytest.mark.slow

SOON: dict[str, Any] = {"poke_interval": 0.1, "max_poll_interval": 0.1}
MODES = [
    pytest.param({"deferrable": True}, id="deferred"),
    pytest.param({"deferrable": False, "mode": "poke"}, id="poke"),
    pytest.param({"deferrable": False, "mode": "reschedule"}, id="reschedule"),
]


@pytest.mark.parametrize("mode", MODES)
def test_it_waits_for_one_request_in_every_mode(
    working: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str], mode: dict[str, Any]
) -> None:
    with DAG("one", schedule=None) as dag:
        submit = RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP)
        RunComfyRequestSensor(task_id="wait", request_id=submit.output, **SOON, **mode)

    run = run_dag(dag)

    [request] = working.requests()
    log = capfd.readouterr().out
    assert states(run) == {"submit": "success", "wait": "success"}
    assert xcom(run, "wait")["request_id"] == request["request_id"]
    assert xcom(run, "wait")["state"] == "succeeded"
    # Only the trigger asks for the status.
    assert (count(working)["status"] > 0) is mode["deferrable"]
    assert f"Request {request['request_id']} is in_progress." in log


@pytest.mark.parametrize("mode", [*MODES, pytest.param({"deferrable": True, "at_once": True}, id="the first look")])
def test_it_tells_the_page_how_a_request_ended_and_why(
    request: pytest.FixtureRequest, run_dag: RunDag, mode: dict[str, Any]
) -> None:
    at_once = mode.get("at_once", False)
    sandbox: Sandbox = request.getfixturevalue("sandbox" if at_once else "working")
    sandbox.add_fault("fail", error="out of memory")
    how = {name: value for name, value in mode.items() if name != "at_once"}
    with DAG("failed", schedule=None) as dag:
        submit = RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP)
        RunComfyRequestSensor(task_id="wait", request_id=submit.output, **SOON, **how)

    run = run_dag(dag)

    [told] = xcom(run, "wait", "progress")
    assert (told["request_id"], told["state"], told["error"], told["cost_usd"]) == (
        xcom(run, "submit"), "failed", "out of memory", 0.336
    )  # fmt: skip


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode.id != "deferred"])
def test_while_it_waits_on_a_worker_it_tells_the_page_where_a_request_stands(
    full: Sandbox, run_dag: RunDag, mode: dict[str, Any]
) -> None:
    with DAG("queued", schedule=None) as dag:
        submit = RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP)
        RunComfyRequestSensor(task_id="wait", request_id=submit.output, timeout=1, **SOON, **mode)

    run = run_dag(dag)

    [told] = xcom(run, "wait", "progress")
    assert (told["request_id"], told["state"]) == (xcom(run, "submit"), "in_queue")


def test_it_waits_for_a_list_and_keeps_its_order(working: Sandbox, run_dag: RunDag) -> None:
    with DAG("several", schedule=None) as dag:
        submits = [RunComfySubmitOperator(task_id=f"submit_{n}", model_id=PRO, inputs=CLIP) for n in range(3)]
        RunComfyRequestSensor(task_id="wait", request_id=[submit.output for submit in submits], **SOON)

    run = run_dag(dag)

    assert [result["request_id"] for result in xcom(run, "wait")] == [xcom(run, f"submit_{n}") for n in range(3)]
    assert count(working)["status"] > 0


def test_it_keeps_the_model_that_a_result_names(sandbox: Sandbox, run_dag: RunDag) -> None:
    with DAG("chain", schedule=None) as dag:
        made = RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs=CLIP, **QUICK)
        RunComfyRequestSensor(task_id="wait", request_id=made.output, **SOON)

    run = run_dag(dag)

    assert xcom(run, "wait") == xcom(run, "make")
    assert xcom(run, "wait")["model_id"] == PRO


def test_a_poke_logs_a_state_once(working: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str]) -> None:
    with DAG("log", schedule=None) as dag:
        submit = RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP)
        RunComfyRequestSensor(task_id="wait", request_id=submit.output, deferrable=False, **SOON)

    run = run_dag(dag)

    request_id, log = xcom(run, "submit"), capfd.readouterr().out
    assert count(working)["result"] > 2
    assert log.count(f"Request {request_id} is in_progress.") == 1
    assert log.count(f"Request {request_id} has succeeded.") == 1


@pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
@pytest.mark.parametrize(
    ("where", "deferrable"),
    [
        pytest.param("sandbox", True, id="the first look"),
        pytest.param("working", True, id="resumed"),
        pytest.param("working", False, id="poke"),
    ],
)
def test_a_skip_instead_of_a_failure_is_the_same_in_every_mode_and_says_why(
    request: pytest.FixtureRequest,
    run_dag: RunDag,
    capfd: pytest.CaptureFixture[str],
    where: str,
    deferrable: bool,
    flag: str,
) -> None:
    sandbox: Sandbox = request.getfixturevalue(where)
    sandbox.add_fault("fail", error="the model fell over")
    with DAG("soft", schedule=None) as dag:
        submit = RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP)
        softly: dict[str, Any] = {flag: True}
        RunComfyRequestSensor(task_id="wait", request_id=submit.output, deferrable=deferrable, **SOON, **softly)

    run = run_dag(dag)

    assert states(run) == {"submit": "success", "wait": "skipped"}
    log = capfd.readouterr().out
    why = f"Skipping instead of failing: Request {xcom(run, 'submit')} failed: the model fell over. No retry"
    assert log.count(why) == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_time_out_is_a_sensors_time_out_and_not_retried(
    endless: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str], mode: dict[str, Any]
) -> None:
    with DAG("late", schedule=None) as dag:
        submit = RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP)
        RunComfyRequestSensor(
            task_id="wait", request_id=submit.output, timeout=1, retries=2, retry_delay=timedelta(0), **SOON, **mode
        )

    run = run_dag(dag)

    assert (states(run), tries(run, "wait")) == ({"submit": "success", "wait": "failed"}, 1)
    said = raised(capfd, "AirflowSensorTimeout")
    assert f"Request {xcom(run, 'submit')} did not end in time. A poll first saw it running at " in said
    assert ". It goes on and is charged. Clear this task" in said


def test_a_time_out_may_be_a_skip(endless: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str]) -> None:
    with DAG("late_and_soft", schedule=None) as dag:
        submit = RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP)
        RunComfyRequestSensor(task_id="wait", request_id=submit.output, timeout=1, soft_fail=True, **SOON)

    run = run_dag(dag)

    assert states(run) == {"submit": "success", "wait": "skipped"}
    why = f"Skipping instead of failing: Request {xcom(run, 'submit')} did not end in time."
    assert why in capfd.readouterr().out


@pytest.mark.parametrize(
    ("request_id", "error", "said"),
    [
        pytest.param("gone-1", "RequestNotAvailableError", "no longer has request gone-1", id="expired"),
        pytest.param(None, "InvalidInputsError", "marked it successful", id="nothing from upstream"),
        pytest.param("no id!", "InvalidInputsError", "no request id", id="no id"),
    ],
)
def test_a_sensor_says_what_is_wrong_with_its_request(
    sandbox: Sandbox,
    run_dag: RunDag,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request_id: str | None,
    error: str,
    said: str,
) -> None:
    monkeypatch.setattr("airflow_provider_runcomfy.api.polling.NOT_FOUND_GRACE_SECONDS", 0.0)
    with DAG("senses", schedule=None) as dag:
        RunComfyRequestSensor(task_id="wait", request_id=request_id, retries=2, retry_delay=timedelta(seconds=0))

    run = run_dag(dag)

    assert (states(run), tries(run, "wait")) == ({"wait": "failed"}, 1)
    assert said in raised(capfd, error)


def test_what_failed_is_for_the_task_that_submitted_it_to_pay_anew(
    working: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str]
) -> None:
    working.add_fault("fail")
    with DAG("failed", schedule=None) as dag:
        submit = RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP)
        RunComfyRequestSensor(task_id="wait", request_id=submit.output, retries=2, **SOON)

    run = run_dag(dag)

    assert (states(run), tries(run, "wait")) == ({"submit": "success", "wait": "failed"}, 1)
    said = raised(capfd, "GenerationFailedError")
    assert "Clear the task that submitted it" in said
    assert "resubmit_failed" not in said


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "poke"])
@pytest.mark.parametrize("trouble", [False, True], ids=["it runs", "the look fails"])
def test_a_look_at_a_list_stops_at_the_first_that_has_not_ended(
    endless: Sandbox, deferrable: bool, trouble: bool
) -> None:
    """RunComfy may hang, and each look then holds the worker for long."""
    ids = [RunComfyHook().submit(PRO, CLIP) for _ in range(3)]
    if trouble:
        endless.add_fault("status", code=503, calls=["result"], times=None)
    sensor = RunComfyRequestSensor(task_id="wait", request_id=ids, deferrable=deferrable)
    context: Any = {"ti": SimpleNamespace(start_date=datetime.now(UTC))}

    assert [bool(sensor.poke(context)) for _ in range(2)] == [False, False]
    assert [call.request_id for call in endless.calls() if call.kind == "result"] == [ids[0]] * 2


def test_what_has_ended_is_not_asked_again(endless: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [RunComfyHook().submit(PRO, CLIP) for _ in range(2)]
    sensor = RunComfyRequestSensor(task_id="wait", request_id=["gone-1", *ids], deferrable=False)
    context: Any = {"ti": SimpleNamespace(start_date=datetime.now(UTC) - timedelta(minutes=2))}

    assert [bool(sensor.poke(context)) for _ in range(3)] == [False] * 3
    assert [call.request_id for call in endless.calls() if call.kind == "result"] == ["gone-1", *[ids[0]] * 3]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        pytest.param({"poke_interval": 0}, "poke_interval", id="no pause"),
        pytest.param({"poke_interval": timedelta(0)}, "poke_interval", id="no pause, as a timedelta"),
        pytest.param({"max_poll_interval": 0}, "max_poll_interval", id="no longest pause"),
        pytest.param({"max_poll_interval": -1.0}, "max_poll_interval", id="less than none"),
        pytest.param({"max_poll_interval": "30"}, "max_poll_interval", id="text"),
    ],
)
def test_a_deferred_wait_needs_pauses(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} must be a number of seconds above 0"):
        RunComfyRequestSensor(task_id="wait", request_id="r-1", **given)


def test_a_short_wait_is_not_deferred(
    endless: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trigger that fires right after the deferral can burn a retry."""
    monkeypatch.setattr("airflow_provider_runcomfy.waiting.SHORTEST_DEFERRAL_SECONDS", 5.0)
    with DAG("short", schedule=None) as dag:
        submit = RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP)
        RunComfyRequestSensor(task_id="wait", request_id=submit.output, timeout=0, **SOON)

    run = run_dag(dag)

    assert states(run) == {"submit": "success", "wait": "failed"}
    assert "Pausing task as DEFERRED" not in capfd.readouterr().out
    assert count(endless)["status"] == 0
