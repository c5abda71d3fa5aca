"""
Build each call to RunComfy's Model API and parse each answer; no I/O.

Both transports (:mod:`client`, :mod:`aio`) go through this module, so they cannot drift apart. Whatever the
server answers, parsing gives a value or a :class:`~airflow_provider_runcomfy.api.errors.RunComfyError`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlencode

from airflow_provider_runcomfy import __version__
from airflow_provider_runcomfy.api import fields
from airflow_provider_runcomfy.api.endings import tells_of_its_end
from airflow_provider_runcomfy.api.errors import (
    InvalidInputError,
    RunComfyError,
    SubmissionUnknownError,
    UnavailableError,
)
from airflow_provider_runcomfy.api.ids import is_model_id, is_request_id
from airflow_provider_runcomfy.api.output import find_media
from airflow_provider_runcomfy.api.payload import Answer, one_line, read_quietly
from airflow_provider_runcomfy.api.refusals import error_for, is_error, read_code, reason, says_refused
from airflow_provider_runcomfy.api.schema import check_model_id, plain_inputs
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.api.types import Balance, CancelOutcome, GenerationResult, RequestState, RequestStatus

CLIENT_NAME = "airflow-provider-runcomfy"
USER_AGENT = f"{CLIENT_NAME}/{__version__}"

_ANSWER_BYTES = 1 << 20
# A page of entries with their schemas. Small values take up to 60 times their bytes once they are Python's.
_CATALOGUE_BYTES = 4 << 20
# An official client caps a whole request at this.
_MAX_BODY_BYTES = 64 << 20
_NOT_READY = 400005
PAGE_SIZE = 100


@dataclass(frozen=True)
class Call:
    """
    One HTTP call, ready to be sent.

    :param doing: what it does, as errors begin.
    :param max_bytes: the longest body that its answer may have.
    """

    method: str
    url: str
    doing: str
    request_id: str = ""
    model_id: str = ""
    body: bytes | None = None
    max_bytes: int = _ANSWER_BYTES

    def fail(self, kind: type[RunComfyError], reason: str) -> NoReturn:
        """Raise ``kind`` for this call."""
        raise kind(f"{self.doing}: {reason}", request_id=self.request_id or None, model_id=self.model_id or None)

    def unanswered(self, reason: str) -> UnavailableError:
        """Return the error for this call where no answer came that could be read."""
        return UnavailableError(
            f"{self.doing}: {reason}. The call can be repeated later.",
            request_id=self.request_id or None,
            model_id=self.model_id or None,
        )


def headers(token: str, *, has_body: bool = False) -> dict[str, str]:
    """Return the headers of a call; identity encoding, so that no small body unpacks to a huge one."""
    sent = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": USER_AGENT,
        "X-RunComfy-Client": CLIENT_NAME,
    }
    return sent | {"Content-Type": "application/json"} if has_body else sent


def submit_call(settings: Settings, model_id: str, inputs: Mapping[str, Any]) -> Call:
    """
    Return the paid call, its body already encoded.

    :raises InvalidInputError: if the model id is none, or the inputs are no object that JSON can hold; nothing was
        charged.
    """
    check_model_id(model_id)
    doing = f"Submit to {model_id}"
    return Call("POST", f"{settings.base_url}/v1/models/{model_id}", doing, "", model_id, _encode(model_id, inputs))


def _encode(model_id: str, inputs: Mapping[str, Any]) -> bytes:
    body = json.dumps(plain_inputs(model_id, inputs)).encode("utf-8")
    if len(body) > _MAX_BODY_BYTES:
        raise InvalidInputError(
            f"The inputs for {model_id} are {len(body)} bytes of JSON; at most {_MAX_BODY_BYTES} are accepted. Give "
            "media as URLs, not as data. Nothing was submitted, nothing was charged.",
            model_id=model_id,
        )
    return body


def status_call(settings: Settings, request_id: str) -> Call:
    """Return the call that asks for a request's state."""
    return _request_call(settings, "GET", request_id, "status", "Status")


def result_call(settings: Settings, request_id: str) -> Call:
    """Return the call that asks for a request's result, with its cost."""
    return _request_call(settings, "GET", request_id, "result?include_cost=true", "Result")


def cancel_call(settings: Settings, request_id: str) -> Call:
    """Return the call that cancels a queued request; repeats are no-ops (documentation)."""
    return _request_call(settings, "POST", request_id, "cancel", "Cancel")


def _request_call(settings: Settings, method: str, request_id: str, tail: str, what: str) -> Call:
    # The URL is built from the configured base: one that the server named would be sent the token.
    if not is_request_id(request_id):
        raise InvalidInputError(
            f"{one_line(repr(request_id), 100)} is no RunComfy request id: "
            "expected 1 to 128 letters, digits, '_' or '-'."
        )
    url = f"{settings.base_url}/v1/requests/{request_id}/{tail}"
    return Call(method, url, f"{what} of request {request_id}", request_id)


def models_call(settings: Settings, filters: Mapping[str, str], *, offset: int) -> Call:
    """Return the call for one page of the catalogue."""
    query = urlencode({**filters, "limit": PAGE_SIZE, "offset": offset})
    return Call("GET", f"{settings.base_url}/v1/models?{query}", "List of models", max_bytes=_CATALOGUE_BYTES)


def model_call(settings: Settings, model_id: str) -> Call:
    """Return the call for one entry of the catalogue."""
    check_model_id(model_id)
    return Call("GET", f"{settings.base_url}/v1/models/{model_id}", f"Catalogue entry of {model_id}", "", model_id)


def balance_call(settings: Settings) -> Call:
    """Return the call for the account's balance; it is free, and the usual check of a token (official clients)."""
    return Call("GET", f"{settings.balance_base_url}/prod/v2/balance", "Balance")


def parse_submit(call: Call, answer: Answer) -> str:
    """
    Return the id of the request that was accepted.

    :raises RunComfyError: a refusal, where the answer says so and nothing was charged;
        :class:`SubmissionUnknownError` for every other answer without a usable id.
    """
    data = read_quietly(answer)
    named = data.get("request_id") if isinstance(data, dict) else None
    if not is_error(answer, data):
        if isinstance(named, str) and is_request_id(named):
            return named
        shown = "" if isinstance(data, dict) else f", {reason(answer, data)}"
        raise _unknown_submission(call, f"HTTP {answer.status} without a usable request id{shown}.", None)
    if named is None and says_refused(answer, data):
        note = " Nothing was charged."
        raise error_for(answer, data, call.doing, model_id=call.model_id, page_refuses=True, note=note)
    raise _unknown_submission(
        call, f"{reason(answer, data)} (HTTP {answer.status}).", named if is_request_id(named) else None
    )


def _unknown_submission(call: Call, reason: str, request_id: str | None) -> SubmissionUnknownError:
    named = f" The answer named request {request_id}: it may be this one." if request_id else ""
    return SubmissionUnknownError(
        f"{call.doing}: {reason}{named} It is not known whether RunComfy took it, so it may have been charged, "
        "and it was not sent again.",
        model_id=call.model_id,
        request_id=request_id,
    )


def parse_status(call: Call, answer: Answer) -> RequestStatus:
    """
    Return the state; ``COMPLETED`` where the request has ended and `/result` must tell how.

    :raises RunComfyError: for an error, and for an answer that is no status of this request.
    """
    data = read_quietly(answer)
    if tells_of_its_end(answer, data, call.request_id):
        failed = fields.state(data) is RequestState.FAILED
        return RequestStatus(call.request_id, RequestState.FAILED if failed else RequestState.COMPLETED)
    data = _own(call, _usable(call, answer, data))
    state = _state(call, data)
    position = fields.count(data.get("queue_position")) if state is RequestState.IN_QUEUE else None
    shown = RequestState.COMPLETED if state is RequestState.SUCCEEDED else state
    return RequestStatus(call.request_id, shown, position)


def parse_result(call: Call, answer: Answer) -> GenerationResult:
    """
    Return what is known of the result; before the end, one whose state is a waiting one.

    :raises RunComfyError: for an error, and for an answer that is no result of this request.
    """
    data = read_quietly(answer)
    if read_code(data) == _NOT_READY:
        return GenerationResult(call.request_id, RequestState.IN_PROGRESS)
    # An error code may explain a failure or a cancelled request; a success that has one is none.
    ended_badly = tells_of_its_end(answer, data, call.request_id) and fields.state(data) is not RequestState.SUCCEEDED
    if not ended_badly:
        data = _usable(call, answer, data)
    data = _own(call, data)
    return _result(call, data, _state(call, data))


def _result(call: Call, data: dict[str, Any], state: RequestState) -> GenerationResult:
    output = data.get("output") if state is RequestState.SUCCEEDED else None
    media, error = find_media(output), fields.named_error(data)
    if state is RequestState.SUCCEEDED and error and not media:
        # "completed" may only mean that it has ended: an error and no file is no success, whatever the word.
        state, output = RequestState.FAILED, None
    if state is RequestState.FAILED:
        error = fields.failure(data)
    return GenerationResult(
        request_id=call.request_id,
        state=state,
        media=media,
        output=fields.bounded(output),
        error=error if state in (RequestState.SUCCEEDED, RequestState.FAILED) else None,
        cost_usd=fields.cost(data.get("cost")),
        created_at=fields.time(data.get("created_at")),
        finished_at=fields.time(data.get("finished_at")),
    )


def parse_cancel(call: Call, answer: Answer) -> CancelOutcome:
    """
    Return what became of the cancel: by ``outcome``, and by ``status`` only where there is none.

    :raises RunComfyError: for an error, and for an answer that cannot be read.
    """
    return fields.cancel_outcome(_own(call, _read(call, answer)))


def parse_models(call: Call, answer: Answer) -> tuple[list[dict[str, Any]], int]:
    """Return one page of the catalogue, and how many entries it has in all."""
    data = _read(call, answer)
    models, total = data.get("models"), data.get("total")
    if not isinstance(models, list) or not all(isinstance(m, dict) and is_model_id(m.get("model_id")) for m in models):
        call.fail(UnavailableError, "the answer has no list of models.")
    return models, total if isinstance(total, int) and not isinstance(total, bool) else len(models)


def parse_model(call: Call, answer: Answer) -> dict[str, Any]:
    """Return one entry of the catalogue."""
    data = _read(call, answer)
    if data.get("model_id") != call.model_id:
        call.fail(UnavailableError, "the answer is not the entry that was asked for.")
    return data


def parse_balance(call: Call, answer: Answer) -> Balance:
    """Return the balance; it may be 0 or negative (official clients)."""
    data = _read(call, answer)
    usd = fields.number(data.get("balance_usd"))
    if usd is None:
        call.fail(UnavailableError, "the answer has no balance.")
    currency = data.get("currency")
    return Balance(usd, currency if isinstance(currency, str) else "USD")


def _read(call: Call, answer: Answer) -> dict[str, Any]:
    return _usable(call, answer, read_quietly(answer))


def _usable(call: Call, answer: Answer, data: Any) -> dict[str, Any]:
    if is_error(answer, data):
        raise error_for(
            answer,
            data,
            call.doing,
            request_id=call.request_id or None,
            model_id=call.model_id or None,
            # Nobody waits here for what a second look would tell: somebody asks whether the token is right.
            page_refuses=answer.status == 401 and not call.request_id,
        )
    if not isinstance(data, dict):
        shown = f"{reason(answer, data)} (HTTP {answer.status})"
        call.fail(UnavailableError, f"the answer could not be read: {shown}. The call can be repeated later.")
    return data


def _own(call: Call, data: dict[str, Any]) -> dict[str, Any]:
    if data.get("request_id", call.request_id) != call.request_id:
        call.fail(UnavailableError, "the answer is about another request, so it was not used.")
    return data


def _state(call: Call, data: dict[str, Any]) -> RequestState:
    state = fields.state(data)
    if state is None:
        call.fail(UnavailableError, "the answer has no status; the call can be repeated later.")
    return state
