"""``@task.runcomfy`` in Dags that Airflow runs, against the sandbox."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_runcomfy import finishing, waiting
from airflow_provider_runcomfy.compat import AirflowSkipException
from airflow_provider_runcomfy.decorators.runcomfy import _RunComfyDecoratedOperator, runcomfy_task
from airflow_provider_runcomfy.exceptions import RunComfyRetryableError
from airflow_provider_runcomfy.operators.runcomfy import (
    RunComfyCancelOperator,
    RunComfyGenerateOperator,
    RunComfySubmitOperator,
)
from airflow_provider_runcomfy.sandbox.server import Sandbox
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from tests.airflow_db import needs_task_state_store, record, states, tries, xcom, xcom_keys
from tests.compat import TaskDeferred
from tests.dags.parts import CLIP, QUICK, RunDag, raised
from tests.runcomfy import CONNECTION_VARIABLE, PRO, connection_to, count

pytestmark = pytest.mark.slow

MODES = pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "on the worker"])
HOSTILE = "{{ 6 * 7 }}"
#: What a task pushes besides, for people.
FOR_PEOPLE = {"progress", "_link_ResultPageLink"}


def prompts(sandbox: Sandbox) -> list[str]:
    return sorted(request["inputs"]["prompt"] for request in sandbox.requests())


@MODES
@pytest.mark.parametrize("by", ["@task.runcomfy", "runcomfy_task"])
def test_the_function_gives_the_inputs_and_the_task_returns_the_result(
    sandbox: Sandbox, run_dag: RunDag, by: str, deferrable: bool
) -> None:
    decorator: Any = runcomfy_task if by == "runcomfy_task" else task.runcomfy
    with DAG("decorated", schedule=None) as dag:

        @decorator(model_id=PRO, deferrable=deferrable, **QUICK)  # type: ignore[untyped-decorator]
        def clip() -> dict[str, Any]:
            return CLIP

        clip()

    run = run_dag(dag)

    [request] = sandbox.requests()
    assert states(run) == {"clip": "success"}
    assert request["inputs"] == CLIP
    result = xcom(run, "clip")
    assert (result["request_id"], result["model_id"], result["state"]) == (request["request_id"], PRO, "succeeded")
    assert xcom(run, "clip", "request_id") == request["request_id"]
    assert xcom(run, "clip", "url") == result["media"][0]["url"] == result["output"]["video"]
    # The function's annotation, a dict, splits nothing.
    assert xcom_keys(run, "clip") - FOR_PEOPLE == {"return_value", "request_id", "url"}
    assert count(sandbox)["submit"] == 1


def test_it_chains_and_maps(sandbox: Sandbox, run_dag: RunDag) -> None:
    with DAG("decorated_chain", schedule=None) as dag:

        @task
        def scenes() -> list[str]:
            return [f"scene {number}" for number in range(3)]

        @task
        def last(url: str) -> str:
            return url

        @runcomfy_task(model_id=PRO, **QUICK)
        def clip(scene: str, duration: int) -> dict[str, Any]:
            return {"prompt": scene, "duration": duration, "sound": False}

        clips = clip.partial(duration=3).expand(scene=scenes())
        RunComfyRequestSensor(task_id="wait_all", request_id=clips)
        RunComfyCancelOperator.partial(task_id="cancel_each").expand(request_id=clips)
        last(clip.override(task_id="one")("scene 9", 4)["url"])  # type: ignore[index]

    run = run_dag(dag)

    assert set(states(run).values()) == {"success"}
    assert prompts(sandbox) == ["scene 0", "scene 1", "scene 2", "scene 9"]
    made = [result["request_id"] for result in xcom(run, "clip")]
    assert [result["request_id"] for result in xcom(run, "wait_all")] == made
    assert [answer["request_id"] for answer in xcom(run, "cancel_each")] == made
    assert xcom(run, "last") == xcom(run, "one", "url")


@pytest.mark.parametrize(
    ("by", "sent"),
    [
        pytest.param("returned", HOSTILE, id="what the function returns"),
        pytest.param("upstream", HOSTILE, id="what it is given by an upstream task"),
        pytest.param("expand", HOSTILE, id="what it is given by expand() of an upstream task"),
        pytest.param("expand_kwargs", "42", id="but what expand_kwargs() gives it, as under every @task"),
        pytest.param("written", "42", id="and what is written in the Dag file"),
    ],
)
def test_data_are_not_rendered(sandbox: Sandbox, run_dag: RunDag, by: str, sent: str) -> None:
    with DAG("decorated_data", schedule=None) as dag:

        @task
        def scene() -> str:
            return HOSTILE

        @task
        def listed(scene: Any, as_kwargs: bool) -> list[Any]:
            return [{"scene": scene} if as_kwargs else scene]

        @runcomfy_task(model_id=PRO, **QUICK)
        def clip(scene: str) -> dict[str, Any]:
            return {**CLIP, "prompt": HOSTILE if by == "returned" else scene}

        given: Any = clip
        if by == "upstream":
            given(scene())
        elif by == "expand":
            given.expand(scene=listed(scene(), False))
        elif by == "expand_kwargs":
            given.expand_kwargs(listed(scene(), True))
        else:
            given(HOSTILE if by == "written" else "")

    run = run_dag(dag)

    assert set(states(run).values()) == {"success"}
    assert prompts(sandbox) == [sent]


def test_the_function_gets_the_context_that_it_asks_for(sandbox: Sandbox, run_dag: RunDag) -> None:
    with DAG("decorated_context", schedule=None, params={"it": "a kite"}) as dag:

        @runcomfy_task(model_id=PRO, **QUICK)
        def clip(seconds: int, params: Any = None, **context: Any) -> dict[str, Any]:
            return {"prompt": f"{params['it']} {context['ti'].task_id}", "duration": seconds}

        clip(3)

    run_dag(dag)

    [request] = sandbox.requests()
    assert request["inputs"] == {"prompt": "a kite clip", "duration": 3}


@needs_task_state_store
@MODES
def test_a_retry_uses_what_was_paid_and_does_not_call_the_function_again(
    sandbox: Sandbox, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    calls: list[int] = []
    hand_over = finishing.hand_over

    def fail_once(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(finishing, "hand_over", hand_over)
        raise RunComfyRetryableError("The worker has lost its network.")

    monkeypatch.setattr(finishing, "hand_over", fail_once)
    with DAG("decorated_retry", schedule=None) as dag:

        @runcomfy_task(model_id=PRO, deferrable=deferrable, retries=1, retry_delay=timedelta(seconds=0), **QUICK)
        def clip() -> dict[str, Any]:
            calls.append(len(calls))
            return {**CLIP, "prompt": f"call {len(calls)}"}

        clip()

    run = run_dag(dag)

    assert (states(run), tries(run, "clip")) == ({"clip": "success"}, 2)
    assert len(calls) == 1
    assert prompts(sandbox) == ["call 1"]
    assert [submission["inputs"]["prompt"] for submission in record(run, "clip")["submissions"]] == ["call 1"]


@needs_task_state_store
def test_a_failed_generation_that_is_submitted_again_has_the_inputs_of_its_try(
    sandbox: Sandbox, run_dag: RunDag
) -> None:
    calls: list[int] = []
    sandbox.add_fault("fail", times=1)
    with DAG("decorated_resubmit", schedule=None) as dag:

        @runcomfy_task(model_id=PRO, resubmit_failed=True, retries=1, retry_delay=timedelta(seconds=0), **QUICK)
        def clip() -> dict[str, Any]:
            calls.append(len(calls))
            return {**CLIP, "prompt": f"call {len(calls)}"}

        clip()

    run = run_dag(dag)

    assert states(run) == {"clip": "success"}
    assert [submission["inputs"]["prompt"] for submission in record(run, "clip")["submissions"]] == ["call 1", "call 2"]
    assert prompts(sandbox) == ["call 1", "call 2"]


def test_inputs_that_do_not_fit_fail_once_before_anything_is_paid(
    sandbox: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str]
) -> None:
    with DAG("decorated_wrong", schedule=None) as dag:

        @runcomfy_task(model_id=PRO, retries=3, retry_delay=timedelta(seconds=0))
        def clip() -> dict[str, Any]:
            return {"prompt": "x", "duration": 99}

        clip()

    run = run_dag(dag)

    assert (states(run), tries(run, "clip")) == ({"clip": "failed"}, 1)
    assert count(sandbox)["submit"] == 0
    assert "duration: got 99" in raised(capfd, "InvalidInputsError")


def test_the_function_may_skip_the_task(sandbox: Sandbox, run_dag: RunDag) -> None:
    with DAG("decorated_skip", schedule=None) as dag:

        @runcomfy_task(model_id=PRO)
        def clip() -> dict[str, Any]:
            raise AirflowSkipException("nothing to show tonight")

        clip()

    run = run_dag(dag)

    assert states(run) == {"clip": "skipped"}
    assert count(sandbox)["submit"] == 0


def test_what_is_not_given_comes_from_the_dags_default_args(
    sandbox: Sandbox, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CONNECTION_VARIABLE)
    monkeypatch.setenv("AIRFLOW_CONN_OF_THE_TEAM", connection_to(sandbox))
    with DAG("decorated_defaults", schedule=None, default_args={"runcomfy_conn_id": "of_the_team"}) as dag:

        @runcomfy_task(model_id=PRO, **QUICK)
        def clip() -> dict[str, Any]:
            return CLIP

        clip()

    assert states(run_dag(dag)) == {"clip": "success"}


@needs_task_state_store
def test_a_kill_on_a_worker_cancels_what_is_queued(
    full: Sandbox, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills: list[Any] = []
    take = waiting._take
    execute = RunComfyGenerateOperator.execute
    running: list[Any] = []

    def remember(self: RunComfyGenerateOperator, context: Any) -> Any:
        running.append(self)
        return execute(self, context)

    def kill_once(*args: Any) -> Any:
        if not kills:
            kills.append(running[-1])
            running[-1].on_kill()
        return take(*args)

    monkeypatch.setattr(RunComfyGenerateOperator, "execute", remember)
    monkeypatch.setattr(waiting, "_take", kill_once)
    with DAG("decorated_kill", schedule=None) as dag:

        @runcomfy_task(model_id=PRO, deferrable=False, poll_interval=0.1, timeout=timedelta(seconds=2))
        def clip() -> dict[str, Any]:
            return CLIP

        clip()

    run = run_dag(dag)

    assert states(run) == {"clip": "failed"}
    assert count(full)["cancel"] == 1
    assert [submission["outcome"] for submission in record(run, "clip")["submissions"]] == ["cancelled"]


@MODES
@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_a_kill_while_the_function_runs_submits_nothing(
    sandbox: Sandbox, run_dag: RunDag, capfd: pytest.CaptureFixture[str], cancel_on_kill: bool, deferrable: bool
) -> None:
    with DAG("decorated_early_kill", schedule=None) as dag:

        @runcomfy_task(model_id=PRO, deferrable=deferrable, cancel_on_kill=cancel_on_kill)
        def clip(**context: Any) -> dict[str, Any]:
            context["task"].on_kill()
            return CLIP

        clip()

    run = run_dag(dag)

    assert states(run) == {"clip": "failed"}
    assert count(sandbox)["submit"] == 0
    assert "so nothing was submitted for them" in raised(capfd, "RunComfyRetryableError")


@needs_task_state_store
@pytest.mark.parametrize("cancel_on_kill", [True, False])
def test_a_deferred_one_hands_its_flags_to_the_trigger(full: Sandbox, cancel_on_kill: bool) -> None:
    from tests.submission.parts import StateStore, TaskInstance, context_of

    given: Any = runcomfy_task(model_id=PRO, cancel_on_kill=cancel_on_kill, poll_interval=7)(lambda: CLIP)
    with DAG("decorated_trigger", schedule=None) as dag:
        given.override(task_id="clip")()
    clip: Any = dag.get_task("clip")
    with pytest.raises(TaskDeferred) as deferred:
        clip.execute(context_of(TaskInstance(), StateStore()))

    arguments = deferred.value.trigger.serialize()[1]
    assert (arguments["cancel_on_kill"], arguments["poll_interval"]) == (cancel_on_kill, 7)
    assert deferred.value.method_name == "execute_complete"


async def asynchronous() -> dict[str, Any]:
    return CLIP


def generator() -> Any:
    yield CLIP


async def asynchronous_generator() -> Any:
    yield CLIP


@pytest.mark.parametrize("function", [asynchronous, generator, asynchronous_generator])
def test_a_function_that_returns_no_inputs_is_refused_in_the_dag_file(function: Callable[[], Any]) -> None:
    with DAG("decorated_async", schedule=None), pytest.raises(TypeError, match="neither async nor a generator"):
        runcomfy_task(model_id=PRO)(function)()


def test_multiple_outputs_are_refused_in_the_dag_file() -> None:
    with pytest.raises(TypeError, match="one result"):
        runcomfy_task(model_id=PRO, multiple_outputs=True)
    runcomfy_task(model_id=PRO, multiple_outputs=False)


def test_a_model_is_asked_for_in_the_dag_file() -> None:
    with DAG("decorated_bare", schedule=None), pytest.raises(TypeError, match="model_id"):
        task.runcomfy(lambda: CLIP)()


def test_the_typed_signature_is_that_of_generate() -> None:
    def own(operator: Any) -> dict[str, inspect.Parameter]:
        # Without Airflow's wrapper around every operator's constructor.
        return dict(inspect.signature(inspect.unwrap(operator.__init__)).parameters)

    generate = {**own(RunComfySubmitOperator), **own(RunComfyGenerateOperator)}
    for name in ("self", "inputs", "kwargs"):
        del generate[name]
    typed = dict(inspect.signature(runcomfy_task).parameters)
    assert typed.pop("kwargs").kind is inspect.Parameter.VAR_KEYWORD
    assert {name: (parameter.default, parameter.annotation) for name, parameter in typed.items()} == {
        name: (parameter.default, parameter.annotation) for name, parameter in generate.items()
    }


def test_the_inputs_are_no_template_field() -> None:
    assert set(_RunComfyDecoratedOperator.template_fields) == {
        "op_args",
        "op_kwargs",
        "model_id",
        "runcomfy_conn_id",
        "max_cost_usd",
        "media_conn_id",
    }
