"""What a transfer tells of what it has copied: OpenLineage, and the Dags that wait for its assets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_provider_runcomfy.exceptions import RunComfyDownloadError
from airflow_provider_runcomfy.lineage.facts import Request
from airflow_provider_runcomfy.lineage.names import namespace_of
from tests.airflow_db import needs_task_state_store
from tests.transfers.conftest import RunComfy
from tests.transfers.file_server import File
from tests.transfers.state_store import StateStore
from tests.transfers.targets.local import LocalTarget
from tests.transfers.test_every_store import SMALL, sha256

pytestmark = pytest.mark.slow

ALIAS = AssetAlias("clips")
MODEL = "kling/kling-3.0/pro/text-to-video"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalTarget:
    return LocalTarget(tmp_path, monkeypatch)


def copied(task: Any, store: StateStore | None = None) -> list[dict[str, Any]]:
    """Run a copy and return what the events of the alias tell."""
    context: Any = {"outlet_events": OutletEventAccessors(), "task_state_store": store}
    task.execute(context)
    events = context["outlet_events"][ALIAS].asset_alias_events
    assert [event.dest_asset_key.uri for event in events] == [event.extra["uri"] for event in events]
    return [event.extra for event in events]


def result(request_id: str = "r-1", **given: Any) -> dict[str, Any]:
    return {"request_id": request_id, "model_id": MODEL, "state": "succeeded", "media": [], "cost_usd": 0.336, **given}


def test_each_object_has_an_event_with_request_model_hash_and_cost(runcomfy: RunComfy, folder: LocalTarget) -> None:
    runcomfy.has("r-1", File(SMALL), File(SMALL))
    events = copied(folder.operator(request_id=result(), outlets=[ALIAS]))
    assert events == [
        {
            "uri": folder.uri(f"r-1/{index}.mp4"),
            "size": len(SMALL),
            "content_type": "video/mp4",
            "sha256": sha256(SMALL),
            "kind": "video",
            "request_id": "r-1",
            "index": index,
            "files": 2,
            "model_id": MODEL,
            "cost_usd": 0.336,
        }
        for index in (0, 1)
    ]


def test_of_an_id_alone_the_cost_is_what_runcomfy_says_in_the_answer_that_names_the_files(
    runcomfy: RunComfy, folder: LocalTarget
) -> None:
    url = runcomfy.server.add("/a.mp4", File(SMALL))
    runcomfy.says("r-1", status="succeeded", output={"video": url}, cost=0.42)
    [event] = copied(folder.operator(outlets=[ALIAS]))
    assert (event["model_id"], event["cost_usd"]) == (None, 0.42)
    assert [asked.path for asked in runcomfy.server.asked] == ["/v1/requests/r-1/result?include_cost=true", "/a.mp4"]


def test_where_runcomfy_does_not_say_what_it_cost_the_upstream_task_does(
    runcomfy: RunComfy, folder: LocalTarget
) -> None:
    runcomfy.has("r-1", File(SMALL))
    [event] = copied(folder.operator(request_id=result(cost_usd=0.1), outlets=[ALIAS]))
    assert event["cost_usd"] == 0.1


@needs_task_state_store
def test_a_re_run_tells_the_same_again_without_asking_anybody(
    runcomfy: RunComfy, folder: LocalTarget, tmp_path: Path
) -> None:
    runcomfy.has("r-1", File(SMALL))
    (tmp_path / "state").mkdir()
    store = StateStore(tmp_path / "state")
    first = copied(folder.operator(request_id=result(), outlets=[ALIAS]), store)
    runcomfy.server.asked.clear()
    assert copied(folder.operator(request_id=result(), outlets=[ALIAS]), store) == first
    assert runcomfy.server.asked == []


def test_a_copy_that_fails_tells_of_its_requests_and_gives_no_event(runcomfy: RunComfy, folder: LocalTarget) -> None:
    runcomfy.has("r-1", File(SMALL))
    runcomfy.has("r-2", File(b""))
    context: Any = {"outlet_events": OutletEventAccessors()}
    task = folder.operator(request_id=[result("r-1"), "r-2"], outlets=[ALIAS])
    with pytest.raises(RunComfyDownloadError):
        task.execute(context)
    assert len(context["outlet_events"]) == 0
    assert task._facts is not None
    assert task._facts.requests == (Request("r-1", MODEL, "succeeded", 0.336), Request("r-2"))
    assert task._facts.copies == ()


def test_its_facts_are_those_of_the_runcomfy_that_its_connection_leads_to(
    runcomfy: RunComfy, folder: LocalTarget
) -> None:
    runcomfy.has("r-1", File(SMALL))
    task = folder.operator(request_id=result())
    [line] = task.execute({})
    assert task._facts is not None
    assert task._facts.namespace == namespace_of(runcomfy.server.base)
    assert [copy.line for copy in task._facts.copies] == [line]


def test_a_plain_outlet_has_the_extra_of_its_one_object(runcomfy: RunComfy, folder: LocalTarget) -> None:
    runcomfy.has("r-1", File(SMALL))
    outlet, context = Asset("latest_clip"), {"outlet_events": OutletEventAccessors()}
    folder.operator(request_id=result(), outlets=[outlet]).execute(context)  # type: ignore[arg-type]
    extra: Any = context["outlet_events"][outlet].extra
    assert (extra["request_id"], extra["sha256"]) == ("r-1", sha256(SMALL))
