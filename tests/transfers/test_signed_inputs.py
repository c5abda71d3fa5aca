"""An input in a real S3 bucket: RunComfy gets a URL that leads to its bytes, and nobody else sees that URL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy.exceptions import MediaInputError, RunComfyRetryableError
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
from airflow_provider_runcomfy.order import Order
from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from airflow_provider_runcomfy.submission import obtain
from tests.airflow_db import has_task_state_store, needs_task_state_store
from tests.runcomfy import CONNECTION_VARIABLE, connection_to, count
from tests.submission.parts import Log, StateStore, TaskInstance, context_of
from tests.transfers.targets.s3 import S3Target

pytestmark = pytest.mark.slow

MODEL = "sandbox/image-to-video"
PICTURE = b"\x89PNG\r\n\x1a\n a cat"


class Task:
    """A task that makes a clip of a picture in the bucket."""

    def __init__(self) -> None:
        self.store = StateStore()
        self.log: Any = Log()

    def run(self, uri: str, **order: Any) -> None:
        inputs = {"prompt": "It moves", "image_url": uri, "duration": 3}
        given = Order(model_id=MODEL, inputs=inputs, conn_id="runcomfy_default", timeout=timedelta(hours=1), **order)
        context = context_of(TaskInstance(), self.store if has_task_state_store else None)
        obtain(given, RunComfyHook(), context, self.log)

    def fails(self, kind: type[AirflowException], uri: str, **order: Any) -> str:
        with pytest.raises(AirflowException) as caught:
            self.run(uri, **order)
        assert type(caught.value) is kind
        return str(caught.value)


@pytest.fixture
def task() -> Task:
    return Task()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with running_sandbox(queue_seconds=1000) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        yield sandbox


@needs_task_state_store
@pytest.mark.parametrize("key", ["cat.png", "a b/ü&cat+1?.png"], ids=["a plain name", "a name that must be quoted"])
def test_runcomfy_gets_a_url_that_leads_to_the_object(task: Task, sandbox: Sandbox, bucket: S3Target, key: str) -> None:
    bucket.put(key, PICTURE)
    task.run(bucket.uri(key), media_url_seconds=120)
    [made] = sandbox.requests()
    url = made["inputs"]["image_url"]
    assert requests.get(url, timeout=30).content == PICTURE
    query = parse_qs(urlsplit(url).query)
    assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == (["AWS4-HMAC-SHA256"], ["120"])
    assert requests.get(url.partition("?")[0], timeout=30).status_code == 403
    [recorded] = task.store.submissions
    assert recorded["inputs"]["image_url"].startswith("s3://")
    assert "X-Amz" not in task.log.text + str(task.store.texts)


@pytest.mark.parametrize(
    ("key", "order", "words"),
    [
        pytest.param("dog.png", {}, "NoSuchKey", id="no such object"),
        pytest.param(
            "cat.png", {"media_conn_id": "aws_stranger"}, "InvalidAccessKeyId", id="a key that the store does not know"
        ),
    ],
)
def test_what_could_not_be_fetched_is_not_paid_for(
    task: Task, sandbox: Sandbox, bucket: S3Target, monkeypatch: pytest.MonkeyPatch, key: str, order: Any, words: str
) -> None:
    import json
    import os

    stranger = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"]) | {"login": "stranger", "password": "unknown"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_STRANGER", json.dumps(stranger))
    bucket.put("cat.png", PICTURE)
    said = task.fails(MediaInputError, bucket.uri(key), **order)
    assert said.startswith(
        f"image_url: connection {order.get('media_conn_id', 'aws_default')!r} gives no URL by which "
    )
    assert words in said
    assert count(sandbox)["submit"] == 0


def test_a_store_that_is_away_is_asked_again_by_a_retry(
    task: Task, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = '{"conn_type": "aws", "login": "a", "password": "b", "extra": {"region_name": "us-east-1", '
    connection += '"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"total_max_attempts": 1}}}}'
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection)
    said = task.fails(RunComfyRetryableError, "s3://bucket/cat.png")
    assert "EndpointConnectionError" in said
    assert "Nothing was submitted, nothing was charged. A retry asks again." in said
    assert count(sandbox)["submit"] == 0
