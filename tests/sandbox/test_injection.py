"""Every fault, as a client meets it over real HTTP."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.sandbox.client import PRO, SHORT_COST, STANDARD, Caller

pytestmark = pytest.mark.slow


def inject(caller: Caller, **fault: Any) -> None:
    """Put a fault in over the control path, as a person would."""
    response = requests.post(caller.sandbox.url + "/_sandbox/faults", json=fault, timeout=10)
    assert (response.status_code, response.text) == (204, "")


def outcomes(caller: Caller) -> list[tuple[str, int | None, list[str]]]:
    return [(call.kind.value, call.status, call.faults) for call in caller.sandbox.calls()]


@pytest.mark.parametrize(
    ("fault", "status", "body", "headers"),
    [
        pytest.param(
            {"code": 503},
            503,
            '{"error_code": 503000, "error_message": "the sandbox was asked to answer 503"}',
            {"Content-Type": "application/json; charset=utf-8"},
            id="a code alone",
        ),
        pytest.param(
            {"code": 400, "error_code": 400002},
            400,
            '{"error_code": 400002, "error_message": "the sandbox was asked to answer 400"}',
            {},
            id="an error code",
        ),
        pytest.param({"code": 200, "body": {"error_code": 500}}, 200, '{"error_code": 500}', {}, id="a body"),
        pytest.param(
            {"code": 502, "body": "<html>Bad gateway</html>"},
            502,
            "<html>Bad gateway</html>",
            {"Content-Type": "text/html; charset=utf-8"},
            id="a gateway's page",
        ),
        pytest.param(
            {"code": 503, "body": "Bad gateway", "headers": {"content-type": "text/plain"}},
            503,
            "Bad gateway",
            {"Content-Type": "text/plain"},
            id="a type of its own",
        ),
        pytest.param(
            {"code": 503, "body": {"a": "\ud800"}, "headers": {"Content-Type": "application/problem+json"}},
            503,
            '{"a": "\\ud800"}',
            {"Content-Type": "application/problem+json"},
            id="JSON by another name",
        ),
        pytest.param({"code": 429, "headers": {"Retry-After": "7"}}, 429, None, {"Retry-After": "7"}, id="Retry-After"),
        pytest.param({"code": 429}, 429, None, {"Retry-After": None}, id="no Retry-After"),
    ],
)
def test_a_status_is_answered_once_and_nothing_else_happens(
    caller: Caller, fault: dict[str, Any], status: int, body: str | None, headers: dict[str, str | None]
) -> None:
    inject(caller, effect="status", calls=["submit"], **fault)
    response = caller.submit()
    assert response.status_code == status
    assert body in (None, response.text)
    assert {name: response.headers.get(name) for name in headers} == headers
    assert caller.sandbox.requests() == []
    assert caller.balance() == 100
    caller.submitted()
    assert outcomes(caller) == [("submit", status, ["status"]), ("balance", 200, []), ("submit", 200, [])]


def test_a_fault_can_be_for_one_model(caller: Caller) -> None:
    inject(caller, effect="status", code=500, model_id=STANDARD, times=None)
    assert (caller.submit(model_id=PRO).status_code, caller.submit(model_id=STANDARD).status_code) == (200, 500)


def test_a_fault_can_be_for_one_request(caller: Caller) -> None:
    first, second = caller.submitted(), caller.submitted()
    inject(caller, effect="status", code=500, request_id=first, times=None)
    assert [caller.get(f"/v1/requests/{one}/status").status_code for one in (first, second)] == [500, 200]


def test_a_fault_can_be_for_a_prompt_in_every_call_about_it(caller: Caller) -> None:
    dog, cat = caller.submitted({"prompt": "A dog", "duration": 3}), caller.submitted()
    inject(caller, effect="status", code=500, prompt="dog", times=None)
    assert [caller.get(f"/v1/requests/{one}/result").status_code for one in (dog, cat)] == [500, 200]
    assert caller.submit({"prompt": "Two dogs", "duration": 3}).status_code == 500


def test_a_token_can_be_revoked(caller: Caller) -> None:
    inject(caller, effect="status", token="old", code=401, error_code=400004, times=None)
    old = Caller(caller.sandbox, "old")
    assert [old.get("/prod/v2/balance").json()["error_code"] for _ in range(2)] == [400004, 400004]
    assert caller.balance() == 100


def test_a_delay_is_waited_for(caller: Caller) -> None:
    inject(caller, effect="delay", seconds=0.3, calls=["balance"])
    began = time.monotonic()
    assert caller.balance() == 100
    assert time.monotonic() - began >= 0.3


def test_a_lost_answer_has_been_taken_and_charged(caller: Caller) -> None:
    inject(caller, effect="lost_answer")
    with pytest.raises(requests.ConnectionError):
        caller.submit()
    (made,) = caller.sandbox.requests()
    assert caller.balance() == pytest.approx(100 - SHORT_COST)
    assert caller.status(made["request_id"])["status"] == "completed"
    assert outcomes(caller)[0] == ("submit", None, ["lost_answer"])
    assert caller.sandbox.calls()[0].request_id == made["request_id"]


def test_the_answer_of_a_cancel_can_be_lost(waiting: Caller) -> None:
    waiting.submitted()
    queued = waiting.submitted()
    inject(waiting, effect="lost_answer", calls=["cancel"])
    with pytest.raises(requests.ConnectionError):
        waiting.cancel(queued)
    assert waiting.status(queued)["status"] == "cancelled"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param({"effect": "fail", "error": "out of memory"}, "out of memory", id="failed"),
        pytest.param(
            {"effect": "moderate", "error": "violence"},
            {"type": "content_moderation", "message": "violence"},
            id="moderated",
        ),
    ],
)
def test_a_generation_that_fails_is_completed_on_status_and_failed_on_result(
    caller: Caller, fault: dict[str, Any], error: object
) -> None:
    inject(caller, **fault)
    failed, succeeded = caller.submitted(), caller.submitted()
    assert [caller.status(one)["status"] for one in (failed, succeeded)] == ["completed", "completed"]
    assert caller.result(succeeded)["status"] == "succeeded"
    result = caller.result(failed)
    assert (result["status"], result["error"], result["cost"]) == ("failed", error, SHORT_COST)
    assert "output" not in result


@pytest.mark.parametrize(
    ("effect", "words"), [("fail", "generation failed"), ("moderate", "moderation")], ids=["failed", "moderated"]
)
def test_a_failure_has_words_of_its_own(caller: Caller, effect: str, words: str) -> None:
    inject(caller, effect=effect)
    assert words in str(caller.result(caller.submitted())["error"])


def test_an_outage_meets_every_call_until_it_is_removed(caller: Caller) -> None:
    url = caller.video_url()
    inject(caller, effect="outage", seconds=1000)
    assert caller.submit().status_code == 503
    assert [caller.get(path).status_code for path in ("/prod/v2/balance", "/v1/models", "/nowhere")] == [503] * 3
    assert requests.get(url, timeout=10).status_code == 503
    assert requests.delete(caller.sandbox.url + "/_sandbox/faults", timeout=10).status_code == 204
    assert requests.get(url, timeout=30).status_code == 200


def test_an_outage_can_cut_connections(caller: Caller) -> None:
    inject(caller, effect="outage", seconds=1000, drop=True, calls=["balance"])
    with pytest.raises(requests.ConnectionError):
        caller.balance()
    caller.sandbox.clear_faults()
    assert caller.balance() == 100


def test_an_expired_request_is_unknown_and_its_file_gone(caller: Caller) -> None:
    request_id = caller.submitted()
    url = caller.result(request_id)["output"]["video"]
    inject(caller, effect="expire", request_id=request_id)
    for response in (caller.get(f"/v1/requests/{request_id}/result"), caller.cancel(request_id)):
        assert (response.status_code, response.json()["error_code"]) == (404, 404001)
    assert requests.get(url, timeout=10).status_code == 404


def test_a_file_can_expire_with_403_while_its_request_is_known(caller: Caller) -> None:
    url = caller.video_url()
    inject(caller, effect="expire", calls=["file"], code=403)
    assert [requests.get(url, timeout=10).status_code for _ in range(2)] == [403, 403]
    assert caller.result(caller.sandbox.requests()[0]["request_id"])["status"] == "succeeded"


def test_several_faults_meet_one_call(caller: Caller) -> None:
    caller.sandbox.add_fault("delay", seconds=0.01)
    caller.sandbox.add_fault("fail")
    caller.sandbox.add_fault("lost_answer")
    with pytest.raises(requests.ConnectionError):
        caller.submit()
    assert outcomes(caller) == [("submit", None, ["delay", "fail", "lost_answer"])]
    assert caller.sandbox.requests()[0]["state"] == "failed"


@pytest.mark.parametrize("body", ['{"effect": "fail", "eror": 1}', "[]", "no JSON", ""], ids=repr)
def test_a_wrong_fault_is_refused_with_a_reason(caller: Caller, body: str) -> None:
    response = requests.post(caller.sandbox.url + "/_sandbox/faults", data=body, timeout=10)
    assert response.status_code == 400
    assert response.json()["error"]
    caller.submitted()
