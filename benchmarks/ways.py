"""The ways from a file server into a store that are measured; each copies the files of some requests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

BUCKET = "videos"
# What the operators use for one file.
_S3_PART, _S3_THREADS = 6 * 1024 * 1024, 2
_GCS_CHUNK, _GCS_WHOLE, _GCS_UNIT = 6 * 1024 * 1024, 8 * 1024 * 1024, 256 * 1024
_KEY = "{request_id}.{ext}"

#: Takes the file server's address, and the requests whose files are to be copied.
Way = Callable[[str, Sequence[str]], None]


def runcomfy_to_s3(base: str, requests: Sequence[str]) -> None:
    from airflow_provider_runcomfy.transfers.runcomfy_to_s3 import RunComfyToS3Operator

    RunComfyToS3Operator(task_id="copy", request_id=list(requests), s3_bucket=BUCKET, s3_key=_KEY).execute({})


def runcomfy_to_gcs(base: str, requests: Sequence[str]) -> None:
    from airflow_provider_runcomfy.transfers.runcomfy_to_gcs import RunComfyToGCSOperator

    RunComfyToGCSOperator(task_id="copy", request_id=list(requests), bucket_name=BUCKET, object_name=_KEY).execute({})


def http_to_s3(base: str, requests: Sequence[str]) -> None:
    from airflow.providers.amazon.aws.transfers.http_to_s3 import HttpToS3Operator

    for request in requests:
        HttpToS3Operator(
            task_id="copy", method="GET", endpoint=f"/{request}/a.mp4", s3_bucket=BUCKET, s3_key=request
        ).execute({})


def http_to_gcs(base: str, requests: Sequence[str]) -> None:
    from airflow.providers.google.cloud.transfers.http_to_gcs import HttpToGCSOperator

    for request in requests:
        HttpToGCSOperator(
            task_id="copy", endpoint=f"/{request}/a.mp4", bucket_name=BUCKET, object_name=request
        ).execute({})


def upload_fileobj(base: str, requests: Sequence[str]) -> None:
    """boto3's own upload, with parts and threads as the operator has them."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(multipart_threshold=_S3_PART, multipart_chunksize=_S3_PART, max_concurrency=_S3_THREADS)
    for request in requests:
        with _hashed(base, request) as stream:
            S3Hook().get_conn().upload_fileobj(stream, BUCKET, request, Config=config)


def upload_from_file(base: str, requests: Sequence[str]) -> None:
    """The upload of Google's client, with chunks as the operator has them."""
    from airflow.providers.google.cloud.hooks.gcs import GCSHook

    for request in requests:
        with _hashed(base, request) as stream:
            is_whole = stream.size <= _GCS_WHOLE
            chunk = (stream.size // _GCS_UNIT + 1) * _GCS_UNIT if is_whole else _GCS_CHUNK
            blob = GCSHook().get_conn().bucket(BUCKET).blob(request, chunk_size=chunk)
            blob.upload_from_file(stream, content_type="video/mp4")


def one_by_one(way: Way) -> Way:
    """Return a way that makes an operator for each request, one after the other."""

    def copy(base: str, requests: Sequence[str]) -> None:
        for request in requests:
            way(base, [request])

    return copy


class _Hashed:
    """A stream that is hashed as it is read."""

    def __init__(self, source: Any, size: int) -> None:
        self.size = size
        self._source, self._hash, self._position = source, hashlib.sha256(), 0

    def tell(self) -> int:
        return self._position

    def read(self, amount: int | None = None) -> bytes:
        piece: bytes = self._source.read(amount)
        self._hash.update(piece)
        self._position += len(piece)
        return piece


@contextmanager
def _hashed(base: str, request: str) -> Iterator[_Hashed]:
    import requests

    with requests.get(f"{base}/{request}/a.mp4", stream=True, timeout=60) as response:
        yield _Hashed(response.raw, int(response.headers["Content-Length"]))


#: By the names that the tables have.
WAYS: dict[str, Way] = {
    "RunComfyToS3Operator": runcomfy_to_s3,
    "RunComfyToS3Operator, one by one": one_by_one(runcomfy_to_s3),
    "upload_fileobj": upload_fileobj,
    "HttpToS3Operator": http_to_s3,
    "RunComfyToGCSOperator": runcomfy_to_gcs,
    "RunComfyToGCSOperator, one by one": one_by_one(runcomfy_to_gcs),
    "upload_from_file": upload_from_file,
    "HttpToGCSOperator": http_to_gcs,
}
