"""Every fact that is known of RunComfy's calls and answers, as a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_runcomfy import __version__
from airflow_provider_runcomfy.api import wire
from airflow_provider_runcomfy.api.errors import (
    AuthenticationError,
    ForbiddenError,
    InsufficientBalanceError,
    InvalidInputError,
    Money,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    RunComfyError,
    SubmissionUnknownError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.api.types import (
    Balance,
    CancelOutcome,
    GenerationResult,
    MediaFile,
    MediaKind,
    RequestState,
    RequestStatus,
)
from tests.api.answers import MODEL, PAGE, REQUEST, SETTINGS, TOKEN, accepted, answer, refused, status_of

SUBMIT = wire.submit_call(SETTINGS, MODEL, {"prompt": "A cat"})
STATUS = wire.status_call(SETTINGS, REQUEST)
RESULT = wire.result_call(SETTINGS, REQUEST)
CANCEL = wire.cancel_call(SETTINGS, REQUEST)
BASE = "https://model-api.runcomfy.net"
VIDEO = "https://playgrounds-storage-public.runcomfy.net/a/x_output.mp4"


# --- The calls -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "method", "url"),
    [
        pytest.param(SUBMIT, "POST", f"{BASE}/v1/models/{MODEL}", id="submit"),
        pytest.param(STATUS, "GET", f"{BASE}/v1/requests/req-1/status", id="status"),
        pytest.param(RESULT, "GET", f"{BASE}/v1/requests/req-1/result?include_cost=true", id="result"),
        pytest.param(CANCEL, "POST", f"{BASE}/v1/requests/req-1/cancel", id="cancel"),
        pytest.param(
            wire.models_call(SETTINGS, {"search": "a b&c", "include_schema": "true"}, offset=500),
            "GET",
            f"{BASE}/v1/models?search=a+b%26c&include_schema=true&limit=100&offset=500",
            id="catalogue",
        ),
        pytest.param(wire.model_call(SETTINGS, MODEL), "GET", f"{BASE}/v1/models/{MODEL}", id="one model"),
        pytest.param(wire.balance_call(SETTINGS), "GET", "https://api.runcomfy.net/prod/v2/balance", id="balance"),
        pytest.param(
            wire.balance_call(Settings(TOKEN, "https://example.org")),
            "GET",
            "https://example.org/prod/v2/balance",
            id="balance at a host of one's own",
        ),
    ],
)
def test_each_call_goes_to_its_path_of_the_configured_base(call: wire.Call, method: str, url: str) -> None:
    assert (call.method, call.url) == (method, url)


def test_the_body_of_a_submit_is_the_inputs_and_nothing_around_them() -> None:
    inputs = {"prompt": "Größe 🐈", "duration": 5, "sound": False, "multi_prompt": [{"prompt": "a", "duration": 5}]}
    assert json.loads(wire.submit_call(SETTINGS, MODEL, inputs).body or b"") == inputs


def test_every_call_names_the_client_and_asks_for_no_compression() -> None:
    common = {
        "Authorization": f"Bearer {TOKEN}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": f"airflow-provider-runcomfy/{__version__}",
        "X-RunComfy-Client": "airflow-provider-runcomfy",
    }
    assert wire.headers(TOKEN) == common
    assert wire.headers(TOKEN, has_body=True) == {**common, "Content-Type": "application/json"}


@pytest.mark.parametrize(
    "model_id",
    ["", "/", "a/", "/a", "a//b", "..", "a/../b", "a/./b", "a b", "a?b", "a#b", "a%2f", "ä", "a\n", "a" * 257, None, 7],
    ids=repr,
)
def test_what_is_no_model_id_is_refused_before_anything_is_sent(model_id: Any) -> None:
    said = set()
    makes: list[Callable[[], wire.Call]] = [
        lambda: wire.submit_call(SETTINGS, model_id, {}),
        lambda: wire.model_call(SETTINGS, model_id),
    ]
    for make in makes:
        with pytest.raises(InvalidInputError, match="a model id is letters, digits") as caught:
            make()
        said.add(str(caught.value))
    [message] = said
    assert message.endswith("Nothing was submitted, nothing was charged.")
    assert len(message) < 400


@pytest.mark.parametrize("model_id", ["a", "A.b_c-1/..d/e...", "a" * 256], ids=lambda text: text[:20])
def test_what_is_a_model_id_stands_in_the_path_as_it_is(model_id: str) -> None:
    assert wire.submit_call(SETTINGS, model_id, {}).url == f"{BASE}/v1/models/{model_id}"


@pytest.mark.parametrize("request_id", ["", "a/b", "..", "a b", "a\n", "ä", "a" * 129, None, 7, ["a"]], ids=repr)
def test_what_is_no_request_id_is_refused_before_anything_is_sent(request_id: Any) -> None:
    for make in (wire.status_call, wire.result_call, wire.cancel_call):
        with pytest.raises(InvalidInputError, match="is no RunComfy request id: expected 1 to 128 letters"):
            make(SETTINGS, request_id)


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        pytest.param(None, "inputs: got None; an object with the model's fields", id="null"),
        pytest.param("text", "inputs: got 'text'; an object with the model's fields", id="text"),
        pytest.param('{"prompt": "a"}', "Jinja makes text of it", id="an object as text"),
        pytest.param([], "inputs: got []; an object with the model's fields", id="a list"),
        pytest.param([("prompt", "a")], "an object with the model's fields", id="pairs"),
        pytest.param(True, "inputs: got True; an object with the model's fields", id="true"),
        pytest.param({"x": float("nan")}, "x: got nan; a finite number", id="not a number"),
        pytest.param({"x": {1, 2}}, "x: got {1, 2}; text, a number,", id="a set"),
        pytest.param({("a",): 1}, "inputs[('a',)]: got ('a',); field names are text", id="a tuple as key"),
        pytest.param({1: "a"}, "inputs[1]: got 1; field names are text", id="a number as key"),
        pytest.param({"x": b"a"}, "x: got b'a'; text, a number,", id="bytes"),
        pytest.param({"x": "\ud800"}, "text without NUL and lone surrogates", id="a lone surrogate"),
        pytest.param({"x": [[[...]]]}, "x[0][0][0]: got Ellipsis", id="an object within"),
        pytest.param({"image": "a" * (64 << 20)}, "at most 67108864 are accepted", id="more than 64 MiB"),
    ],
)
def test_inputs_that_cannot_be_sent_are_refused_before_anything_is_sent(inputs: Any, reason: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        wire.submit_call(SETTINGS, MODEL, inputs)
    assert reason in str(caught.value)
    assert "othing was submitted, nothing was charged" in str(caught.value)
    assert caught.value.model_id == MODEL


def test_every_fault_that_json_has_with_inputs_is_named_at_once() -> None:
    inputs: dict[Any, Any] = {"a": {1}, "b": [b"x"], 3: 4}
    with pytest.raises(InvalidInputError) as caught:
        wire.submit_call(SETTINGS, MODEL, inputs)
    assert [fault.path for fault in caught.value.faults] == ["a", "b[0]", "inputs[3]"]


CALLS: dict[str, tuple[Callable[[], wire.Call], wire.Call]] = {
    "submit": (
        lambda: wire.submit_call(SETTINGS, MODEL, {}),
        wire.Call("POST", f"{BASE}/v1/models/{MODEL}", f"Submit to {MODEL}", "", MODEL, b"{}", 1 << 20),
    ),
    "status": (
        lambda: wire.status_call(SETTINGS, REQUEST),
        wire.Call("GET", f"{BASE}/v1/requests/req-1/status", "Status of request req-1", REQUEST, "", None, 1 << 20),
    ),
    "result": (
        lambda: wire.result_call(SETTINGS, REQUEST),
        wire.Call("GET", f"{BASE}/v1/requests/req-1/result?include_cost=true", "Result of request req-1", REQUEST),
    ),
    "cancel": (
        lambda: wire.cancel_call(SETTINGS, REQUEST),
        wire.Call("POST", f"{BASE}/v1/requests/req-1/cancel", "Cancel of request req-1", REQUEST),
    ),
    "catalogue": (
        lambda: wire.models_call(SETTINGS, {"kind": "video"}, offset=7),
        wire.Call(
            "GET", f"{BASE}/v1/models?kind=video&limit=100&offset=7", "List of models", "", "", None, max_bytes=4 << 20
        ),
    ),
    "one model": (
        lambda: wire.model_call(SETTINGS, MODEL),
        wire.Call("GET", f"{BASE}/v1/models/{MODEL}", f"Catalogue entry of {MODEL}", "", MODEL),
    ),
    "balance": (
        lambda: wire.balance_call(SETTINGS),
        wire.Call("GET", "https://api.runcomfy.net/prod/v2/balance", "Balance"),
    ),
}


@pytest.mark.parametrize(("make", "call"), CALLS.values(), ids=CALLS)
def test_each_call_knows_what_it_is_about_and_how_long_its_answer_may_be(
    make: Callable[[], wire.Call], call: wire.Call
) -> None:
    assert make() == call
    with pytest.raises(UnavailableError) as caught:
        call.fail(UnavailableError, "no.")
    assert str(caught.value) == f"{call.doing}: no."
    assert (caught.value.request_id, caught.value.model_id) == (call.request_id or None, call.model_id or None)


def test_inputs_as_large_as_is_accepted_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_MAX_BODY_BYTES", len(b'{"prompt": "1234"}'))
    assert wire.submit_call(SETTINGS, MODEL, {"prompt": "1234"}).body == b'{"prompt": "1234"}'
    with pytest.raises(InvalidInputError, match="are 19 bytes of JSON; at most 18 are accepted"):
        wire.submit_call(SETTINGS, MODEL, {"prompt": "12345"})


def test_of_what_is_no_request_id_the_beginning_is_shown() -> None:
    with pytest.raises(InvalidInputError) as caught:
        wire.status_call(SETTINGS, "a" * 129)
    assert str(caught.value) == (
        f"'{'a' * 98}… is no RunComfy request id: expected 1 to 128 letters, digits, '_' or '-'."
    )


# --- Submit ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(accepted(), 200, id="as documented"),
        pytest.param(accepted(status="in_queue"), 202, id="202 with in_queue"),
        pytest.param(accepted(status="queued"), 201, id="201 with queued"),
        pytest.param({"request_id": REQUEST}, 200, id="the id alone"),
        pytest.param(accepted(error_code=None, error_message=None), 200, id="error_code null"),
        pytest.param(b"\xef\xbb\xbf" + json.dumps(accepted()).encode(), 200, id="a byte order mark"),
    ],
)
def test_an_accepted_submit_gives_the_request_id(body: object, status: int) -> None:
    assert wire.parse_submit(SUBMIT, answer(body, status)) == REQUEST


DOCUMENTED: dict[int, type[RunComfyError]] = {
    400001: RefusedError,
    400002: InsufficientBalanceError,
    400004: AuthenticationError,
    403001: ForbiddenError,
    404001: NotFoundError,
}
REFUSALS = [
    pytest.param(400, refused(400001), RefusedError, "HTTP 400, error_code 400001", id="400001 model"),
    pytest.param(400, refused(400002), InsufficientBalanceError, "Add funds", id="400002 balance"),
    pytest.param(402, PAGE, InsufficientBalanceError, "Add funds", id="402 page"),
    pytest.param(402, {"message": "no funds"}, InsufficientBalanceError, "no funds", id="402 with message"),
    pytest.param(400, refused(400004), AuthenticationError, "Set a valid API token", id="400004 token"),
    pytest.param(401, b"", AuthenticationError, "an empty answer", id="401 empty"),
    pytest.param(401, PAGE, AuthenticationError, "Bad gateway", id="401 page"),
    pytest.param(401, refused(400004), AuthenticationError, "HTTP 401, error_code 400004", id="401 with 400004"),
    pytest.param(200, refused(400004), AuthenticationError, "HTTP 200, error_code 400004", id="200 with 400004"),
    pytest.param(200, refused(400002), InsufficientBalanceError, "HTTP 200", id="200 with 400002"),
    pytest.param(200, refused("400001"), RefusedError, "error_code 400001", id="200 with a code as text"),
    pytest.param(200, refused(" 400001 "), RefusedError, "error_code 400001", id="a code with spaces"),
    pytest.param(200, refused(400001.0), RefusedError, "error_code 400001", id="a code as a float"),
    *(
        pytest.param(500, refused(code), kind, f"HTTP 500, error_code {code}", id=f"500 with the documented {code}")
        for code, kind in DOCUMENTED.items()
    ),
    pytest.param(200, refused(422017), RefusedError, "error_code 422017", id="an unheard-of 422 code"),
    pytest.param(401, refused("E_AUTH"), AuthenticationError, "HTTP 401", id="no number: the status"),
    pytest.param(400, refused(17), RefusedError, "error_code 17", id="no status in the code: the status"),
    pytest.param(403, PAGE, RefusedError, "Bad gateway", id="403 page"),
    pytest.param(404, PAGE, RefusedError, "Bad gateway", id="404 page"),
    pytest.param(410, PAGE, RefusedError, "Bad gateway", id="410 page"),
    pytest.param(200, refused(400010), RefusedError, "error_code 400010", id="200 with an undocumented 400 code"),
    pytest.param(299, refused(422017), RefusedError, "error_code 422017", id="299 with an undocumented 422 code"),
    pytest.param(404, refused(600000), NotFoundError, "HTTP 404, error_code 600000", id="404 with a 600 code"),
    pytest.param(404, {"detail": "Not Found"}, NotFoundError, "Not Found", id="404 JSON"),
    pytest.param(403, {"detail": "No."}, ForbiddenError, "No.", id="403 JSON"),
    pytest.param(405, PAGE, RefusedError, "HTTP 405", id="405"),
    pytest.param(413, PAGE, RefusedError, "HTTP 413", id="413"),
    pytest.param(422, {"detail": [{"loc": ["duration"], "msg": "too long"}]}, RefusedError, "too long", id="422"),
    pytest.param(429, b"", RateLimitedError, "HTTP 429", id="429"),
    pytest.param(200, refused(429001), RateLimitedError, "error_code 429001", id="200 with a 429 code"),
]


@pytest.mark.parametrize(("status", "body", "kind", "says"), REFUSALS)
def test_a_submit_that_was_refused_says_that_nothing_was_charged(
    status: int, body: object, kind: type[RunComfyError], says: str
) -> None:
    with pytest.raises(RunComfyError) as caught:
        wire.parse_submit(SUBMIT, answer(body, status))
    error = caught.value
    assert type(error) is kind
    assert error.money is Money.NOT_SPENT
    assert (error.model_id, error.request_id, error.http_status) == (MODEL, None, status)
    assert str(error).startswith(f"Submit to {MODEL}: ")
    assert str(error).endswith(" Nothing was charged.")
    assert says in str(error)


AMBIGUOUS = [
    pytest.param(200, b"", id="empty"),
    pytest.param(200, b"OK", id="no JSON"),
    pytest.param(200, PAGE, id="a page with 200"),
    pytest.param(200, {}, id="no id"),
    pytest.param(200, {"status_url": f"{BASE}/v1/requests/{REQUEST}/status"}, id="an id in a URL only"),
    pytest.param(200, {"request_id": None}, id="id null"),
    pytest.param(200, {"request_id": ""}, id="id empty"),
    pytest.param(200, {"request_id": 17}, id="id a number"),
    pytest.param(200, {"request_id": "a/../b"}, id="id that is a path"),
    pytest.param(200, {"request_id": "a" * 129}, id="id too long"),
    pytest.param(200, {"request_id": "a\0b"}, id="id with NUL"),
    pytest.param(200, [accepted()], id="a list"),
    pytest.param(200, b'{"request_id": "req-1"', id="cut JSON"),
    pytest.param(200, b'{"request_id": "req-1", "x": NaN}', id="NaN"),
    pytest.param(200, json.dumps(accepted()).encode("utf-16"), id="UTF-16"),
    pytest.param(204, b"", id="204"),
    pytest.param(200, refused(500001), id="200 with a 500 code"),
    pytest.param(200, refused(408001), id="200 with a 408 code"),
    pytest.param(200, refused(409001), id="200 with a 409 code"),
    pytest.param(200, refused("oops"), id="200 with a word as code"),
    pytest.param(200, refused(0), id="200 with code 0"),
    pytest.param(200, refused(False), id="200 with code false"),
    pytest.param(400, refused(500001), id="400 with a 500 code"),
    pytest.param(301, b"", id="301"),
    pytest.param(307, accepted(), id="307 with an id"),
    pytest.param(408, b"", id="408"),
    pytest.param(409, {"message": "conflict"}, id="409"),
    pytest.param(499, b"", id="499"),
    pytest.param(500, PAGE, id="500"),
    pytest.param(502, PAGE, id="502"),
    pytest.param(503, refused(503001), id="503"),
    pytest.param(504, b"", id="504"),
    # Only the documented codes are RunComfy's word; that others begin with a status is inference.
    pytest.param(500, refused(429000), id="500 with an undocumented 429 code"),
    pytest.param(504, refused(429000), id="504 with an undocumented 429 code"),
    pytest.param(502, refused(404000), id="502 with an undocumented 404 code"),
    pytest.param(503, refused(422017), id="503 with an undocumented 422 code"),
    pytest.param(409, refused(422017), id="409 with an undocumented 422 code"),
    pytest.param(408, refused(400010), id="408 with an undocumented 400 code"),
    pytest.param(300, refused(404000), id="300 with an undocumented 404 code"),
    pytest.param(302, refused(404000), id="302 with an undocumented 404 code"),
    pytest.param(100, b"", id="100"),
    pytest.param(999, b"", id="999"),
]


@pytest.mark.parametrize(("status", "body"), AMBIGUOUS)
def test_any_other_answer_to_a_submit_leaves_it_unknown(status: int, body: object) -> None:
    with pytest.raises(SubmissionUnknownError) as caught:
        wire.parse_submit(SUBMIT, answer(body, status))
    error = caught.value
    assert (error.money, error.retryable, error.model_id) == (Money.UNKNOWN, False, MODEL)
    assert f"HTTP {status}" in str(error)
    assert str(error).endswith(
        "It is not known whether RunComfy took it, so it may have been charged, and it was not sent again."
    )


UNKNOWN = "It is not known whether RunComfy took it, so it may have been charged, and it was not sent again."


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        pytest.param(200, {}, "HTTP 200 without a usable request id.", id="no id"),
        pytest.param(200, PAGE, "HTTP 200 without a usable request id, a web page, Bad gateway.", id="a page"),
        pytest.param(200, ["No", "way"], "HTTP 200 without a usable request id, No; way.", id="a list"),
        pytest.param(503, refused(503001), "No. (HTTP 503).", id="503"),
        pytest.param(
            500,
            accepted(message="No."),
            f"No. (HTTP 500). The answer named request {REQUEST}: it may be this one.",
            id="500 with an id",
        ),
    ],
)
def test_an_unknown_submission_says_why(status: int, body: object, says: str) -> None:
    with pytest.raises(SubmissionUnknownError) as caught:
        wire.parse_submit(SUBMIT, answer(body, status))
    assert str(caught.value) == f"Submit to {MODEL}: {says} {UNKNOWN}"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(200, accepted(error_code=400002, error_message="No."), id="refused and accepted"),
        pytest.param(400, accepted(error_code=400001), id="400 and accepted"),
        pytest.param(404, {"request_id": REQUEST}, id="404 and accepted"),
        pytest.param(500, accepted(), id="500 and accepted"),
        pytest.param(302, accepted(), id="redirect and accepted"),
    ],
)
def test_an_answer_that_contradicts_itself_is_unknown_and_names_the_id(status: int, body: object) -> None:
    with pytest.raises(SubmissionUnknownError) as caught:
        wire.parse_submit(SUBMIT, answer(body, status))
    assert caught.value.request_id == REQUEST
    assert f"The answer named request {REQUEST}: it may be this one." in str(caught.value)


# --- Status ----------------------------------------------------------------------------------------------------------

STATES = {
    RequestState.IN_QUEUE: ["in_queue", "queued", "pending", "waiting"],
    RequestState.IN_PROGRESS: ["in_progress", "starting", "processing"],
    RequestState.COMPLETED: ["completed", "succeeded"],
    RequestState.FAILED: ["failed", "error"],
    RequestState.CANCELLED: ["cancelled", "canceled"],
    RequestState.UNKNOWN: ["paused", "done?", "complete", "null", "in_queue_2"],
}
SPELLINGS = [
    pytest.param(spelt, state, id=f"{spelt!r} on status")
    for state, words in STATES.items()
    for word in words
    for spelt in sorted(
        {word, word.upper(), word.title(), f" {word}\n", word.replace("_", "-"), word.replace("_", " ")}
    )
]


@pytest.mark.parametrize(("word", "state"), SPELLINGS)
def test_every_spelling_of_a_state_on_status(word: str, state: RequestState) -> None:
    assert wire.parse_status(STATUS, answer(status_of(word))) == RequestStatus(REQUEST, state)


def test_status_never_tells_of_success() -> None:
    words = [word for words in STATES.values() for word in words] + ["success", "SUCCEEDED"]
    states = {wire.parse_status(STATUS, answer(status_of(word))).state for word in words}
    assert RequestState.SUCCEEDED not in states


@pytest.mark.parametrize(
    ("given", "position"),
    [(0, 0), (3, 3), (None, None), (-1, None), (True, None), ("2", None), (1.5, None), ([1], None), (2**63, 2**63)],
    ids=repr,
)
def test_queue_position_is_a_whole_number_or_nothing(given: object, position: int | None) -> None:
    body = answer(status_of("in_queue", queue_position=given))
    assert wire.parse_status(STATUS, body) == RequestStatus(REQUEST, RequestState.IN_QUEUE, position)


def test_queue_position_counts_only_while_queued() -> None:
    body = answer(status_of("in_progress", queue_position=3))
    assert wire.parse_status(STATUS, body) == RequestStatus(REQUEST, RequestState.IN_PROGRESS)


def test_an_answer_without_the_request_id_is_about_the_one_that_was_asked_for() -> None:
    assert wire.parse_status(STATUS, answer({"status": "in_queue"})).request_id == REQUEST


UNUSABLE = [
    pytest.param(200, b"", "could not be read", id="empty"),
    pytest.param(200, PAGE, "could not be read", id="a page with 200"),
    pytest.param(200, [], "could not be read", id="a list"),
    pytest.param(200, b"[" * 100_000, "could not be read", id="nested without end"),
    pytest.param(200, b'{"x":' * 65 + b"1" + b"}" * 65, "could not be read", id="nested too deep"),
    pytest.param(200, {}, "no status", id="no status"),
    pytest.param(200, status_of(None), "no status", id="status null"),
    pytest.param(200, status_of(" "), "no status", id="status blank"),
    pytest.param(200, status_of(["completed"]), "no status", id="status a list"),
    pytest.param(200, {"request_id": "other", "status": "completed"}, "about another request", id="another request"),
    pytest.param(200, {"request_id": 1, "status": "completed"}, "about another request", id="id a number"),
    pytest.param(200, refused(500001), "No. (HTTP 200, error_code 500001)", id="200 with a 500 code"),
    pytest.param(200, refused("?"), "No. (HTTP 200)", id="200 with a word as code"),
    pytest.param(302, status_of("completed"), "redirect, which is not followed", id="redirect"),
    pytest.param(401, PAGE, "HTTP 401", id="401 page"),
    pytest.param(401, b"", "HTTP 401", id="401 empty"),
    pytest.param(401, b'"Unauthorized"', "HTTP 401", id="401 with a word"),
    pytest.param(403, PAGE, "HTTP 403", id="403 page"),
    pytest.param(404, PAGE, "HTTP 404", id="404 page"),
    pytest.param(404, b"", "HTTP 404", id="404 empty"),
    pytest.param(410, PAGE, "HTTP 410", id="410 page"),
    pytest.param(404, b'"gone"', "HTTP 404", id="404 with a word"),
    pytest.param(408, b"", "HTTP 408", id="408"),
    pytest.param(500, status_of("completed"), "HTTP 500", id="500 with a status"),
    pytest.param(502, PAGE, "Bad gateway", id="502 page"),
    pytest.param(503, b"", "an empty answer (HTTP 503)", id="503 empty"),
    pytest.param(502, refused(404000), "HTTP 502, error_code 404000", id="502 with an undocumented 404 code"),
    pytest.param(500, refused(401003), "HTTP 500, error_code 401003", id="500 with an undocumented 401 code"),
]


@pytest.mark.parametrize(("status", "body", "says"), UNUSABLE)
@pytest.mark.parametrize("call", [STATUS, RESULT], ids=["status", "result"])
def test_an_unusable_answer_to_a_poll_is_no_end(call: wire.Call, status: int, body: object, says: str) -> None:
    parse = wire.parse_status if call is STATUS else wire.parse_result
    with pytest.raises(UnavailableError) as caught:
        parse(call, answer(body, status))
    error = caught.value
    assert type(error) is UnavailableError
    assert (error.retryable, error.request_id, error.money) == (True, REQUEST, Money.NOT_SPENT)
    assert str(error).startswith(call.doing)
    assert REQUEST in str(error)
    assert says in str(error)


CERTAIN = [
    pytest.param(403, refused(403001), ForbiddenError, "belongs to another account", id="403001"),
    pytest.param(200, refused(403001), ForbiddenError, "belongs to another account", id="200 with 403001"),
    pytest.param(404, refused(404001), NotFoundError, "It never existed or has expired", id="404001"),
    pytest.param(400, refused("404001"), NotFoundError, "It never existed or has expired", id="400 with 404001"),
    pytest.param(404, {"detail": "Not Found"}, NotFoundError, "Not Found", id="404 JSON without a code"),
    pytest.param(404, refused("gone"), NotFoundError, "HTTP 404", id="404 with a word as code"),
    pytest.param(410, {"message": "expired"}, NotFoundError, "expired", id="410 JSON"),
    pytest.param(401, {"detail": "No."}, AuthenticationError, "Set a valid API token", id="401 JSON without a code"),
    pytest.param(400, refused(400004), AuthenticationError, "Set a valid API token", id="400 with 400004"),
    pytest.param(200, refused(401003), AuthenticationError, "Set a valid API token", id="a 401 code"),
    pytest.param(429, PAGE, RateLimitedError, "slow down", id="429"),
    pytest.param(400, refused(400001), RefusedError, "error_code 400001", id="400001"),
]


@pytest.mark.parametrize(("status", "body", "kind", "says"), CERTAIN)
@pytest.mark.parametrize("call", [STATUS, RESULT, CANCEL], ids=["status", "result", "cancel"])
def test_an_error_is_told_by_its_code_first_and_by_its_status_second(
    call: wire.Call, status: int, body: object, kind: type[RunComfyError], says: str
) -> None:
    parse: Any = {STATUS: wire.parse_status, RESULT: wire.parse_result, CANCEL: wire.parse_cancel}[call]
    with pytest.raises(RunComfyError) as caught:
        parse(call, answer(body, status))
    assert type(caught.value) is kind
    assert caught.value.request_id == REQUEST
    assert str(caught.value).startswith(f"{call.doing}: ")
    assert says in str(caught.value)


BALANCE = wire.balance_call(SETTINGS)
ADVICE = [
    pytest.param(wire.parse_submit, SUBMIT, 403, " check the model id. Nothing was charged.", id="submit, forbidden"),
    pytest.param(wire.parse_submit, SUBMIT, 404, " check the model id. Nothing was charged.", id="submit, no model"),
    pytest.param(wire.parse_submit, SUBMIT, 422, " model's API page. Nothing was charged.", id="submit, refused"),
    pytest.param(wire.parse_status, STATUS, 403, " the connection whose token submitted it.", id="status, forbidden"),
    pytest.param(wire.parse_result, RESULT, 404, " It never existed or has expired.", id="result, no request"),
    pytest.param(wire.parse_cancel, CANCEL, 405, ": No. (HTTP 405).", id="cancel, refused"),
    pytest.param(wire.parse_model, wire.model_call(SETTINGS, MODEL), 404, " check the model id.", id="no entry"),
    pytest.param(wire.parse_balance, BALANCE, 404, " check the connection's host.", id="no balance call"),
]


@pytest.mark.parametrize(("parse", "call", "status", "ends"), ADVICE)
def test_a_refusal_says_what_to_do_about_that_call(parse: Any, call: wire.Call, status: int, ends: str) -> None:
    with pytest.raises(RunComfyError) as caught:
        parse(call, answer({"message": "No."}, status))
    assert str(caught.value).startswith(f"{call.doing}: No. (HTTP {status}).")
    assert str(caught.value).endswith(ends)


# --- Result ----------------------------------------------------------------------------------------------------------


def test_a_result_as_documented() -> None:
    body = status_of(
        "succeeded",
        output={"video": VIDEO},
        cost=0.84,
        created_at="2026-11-20T14:00:00.123456+00:00",
        finished_at="2026-11-20T14:02:00.123456+00:00",
    )
    assert wire.parse_result(RESULT, answer(body)) == GenerationResult(
        request_id=REQUEST,
        state=RequestState.SUCCEEDED,
        media=(MediaFile(VIDEO, MediaKind.VIDEO),),
        output={"video": VIDEO},
        cost_usd=0.84,
        created_at="2026-11-20T14:00:00.123456+00:00",
        finished_at="2026-11-20T14:02:00.123456+00:00",
    )


@pytest.mark.parametrize(
    ("word", "state"),
    [
        *((word, RequestState.SUCCEEDED) for word in ("succeeded", "completed", "Completed", "SUCCEEDED")),
        *((word, state) for state in STATES if state is not RequestState.COMPLETED for word in STATES[state]),
    ],
)
def test_every_spelling_of_a_state_on_result(word: str, state: RequestState) -> None:
    result = wire.parse_result(RESULT, answer(status_of(word, output={"video": VIDEO})))
    assert result.state is state
    assert bool(result.media) is (state is RequestState.SUCCEEDED)
    assert bool(result.output) is (state is RequestState.SUCCEEDED)


def test_completed_on_status_may_be_failed_on_result() -> None:
    assert wire.parse_status(STATUS, answer(status_of("completed"))).state is RequestState.COMPLETED
    result = wire.parse_result(RESULT, answer(status_of("failed", error="NSFW")))
    assert (result.state, result.error) == (RequestState.FAILED, "NSFW")


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        pytest.param(200, status_of("in_queue"), RequestState.IN_QUEUE, id="200 in_queue"),
        pytest.param(200, status_of("in_progress"), RequestState.IN_PROGRESS, id="200 in_progress"),
        pytest.param(200, refused(400005), RequestState.IN_PROGRESS, id="200 with 400005"),
        pytest.param(400, refused(400005), RequestState.IN_PROGRESS, id="400 with 400005"),
        pytest.param(400, refused("400005"), RequestState.IN_PROGRESS, id="400005 as text"),
        pytest.param(409, refused(400005), RequestState.IN_PROGRESS, id="409 with 400005"),
    ],
)
def test_a_result_that_is_not_ready_is_a_value(status: int, body: object, state: RequestState) -> None:
    assert wire.parse_result(RESULT, answer(body, status)) == GenerationResult(REQUEST, state)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"error": "NSFW content"}, "NSFW content", id="text"),
        pytest.param({"error": {"type": "bad", "message": "No."}}, "type: bad, message: No.", id="object"),
        pytest.param(
            {"error": [{"errorCode": 7, "error": "boom", "debugInfo": None}]}, "errorCode: 7, error: boom", id="list"
        ),
        pytest.param({"error": ["a", {"message": "b"}]}, "a; message: b", id="list of both"),
        pytest.param({"error": None, "error_message": "No."}, "No.", id="error_message"),
        pytest.param({"error": "", "detail": "No."}, "No.", id="detail"),
        pytest.param({}, "RunComfy gave no reason", id="nothing"),
        pytest.param({"error": "a\r\n\tb\0c"}, "a b\ufffdc", id="control characters"),
        pytest.param({"error": "x" * 5000}, "x" * 1999 + "…", id="long"),
        pytest.param({"error": 17}, "17", id="number"),
        pytest.param({"error_code": 500123, "error": "boom"}, "boom", id="with a code of its own"),
    ],
)
@pytest.mark.parametrize("word", ["failed", "FAILED", "error"])
def test_every_shape_of_the_error_of_a_failed_generation(word: str, fields: dict[str, object], reason: str) -> None:
    result = wire.parse_result(RESULT, answer(status_of(word, **fields)))
    assert (result.state, result.error, result.media) == (RequestState.FAILED, reason, ())


NAMED_ERRORS = [
    pytest.param({"error": "out of memory"}, "out of memory", id="text"),
    pytest.param({"error": {"message": "No."}}, "message: No.", id="an object"),
    pytest.param({"error": [{"error": "boom"}]}, "error: boom", id="a list"),
    pytest.param({"error": 17}, "17", id="a number"),
    pytest.param({"error": None, "error_message": "No."}, "No.", id="error_message"),
]
NOTHING: tuple[Any, ...] = (None, "", " \n", [], {}, False, 0)
NO_ERRORS = [
    *(pytest.param({"error": value}, id=repr(value)) for value in NOTHING),
    pytest.param({"error": {"message": None}}, id="an object of nothing"),
    pytest.param({"error": [None, ""]}, id="a list of nothing"),
    pytest.param({"message": "Done.", "detail": "all is well"}, id="a message"),
    pytest.param({}, id="nothing"),
]
NO_FILES: list[Any] = [None, {}, {"video": None}, {"video": ""}, {"log": VIDEO}, "done", []]


@pytest.mark.parametrize("word", ["completed", "succeeded", "success", "Completed"])
@pytest.mark.parametrize(("fields", "reason"), NAMED_ERRORS)
@pytest.mark.parametrize("output", NO_FILES, ids=repr)
def test_a_success_with_an_error_and_no_file_is_a_failure(
    word: str, fields: dict[str, object], reason: str, output: object
) -> None:
    result = wire.parse_result(RESULT, answer(status_of(word, output=output, **fields)))
    assert result == GenerationResult(REQUEST, RequestState.FAILED, error=reason)


@pytest.mark.parametrize("word", ["completed", "succeeded"])
@pytest.mark.parametrize("fields", NO_ERRORS)
def test_a_success_without_an_error_is_one_even_without_a_file(word: str, fields: dict[str, object]) -> None:
    result = wire.parse_result(RESULT, answer(status_of(word, output={"text": "a poem"}, **fields)))
    assert result == GenerationResult(REQUEST, RequestState.SUCCEEDED, output={"text": "a poem"})


@pytest.mark.parametrize("word", ["completed", "succeeded"])
@pytest.mark.parametrize(("fields", "reason"), NAMED_ERRORS)
def test_a_success_with_a_file_and_an_error_is_a_success_that_keeps_the_error(
    word: str, fields: dict[str, object], reason: str
) -> None:
    result = wire.parse_result(RESULT, answer(status_of(word, output={"video": VIDEO}, **fields)))
    assert (result.state, result.media) == (RequestState.SUCCEEDED, (MediaFile(VIDEO, MediaKind.VIDEO),))
    assert result.error == reason


@pytest.mark.parametrize("word", ["in_queue", "in_progress", "cancelled", "what"])
def test_an_error_of_a_request_that_has_not_ended_or_was_cancelled_is_none_of_its_result(word: str) -> None:
    assert wire.parse_result(RESULT, answer(status_of(word, error="No."))).error is None


# --- An end that comes as an error -----------------------------------------------------------------------------------

ENDED_BADLY = [
    pytest.param(200, {"error_code": 500100, "error_message": "boom"}, id="200 with a code of its own"),
    pytest.param(200, {"error_code": 503001, "error_message": "boom"}, id="200 with a 503 code"),
    pytest.param(200, {"error_code": "E_NSFW", "error_message": "boom"}, id="200 with a word as code"),
    pytest.param(400, {"error": "boom"}, id="400"),
    pytest.param(400, {"error_code": 400010, "error_message": "boom"}, id="400 with a code of its own"),
    pytest.param(409, {"error": "boom"}, id="409"),
    pytest.param(422, {"error": [{"error": "boom"}]}, id="422"),
    pytest.param(500, {"error": "boom"}, id="500"),
    pytest.param(500, {"error_code": 500100, "error_message": "boom"}, id="500 with a code of its own"),
    pytest.param(500, {"error_code": 7, "error_message": "boom"}, id="500 with a code that is no status"),
    # 400001 was the refusal of a call until now, and waited for to the deadline: but it is about a model id, and no
    # call about a request names one.
    pytest.param(200, {"error_code": 400001, "error_message": "boom"}, id="200 with 400001"),
    pytest.param(400, {"error_code": 400001, "error_message": "boom"}, id="400 with 400001"),
]


@pytest.mark.parametrize(("status", "fields"), ENDED_BADLY)
@pytest.mark.parametrize("named", [{}, {"request_id": REQUEST}], ids=["no id", "its id"])
def test_a_generation_that_failed_is_a_value_also_where_it_comes_as_an_error(
    status: int, fields: dict[str, object], named: dict[str, object]
) -> None:
    got = answer({"status": "failed", **named, **fields}, status)
    assert wire.parse_status(STATUS, got) == RequestStatus(REQUEST, RequestState.FAILED)
    result = wire.parse_result(RESULT, got)
    assert result.state is RequestState.FAILED
    assert "boom" in (result.error or "")


ERRORS_OF_THE_CALL = [
    pytest.param(200, {"error_code": 400004}, AuthenticationError, id="200 with 400004"),
    pytest.param(400, {"error_code": 400004}, AuthenticationError, id="400 with 400004"),
    pytest.param(200, {"error_code": 401003}, AuthenticationError, id="200 with a 401 code"),
    pytest.param(401, {}, AuthenticationError, id="401"),
    pytest.param(401, {"error_code": 500100}, UnavailableError, id="401 with a 500 code"),
    pytest.param(200, {"error_code": 403001}, ForbiddenError, id="200 with 403001"),
    pytest.param(403, {}, ForbiddenError, id="403"),
    pytest.param(200, {"error_code": 404001}, NotFoundError, id="200 with 404001"),
    pytest.param(500, {"error_code": 404001}, NotFoundError, id="500 with 404001"),
    pytest.param(404, {}, NotFoundError, id="404"),
    pytest.param(200, {"error_code": 400002}, InsufficientBalanceError, id="200 with 400002"),
    pytest.param(402, {}, InsufficientBalanceError, id="402"),
    pytest.param(200, {"error_code": 429001}, RateLimitedError, id="200 with a 429 code"),
    pytest.param(429, {}, RateLimitedError, id="429"),
    pytest.param(302, {}, UnavailableError, id="302"),
    pytest.param(407, {}, UnavailableError, id="407"),
    pytest.param(408, {}, UnavailableError, id="408"),
    pytest.param(502, {}, UnavailableError, id="502"),
    pytest.param(503, {"error_code": 500100}, UnavailableError, id="503 with a code of its own"),
    pytest.param(500, {"error_code": 503001}, UnavailableError, id="500 with a 503 code"),
    pytest.param(504, {}, UnavailableError, id="504"),
]


@pytest.mark.parametrize(("status", "fields", "kind"), ERRORS_OF_THE_CALL)
@pytest.mark.parametrize("call", [STATUS, RESULT], ids=["status", "result"])
def test_an_error_about_token_request_or_gateway_is_no_failed_generation_whatever_it_calls_itself(
    call: wire.Call, status: int, fields: dict[str, object], kind: type[RunComfyError]
) -> None:
    parse: Any = wire.parse_status if call is STATUS else wire.parse_result
    with pytest.raises(kind):
        parse(call, answer(status_of("failed", **fields), status))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(400, {"error": "boom"}, id="no status"),
        pytest.param(200, {"error_code": 500100}, id="no status, with a code"),
        # What error answers of all kinds call themselves.
        pytest.param(500, {"status": "error", "error": "boom"}, id="the word error"),
        pytest.param(400, {"status": 400, "error": "boom"}, id="a number"),
        pytest.param(500, {"status": "fail", "error": "boom"}, id="the word fail"),
        pytest.param(500, status_of("completed", error_code=500100), id="completed"),
        pytest.param(500, status_of("cancelled"), id="cancelled"),
        pytest.param(500, status_of("in_progress"), id="in_progress"),
        pytest.param(200, status_of("in_progress", error_code=500100), id="in_progress with a code"),
        pytest.param(500, {"status": "failed", "request_id": "other"}, id="another request"),
        pytest.param(500, {"status": "failed", "request_id": None}, id="an id that is null"),
        pytest.param(500, [status_of("failed")], id="a list"),
    ],
)
@pytest.mark.parametrize("call", [STATUS, RESULT], ids=["status", "result"])
def test_an_error_that_does_not_say_that_this_request_failed_stays_one(
    call: wire.Call, status: int, body: object
) -> None:
    parse: Any = wire.parse_status if call is STATUS else wire.parse_result
    with pytest.raises(RunComfyError):
        parse(call, answer(body, status))


@pytest.mark.parametrize("word", ["completed", "succeeded", "cancelled", "canceled"])
def test_an_end_with_an_error_code_on_status_is_left_to_result(word: str) -> None:
    # Also a cancelled one: a retry submits it anew, so it must be certain.
    got = answer(status_of(word, error_code=500100))
    assert wire.parse_status(STATUS, got) == RequestStatus(REQUEST, RequestState.COMPLETED)


def test_cancelled_with_an_error_code_on_result_is_cancelled() -> None:
    got = answer(status_of("cancelled", error_code=499001))
    assert wire.parse_result(RESULT, got) == GenerationResult(REQUEST, RequestState.CANCELLED)


@pytest.mark.parametrize("status", [200, 400])
def test_not_ready_is_no_failure_whatever_stands_beside_it(status: int) -> None:
    got = answer(status_of("failed", **refused(400005)), status)
    assert wire.parse_result(RESULT, got).state is RequestState.IN_PROGRESS
    with pytest.raises(RunComfyError):
        wire.parse_status(STATUS, got)


@pytest.mark.parametrize("fields", [{"error_code": 1}, {"error_code": ""}, {"error_code": 404001}], ids=repr)
def test_a_success_with_an_error_code_is_none(fields: dict[str, object]) -> None:
    with pytest.raises(RunComfyError):
        wire.parse_result(RESULT, answer(status_of("succeeded", output={"video": VIDEO}, **fields)))


@pytest.mark.parametrize("status", [201, 202, 299])
def test_any_2xx_may_bring_a_result(status: int) -> None:
    assert wire.parse_result(RESULT, answer(status_of("succeeded"), status)).state is RequestState.SUCCEEDED


@pytest.mark.parametrize(
    ("given", "cost"),
    [(0, 0.0), (1, 1.0), (0.84, 0.84), (None, None), (-1, None), (True, None), ("1", None), (1e300, None)],
    ids=repr,
)
def test_the_cost_is_an_amount_or_nothing(given: object, cost: float | None) -> None:
    assert wire.parse_result(RESULT, answer(status_of("succeeded", cost=given))).cost_usd == cost


@pytest.mark.parametrize("given", [None, 17, "", "x" * 65, ["2026"]], ids=repr)
def test_a_time_that_is_none_is_left_out(given: object) -> None:
    assert wire.parse_result(RESULT, answer(status_of("succeeded", created_at=given))).created_at is None


def test_an_output_too_large_for_an_xcom_is_cut_and_its_files_are_kept() -> None:
    result = wire.parse_result(RESULT, answer(status_of("succeeded", output={"video": VIDEO, "log": "x" * 40_000})))
    assert result.media == (MediaFile(VIDEO, MediaKind.VIDEO),)
    assert result.output["bytes"] > 40_000
    assert len(result.output["truncated"]) == 2000


def test_nul_and_lone_surrogates_and_the_token_do_not_get_through() -> None:
    body = b'{"status": "succeeded", "output": {"video": "https://a/\\u0000", "t": "\\ud800 %s"}}' % TOKEN.encode()
    assert wire.parse_result(RESULT, answer(body)).output == {"video": "https://a/\ufffd", "t": "? ***"}


# --- Cancel ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        pytest.param(status_of("completed", outcome="cancelled"), CancelOutcome.CANCELLED, id="documented example"),
        pytest.param(status_of("in_progress", outcome="not_cancellable"), CancelOutcome.NOT_CANCELLABLE, id="running"),
        pytest.param(
            status_of("cancelled", outcome="not_cancellable"), CancelOutcome.NOT_CANCELLABLE, id="outcome first"
        ),
        pytest.param({"outcome": "canceled"}, CancelOutcome.CANCELLED, id="one l"),
        pytest.param({"outcome": "NOT-CANCELLABLE"}, CancelOutcome.NOT_CANCELLABLE, id="other spelling"),
        pytest.param({"outcome": "cancellation_requested"}, CancelOutcome.CANCELLATION_REQUESTED, id="requested"),
        pytest.param({"outcome": "shrug", "status": "cancelled"}, CancelOutcome.UNKNOWN, id="unheard-of outcome"),
        pytest.param(status_of("cancelled"), CancelOutcome.CANCELLED, id="status cancelled"),
        pytest.param(status_of("Canceled"), CancelOutcome.CANCELLED, id="status Canceled"),
        pytest.param(status_of("cancellation_requested"), CancelOutcome.CANCELLATION_REQUESTED, id="status requested"),
        pytest.param(status_of("in_progress"), CancelOutcome.NOT_CANCELLABLE, id="status in_progress"),
        pytest.param(status_of("completed"), CancelOutcome.NOT_CANCELLABLE, id="status completed"),
        pytest.param(status_of("in_queue"), CancelOutcome.UNKNOWN, id="status in_queue"),
        pytest.param(status_of("what"), CancelOutcome.UNKNOWN, id="status unheard of"),
        pytest.param({"outcome": None, "status": None}, CancelOutcome.UNKNOWN, id="nulls"),
        pytest.param({"outcome": ["cancelled"]}, CancelOutcome.UNKNOWN, id="a list"),
        pytest.param({}, CancelOutcome.UNKNOWN, id="nothing"),
    ],
)
@pytest.mark.parametrize("status", [200, 202])
def test_every_shape_of_the_answer_to_a_cancel(status: int, body: object, outcome: CancelOutcome) -> None:
    assert wire.parse_cancel(CANCEL, answer(body, status)) is outcome


@pytest.mark.parametrize(
    "body", [b"", PAGE, [], {"request_id": "other", "outcome": "cancelled"}], ids=["empty", "page", "list", "another"]
)
def test_a_cancel_whose_answer_cannot_be_used_is_not_taken_for_one(body: object) -> None:
    with pytest.raises(UnavailableError, match=f"Cancel of request {REQUEST}"):
        wire.parse_cancel(CANCEL, answer(body))


# --- Catalogue and balance -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "parsed"),
    [
        ({"models": [{"model_id": MODEL}], "total": 380}, ([{"model_id": MODEL}], 380)),
        ({"models": [{"model_id": MODEL}]}, ([{"model_id": MODEL}], 1)),
        ({"models": [], "total": True}, ([], 0)),
    ],
    ids=["as seen", "no total", "no number"],
)
def test_a_page_of_the_catalogue(body: object, parsed: object) -> None:
    assert wire.parse_models(wire.models_call(SETTINGS, {}, offset=0), answer(body)) == parsed


@pytest.mark.parametrize(
    "body",
    [b"", [], {}, {"models": {}}, {"models": [1]}, {"models": [{}]}, {"models": [{"model_id": "a b"}]}],
    ids=repr,
)
def test_what_is_no_catalogue(body: object) -> None:
    with pytest.raises(UnavailableError, match="List of models: the answer"):
        wire.parse_models(wire.models_call(SETTINGS, {}, offset=0), answer(body))


def test_one_model() -> None:
    call = wire.model_call(SETTINGS, MODEL)
    assert wire.parse_model(call, answer({"model_id": MODEL, "kind": "video"})) == {"model_id": MODEL, "kind": "video"}
    with pytest.raises(UnavailableError, match="not the entry that was asked for"):
        wire.parse_model(call, answer({"model_id": "other"}))


@pytest.mark.parametrize(
    ("body", "balance"),
    [
        ({"balance_usd": 5, "balance_microdollars": 5000000, "currency": "USD"}, Balance(5.0)),
        ({"balance_usd": 0}, Balance(0.0)),
        ({"balance_usd": -0.5, "currency": "EUR"}, Balance(-0.5, "EUR")),
        ({"balance_usd": 1, "currency": 7}, Balance(1.0)),
    ],
    ids=repr,
)
def test_a_balance(body: object, balance: Balance) -> None:
    assert wire.parse_balance(wire.balance_call(SETTINGS), answer(body)) == balance


@pytest.mark.parametrize("body", [PAGE, b"", {"message": "No."}], ids=["page", "empty", "JSON"])
def test_a_401_that_is_no_answer_to_a_poll_is_about_the_token(body: object) -> None:
    with pytest.raises(AuthenticationError, match="Set a valid API token"):
        wire.parse_balance(wire.balance_call(SETTINGS), answer(body, 401))


@pytest.mark.parametrize(
    "body", [b"", {}, {"balance_usd": None}, {"balance_usd": "5"}, {"balance_usd": True}], ids=repr
)
def test_what_is_no_balance(body: object) -> None:
    with pytest.raises(UnavailableError, match="Balance: the answer"):
        wire.parse_balance(wire.balance_call(SETTINGS), answer(body))


@pytest.mark.parametrize("status", [402, 403, 404])
def test_a_page_in_the_place_of_the_balance_says_nothing_of_the_account(status: int) -> None:
    with pytest.raises(RunComfyError) as caught:
        wire.parse_balance(wire.balance_call(SETTINGS), answer(PAGE, status))
    assert type(caught.value) is (InsufficientBalanceError if status == 402 else UnavailableError)
    assert (caught.value.request_id, caught.value.model_id) == (None, None)


def test_an_error_about_a_model_names_it() -> None:
    for body, status in (({"message": "No."}, 404), ({"model_id": "other"}, 200), (b"", 200)):
        with pytest.raises(RunComfyError) as caught:
            wire.parse_model(wire.model_call(SETTINGS, MODEL), answer(body, status))
        assert (caught.value.request_id, caught.value.model_id) == (None, MODEL)


def test_a_call_without_an_answer_names_what_it_was_about() -> None:
    of_model = wire.model_call(SETTINGS, MODEL).unanswered("reset")
    of_request = wire.status_call(SETTINGS, REQUEST).unanswered("reset")
    assert (of_model.model_id, of_model.request_id) == (MODEL, None)
    assert (of_request.model_id, of_request.request_id) == (None, REQUEST)
    assert str(of_request) == f"Status of request {REQUEST}: reset. The call can be repeated later."


def test_an_answer_that_is_no_object_is_shown() -> None:
    with pytest.raises(UnavailableError) as raised:
        wire.parse_status(wire.status_call(SETTINGS, REQUEST), answer(["No", "way"]))
    assert "the answer could not be read: No; way (HTTP 200). The call can be repeated later." in str(raised.value)
