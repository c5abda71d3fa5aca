"""Operators and trigger in Dags that Airflow runs, against the sandbox."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import DAG, task

from airflow_provider_runcomfy.operators.runcomfy import (
    RunComfyCancelOperator,
    RunComfyGenerateOperator,
    RunComfySubmitOperator,
)
from airflow_provider_runcomfy.sandbox.server import Sandbox
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from tests.airflow_db import has_task_state_store, needs_task_state_store, record, states, tries, xcom
from tests.dags.parts import CLIP, QUICK, RunDag, raised
from tests.runcomfy import PRO, STANDARD, count

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "on the worker"])
@pytest.mark.parametrize("model_id", [PRO, STANDARD], ids=["pro", "standard"])
def test_generate_returns_the_result(sandbox: Sandbox, run_dag: RunDag, model_id: str, deferrable: bool) -> None:
    with DAG("generate", schedule=None) as dag:
        RunComfyGenerateOperator(task_id="make", model_id=model_id, inputs=CLIP, deferrable=deferrable, **QUICK)

    run = run_dag(dag)

    [request] = sandbox.requests()
    result = xcom(run, "make")
    assert states(run) == {"make": "success"}
    assert result["request_id"] == xcom(run, "make", "request_id") == request["request_id"]
    assert list(result) == [
        "request_id", "model_id", "state", "media", "output", "cost_usd", "created_at", "finished_at",
    ]  # fmt: skip
    assert (result["model_id"], result["state"]) == (model_id, "succeeded")
    assert result["cost_usd"] == request["charged_usd"]
    assert result["media"] == [{"url": result["output"]["video"], "kind": "video"}]
    assert xcom(run, "make", "url") == result["output"]["video"]
    assert xcom(run, "make", "_link_ResultPageLink") == f"/runcomfy/page/generate/{quote(run.run_id, safe='')}/make/-1"
    [told] = xcom(run, "make", "progress")
    assert (told["request_id"], told["state"]) == (request["request_id"], "succeeded")
    assert count(sandbox)["submit"] == 1


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "on the worker"])
def test_generate_tells_since_when_it_ran(sandbox: Sandbox, run_dag: RunDag, deferrable: bool) -> None:
    sandbox.add_fault("status", code=200, body={"status": "in_progress"}, calls=["status"], times=1)
    with DAG("tells_since_when", schedule=None) as dag:
        RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs=CLIP, deferrable=deferrable, **QUICK)
    began = time.time()

    run = run_dag(dag)

    [told] = xcom(run, "make", "progress")
    assert began <= told["running_since"] <= time.time()


@needs_task_state_store
@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "on the worker"])
def test_generate_keeps_a_record(sandbox: Sandbox, run_dag: RunDag, deferrable: bool) -> None:
    with DAG("keeps_a_record", schedule=None) as dag:
        RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs=CLIP, deferrable=deferrable, **QUICK)

    run = run_dag(dag)

    [request] = sandbox.requests()
    [submission] = record(run, "make")["submissions"]
    assert submission["request_id"] == request["request_id"]
    assert submission["outcome"] == "succeeded"
    assert submission["cost_usd"] == request["charged_usd"]
    assert submission["inputs"] == CLIP


def test_submit_hands_its_id_to_a_sensor(sandbox: Sandbox, run_dag: RunDag) -> None:
    with DAG("submit_and_wait", schedule=None) as dag:
        submit = RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP)
        RunComfyRequestSensor(task_id="wait", request_id=submit.output)

    run = run_dag(dag)

    assert states(run) == {"submit": "success", "wait": "success"}
    assert xcom(run, "submit") == xcom(run, "wait")["request_id"] == sandbox.requests()[0]["request_id"]


def test_everything_maps_and_chains(sandbox: Sandbox, run_dag: RunDag) -> None:
    with DAG("mapped", schedule=None) as dag:

        @task
        def scenes() -> list[dict[str, Any]]:
            return [{**CLIP, "prompt": f"scene {number}"} for number in range(3)]

        clips = RunComfyGenerateOperator.partial(task_id="make", model_id=PRO, **QUICK).expand(inputs=scenes())
        RunComfyRequestSensor.partial(task_id="wait_each").expand(request_id=clips.output)
        RunComfyRequestSensor(task_id="wait_all", request_id=clips.output)
        RunComfyCancelOperator(task_id="cancel_all", request_id=clips.output)
        submitted = RunComfySubmitOperator.partial(task_id="submit", model_id=PRO).expand(inputs=scenes())
        RunComfyCancelOperator.partial(task_id="cancel_each").expand(request_id=submitted.output)

    run = run_dag(dag)

    assert set(states(run).values()) == {"success"}
    assert count(sandbox)["submit"] == 6
    made = [result["request_id"] for result in xcom(run, "make")]
    assert [result["request_id"] for result in xcom(run, "wait_all")] == made
    assert xcom(run, "cancel_all") == [{"request_id": id_, "outcome": "not_cancellable"} for id_ in made]


def test_templated_inputs_may_be_text_where_numbers_are_wanted(sandbox: Sandbox, run_dag: RunDag) -> None:
    inputs = {
        "prompt": "{{ params.it }}",
        "duration": "{{ 1 + 2 }}",
        "sound": "{{ false }}",
        "cfg_scale": "{{ 0.5 }}",
    }
    with DAG("templated", schedule=None, params={"it": "a kite"}) as dag:
        RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=inputs)

    run_dag(dag)

    [request] = sandbox.requests()
    assert request["inputs"] == {"prompt": "a kite", "duration": 3, "sound": False, "cfg_scale": 0.5}


def test_inputs_may_hold_what_upstream_tasks_return(sandbox: Sandbox, run_dag: RunDag) -> None:
    with DAG("nested", schedule=None) as dag:

        @task
        def title() -> str:
            return "a kite"

        @task
        def seconds() -> dict[str, int]:
            return {"each": 3}

        scenes = [{"prompt": title(), "duration": seconds()["each"]}]  # type: ignore[index]
        RunComfySubmitOperator(
            task_id="submit", model_id=PRO, inputs={"prompt": title(), "duration": 3, "multi_prompt": scenes}
        )

    run_dag(dag)

    [request] = sandbox.requests()
    assert request["inputs"] == {
        "prompt": "a kite", "duration": 3, "multi_prompt": [{"prompt": "a kite", "duration": 3}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("by", "sent"),
    [
        pytest.param("inputs", "{{ 6 * 7 }}", id="inputs"),
        pytest.param("expand", "{{ 6 * 7 }}", id="expand"),
        pytest.param("expand_kwargs", "42", id="expand_kwargs"),
    ],
)
def test_upstream_data_are_taken_as_they_are_but_for_expand_kwargs(
    sandbox: Sandbox, run_dag: RunDag, by: str, sent: str
) -> None:
    """Airflow renders the dicts that expand_kwargs() gets from upstream tasks once more, as the README warns."""
    with DAG("data", schedule=None) as dag:

        @task
        def scene() -> dict[str, Any]:
            return {**CLIP, "prompt": "{{ 6 * 7 }}"}

        @task
        def listed(inputs: Any, as_kwargs: bool) -> list[dict[str, Any]]:
            return [{"inputs": inputs} if as_kwargs else inputs]

        made: dict[str, Any] = {"task_id": "make", "model_id": PRO, **QUICK}
        if by == "inputs":
            RunComfyGenerateOperator(inputs=scene(), **made)
        elif by == "expand":
            RunComfyGenerateOperator.partial(**made).expand(inputs=listed(scene(), False))
        else:
            RunComfyGenerateOperator.partial(**made).expand_kwargs(listed(scene(), True))

    run = run_dag(dag)

    assert set(states(run).values()) == {"success"}
    assert [request["inputs"]["prompt"] for request in sandbox.requests()] == [sent]


def test_wrong_inputs_fail_once_with_every_fault_before_anything_is_paid(
    sandbox: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str]
) -> None:
    scenes = [{"prompt": "one", "duration": 3}, {"prompt": "two", "duration": 4}]
    inputs = {"prompt": "x", "duration": 20, "aspec_ratio": "1:1", "multi_prompt": scenes}
    with DAG("wrong_inputs", schedule=None) as dag:
        RunComfyGenerateOperator(
            task_id="make", model_id=PRO, inputs=inputs, retries=3, retry_delay=timedelta(seconds=0)
        )

    run = run_dag(dag)

    assert states(run) == {"make": "failed"}
    assert tries(run, "make") == 1
    assert count(sandbox)["submit"] == 0
    message = raised(capfd, "InvalidInputsError")
    for told in ("duration: got 20", "aspec_ratio", "did you mean aspect_ratio", "must add up", "nothing was charged"):
        assert told in message


@pytest.mark.parametrize(
    ("fault", "error", "tried", "said"),
    [
        pytest.param(
            {"effect": "status", "code": 401, "error_code": 400004}, "RunComfyConnectionError", 1,
            ["400004", "Set a valid API token", "Nothing was charged"], id="bad token",
        ),
        pytest.param(
            {"effect": "status", "code": 402, "error_code": 400002}, "InsufficientBalanceError", 1,
            ["400002", "Add funds", "Nothing was charged"], id="no balance",
        ),
        pytest.param(
            {"effect": "lost_answer"}, "UnknownSubmissionError", 1,
            ["not known", "Task State Store", "clear the task"], id="the answer is lost", marks=needs_task_state_store,
        ),
        pytest.param(
            {"effect": "status", "code": 503, "calls": ["submit"]}, "UnknownSubmissionError", 1,
            ["503", "not sent again", "Task State Store"], id="503", marks=needs_task_state_store,
        ),
        pytest.param(
            {"effect": "fail", "error": "the model fell over"}, "GenerationFailedError", 1,
            ["the model fell over", "No retry submits it again", "billing"], id="failed generation",
        ),
        pytest.param(
            {"effect": "moderate"}, "GenerationModeratedError", 1,
            ["moderation", "Change the inputs"], id="moderated",
        ),
    ],
)  # fmt: skip
def test_what_a_retry_would_not_mend_fails_at_once_and_says_what_to_do(
    sandbox: Sandbox,
    run_dag: RunDag,
    capfd: pytest.CaptureFixture[str],
    fault: dict[str, Any],
    error: str,
    tried: int,
    said: list[str],
) -> None:
    sandbox.add_fault(**fault)
    with DAG("fails", schedule=None) as dag:
        RunComfyGenerateOperator(
            task_id="make", model_id=PRO, inputs=CLIP, retries=2, retry_delay=timedelta(seconds=0), **QUICK
        )

    run = run_dag(dag)

    assert states(run) == {"make": "failed"}
    assert tries(run, "make") == tried
    assert count(sandbox)["submit"] == 1
    message = raised(capfd, error)
    for text in said:
        assert text in message


@needs_task_state_store
def test_failed_generations_are_submitted_again_by_retries_when_asked(sandbox: Sandbox, run_dag: RunDag) -> None:
    sandbox.add_fault("fail", times=1)
    with DAG("resubmits", schedule=None) as dag:
        RunComfyGenerateOperator(
            task_id="make", model_id=PRO, inputs=CLIP, resubmit_failed=True, retries=1,
            retry_delay=timedelta(seconds=0), **QUICK,
        )  # fmt: skip

    run = run_dag(dag)

    assert states(run) == {"make": "success"}
    assert count(sandbox)["submit"] == 2
    assert [s["outcome"] for s in record(run, "make")["submissions"]] == ["failed", "succeeded"]
    assert [s["try_number"] for s in record(run, "make")["submissions"]] == [1, 2]


def test_polls_that_fail_end_no_wait(sandbox: Sandbox, run_dag: RunDag) -> None:
    sandbox.add_fault("status", code=502, calls=["status"], times=2)
    sandbox.add_fault("status", code=429, calls=["status"], headers={"Retry-After": "0"}, times=2)
    sandbox.add_fault("status", code=200, body="<html>", calls=["result"], times=1)
    with DAG("bears", schedule=None) as dag:
        RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs=CLIP, **QUICK)

    run = run_dag(dag)

    assert states(run) == {"make": "success"}
    assert count(sandbox)["submit"] == 1


def test_while_it_waits_on_a_worker_it_tells_the_page_its_place_in_the_queue(full: Sandbox, run_dag: RunDag) -> None:
    with DAG("queued", schedule=None) as dag:
        RunComfyGenerateOperator(
            task_id="make", model_id=PRO, inputs=CLIP, timeout=timedelta(seconds=1), deferrable=False, **QUICK
        )

    run = run_dag(dag)

    [told] = xcom(run, "make", "progress")
    assert told["request_id"] == xcom(run, "make", "request_id")
    assert (told["state"], told["queue_position"]) == ("in_queue", 0)


def test_a_request_that_does_not_end_in_time_is_left_alone_and_not_retried(
    sandbox: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str]
) -> None:
    sandbox.add_fault("status", code=503, calls=["status", "result"], times=None)
    with DAG("times_out", schedule=None) as dag:
        RunComfyGenerateOperator(
            task_id="make", model_id=PRO, inputs=CLIP, timeout=timedelta(seconds=1), retries=2,
            retry_delay=timedelta(seconds=0), **QUICK,
        )  # fmt: skip

    run = run_dag(dag)

    assert (states(run), tries(run, "make")) == ({"make": "failed"}, 1)
    assert count(sandbox)["cancel"] == 0
    assert "is charged" in raised(capfd, "GenerationTimeoutError")


@pytest.mark.parametrize(
    ("where", "said", "outcome"),
    [
        pytest.param("full", "It was cancelled while it was queued; nothing is charged", "cancelled", id="queued"),
        pytest.param("endless", "It could not be cancelled: it runs or has ended, and is charged", None, id="running"),
    ],
)
def test_a_time_out_that_cancels_says_what_became_of_the_request(
    request: pytest.FixtureRequest,
    run_dag: RunDag,
    capfd: pytest.CaptureFixture[str],
    where: str,
    said: str,
    outcome: str | None,
) -> None:
    sandbox: Sandbox = request.getfixturevalue(where)
    with DAG("cancels", schedule=None) as dag:
        RunComfyGenerateOperator(
            task_id="make", model_id=PRO, inputs=CLIP, timeout=timedelta(seconds=1), cancel_on_timeout=True, retries=2,
            retry_delay=timedelta(seconds=0), **QUICK,
        )  # fmt: skip

    run = run_dag(dag)

    assert (states(run), tries(run, "make")) == ({"make": "failed"}, 1)
    assert said in raised(capfd, "GenerationTimeoutError")
    assert count(sandbox)["cancel"] == 1
    if has_task_state_store:
        assert [submission["outcome"] for submission in record(run, "make")["submissions"]] == [outcome]


@pytest.mark.parametrize(
    ("shortest", "deferrals"), [pytest.param(5.0, 0, id="too near"), pytest.param(0.0, 1, id="far enough")]
)
def test_with_the_deadline_near_the_worker_looks_itself(
    endless: Sandbox,
    run_dag: RunDag,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    shortest: float,
    deferrals: int,
) -> None:
    """A trigger that fires right after the deferral can burn a retry."""
    monkeypatch.setattr("airflow_provider_runcomfy.waiting.SHORTEST_DEFERRAL_SECONDS", shortest)
    with DAG("near", schedule=None) as dag:
        RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs=CLIP, timeout=timedelta(seconds=2), **QUICK)

    run = run_dag(dag)

    assert states(run) == {"make": "failed"}
    assert capfd.readouterr().out.count("Pausing task as DEFERRED") == deferrals


def test_without_a_connection_the_error_says_how_to_make_one(
    sandbox: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str]
) -> None:
    with DAG("no_connection", schedule=None) as dag:
        RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs=CLIP, runcomfy_conn_id="nowhere", retries=2)

    run = run_dag(dag)

    assert (states(run), tries(run, "submit")) == ({"submit": "failed"}, 1)
    assert "There is no Airflow connection 'nowhere'" in raised(capfd, "RunComfyConnectionError")
