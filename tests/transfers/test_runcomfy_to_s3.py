"""What is special to S3; what it shares with the others is in test_every_store.py."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from airflow_provider_runcomfy.exceptions import InvalidInputsError, RequestNotAvailableError
from airflow_provider_runcomfy.transfers import s3_store
from airflow_provider_runcomfy.transfers.store import StorageFailedError, StorageRefusedError
from dev.seaweedfs import COPIER, DROPPER, WRITER, SeaweedFS
from tests.tls import Authority
from tests.transfers.conftest import RunComfy
from tests.transfers.cutter import Cutter
from tests.transfers.file_server import File, clip
from tests.transfers.state_store import StateStore
from tests.transfers.targets.s3 import S3Target
from tests.transfers.test_every_store import KEY, LARGE, MIB, SMALL, copy, sha256

pytestmark = pytest.mark.slow


def test_the_token_goes_to_the_api_only(runcomfy: RunComfy, bucket: S3Target) -> None:
    runcomfy.has("r-1", File(SMALL))
    copy(bucket)
    assert runcomfy.server.asked[0].headers["Authorization"] == f"Bearer {runcomfy.token}"
    assert [headers.get("Authorization") for headers in runcomfy.file_requests()] == [None]


def test_no_requests_are_no_work(runcomfy: RunComfy, bucket: S3Target) -> None:
    assert copy(bucket, request_id=[]) == []


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "20 MiB"])
def test_upload_arguments_reach_s3(runcomfy: RunComfy, bucket: S3Target, body: bytes) -> None:
    runcomfy.has("r-1", File(body))
    tagging = "cost=42&place=a%20b&draft="
    extra_args = {"CacheControl": "max-age=60", "Metadata": {"team": "films"}, "Tagging": tagging}
    # As everywhere here, by an identity that may do what the docs ask for, and nothing else.
    copy(bucket, extra_args=extra_args, encrypt=True)
    head = bucket.head(KEY)
    assert head["ContentType"] == "video/mp4"
    assert head["CacheControl"] == "max-age=60"
    assert head["ServerSideEncryption"] == "AES256"
    assert head["Metadata"]["team"] == "films"
    assert head["Metadata"]["runcomfy-request-id"] == "r-1"
    assert bucket.metadata(KEY)["runcomfy-sha256"] == sha256(body)
    tags = {name: value for name, value in bucket.tags(KEY).items() if name != "runcomfy-sha256"}
    assert tags == {"cost": "42", "place": "a b", "draft": ""}


# SeaweedFS knows no canned ACLs, no storage classes and no keys of KMS, so this looks at the wire.
ON_THE_WIRE: dict[str, tuple[dict[str, Any], list[bytes]]] = {
    "an ACL": ({"acl_policy": "bucket-owner-full-control"}, [b"x-amz-acl: bucket-owner-full-control"]),
    "KMS": (
        {"extra_args": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key-1"}},
        [b"x-amz-server-side-encryption: aws:kms", b"x-amz-server-side-encryption-aws-kms-key-id: key-1"],
    ),
    "a storage class": ({"extra_args": {"StorageClass": "STANDARD_IA"}}, [b"x-amz-storage-class: standard_ia"]),
    "SSE-S3": ({"encrypt": True}, [b"x-amz-server-side-encryption: aes256"]),
}


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "20 MiB"])
@pytest.mark.parametrize(("given", "headers"), ON_THE_WIRE.values(), ids=ON_THE_WIRE)
def test_what_companies_ask_for_is_sent(
    runcomfy: RunComfy,
    bucket: S3Target,
    seaweed: SeaweedFS,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any],
    headers: list[bytes],
    body: bytes,
) -> None:
    runcomfy.has("r-1", File(body))
    with Cutter(100 * MIB, seaweed.endpoint) as cutter:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", bucket.connection_over(cutter))
        # SeaweedFS has no such key.
        with suppress(StorageFailedError):
            copy(bucket, **given)
    assert [header for header in headers if header not in cutter.head.lower()] == []


@pytest.mark.parametrize(
    "given",
    [
        {"extra_args": "StorageClass=GLACIER"},
        {"extra_args": {"ContentType": "video/quicktime"}},
        {"extra_args": {"ServerSideEncryption": "aws:kms"}, "encrypt": True},
        {"extra_args": {"ACL": "private"}, "acl_policy": "public-read"},
    ],
    ids=repr,
)
def test_upload_arguments_that_would_be_overruled_are_refused(
    runcomfy: RunComfy, bucket: S3Target, given: dict[str, Any]
) -> None:
    runcomfy.has("r-1", File(SMALL))
    with pytest.raises(InvalidInputsError, match="`extra_args` has to be a dict without ContentType"):
        copy(bucket, **given)


def test_a_profile_that_does_not_exist_is_a_refusal(
    runcomfy: RunComfy, bucket: S3Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    runcomfy.has("r-1", File(SMALL))
    connection = {"conn_type": "aws", "extra": {"profile_name": "nobody"}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    with pytest.raises(StorageRefusedError, match=r"\(nobody\) could not be found.*'aws_default'"):
        copy(bucket)


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "20 MiB"])
def test_https_to_a_server_of_ones_own_authority(
    runcomfy: RunComfy,
    bucket: S3Target,
    seaweed: SeaweedFS,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    body: bytes,
) -> None:
    runcomfy.has("r-1", File(body))
    with Cutter(100 * MIB, seaweed.endpoint, authority.server_context()) as cutter:
        # Over HTTPS boto3 signs no payload, and SeaweedFS heeds no policy then: only the identity's own rights.
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", bucket.connection_over(cutter, WRITER))
        with pytest.raises(StorageFailedError, match="certificate verify failed"):
            copy(bucket)
        (line,) = copy(bucket, verify=str(authority.bundle))
    assert line["sha256"] == sha256(body) == sha256(bucket.body(KEY))


class TestReruns:
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
    def test_an_object_is_known_by_its_metadata(
        self, runcomfy: RunComfy, bucket: S3Target, metadata: dict[str, str]
    ) -> None:
        runcomfy.has("r-1", File(SMALL))
        bucket.put(KEY, b"theirs", Metadata=metadata)
        with pytest.raises(StorageRefusedError, match="not a whole copy of this file"):
            copy(bucket)
        assert bucket.body(KEY) == b"theirs"
        assert runcomfy.file_requests() == []

    def test_an_object_that_is_not_what_was_noted_is_another_one_whatever_it_says_of_itself(
        self, runcomfy: RunComfy, bucket: S3Target, tmp_path: Path
    ) -> None:
        store = StateStore(tmp_path)
        runcomfy.has("r-1", File(SMALL))
        copy(bucket, store)
        noted = store.values
        bucket.put(KEY, clip(len(SMALL), seed=1), Metadata=bucket.head(KEY)["Metadata"])
        with pytest.raises(StorageRefusedError, match="not a whole copy of this file"):
            copy(bucket, store)
        assert store.values == noted

    def test_a_copy_of_which_no_hash_is_kept_is_read_for_it(self, runcomfy: RunComfy, bucket: S3Target) -> None:
        runcomfy.has("r-1", File(LARGE))
        first = copy(bucket)
        bucket.client.delete_object_tagging(Bucket=bucket.name, Key=bucket.prefix + KEY)
        assert copy(bucket) == first


class TestWhatAKilledTryLeftBehind:
    def test_it_is_removed_even_where_the_object_is_there(
        self, runcomfy: RunComfy, bucket: S3Target, tmp_path: Path
    ) -> None:
        store = with_an_unfinished_upload(bucket, tmp_path)
        runcomfy.has("r-1", File(SMALL))
        copy(bucket)
        assert bucket.leftovers() != []
        copy(bucket, store)
        assert (bucket.leftovers(), unfinished(store)) == ([], [])

    def test_it_is_removed_even_where_the_request_has_expired_or_the_key_is_another_one(
        self, runcomfy: RunComfy, bucket: S3Target, tmp_path: Path
    ) -> None:
        runcomfy.says("r-1", error_code=404001, error_message="expired")
        store = with_an_unfinished_upload(bucket, tmp_path)
        with pytest.raises(RequestNotAvailableError):
            copy(bucket, store)
        assert (bucket.leftovers(), unfinished(store)) == ([], [])

        store = with_an_unfinished_upload(bucket, tmp_path)
        runcomfy.has("r-1", File(SMALL))
        copy(bucket, store, key="other/{request_id}.{ext}")
        assert (bucket.leftovers(), unfinished(store)) == ([], [])

    def test_it_is_not_forgotten_where_it_cannot_be_removed_now(
        self, runcomfy: RunComfy, bucket: S3Target, seaweed: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = with_an_unfinished_upload(bucket, tmp_path)
        runcomfy.has("r-1", File(LARGE))
        # Whoever may only read cannot abort, and cannot write either.
        with bucket.refusing() as given, pytest.raises(StorageRefusedError):
            copy(bucket, store, **given)
        assert (len(bucket.leftovers()), len(unfinished(store))) == (1, 1)
        copy(bucket, store)
        assert (bucket.leftovers(), unfinished(store)) == ([], [])

    def test_it_is_not_forgotten_where_the_record_cannot_be_read_now(
        self, runcomfy: RunComfy, bucket: S3Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = with_an_unfinished_upload(bucket, tmp_path)
        runcomfy.has("r-1", File(LARGE))
        with monkeypatch.context() as context:
            context.setattr(store, "get", lambda key: 1 / 0)
            copy(bucket, store)
        assert len(unfinished(store)) == 1
        copy(bucket, store)
        assert (bucket.leftovers(), unfinished(store)) == ([], [])

    def test_an_upload_that_is_gone_is_not_missed(self, runcomfy: RunComfy, bucket: S3Target, tmp_path: Path) -> None:
        store = StateStore(tmp_path)
        note(store, bucket, "no-such-upload")
        note(store, bucket, "")
        runcomfy.has("r-1", File(SMALL))
        (line,) = copy(bucket, store)
        assert line["sha256"] == sha256(SMALL)
        assert unfinished(store) == []


def note(store: StateStore, bucket: S3Target, upload: str) -> None:
    """Note an upload as a try does that is killed then."""
    noted = {"uri": bucket.uri(KEY), "key": bucket.prefix + KEY, "rest": upload}
    store.set("runcomfy copy of r-1", {"version": 1, "unfinished": [noted]})


def with_an_unfinished_upload(bucket: S3Target, folder: Path) -> StateStore:
    store = StateStore(folder)
    upload = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=bucket.prefix + KEY)
    note(store, bucket, upload["UploadId"])
    return store


def unfinished(store: StateStore) -> list[Any]:
    found: list[Any] = store.values["runcomfy copy of r-1"]["unfinished"]
    return found


class TestTheIdentityOfTheTests:
    """It may do what the docs ask for, and that only below the prefix: so the other tests show that this is enough."""

    @pytest.mark.parametrize(
        ("operation", "given"),
        [
            ("put_object", {"Body": b"x"}),
            ("get_object", {}),
            ("create_multipart_upload", {}),
            ("put_object_tagging", {"Tagging": {"TagSet": []}}),
            ("delete_object", {}),
        ],
    )
    def test_it_may_do_nothing_outside_its_prefix(
        self, bucket: S3Target, seaweed: SeaweedFS, operation: str, given: dict[str, Any]
    ) -> None:
        bucket.client.put_object(Bucket=bucket.name, Key="others/0.mp4", Body=b"theirs")
        self.is_denied(seaweed, operation, Bucket=bucket.name, Key="others/0.mp4", **given)
        found = bucket.client.get_object(Bucket=bucket.name, Key="others/0.mp4")["Body"].read()
        assert found == b"theirs"

    def test_it_may_neither_delete_nor_list_anywhere(self, bucket: S3Target, seaweed: SeaweedFS) -> None:
        bucket.put(KEY, b"theirs")
        self.is_denied(seaweed, "delete_object", Bucket=bucket.name, Key=bucket.prefix + KEY)
        self.is_denied(seaweed, "list_objects_v2", Bucket=bucket.name)
        self.is_denied(seaweed, "list_objects_v2", Bucket=bucket.name, Prefix=bucket.prefix)
        self.is_denied(seaweed, "list_multipart_uploads", Bucket=bucket.name, Prefix=bucket.prefix)
        assert bucket.body(KEY) == b"theirs"

    def is_denied(self, seaweed: SeaweedFS, operation: str, **given: Any) -> None:
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(seaweed.client(COPIER), operation)(**given)


class TestStorageTrouble:
    @pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "20 MiB"])
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            pytest.param({"s3_bucket": "films"}, "s3://films/.*AccessDenied", id="may not write to that bucket"),
            pytest.param({"s3_bucket": "s3://videos"}, "Invalid bucket name.*`s3_bucket` is", id="a URL for a bucket"),
            pytest.param({"extra_args": {"Colour": "red"}}, "Invalid extra_args key 'Colour'.*`extra_args`", id="args"),
            pytest.param(
                {"extra_args": {"ServerSideEncryption": 1}}, "Parameter validation.*`extra_args`", id="args' types"
            ),
        ],
    )
    def test_a_refusing_bucket_is_an_error_that_is_not_retried(
        self, runcomfy: RunComfy, bucket: S3Target, given: dict[str, Any], message: str, body: bytes
    ) -> None:
        runcomfy.has("r-1", File(body))
        with pytest.raises(StorageRefusedError, match=f"(?s)r-1.*{message}") as raised:
            copy(bucket, **given)
        assert "paid for" in str(raised.value)
        assert "secret" not in str(raised.value)
        assert (bucket.keys(), bucket.leftovers()) == ([], [])

    def test_who_may_only_write_can_copy_but_not_see_that_it_is_there(
        self, runcomfy: RunComfy, bucket: S3Target, seaweed: SeaweedFS, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DROPPER", seaweed.connection(DROPPER))
        runcomfy.has("r-1", File(LARGE))
        (line,) = copy(bucket, aws_conn_id="aws_dropper")
        assert line["sha256"] == sha256(bucket.body(KEY))
        assert "runcomfy-sha256" not in bucket.metadata(KEY)
        with pytest.raises(StorageRefusedError, match=r"r-1.*cannot be seen"):
            copy(bucket, aws_conn_id="aws_dropper")
        assert bucket.leftovers() == []
        assert copy(bucket, aws_conn_id="aws_dropper", replace=True) == [line]

    def test_an_object_that_replaces_ours_at_once_keeps_its_tags(
        self, runcomfy: RunComfy, bucket: S3Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runcomfy.has("r-1", File(LARGE))
        tag = s3_store.S3Store._tag

        def replaced_before(*given: Any) -> None:
            bucket.put(KEY, b"theirs", Tagging="whose=theirs")
            tag(*given)

        monkeypatch.setattr(s3_store.S3Store, "_tag", replaced_before)
        copy(bucket)
        assert (bucket.body(KEY), bucket.tags(KEY)) == (b"theirs", {"whose": "theirs"})

    def test_a_store_that_refuses_all_is_not_asked_forty_times(self, runcomfy: RunComfy, bucket: S3Target) -> None:
        runcomfy.has("r-1", *(File(SMALL) for _ in range(40)), names=tuple(f"{index}.mp4" for index in range(40)))
        with bucket.refusing() as given, pytest.raises(StorageRefusedError, match="AccessDenied"):
            copy(bucket, **given)
        assert 4 <= len(runcomfy.file_requests()) <= 8

    def test_a_store_that_does_not_answer_is_retried(
        self, runcomfy: RunComfy, bucket: S3Target, seaweed: SeaweedFS, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = json.loads(seaweed.connection())
        connection["extra"]["endpoint_url"] = "http://127.0.0.1:9"
        connection["extra"]["config_kwargs"]["retries"] = {"total_max_attempts": 1}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
        runcomfy.has("r-1", File(SMALL))
        with pytest.raises(StorageFailedError, match="Could not connect"):
            copy(bucket)
