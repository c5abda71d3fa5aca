"""Tell an answer that is an error because a generation ended badly from one that is the error of the call itself."""

from __future__ import annotations

from typing import Any

from airflow_provider_runcomfy.api import fields
from airflow_provider_runcomfy.api.payload import Answer
from airflow_provider_runcomfy.api.refusals import is_error, read_code
from airflow_provider_runcomfy.api.types import RequestState

_ENDED = (RequestState.SUCCEEDED, RequestState.FAILED, RequestState.CANCELLED)
# Token, balance, ownership, expiry, patience, "not ready". 400001 (model id) is not among them: no poll names a model.
_OF_CALLS = frozenset({400002, 400004, 400005})
_STATUSES_OF_CALLS = frozenset({401, 402, 403, 404, 407, 408, 410, 429})
# Any other status is that of a token, a gateway or an outage, whatever the words beside it.
_MAY_TELL_OF_A_FAILURE = frozenset({400, 409, 422, 500})


def tells_of_its_end(answer: Answer, data: Any, request_id: str) -> bool:
    """
    Return whether an answer to a poll that is an error, by its ``error_code`` or status, is that of an ended request.

    With a 2xx every final state does. Without one only the word "failed" does: "error" is what error answers of
    all kinds call themselves.
    """
    if not isinstance(data, dict) or not is_error(answer, data) or data.get("request_id", request_id) != request_id:
        return False
    code = read_code(data) or 0
    if code in _OF_CALLS or code // 1000 in _STATUSES_OF_CALLS:
        return False
    if answer.is_success:
        return fields.state(data) in _ENDED
    statuses = {answer.status, code // 1000 or answer.status}
    return fields.says_failed(data) and statuses <= _MAY_TELL_OF_A_FAILURE
