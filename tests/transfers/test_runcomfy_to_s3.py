from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from typing import Any

import pytest

from airflow_provider_runcomfy.exceptions import (
    DownloadRefusedError,
    GenerationCancelledError,
    GenerationFailedError,
    InvalidInputsError,
    RequestNotAvailableError,
    RunComfyDownloadError,
    RunComfyFailError,
    RunComfyRetryableError,
)
from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator
from airflow_provider_runcomfy.transfers.store import StorageFailedError, StorageRefusedError
from dev.seaweedfs import SeaweedFS
from tests.transfers.conftest import Bucket, RunComfy
from tests.transfers.cutter import Cutter
from tests.transfers.file_server import File, clip

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
SMALL = clip(300_000)
LARGE = clip(20 * MIB)


def copy(bucket: Bucket, request_id: Any = "r-1", **more: Any) -> list[dict[str, Any]]:
    given = {"s3_bucket": bucket.name, "s3_key": bucket.template, **more}
    return RunComfyToS3Operator(task_id="copy", request_id=request_id, **given).execute({})


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("body", [SMALL, clip(6 * MIB), LARGE], ids=["one part", "one full part", "four parts"])
def test_a_file_is_copied_and_the_manifest_says_which(runcomfy: RunComfy, bucket: Bucket, body: bytes) -> None:
    runcomfy.has("r-1", File(body), query="?signature=s3cret")
    assert copy(bucket) == [
        {
            "uri": bucket.uri("r-1/0.mp4"),
            "size": len(body),
            "content_type": "video/mp4",
            "sha256": sha256(body),
            "kind": "video",
            "request_id": "r-1",
            "source_url": f"{runcomfy.server.base}/r-1/a.mp4",
        }
    ]
    assert bucket.body("r-1/0.mp4") == body
    head = bucket.head("r-1/0.mp4")
    assert head["ContentType"] == "video/mp4"
    assert head["Metadata"] == {
        "runcomfy-request-id": "r-1",
        "runcomfy-index": "0",
        "runcomfy-size": str(len(body)),
        "runcomfy-source": f"{runcomfy.server.base}/r-1/a.mp4",
    }
    assert bucket.uploads() == []


def test_the_token_goes_to_the_api_only(runcomfy: RunComfy, bucket: Bucket) -> None:
    runcomfy.has("r-1", File(SMALL))
    copy(bucket)
    assert runcomfy.server.asked[0].headers["Authorization"] == f"Bearer {runcomfy.token}"
    assert [headers.get("Authorization") for headers in runcomfy.file_requests()] == [None]


def test_several_requests_of_several_files_each(runcomfy: RunComfy, bucket: Bucket) -> None:
    bodies = [clip(1000, seed) for seed in range(4)]
    runcomfy.has("r-1", File(bodies[0]), File(bodies[1]), names=("x.mp4", "y.WEBM"))
    runcomfy.has("r-2", File(bodies[2]), names=("no-extension",))
    runcomfy.has("r-3", File(bodies[3]))
    manifest = copy(bucket, ["r-1", [{"request_id": "r-2", "media": [], "model_id": "kling/x"}, "r-3"], "r-1"])
    assert [(line["uri"], line["sha256"]) for line in manifest] == [
        (bucket.uri(key), sha256(body))
        for key, body in zip(["r-1/0.mp4", "r-1/1.webm", "r-2/0.mp4", "r-3/0.mp4"], bodies, strict=True)
    ]
    assert bucket.head("r-2/0.mp4")["Metadata"]["runcomfy-model-id"] == "kling/x"


def test_no_requests_are_no_work(runcomfy: RunComfy, bucket: Bucket) -> None:
    assert copy(bucket, []) == []


def test_upload_arguments_reach_s3(runcomfy: RunComfy, bucket: Bucket) -> None:
    runcomfy.has("r-1", File(SMALL))
    copy(
        bucket,
        extra_args={"CacheControl": "max-age=60", "Metadata": {"team": "films"}},
        encrypt=True,
        acl_policy="public-read",
    )
    head = bucket.head("r-1/0.mp4")
    assert head["CacheControl"] == "max-age=60"
    assert head["ServerSideEncryption"] == "AES256"
    assert head["Metadata"]["team"] == "films"
    assert head["Metadata"]["runcomfy-request-id"] == "r-1"


def _other_etag(file: File, answer: int) -> None:
    file.etag = f'"{answer}"'


def test_an_acl_policy_is_sent(
    runcomfy: RunComfy, bucket: Bucket, seaweed: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    runcomfy.has("r-1", File(SMALL))
    # SeaweedFS knows no canned ACLs, so this looks at the wire.
    with Cutter(100 * MIB, seaweed.endpoint) as cutter:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_over(cutter, seaweed))
        copy(bucket, acl_policy="bucket-owner-full-control")
    assert b"x-amz-acl: bucket-owner-full-control" in cutter.head.lower()


BREAKS = {
    "resumed by Range": File(LARGE, cuts=[12 * MIB]),
    "begun anew without Range": File(LARGE, ranges=False, cuts=[12 * MIB]),
    "without a told length": File(LARGE, chunked=True, cuts=[12 * MIB]),
}


@pytest.mark.parametrize("file", BREAKS.values(), ids=BREAKS)
def test_a_broken_download_is_whole_in_the_bucket(runcomfy: RunComfy, bucket: Bucket, file: File) -> None:
    runcomfy.has("r-1", deepcopy(file))
    (line,) = copy(bucket)
    assert line["sha256"] == sha256(LARGE) == sha256(bucket.body("r-1/0.mp4"))
    assert len(runcomfy.file_requests()) == 2
    assert bucket.uploads() == []


FAILURES: dict[str, tuple[File, type[Exception], str]] = {
    "changed under way": (
        File(LARGE, cuts=[12 * MIB], before=_other_etag),
        RunComfyDownloadError,
        "no longer the same file",
    ),
    "shorter than announced": (File(LARGE, announced=21 * MIB), RunComfyDownloadError, "no longer the same file"),
    "an HTML page": (File(b"<html>", content_type="text/html"), RunComfyDownloadError, "text instead of a medium"),
    "empty": (File(b""), RunComfyDownloadError, "it is empty"),
    "announced as too large": (File(clip(23 * MIB)), DownloadRefusedError, "23068672 are allowed"),
    "too large unannounced": (File(clip(23 * MIB), chunked=True), DownloadRefusedError, "23068672 are allowed"),
    "gone": (File(statuses=[404]), DownloadRefusedError, "no longer there"),
    "redirected to another host": (
        File(redirect="https://elsewhere.example/a.mp4"),
        DownloadRefusedError,
        "elsewhere.example",
    ),
}


@pytest.mark.parametrize(("file", "error", "message"), FAILURES.values(), ids=FAILURES)
def test_a_failed_copy_leaves_nothing_and_says_why(
    runcomfy: RunComfy,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    file: File,
    error: type[Exception],
    message: str,
) -> None:
    connection = {"conn_type": "runcomfy", "host": runcomfy.server.base, "password": runcomfy.token}
    extra = {"extra": {"max_download_bytes": 22 * MIB}}
    monkeypatch.setenv("AIRFLOW_CONN_RUNCOMFY_DEFAULT", json.dumps({**connection, **extra}))
    runcomfy.has("r-1", deepcopy(file), query="?signature=s3cret")
    with pytest.raises(error, match=message) as raised:
        copy(bucket)
    assert type(raised.value) is error
    assert "r-1" in str(raised.value)
    assert "paid for" in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert bucket.keys() == []
    assert bucket.uploads() == []


def test_one_lost_file_does_not_lose_the_others(runcomfy: RunComfy, bucket: Bucket) -> None:
    runcomfy.says("r-0", error_code=404001, error_message="no such request")
    runcomfy.has("r-1", File(statuses=[404]), File(SMALL))
    runcomfy.has("r-2", File(SMALL))
    with pytest.raises(RunComfyFailError):
        copy(bucket, ["r-0", "r-1", "r-2"])
    assert bucket.keys() == ["r-1/1.mp4", "r-2/0.mp4"]


def test_a_retry_is_given_its_chance_if_it_can_mend_anything(runcomfy: RunComfy, bucket: Bucket) -> None:
    runcomfy.has("r-1", File(statuses=[404]), File(b""))
    with pytest.raises(RunComfyDownloadError):
        copy(bucket)


class TestReruns:
    def test_a_second_run_copies_nothing_and_gives_the_same_manifest(self, runcomfy: RunComfy, bucket: Bucket) -> None:
        runcomfy.has("r-1", File(LARGE), File(SMALL, chunked=True))
        first = copy(bucket)
        runcomfy.server.asked.clear()
        assert copy(bucket) == first
        assert copy(bucket, replace=True) == first
        assert runcomfy.file_requests() == []

    def test_only_what_is_missing_is_copied(self, runcomfy: RunComfy, bucket: Bucket) -> None:
        runcomfy.has("r-1", File(SMALL), File(LARGE))
        first = copy(bucket)
        bucket.client.delete_object(Bucket=bucket.name, Key=f"{bucket.prefix}r-1/1.mp4")
        runcomfy.server.asked.clear()
        assert copy(bucket) == first
        assert [asked.path for asked in runcomfy.server.asked if "/v1/" not in asked.path] == ["/r-1/b.mp4"]

    @pytest.mark.parametrize(
        "metadata",
        [
            pytest.param({}, id="somebody else's"),
            pytest.param({"runcomfy-request-id": "r-2", "runcomfy-index": "0"}, id="another request's"),
            pytest.param({"runcomfy-request-id": "r-1", "runcomfy-index": "1"}, id="another file's"),
            pytest.param(
                {"runcomfy-request-id": "r-1", "runcomfy-index": "0", "runcomfy-size": "300000"}, id="not whole"
            ),
        ],
    )
    def test_another_object_is_left_alone_unless_replace(
        self, runcomfy: RunComfy, bucket: Bucket, metadata: dict[str, str]
    ) -> None:
        runcomfy.has("r-1", File(SMALL))
        bucket.put("r-1/0.mp4", b"theirs", Metadata=metadata)
        with pytest.raises(StorageRefusedError, match="not a whole copy of this file") as raised:
            copy(bucket)
        assert "r-1" in str(raised.value)
        assert bucket.body("r-1/0.mp4") == b"theirs"
        assert runcomfy.file_requests() == []
        (line,) = copy(bucket, replace=True)
        assert line["sha256"] == sha256(SMALL) == sha256(bucket.body("r-1/0.mp4"))

    @pytest.mark.parametrize("body", [SMALL, LARGE], ids=["one part", "four parts"])
    def test_a_racing_writers_object_is_not_overwritten(self, runcomfy: RunComfy, bucket: Bucket, body: bytes) -> None:
        runcomfy.has("r-1", File(body, before=lambda *_: bucket.put("r-1/0.mp4", b"theirs")))
        with pytest.raises(StorageRefusedError, match="not a whole copy of this file"):
            copy(bucket)
        assert bucket.body("r-1/0.mp4") == b"theirs"
        assert bucket.uploads() == []

    def test_a_racing_copy_of_the_same_file_is_as_good_as_ours(self, runcomfy: RunComfy, bucket: Bucket) -> None:
        def race(file: File, answer: int) -> None:
            if answer == 1:
                copy(bucket)

        runcomfy.has("r-1", File(SMALL, before=race))
        (line,) = copy(bucket)
        assert line["sha256"] == sha256(SMALL)
        assert len(runcomfy.file_requests()) == 2


class TestResults:
    def test_a_result_serves_where_runcomfy_cannot_tell(self, runcomfy: RunComfy, bucket: Bucket) -> None:
        url = runcomfy.server.add("/a.mp4", File(SMALL))
        runcomfy.says("r-1", error_code=404001, error_message="expired")
        result = {"request_id": "r-1", "model_id": "m", "media": [{"url": url, "kind": "video"}, {"kind": "x"}]}
        assert [line["sha256"] for line in copy(bucket, result)] == [sha256(SMALL)]

    def test_what_was_copied_before_all_expired_is_still_listed(self, runcomfy: RunComfy, bucket: Bucket) -> None:
        runcomfy.has("r-1", File(SMALL))
        first = copy(bucket)
        runcomfy.server.files.clear()
        runcomfy.says("r-1", error_code=404001, error_message="expired")
        result = {"request_id": "r-1", "media": [{"url": first[0]["source_url"], "kind": "video"}]}
        assert copy(bucket, result) == first

    @pytest.mark.parametrize(
        ("answer", "error", "message"),
        [
            pytest.param({"status": "in_queue"}, RunComfyRetryableError, "has not ended yet", id="queued"),
            pytest.param({"status": "in_progress"}, RunComfyRetryableError, "has not ended yet", id="running"),
            pytest.param({"status": "failed", "error": "boom"}, GenerationFailedError, "failed: boom", id="failed"),
            pytest.param({"status": "cancelled"}, GenerationCancelledError, "was cancelled", id="cancelled"),
            pytest.param(
                {"status": "succeeded", "output": {"text": "x"}}, GenerationFailedError, "names no file", id="no file"
            ),
            pytest.param(
                {"error_code": 404001, "error_message": "expired"}, RequestNotAvailableError, "r-1", id="expired"
            ),
            pytest.param(
                {"error_code": 403001, "error_message": "not yours"}, RequestNotAvailableError, "r-1", id="not ours"
            ),
        ],
    )
    def test_a_request_without_files_says_why(
        self, runcomfy: RunComfy, bucket: Bucket, answer: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        runcomfy.says("r-1", **answer)
        with pytest.raises(error, match=message):
            copy(bucket)
        assert bucket.keys() == []

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            pytest.param({"request_id": None}, "`request_id` is None", id="no request id"),
            pytest.param({"s3_bucket": ""}, "`s3_bucket` is empty", id="no bucket"),
            pytest.param({"s3_key": "same"}, "would both be stored as 'same'", id="one key for two files"),
            pytest.param({"s3_key": "/{index}"}, "cannot be an object's name", id="a key outside its prefix"),
        ],
    )
    def test_wrong_parameters_are_refused_before_anything_is_copied(
        self, runcomfy: RunComfy, bucket: Bucket, given: dict[str, Any], message: str
    ) -> None:
        runcomfy.has("r-1", File(SMALL), File(SMALL))
        with pytest.raises(InvalidInputsError, match=message):
            copy(bucket, **{"request_id": "r-1", **given})
        assert runcomfy.file_requests() == []


class TestStorageTrouble:
    @pytest.mark.parametrize("body", [SMALL, LARGE], ids=["one part", "four parts"])
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            pytest.param({"aws_conn_id": "aws_reader"}, "AccessDenied.*'aws_reader'.*s3:PutObject", id="may not write"),
            pytest.param({"s3_bucket": "films"}, "s3://films/.*AccessDenied", id="may not write to that bucket"),
            pytest.param(
                {"s3_bucket": "films", "aws_conn_id": "aws_admin"}, "NoSuchBucket.*Create the bucket", id="no bucket"
            ),
            pytest.param({"extra_args": {"Colour": "red"}}, "Invalid extra_args key 'Colour'.*`extra_args`", id="args"),
            pytest.param(
                {"extra_args": {"ServerSideEncryption": 1}}, "Parameter validation.*`extra_args`", id="args' types"
            ),
        ],
    )
    def test_a_refusing_bucket_is_an_error_that_is_not_retried(
        self, runcomfy: RunComfy, bucket: Bucket, given: dict[str, Any], message: str, body: bytes
    ) -> None:
        runcomfy.has("r-1", File(body))
        with pytest.raises(StorageRefusedError, match=f"(?s)r-1.*{message}") as raised:
            copy(bucket, **given)
        assert "paid for" in str(raised.value)
        assert "secret" not in str(raised.value)
        assert bucket.keys() == []
        assert bucket.uploads() == []

    def test_who_may_only_write_can_copy_but_not_see_that_it_is_there(self, runcomfy: RunComfy, bucket: Bucket) -> None:
        runcomfy.has("r-1", File(LARGE))
        (line,) = copy(bucket, aws_conn_id="aws_dropper")
        assert line["sha256"] == sha256(bucket.body("r-1/0.mp4"))
        with pytest.raises(StorageRefusedError, match=r"r-1.*cannot be seen"):
            copy(bucket, aws_conn_id="aws_dropper")
        assert bucket.uploads() == []
        assert copy(bucket, aws_conn_id="aws_dropper", replace=True) == [line]

    def test_a_store_that_breaks_in_the_middle_is_retried_and_the_rest_is_not_downloaded(
        self, runcomfy: RunComfy, bucket: Bucket, seaweed: SeaweedFS, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = File(clip(200 * MIB))
        runcomfy.has("r-1", file)
        with Cutter(10 * MIB, seaweed.endpoint) as cutter:
            monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection_over(cutter, seaweed))
            with pytest.raises(StorageFailedError, match=r"r-1.*s3://videos/") as raised:
                copy(bucket)
        assert cutter.is_cut
        assert file.sent < 100 * MIB
        assert "paid for" in str(raised.value)
        assert bucket.keys() == []

    def test_a_store_that_does_not_answer_is_retried(
        self, runcomfy: RunComfy, bucket: Bucket, seaweed: SeaweedFS, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = json.loads(seaweed.connection())
        connection["extra"]["endpoint_url"] = "http://127.0.0.1:9"
        connection["extra"]["config_kwargs"]["retries"] = {"total_max_attempts": 1}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        runcomfy.has("r-1", File(SMALL))
        with pytest.raises(StorageFailedError, match="Could not connect"):
            copy(bucket)


def connection_over(cutter: Cutter, seaweed: SeaweedFS) -> str:
    """Return an AWS connection that leads over ``cutter``, without botocore's own retries."""
    connection = json.loads(seaweed.connection())
    connection["extra"]["endpoint_url"] = cutter.endpoint
    connection["extra"]["config_kwargs"]["retries"] = {"total_max_attempts": 1}
    return json.dumps(connection)
