"""What the emulator has to have in common with GCS, for the tests of the copies to mean anything."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest

pytest.importorskip("gcp_storage_emulator", reason="make test-stores has the emulator")

from google.api_core.exceptions import BadRequest, Forbidden, NotFound, PreconditionFailed

from dev.gcs import BUCKET, GCS, Fault, gcs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[GCS]:
    with gcs() as running:
        yield running


def blob(server: GCS, name: str, bucket: str = BUCKET) -> Any:
    return server.client().bucket(bucket).blob(name, chunk_size=256 * 1024)


def test_of_uploads_that_want_to_be_the_first_one_is(server: GCS) -> None:
    bodies = [bytes([number]) * 700_000 for number in range(8)]

    def upload(body: bytes) -> bytes | None:
        try:
            blob(server, "race").upload_from_file(BytesIO(body), if_generation_match=0)
        except PreconditionFailed:
            return None
        return body

    with ThreadPoolExecutor(8) as pool:
        [stored] = [body for body in pool.map(upload, bodies) if body]
    assert blob(server, "race").download_as_bytes() == stored


def test_a_replaced_object_has_another_generation_and_a_patched_one_has_not(server: GCS) -> None:
    object_ = blob(server, "again")
    object_.upload_from_file(BytesIO(b"one"))
    first = object_.generation
    object_.metadata = {"colour": "red"}
    object_.patch(if_generation_match=first)
    assert (object_.generation, object_.metadata) == (first, {"colour": "red"})
    object_.upload_from_file(BytesIO(b"two"))
    assert object_.generation > first
    with pytest.raises(PreconditionFailed):
        object_.patch(if_generation_match=first)


def test_a_generation_that_was_replaced_is_no_longer_there(server: GCS) -> None:
    object_ = blob(server, "read")
    object_.upload_from_file(BytesIO(b"one"))
    assert object_.download_as_bytes() == b"one"
    blob(server, "read").upload_from_file(BytesIO(b"two"))
    with pytest.raises(NotFound):
        object_.download_as_bytes()


def test_damaged_bytes_are_not_shown(server: GCS) -> None:
    server.faults[:] = [Fault.DAMAGED]
    with pytest.raises(BadRequest, match="doesn't match calculated crc32c"):
        blob(server, "damaged").upload_from_file(BytesIO(b"whole"))
    assert not blob(server, "damaged").exists()


@pytest.mark.parametrize("start", [0, 300_000], ids=["from the beginning", "from the middle"])
def test_ranges_are_served(server: GCS, start: int) -> None:
    blob(server, "ranges").upload_from_file(BytesIO(bytes(range(250)) * 4_000))
    assert blob(server, "ranges").download_as_bytes(start=start, end=start + 4) == bytes(range(5))


def test_nobody_writes_where_no_bucket_is(server: GCS) -> None:
    with pytest.raises(NotFound, match=r"The specified bucket does not exist\."):
        blob(server, "any", bucket="films").upload_from_file(BytesIO(b"any"))


def test_only_the_administrator_may_always_write(server: GCS, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.cloud import storage

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
    anybody = storage.Client(project="test").bucket(BUCKET).blob("mine", chunk_size=256 * 1024)
    with server.allowing("get"):
        blob(server, "mine").upload_from_file(BytesIO(b"theirs"))
        with pytest.raises(Forbidden, match=r"'storage\.objects\.create' denied"):
            anybody.upload_from_file(BytesIO(b"mine"))
        assert anybody.download_as_bytes() == b"theirs"
