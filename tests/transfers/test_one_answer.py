"""What a retry may mend is the same for who signs an input's URL and for who copies a file, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy.api.media_inputs import Medium
from airflow_provider_runcomfy.exceptions import MediaInputError, RunComfyRetryableError
from airflow_provider_runcomfy.presigning import signed_urls
from airflow_provider_runcomfy.transfers.s3_store import S3Store
from airflow_provider_runcomfy.transfers.store import StorageFailedError, StorageRefusedError

pytestmark = pytest.mark.slow


@contextmanager
def s3_that_says(status: int, code: str) -> Iterator[str]:
    """Run an S3 that answers all with one error: its code is in the body, which the answer to a HEAD does not have."""
    body = f"<Error><Code>{code}</Code><Message>No</Message></Error>".encode()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def connect(monkeypatch: pytest.MonkeyPatch, endpoint: str, **more: Any) -> None:
    kwargs = {"s3": {"addressing_style": "path"}, "retries": {"total_max_attempts": 1}}
    extra = {"region_name": "us-east-1", "endpoint_url": endpoint, "config_kwargs": kwargs, **more}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))


def sign() -> None:
    signed_urls(
        [Medium(("image_url",), "s3://frames/cat.png", True)], conn_id=None, seconds=60, allow_loopback_http=True
    )


def store() -> S3Store:
    return S3Store("frames", aws_conn_id="aws_default", verify=None, extra_args={})


@pytest.mark.parametrize(
    ("status", "code", "signing", "copying"),
    [
        (400, "ExpiredToken", RunComfyRetryableError, StorageFailedError),
        (400, "RequestTimeout", RunComfyRetryableError, StorageFailedError),
        (403, "RequestTimeTooSkewed", RunComfyRetryableError, StorageFailedError),
        (409, "OperationAborted", RunComfyRetryableError, StorageFailedError),
        (503, "SlowDown", RunComfyRetryableError, StorageFailedError),
        (400, "InvalidRequest", MediaInputError, StorageRefusedError),
        (403, "AccessDenied", MediaInputError, StorageRefusedError),
        (404, "NoSuchKey", MediaInputError, StorageRefusedError),
    ],
)
def test_an_answer_of_s3_means_the_same_for_both(
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: str,
    signing: type[AirflowException],
    copying: type[AirflowException],
) -> None:
    with s3_that_says(status, code) as endpoint:
        connect(monkeypatch, endpoint)
        with pytest.raises(signing, match=code) as signed:
            sign()
        with pytest.raises(copying, match=code) as copied:
            list(store().read("cat.png"))
    assert (type(signed.value), type(copied.value)) == (signing, copying)


def test_a_look_that_is_refused_without_a_reason_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_that_says(400, "ExpiredToken") as endpoint:
        connect(monkeypatch, endpoint)
        with pytest.raises(StorageFailedError, match=r"looking for s3://frames/0\.mp4: .*Bad Request.*A retry goes on"):
            store().find("0.mp4")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        pytest.param({"config_kwargs": {"retrys": 1}}, "unexpected keyword argument 'retrys'", id="an unknown setting"),
        pytest.param({"endpoint_url": "store"}, "Invalid endpoint: store", id="an endpoint that is no URL"),
        pytest.param({"profile_name": "films"}, r"\(films\) could not be found", id="a profile that is not there"),
        pytest.param(
            {"role_arn": "arn:aws:iam::0:role/a", "assume_role_method": "x"}, "assume_role_method", id="a way"
        ),
    ],
)
def test_a_connection_that_is_wrong_is_retried_by_neither(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], words: str
) -> None:
    connect(monkeypatch, **{"endpoint": "http://127.0.0.1:9", **extra})
    with pytest.raises(MediaInputError, match=f"connection 'aws_default' gives no URL.*{words}"):
        sign()
    with pytest.raises(StorageRefusedError, match=f"s3://frames/: .*{words}.*Correct the connection 'aws_default'"):
        store()
