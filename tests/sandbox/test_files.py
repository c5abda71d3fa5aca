"""The site that the videos come from."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import aiohttp
import pytest
import requests

from airflow_provider_runcomfy.sandbox.server import running_sandbox
from tests.sandbox.client import Caller

pytestmark = pytest.mark.slow


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()}, timeout=30)


def cut_get(url: str, **headers: str) -> tuple[requests.Response, bytes]:
    """Get a file whose connection is cut, and return what came before the cut."""
    response = requests.get(
        url, headers={name.replace("_", "-"): value for name, value in headers.items()}, timeout=30, stream=True
    )
    content = bytearray()
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        read_into(content, response)
    return response, bytes(content)


def read_into(content: bytearray, response: requests.Response) -> None:
    for chunk in response.iter_content(100):
        content += chunk


def test_a_file_comes_whole_from_another_port(caller: Caller) -> None:
    url = caller.video_url()
    assert urlsplit(url).port != urlsplit(caller.sandbox.url).port
    response = get(url)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "video/mp4"
    assert int(response.headers["Content-Length"]) == len(response.content)
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.content[4:8] == b"ftyp"
    again = get(url)
    assert (again.content, again.headers["ETag"]) == (response.content, response.headers["ETag"])


def test_a_part_of_a_file(caller: Caller) -> None:
    url = caller.video_url()
    whole = get(url)
    part = get(url, Range="bytes=100-")
    size = len(whole.content)
    assert (part.status_code, part.content) == (206, whole.content[100:])
    assert part.headers["Content-Range"] == f"bytes 100-{size - 1}/{size}"
    assert part.headers["ETag"] == whole.headers["ETag"]
    assert get(url, Range=f"bytes={size}-").status_code == 416


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize(
    "if_range", ['"of-another-file"', 'W/"{etag}"', "Fri, 20 Nov 2020 14:00:00 GMT", "{etag}", "soon"], ids=repr
)
def test_a_part_of_a_file_that_is_not_the_one_begun_is_the_whole_file(caller: Caller, if_range: str, cut: bool) -> None:
    url = caller.video_url()
    whole = get(url)
    asked = {"Range": "bytes=100-", "If_Range": if_range.format(etag=whole.headers["ETag"].strip('"'))}
    if cut:
        caller.sandbox.add_fault("truncate", after_bytes=1000)
        response, content = cut_get(url, **asked)
        assert (response.status_code, content) == (200, whole.content[:1000])
    else:
        response = get(url, **asked)
        assert (response.status_code, response.content) == (200, whole.content)
    assert "Content-Range" not in response.headers
    assert response.headers["Content-Length"] == whole.headers["Content-Length"]
    assert caller.sandbox.calls()[-1].status == 200


@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
def test_a_part_of_the_file_that_was_begun(caller: Caller, validator: str) -> None:
    url = caller.video_url()
    whole = get(url)
    part = get(url, Range="bytes=100-", If_Range=whole.headers[validator])
    assert (part.status_code, part.content) == (206, whole.content[100:])


def test_head_tells_the_size(caller: Caller) -> None:
    url = caller.video_url()
    response = requests.head(url, timeout=30)
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["Content-Length"]) == len(get(url).content)


def test_a_token_is_refused_and_recorded(caller: Caller) -> None:
    url = caller.video_url()
    response = get(url, Authorization="Bearer anything")
    assert (response.status_code, response.json()["error_code"]) == (403, 403000)
    call = caller.sandbox.calls()[-1]
    assert (call.kind, call.status, call.has_authorization) == ("file", 403, True)


def test_a_file_that_does_not_exist(caller: Caller) -> None:
    url = f"{caller.sandbox.files_url}/guessed_output.mp4"
    assert (get(url).status_code, requests.post(url, timeout=10).status_code) == (404, 404)
    assert [call.kind.value for call in caller.sandbox.calls()] == ["file", "other"]


def test_a_cut_download_continues_by_range(caller: Caller) -> None:
    url = caller.video_url()
    whole = get(url)
    caller.sandbox.add_fault("truncate", after_bytes=1000)
    cut, first = cut_get(url)
    assert (cut.status_code, first) == (200, whole.content[:1000])
    for name in ("Content-Length", "Content-Type", "ETag", "Last-Modified", "Accept-Ranges"):
        assert cut.headers[name] == whole.headers[name]
    rest = get(url, Range="bytes=1000-", If_Range=cut.headers["ETag"])
    assert (rest.status_code, first + rest.content) == (206, whole.content)
    assert [(call.status, call.faults) for call in caller.sandbox.calls()[-2:]] == [(200, ["truncate"]), (206, [])]


def test_a_continuation_can_be_cut_too(caller: Caller) -> None:
    url = caller.video_url()
    whole = get(url)
    caller.sandbox.add_fault("truncate", after_bytes=1000, times=2)
    _, first = cut_get(url)
    cut, second = cut_get(url, Range="bytes=1000-")
    expected = get(url, Range="bytes=1000-")
    assert (cut.status_code, first + second) == (206, whole.content[:2000])
    for name in ("Content-Length", "Content-Range"):
        assert cut.headers[name] == expected.headers[name]


@pytest.mark.parametrize("wanted", ["bytes=999999999-", "bytes=x"])
def test_an_impossible_range_is_refused_whether_cut_or_not(caller: Caller, wanted: str) -> None:
    url = caller.video_url()
    caller.sandbox.add_fault("truncate", after_bytes=1000)
    assert [get(url, Range=wanted).status_code for _ in range(2)] == [416, 416]


def test_videos_that_nobody_can_get_any_more_are_not_drawn() -> None:
    with running_sandbox(queue_seconds=0, run_seconds=0) as sandbox:
        caller = Caller(sandbox)
        for _ in range(30):
            url = caller.video_url({"prompt": "A cat", "duration": 15})
            with pytest.raises(requests.ReadTimeout):
                requests.get(url, timeout=0.02)
        ended = time.monotonic()
    assert time.monotonic() - ended < 5, "all thirty take 10 s or more"


async def test_many_ask_at_once_and_get_the_same_file(caller: Caller) -> None:
    url = await asyncio.to_thread(caller.video_url)
    async with aiohttp.ClientSession() as session:

        async def fetch() -> bytes:
            async with session.get(url) as response:
                return await response.read()

        contents = await asyncio.gather(*(fetch() for _ in range(20)))
    assert len(set(contents)) == 1
