"""Results as the plain JSON that they are in an XCom, and what errors carry."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_runcomfy.api.errors import Fault, InvalidInputError, RunComfyError
from airflow_provider_runcomfy.api.file_server import Subject
from airflow_provider_runcomfy.api.types import CancelOutcome, GenerationResult, MediaFile, MediaKind, RequestState

RESULT = GenerationResult(
    "req-1",
    RequestState.SUCCEEDED,
    (MediaFile("https://a/1.mp4", MediaKind.VIDEO), MediaFile("https://a/2.png", MediaKind.IMAGE)),
    {"video": "https://a/1.mp4"},
    None,
    0.84,
    "2026-11-20T14:00:00+00:00",
    "2026-11-20T14:02:00+00:00",
)
AS_DICT: dict[str, Any] = {
    "request_id": "req-1",
    "model_id": "a/b",
    "state": "succeeded",
    "media": [{"url": "https://a/1.mp4", "kind": "video"}, {"url": "https://a/2.png", "kind": "image"}],
    "output": {"video": "https://a/1.mp4"},
    "cost_usd": 0.84,
    "created_at": "2026-11-20T14:00:00+00:00",
    "finished_at": "2026-11-20T14:02:00+00:00",
}


def test_a_result_is_plain_json_and_comes_back_from_it() -> None:
    assert RESULT.as_dict("a/b") == AS_DICT
    assert type(RESULT.as_dict("a/b")["state"]) is str
    assert GenerationResult.from_dict(AS_DICT) == RESULT


@pytest.mark.parametrize("outcome", list(CancelOutcome))
def test_every_outcome_of_a_cancel_says_what_became_of_the_money(outcome: CancelOutcome) -> None:
    assert "charged" in outcome.meaning


def test_an_error_carries_what_it_is_about() -> None:
    error = RunComfyError("No.", request_id="r", model_id="m", http_status=500, error_code=7)
    assert (str(error), error.request_id, error.model_id, error.http_status, error.error_code) == (
        "No.",
        "r",
        "m",
        500,
        7,
    )
    bare = RunComfyError("No.")
    assert (bare.request_id, bare.model_id, bare.http_status, bare.error_code) == (None, None, None, None)


def test_the_error_for_inputs_carries_all_faults() -> None:
    fault = Fault("duration", "20", "a whole number")
    error = InvalidInputError("No.", model_id="m", faults=[fault])
    assert (str(error), error.model_id, error.faults) == ("No.", "m", (fault,))
    assert str(fault) == "duration: got 20; a whole number"


def test_the_errors_of_a_file_name_it_and_say_what_a_further_try_costs() -> None:
    subject = Subject("https://a/1.mp4?sig=secret", MediaKind.VIDEO, "req-1")
    assert str(subject) == "The video https://a/1.mp4 of request req-1"
    refused, failed = subject.refused("no"), subject.failed("no")
    assert str(refused) == "The video https://a/1.mp4 of request req-1 was not downloaded: no."
    assert str(failed) == (
        "The video https://a/1.mp4 of request req-1 was not downloaded: no. It was paid for, and a further try costs "
        "nothing: run the task again before RunComfy deletes the file."
    )
    assert refused.request_id == failed.request_id == "req-1"
