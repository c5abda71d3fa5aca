"""An S3 bucket on SeaweedFS."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator
from dev.seaweedfs import ADMIN, COPIER, READER, Identity, SeaweedFS
from tests.transfers.cutter import Cutter

DOCS = Path(__file__).parents[3] / "docs" / "copies.md"
#: What the identity of the tests may write to.
PREFIX = "clips/"


def documented_policy(bucket: str) -> dict[str, Any]:
    """Return the policy that the docs ask for, for a bucket and the prefix of the tests."""
    [text] = re.findall(r"```json\n(\{\s*\"Version\".*?)```", DOCS.read_text(), re.DOTALL)
    policy: dict[str, Any] = json.loads(text.replace("BUCKET", bucket).replace("PREFIX/", PREFIX))
    return policy


def allow_what_is_documented(seaweed: SeaweedFS) -> None:
    """Let the tests' identity, who may do nothing else, do what the docs' policy allows."""
    policy = documented_policy(seaweed.bucket)
    for statement in policy["Statement"]:
        statement["Principal"] = {"AWS": [f"arn:aws:iam::000000000000:user/{COPIER.name}"]}
    seaweed.client(ADMIN).put_bucket_policy(Bucket=seaweed.bucket, Policy=json.dumps(policy))


class S3Target:
    """What is under a prefix of the bucket; the copies are made by somebody who may do what the docs ask for."""

    keeps_metadata = True
    notes_what_it_begins = True
    drops_what_is_left = False
    refusal = r"AccessDenied.*'aws_reader'.*s3:PutObject"
    absence = r"NoSuchBucket.*Create the bucket"

    def __init__(self, seaweed: SeaweedFS, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client = seaweed.client(ADMIN)
        self.name = seaweed.bucket
        self.prefix = f"{PREFIX}{name}/"
        self._seaweed, self._monkeypatch = seaweed, monkeypatch
        for conn_id, identity in (("default", COPIER), ("reader", READER), ("admin", ADMIN)):
            monkeypatch.setenv(f"AIRFLOW_CONN_AWS_{conn_id.upper()}", seaweed.connection(identity))

    def operator(self, key: str = "{request_id}/{index}.{ext}", **given: Any) -> RunComfyToS3Operator:
        parameters = {"request_id": "r-1", "s3_bucket": self.name, **given}
        return RunComfyToS3Operator(task_id="copy", s3_key=self.prefix + key, **parameters)

    def uri(self, key: str) -> str:
        return f"s3://{self.name}/{self.prefix}{key}"

    def keys(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name, Prefix=self.prefix).get("Contents", [])
        return [entry["Key"].removeprefix(self.prefix) for entry in found]

    def leftovers(self) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=self.name, Prefix=self.prefix).get("Uploads", [])
        return [entry["Key"] for entry in found]

    def places(self) -> list[str]:
        return [bucket["Name"] for bucket in self.client.list_buckets()["Buckets"]]

    def body(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.name, Key=self.prefix + key)["Body"].read()
        return body

    def head(self, key: str) -> dict[str, Any]:
        head: dict[str, Any] = self.client.head_object(Bucket=self.name, Key=self.prefix + key)
        return head

    def tags(self, key: str) -> dict[str, str]:
        found = self.client.get_object_tagging(Bucket=self.name, Key=self.prefix + key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in found}

    def metadata(self, key: str) -> dict[str, str]:
        return {**self.head(key)["Metadata"], **self.tags(key)}

    def put(self, key: str, body: bytes, **more: Any) -> None:
        self.client.put_object(Bucket=self.name, Key=self.prefix + key, Body=body, **more)

    def remove(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=self.prefix + key)

    @contextmanager
    def refusing(self) -> Iterator[dict[str, Any]]:
        yield {"aws_conn_id": "aws_reader"}

    @contextmanager
    def missing(self) -> Iterator[dict[str, Any]]:
        yield {"s3_bucket": "films", "aws_conn_id": "aws_admin"}

    @contextmanager
    def breaking(self, after: int) -> Iterator[dict[str, Any]]:
        with self._over(Cutter(after, self._seaweed.endpoint)) as given:
            yield given

    @contextmanager
    def failing_parts(self, after: int) -> Iterator[dict[str, Any]]:
        with self._over(Cutter(after, self._seaweed.endpoint, longest=100_000)) as given:
            yield given

    @contextmanager
    def _over(self, cutter: Cutter) -> Iterator[dict[str, Any]]:
        with cutter:
            self._monkeypatch.setenv("AIRFLOW_CONN_AWS_BREAKING", self.connection_over(cutter))
            yield {"aws_conn_id": "aws_breaking"}
            assert cutter.is_cut

    def connection_over(self, cutter: Cutter, identity: Identity = COPIER) -> str:
        """Return an AWS connection that leads over ``cutter``, without botocore's own retries."""
        connection = json.loads(self._seaweed.connection(identity))
        connection["extra"]["endpoint_url"] = cutter.endpoint
        connection["extra"]["config_kwargs"]["retries"] = {"total_max_attempts": 1}
        return json.dumps(connection)
