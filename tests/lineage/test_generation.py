"""What a task that submits tells at its end, also in the fresh process in which a deferred one resumes."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import pytest
from airflow.sdk import AssetAlias
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import GenerationResult, MediaFile, MediaKind, RequestState
from airflow_provider_runcomfy.exceptions import GenerationFailedError
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
from airflow_provider_runcomfy.lineage.facts import Request
from airflow_provider_runcomfy.lineage.generation import LISTENER, submitted
from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator, RunComfySubmitOperator
from airflow_provider_runcomfy.triggers.events import to_event
from tests.runcomfy import CONNECTION_VARIABLE, PRO, TOKEN
from tests.submission.parts import StateStore, TaskInstance, context_of

ALIAS = AssetAlias("requests")
NAMESPACE = "runcomfy://127.0.0.1:8765"
RESULT = GenerationResult(
    "r-1",
    RequestState.SUCCEEDED,
    media=(MediaFile("https://cdn.runcomfy.net/1.mp4?signature=s3cret", MediaKind.VIDEO),),
    cost_usd=0.336,
)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "runcomfy", "host": "http://127.0.0.1:8765", "password": TOKEN}
    monkeypatch.setenv(CONNECTION_VARIABLE, json.dumps(connection))


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process have OpenLineage's listener, as a worker has."""
    monkeypatch.setitem(sys.modules, LISTENER, ModuleType(LISTENER))


def generate(**given: Any) -> RunComfyGenerateOperator:
    return RunComfyGenerateOperator(task_id="make", model_id=PRO, inputs={}, **given)


def resumed(task: RunComfyGenerateOperator, ending: Ending) -> Any:
    """Resume a task that was deferred, and return its context; it has nothing but the trigger's event."""
    context = {**context_of(TaskInstance(), StateStore()), "outlet_events": OutletEventAccessors()}
    task.execute_complete(context, to_event({"r-1": ending}))  # type: ignore[arg-type]
    return context


@pytest.mark.usefixtures("connected", "listening")
def test_a_deferred_one_tells_after_its_resume() -> None:
    task = generate()
    resumed(task, Ending(End.SUCCEEDED, RESULT))
    assert task._facts is not None
    assert task._facts.namespace == NAMESPACE
    assert task._facts.requests == (Request("r-1", PRO, "succeeded", 0.336, 1),)


@pytest.mark.usefixtures("connected", "listening")
@pytest.mark.parametrize(
    ("ending", "state", "cost_usd"),
    [
        (Ending(End.FAILED, GenerationResult("r-1", RequestState.FAILED, cost_usd=0.1), "boom"), "failed", 0.1),
        (Ending(End.FAILED, None, "boom"), "failed", None),
        (Ending(End.TIMED_OUT), "timed_out", None),
    ],
    ids=["failed and charged", "failed", "timed out"],
)
def test_one_that_fails_tells_of_its_request(ending: Ending, state: str, cost_usd: float | None) -> None:
    task = generate()
    with pytest.raises(Exception, match="r-1"):
        resumed(task, ending)
    assert task._facts is not None
    assert task._facts.requests == (Request("r-1", PRO, state, cost_usd),)
    assert task._facts.namespace == NAMESPACE


@pytest.mark.usefixtures("connected", "listening")
def test_one_that_does_not_wait_tells_of_its_request() -> None:
    facts = submitted(RunComfySubmitOperator(task_id="submit", model_id=PRO, inputs={}), "r-1")
    assert (facts.namespace, facts.requests) == (NAMESPACE, (Request("r-1", PRO),))


def test_where_nobody_listens_the_connection_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*given: Any) -> Any:
        raise AssertionError("the connection was read")

    monkeypatch.setattr(RunComfyHook, "get_connection", read)
    task = generate()
    resumed(task, Ending(End.SUCCEEDED, RESULT))
    assert task._facts is not None
    assert task._facts.namespace is None


@pytest.mark.usefixtures("listening")
def test_a_connection_that_is_gone_fails_no_task(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RUNCOMFY_TOKEN", raising=False)
    task = generate(runcomfy_conn_id="no_such_connection")
    context = resumed(task, Ending(End.SUCCEEDED, RESULT))
    assert context["ti"].xcoms["url"] == RESULT.media[0].url
    assert task.get_openlineage_facets_on_complete(None) is None
    assert "OpenLineage is not told of request r-1: " in capfd.readouterr().out


def test_its_outlets_get_an_event_of_the_request() -> None:
    context = resumed(generate(outlets=[ALIAS]), Ending(End.SUCCEEDED, RESULT))
    [event] = context["outlet_events"][ALIAS].asset_alias_events
    assert event.dest_asset_key.uri == "runcomfy://requests/r-1"
    assert event.extra == {"request_id": "r-1", "files": 1, "model_id": PRO, "cost_usd": 0.336}


def test_a_failure_gives_no_event() -> None:
    task = generate(outlets=[ALIAS])
    context = {**context_of(TaskInstance(), StateStore()), "outlet_events": OutletEventAccessors()}
    with pytest.raises(GenerationFailedError):
        task.execute_complete(context, to_event({"r-1": Ending(End.FAILED, None, "boom")}))  # type: ignore[arg-type]
    assert len(context["outlet_events"]) == 0


@pytest.mark.usefixtures("connected", "listening")
def test_neither_token_nor_signature_is_told_even_with_all_of_the_task() -> None:
    pytest.importorskip("airflow.providers.openlineage", reason="the extra openlineage")
    from airflow.providers.openlineage.plugins.facets import AirflowRunFacet
    from airflow.providers.openlineage.utils.utils import TaskInfoComplete
    from openlineage.client.serde import Serde

    task = generate()
    hook = RunComfyHook()
    assert hook.settings.token == TOKEN
    # What a kill would need, which it has while it waits on a worker.
    task._remember_for_kill(hook, "r-1")
    resumed(task, Ending(End.SUCCEEDED, RESULT))
    lineage = task.get_openlineage_facets_on_complete(None)
    assert lineage is not None
    everything = AirflowRunFacet(
        dag={}, dagRun={}, task=TaskInfoComplete(task), taskInstance={}, taskUuid="11111111-1111-1111-1111-111111111111"
    )
    sent = Serde.to_json(lineage) + Serde.to_json(everything)
    assert "r-1" in sent
    assert TOKEN not in sent
    assert "s3cret" not in sent
