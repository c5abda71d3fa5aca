"""The calls, over real HTTP, by a client that knows nothing of this package."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Any

import pytest
import requests

from airflow_provider_runcomfy.api.schema import input_schema
from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from airflow_provider_runcomfy.sandbox.settings import SandboxError
from tests.sandbox.client import PRO, SHORT, SHORT_COST, STANDARD, Caller

pytestmark = pytest.mark.slow

#: Models of the sandbox's own: one takes media, the other one makes images.
OWN = "sandbox/image-to-video"
IMAGE = "sandbox/text-to-image"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")


def test_a_request_from_submit_to_result(caller: Caller) -> None:
    submitted = caller.submit().json()
    request_id = submitted["request_id"]
    base = f"{caller.sandbox.url}/v1/requests/{request_id}"
    assert submitted == {
        "request_id": request_id,
        "status_url": f"{base}/status",
        "result_url": f"{base}/result",
        "cancel_url": f"{base}/cancel",
    }
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,128}", request_id)
    assert caller.status(request_id) == {
        "request_id": request_id,
        "status": "completed",
        "status_url": f"{base}/status",
        "result_url": f"{base}/result",
    }
    result = caller.result(request_id)
    assert result.keys() == {"request_id", "status", "output", "created_at", "finished_at", "cost"}
    assert (result["request_id"], result["status"], result["cost"]) == (request_id, "succeeded", SHORT_COST)
    assert re.fullmatch(re.escape(caller.sandbox.files_url) + r"/[a-z0-9]+_output\.mp4", result["output"]["video"])
    assert TIMESTAMP.fullmatch(result["created_at"])
    assert TIMESTAMP.fullmatch(result["finished_at"])


def test_the_cost_is_told_only_if_it_is_asked_for(caller: Caller) -> None:
    assert "cost" not in caller.get(f"/v1/requests/{caller.submitted()}/result").json()


def test_with_one_slot_the_second_waits_with_its_position(waiting: Caller) -> None:
    running, second, third = (waiting.submitted() for _ in range(3))
    answers = [waiting.status(request_id) for request_id in (running, second, third)]
    assert [answer["status"] for answer in answers] == ["in_progress", "in_queue", "in_queue"]
    assert [answer.get("queue_position") for answer in answers] == [None, 0, 1]
    result = waiting.result(second)
    assert (result["status"], result.keys()) == ("in_queue", {"request_id", "status", "created_at"})


def test_queued_is_cancelled_and_running_is_not(waiting: Caller) -> None:
    running, queued = waiting.submitted(), waiting.submitted()
    for _ in range(2):
        refused = waiting.cancel(running)
        assert (refused.status_code, refused.json()) == (
            202,
            {"request_id": running, "status": "in_progress", "outcome": "not_cancellable"},
        )
        cancelled = waiting.cancel(queued)
        assert (cancelled.status_code, cancelled.json()) == (
            202,
            {"request_id": queued, "status": "completed", "outcome": "cancelled"},
        )
    assert waiting.status(queued)["status"] == "cancelled"
    result = waiting.result(queued)
    assert (result["status"], result["cost"]) == ("cancelled", 0)
    assert waiting.balance() == pytest.approx(100 - SHORT_COST)


@pytest.mark.parametrize(
    ("model_id", "inputs", "cost"),
    [
        pytest.param(STANDARD, {"sound": False}, 0.42, id="standard, 5 s by default, silent"),
        pytest.param(STANDARD, {}, 0.63, id="standard, with sound by default"),
        pytest.param(PRO, {"sound": False}, 0.56, id="pro, silent"),
        pytest.param(PRO, {"duration": 15}, 2.52, id="pro, 15 s, with sound"),
    ],
)
def test_the_balance_goes_down_by_the_price(
    caller: Caller, model_id: str, inputs: Mapping[str, Any], cost: float
) -> None:
    request_id = caller.submitted({"prompt": "A cat", **inputs}, model_id)
    balance = round(100 - cost, 6)
    assert caller.get("/prod/v2/balance").json() == {
        "balance_usd": balance,
        "balance_microdollars": round(balance * 1_000_000),
        "currency": "USD",
    }
    assert caller.result(request_id)["cost"] == cost
    (listed,) = caller.sandbox.requests()
    assert (listed["charged_usd"], listed["model_id"], listed["state"]) == (cost, model_id, "succeeded")


def test_an_empty_account_is_refused() -> None:
    with running_sandbox(balance_usd=SHORT_COST, run_seconds=0) as sandbox:
        caller = Caller(sandbox)
        caller.submitted()
        refused = caller.submit()
        assert (refused.status_code, refused.json()["error_code"]) == (402, 400002)
        assert caller.balance() == 0


@pytest.mark.parametrize(
    "path",
    ["/v1/requests/x/status", "/v1/requests/x/result", "/v1/models", f"/v1/models/{PRO}", "/prod/v2/balance"],
)
@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic abc"], ids=repr)
def test_without_a_token_nothing_is_answered(sandbox: Sandbox, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    response = requests.get(sandbox.url + path, headers=headers, timeout=10)
    assert (response.status_code, response.json()) == (
        401,
        {"error_code": 400004, "error_message": "the API token is missing"},
    )


def test_a_submit_without_a_token_is_not_taken(sandbox: Sandbox) -> None:
    assert Caller(sandbox, token=None).submit().status_code == 401
    assert sandbox.requests() == []


@pytest.mark.parametrize("call", ["status", "result", "cancel"])
def test_only_the_token_that_submitted_sees_a_request(caller: Caller, call: str) -> None:
    request_id = caller.submitted()
    for token, request, status, code in (("other", request_id, 403, 403001), ("anything", "unknown", 404, 404001)):
        path = f"/v1/requests/{request}/{call}"
        other = Caller(caller.sandbox, token)
        response = other.post(path) if call == "cancel" else other.get(path)
        assert (response.status_code, response.json()["error_code"]) == (status, code)


@pytest.mark.parametrize(
    ("model_id", "inputs", "status", "code", "where"),
    [
        pytest.param("kling/none", SHORT, 400, 400001, [], id="unknown model"),
        pytest.param(PRO.upper(), SHORT, 400, 400001, [], id="case matters"),
        pytest.param(PRO, {"duration": 20}, 422, 422000, ["duration", "prompt"], id="every fault of the inputs"),
        pytest.param(PRO, {**SHORT, "duration": "3"}, 422, 422000, [], id="a number as text"),
        pytest.param(PRO, {**SHORT, "shot_type": "intelligent"}, 422, 422000, ["shot_type"], id="pro's own schema"),
        pytest.param(PRO, [1], 422, 422000, [], id="no object"),
        pytest.param(PRO, None, 422, 422000, [], id="no body"),
    ],
)
def test_a_refused_submit_costs_nothing(
    caller: Caller, model_id: str, inputs: object, status: int, code: int, where: list[str]
) -> None:
    response = caller.post(f"/v1/models/{model_id}", inputs)
    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert sorted(fault["loc"] for fault in response.json().get("detail", [])) == where
    assert caller.sandbox.requests() == []
    assert caller.balance() == 100


@pytest.mark.parametrize(
    ("query", "found", "total"),
    [
        pytest.param("", [PRO, STANDARD, OWN, IMAGE], 4, id="all"),
        pytest.param("search=PRO", [PRO], 1, id="search"),
        pytest.param("category=text-to-video&kind=video", [PRO, STANDARD], 2, id="category and kind"),
        pytest.param("category=image-to-video", [OWN], 1, id="another category"),
        pytest.param("kind=image", [IMAGE], 1, id="another kind"),
        pytest.param("limit=1", [PRO], 4, id="first page"),
        pytest.param("limit=1&offset=1", [STANDARD], 4, id="second page"),
    ],
)
def test_the_catalogue(caller: Caller, query: str, found: list[str], total: int) -> None:
    body = caller.get(f"/v1/models?{query}").json()
    assert ([entry["model_id"] for entry in body["models"]], body["total"]) == (found, total)
    assert not any("input_schema" in entry for entry in body["models"])


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=²", "offset=-1"])
def test_a_wrong_page_is_refused(caller: Caller, query: str) -> None:
    assert caller.get(f"/v1/models?{query}").status_code == 400


def test_an_entry_of_the_catalogue(caller: Caller) -> None:
    entry = caller.get(f"/v1/models/{PRO}").json()
    assert entry == {
        "model_id": PRO,
        "display_name": "Kling 3.0 Pro Text to Video",
        "categories": ["text-to-video"],
        "kind": "video",
        "base_price_usd": 0.112,
        "price_unit": "second",
        "pricing_note": "0.168 USD per second with sound",
        "required_inputs": ["prompt"],
        "input_schema": input_schema(PRO),
    }
    assert caller.get("/v1/models?include_schema=true&limit=1").json()["models"] == [entry]
    assert caller.get("/v1/models/kling/none").json()["error_code"] == 400001


def test_a_model_that_takes_media(caller: Caller) -> None:
    entry = caller.get(f"/v1/models/{OWN}").json()
    assert (entry["base_price_usd"], entry["price_unit"], entry["required_inputs"]) == (
        0.1,
        "second",
        ["prompt", "image_url"],
    )
    assert {name: field.get("format") for name, field in entry["input_schema"]["properties"].items()} == {
        "prompt": None,
        "image_url": "image_uri",
        "reference_images": "image_uris",
        "duration": None,
        "aspect_ratio": None,
        "sound": None,
    }
    inputs = {"prompt": "It moves", "image_url": "https://example.com/cat.png", "duration": 3}
    assert caller.result(caller.submitted(inputs, OWN))["cost"] == pytest.approx(0.3)


def test_a_model_that_makes_images(caller: Caller) -> None:
    entry = caller.get(f"/v1/models/{IMAGE}").json()
    assert (entry["kind"], entry["base_price_usd"], entry["price_unit"]) == ("image", 0.02, "image")
    result = caller.result(caller.submitted({"prompt": "A cat"}, IMAGE))
    assert (list(result["output"]), result["cost"]) == (["image"], 0.02)
    file = requests.get(result["output"]["image"], timeout=30)
    assert (file.headers["Content-Type"], file.content[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("url", ["s3://bucket/cat.png", "/data/cat.png", "http://example.com/cat.png", "cat.png"])
def test_a_medium_that_could_not_be_fetched_is_refused(caller: Caller, url: str) -> None:
    refused = caller.submit({"prompt": "It moves", "image_url": url}, OWN)
    assert (refused.status_code, [fault["loc"] for fault in refused.json()["detail"]]) == (422, ["image_url"])


def test_every_call_is_listed_and_no_token(caller: Caller) -> None:
    url = caller.video_url()
    requests.get(url, headers={"Range": "bytes=0-9"}, timeout=30)
    caller.get("/nowhere")
    requests.get(caller.sandbox.url + "/v1/models", timeout=30)
    listed = requests.get(caller.sandbox.url + "/_sandbox/calls", timeout=30)
    (request_id,) = (made["request_id"] for made in caller.sandbox.requests())
    body = listed.json()
    assert [(call["kind"], call["status"], call["has_authorization"]) for call in body["calls"]] == [
        ("submit", 200, True),
        ("status", 200, True),
        ("result", 200, True),
        ("file", 206, False),
        ("other", 404, True),
        ("models", 401, False),
    ]
    assert [call["request_id"] for call in body["calls"][:4]] == [request_id] * 4
    assert [call["model_id"] for call in body["calls"][:4]] == [PRO] * 4
    assert body["calls"][2]["path"] == f"/v1/requests/{request_id}/result?include_cost=true"
    assert body["calls"][3]["range"] == "bytes=0-9"
    assert all(TIMESTAMP.fullmatch(call["time"]) for call in body["calls"])
    assert body["dropped"] == 0
    assert "anything" not in listed.text
    assert [call.as_dict() for call in caller.sandbox.calls()] == body["calls"]


def test_the_list_of_requests(caller: Caller) -> None:
    request_id = caller.submitted()
    listed = requests.get(caller.sandbox.url + "/_sandbox/requests", timeout=30)
    (made,) = listed.json()["requests"]
    assert made == {
        "request_id": request_id,
        "model_id": PRO,
        "state": "succeeded",
        "inputs": SHORT,
        "charged_usd": SHORT_COST,
        "error": None,
        "created_at": made["created_at"],
        "started_at": made["created_at"],
        "finished_at": made["created_at"],
    }
    assert "anything" not in listed.text


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError, match=f"cannot listen on 127.0.0.1:{port}"), running_sandbox(port=port):
            pass
