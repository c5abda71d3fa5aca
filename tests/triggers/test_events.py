"""What goes from the trigger to the resume."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import GenerationResult, MediaFile, MediaKind, RequestState
from airflow_provider_runcomfy.exceptions import RunComfyRetryableError
from airflow_provider_runcomfy.failures import SUBMITTER
from airflow_provider_runcomfy.triggers.events import from_event, one_from_event, to_event

RESULT = GenerationResult(
    request_id="r-1",
    state=RequestState.SUCCEEDED,
    media=(MediaFile("https://cdn.runcomfy.net/a.mp4", MediaKind.VIDEO),),
    output={"video": "https://cdn.runcomfy.net/a.mp4"},
    cost_usd=0.42,
    created_at="2026-11-20T10:00:00.000000+00:00",
    finished_at="2026-11-20T10:02:00.000000+00:00",
)


@pytest.mark.parametrize(
    "ending",
    [
        Ending(End.SUCCEEDED, RESULT),
        *(Ending(end, None, "why") for end in End if end is not End.SUCCEEDED),
        Ending(End.FAILED, GenerationResult("r-1", RequestState.FAILED, cost_usd=0.1), "why, and what it cost"),
        Ending(End.SUCCEEDED, RESULT, "seen running", running_since=1795687230.5),
    ],
    ids=lambda ending: f"{ending.end.value} {ending.reason}",
)
def test_an_event_brings_every_ending_back(ending: Ending) -> None:
    event = json.loads(json.dumps(to_event({"r-1": ending})))

    assert from_event(event) == {"r-1": ending}


def test_an_event_of_an_older_version_does_not_say_since_when_it_ran() -> None:
    event = to_event({"r-1": Ending(End.SUCCEEDED, RESULT, running_since=7.0)})
    del event["endings"][0]["running_since"]

    assert from_event(event) == {"r-1": Ending(End.SUCCEEDED, RESULT)}


def succeeded(**changes: Any) -> dict[str, Any]:
    [item] = to_event({"r-1": Ending(End.SUCCEEDED, RESULT)})["endings"]
    return {"endings": [item | changes]}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(None, id="none"),
        pytest.param("done", id="text"),
        pytest.param([], id="a list"),
        pytest.param({}, id="empty"),
        pytest.param({"endings": []}, id="no ending"),
        pytest.param({"endings": None}, id="no list"),
        pytest.param({"status": "success"}, id="another trigger's"),
        pytest.param(succeeded(end="finished"), id="unknown end"),
        pytest.param(succeeded(result=None), id="a success without its result"),
        pytest.param(succeeded(running_since="noon"), id="a time that is none"),
        pytest.param(succeeded(result={"state": "succeeded"}), id="a success without its media"),
    ],
)
def test_anything_else_raises_and_is_no_success(event: Any) -> None:
    with pytest.raises(RunComfyRetryableError, match="pays nothing"):
        from_event(event)


def test_an_event_of_several_requests_is_not_that_of_one() -> None:
    event = to_event({"r-1": Ending(End.CANCELLED), "r-2": Ending(End.CANCELLED)})

    with pytest.raises(RunComfyRetryableError, match="names 2 requests instead of one"):
        one_from_event(event, SUBMITTER)
