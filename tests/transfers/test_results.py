"""What a copy does about requests that have no files, or of which RunComfy cannot tell."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from airflow_provider_runcomfy.api import client
from airflow_provider_runcomfy.exceptions import (
    GenerationCancelledError,
    GenerationFailedError,
    GenerationModeratedError,
    InvalidInputsError,
    RequestNotAvailableError,
    RunComfyDownloadError,
    RunComfyRetryableError,
)
from airflow_provider_runcomfy.transfers.copying import OtherObjectError
from tests.transfers.conftest import RunComfy
from tests.transfers.file_server import File
from tests.transfers.targets.s3 import S3Target
from tests.transfers.test_every_store import SMALL, copy, sha256

pytestmark = pytest.mark.slow


def test_a_retry_is_given_its_chance_if_it_can_mend_anything(runcomfy: RunComfy, bucket: S3Target) -> None:
    runcomfy.has("r-1", File(statuses=[404]), File(b""))
    with pytest.raises(RunComfyDownloadError):
        copy(bucket)


def test_other_objects_under_some_names_do_not_keep_the_rest(runcomfy: RunComfy, bucket: S3Target) -> None:
    runcomfy.has("r-1", *(File(SMALL) for _ in range(8)))
    for index in range(6):
        bucket.put(f"r-1/{index}.mp4", b"theirs")
    with pytest.raises(OtherObjectError, match=r"r-1, file 0: .*is already there"):
        copy(bucket)
    assert [bucket.body(f"r-1/{index}.mp4") for index in range(8)] == [b"theirs"] * 6 + [SMALL] * 2


def test_a_request_that_has_not_ended_does_not_keep_the_others(runcomfy: RunComfy, bucket: S3Target) -> None:
    runcomfy.says("r-0", status="in_progress")
    runcomfy.has("r-1", File(SMALL))
    with pytest.raises(RunComfyRetryableError, match="r-0 has not ended yet"):
        copy(bucket, request_id=["r-0", "r-1"])
    assert bucket.keys() == ["r-1/0.mp4"]


def test_a_result_serves_where_runcomfy_cannot_tell(runcomfy: RunComfy, bucket: S3Target) -> None:
    url = runcomfy.server.add("/a.mp4", File(SMALL))
    runcomfy.says("r-1", error_code=404001, error_message="expired")
    result = {"request_id": "r-1", "model_id": "m", "media": [{"url": url, "kind": "video"}, {"kind": "x"}]}
    assert [line["sha256"] for line in copy(bucket, request_id=result)] == [sha256(SMALL)]


def test_what_was_copied_before_all_expired_is_still_listed(runcomfy: RunComfy, bucket: S3Target) -> None:
    runcomfy.has("r-1", File(SMALL))
    first = copy(bucket)
    runcomfy.server.files.clear()
    runcomfy.says("r-1", error_code=404001, error_message="expired")
    result = {"request_id": "r-1", "media": [{"url": first[0]["source_url"], "kind": "video"}]}
    assert copy(bucket, request_id=result) == first


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        pytest.param({"status": "in_queue"}, RunComfyRetryableError, "has not ended yet", id="queued"),
        pytest.param({"status": "in_progress"}, RunComfyRetryableError, "has not ended yet", id="running"),
        pytest.param(
            {"error_code": 422000, "error_message": "what?"},
            RunComfyRetryableError,
            "Request r-1 was paid for and is left alone; a retry asks again",
            id="refused",
        ),
        pytest.param({"status": "failed", "error": "boom"}, GenerationFailedError, "failed: boom", id="failed"),
        pytest.param({"status": "failed", "error": "nsfw"}, GenerationModeratedError, "failed: nsfw", id="moderated"),
        pytest.param({"status": "cancelled"}, GenerationCancelledError, "was cancelled", id="cancelled"),
        pytest.param(
            {"status": "succeeded", "output": {"text": "x"}}, GenerationFailedError, "names no file", id="no file"
        ),
        pytest.param({"error_code": 404001, "error_message": "expired"}, RequestNotAvailableError, "r-1", id="expired"),
        pytest.param(
            {"error_code": 403001, "error_message": "not yours"}, RequestNotAvailableError, "r-1", id="not ours"
        ),
    ],
)
def test_a_request_without_files_says_why(
    runcomfy: RunComfy, bucket: S3Target, answer: dict[str, Any], error: type[Exception], message: str
) -> None:
    runcomfy.says("r-1", **answer)
    with pytest.raises(error, match=message):
        copy(bucket)
    assert bucket.keys() == []


def test_a_cancelled_request_is_named_with_its_model_where_that_is_known(runcomfy: RunComfy, bucket: S3Target) -> None:
    runcomfy.says("r-1", status="cancelled")
    with pytest.raises(GenerationCancelledError, match="Request r-1 for model/a was cancelled"):
        copy(bucket, request_id={"request_id": "r-1", "model_id": "model/a", "media": []})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"request_id": None}, "`request_id` is None", id="no request id"),
        pytest.param({"s3_bucket": ""}, "`s3_bucket` is empty", id="no bucket"),
        pytest.param({"key": "same"}, "would both be stored as .*same", id="one key for two files"),
        pytest.param({"key": "/{index}"}, "cannot be an object's name", id="a key outside its prefix"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_is_copied(
    runcomfy: RunComfy, bucket: S3Target, given: dict[str, Any], message: str
) -> None:
    runcomfy.has("r-1", File(SMALL), File(SMALL))
    with pytest.raises(InvalidInputsError, match=message):
        copy(bucket, **{"request_id": "r-1", **given})
    assert runcomfy.file_requests() == []


class TestUrls:
    def test_a_url_that_has_expired_meanwhile_is_asked_for_anew(self, runcomfy: RunComfy, bucket: S3Target) -> None:
        def expire(file: File, answer: int) -> None:
            url = runcomfy.server.add("/fresh.mp4", File(SMALL))
            runcomfy.says("r-1", status="succeeded", output={"video": url})

        runcomfy.has("r-1", File(statuses=[403], before=expire))
        (line,) = copy(bucket)
        assert line["sha256"] == sha256(SMALL)
        assert line["source_url"] == f"{runcomfy.server.base}/fresh.mp4"

    @pytest.mark.parametrize("status", [403, 404])
    def test_a_url_that_was_handed_on_says_nothing_while_runcomfy_cannot_be_asked(
        self, runcomfy: RunComfy, bucket: S3Target, monkeypatch: pytest.MonkeyPatch, status: int
    ) -> None:
        monkeypatch.setattr(client, "patience", lambda state: 0.0)
        url = runcomfy.server.add("/stale.mp4", File(statuses=[status]))
        runcomfy.server.add("/v1/requests/r-1/result", File(statuses=[503] * 20))
        with pytest.raises(RunComfyRetryableError, match="503"):
            copy(bucket, request_id={"request_id": "r-1", "media": [{"url": url, "kind": "video"}]})


@pytest.mark.parametrize("model_id", ["a\nb: c", "mod\u00e8le", "m" * 3000, "../x", 7, None], ids=repr)
def test_a_model_that_is_none_is_not_noted(runcomfy: RunComfy, bucket: S3Target, model_id: Any) -> None:
    runcomfy.has("r-1", File(SMALL))
    copy(bucket, request_id={"request_id": "r-1", "model_id": model_id})
    assert "runcomfy-model-id" not in bucket.metadata("r-1/0.mp4")


def test_an_operator_that_has_run_can_be_copied(runcomfy: RunComfy, bucket: S3Target) -> None:
    runcomfy.has("r-1", File(SMALL))
    operator = bucket.operator()
    first = operator.execute({})
    assert deepcopy(operator).execute({}) == first
