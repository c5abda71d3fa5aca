"""What the errors of Google's libraries mean: one answer for copies and for signatures."""

from __future__ import annotations

import pytest

pytest.importorskip("airflow.providers.google", reason="make test-stores has Google's packages")

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from airflow_provider_runcomfy.storage_errors import is_permanent, status


def answer(status: int, method: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = b'{"error": {"message": "No"}}'
    response.request = requests.Request(method, "https://storage.googleapis.com/storage/v1/b/frames").prepare()
    return response


def raised_from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("status_code", "method", "is_for_good"),
    [
        (400, "GET", True),
        (401, "GET", True),
        (403, "GET", True),
        # It was there a moment ago: it has been replaced or removed while it was read.
        (404, "GET", False),
        (429, "GET", False),
        (503, "GET", False),
        # An upload that cannot be begun.
        (400, "POST", True),
        (401, "POST", True),
        (403, "POST", True),
        (404, "POST", True),
        (408, "POST", False),
        (409, "POST", False),
        (429, "POST", False),
        (500, "POST", False),
        # A part of one that was begun.
        (400, "PUT", False),
        (401, "PUT", True),
        (403, "PUT", True),
        (404, "PUT", False),
        (410, "PUT", False),
        (503, "PUT", False),
    ],
)
def test_which_answers_of_gcs_a_retry_may_mend(status_code: int, method: str, is_for_good: bool) -> None:
    error = api.from_http_response(answer(status_code, method))
    patiently = raised_from(api.RetryError("Timeout of 60.0s exceeded", error), error)

    assert (status(error), is_permanent(error)) == (status_code, is_for_good)
    assert (status(patiently), is_permanent(patiently)) == (status_code, is_for_good)


@pytest.mark.parametrize(
    ("error", "is_for_good"),
    [
        pytest.param(auth.RefreshError("invalid_grant: Invalid JWT Signature."), True, id="a key that was revoked"),
        pytest.param(auth.RefreshError("internal_failure", retryable=True), False, id="a token server in trouble"),
        pytest.param(auth.TransportError("Connection refused"), False, id="a token server that does not answer"),
        pytest.param(
            raised_from(auth.RefreshError("no metadata"), auth.TransportError("refused")), False,
            id="a metadata server that does not answer",
        ),
        pytest.param(auth.DefaultCredentialsError("not found"), True, id="no credentials"),
        pytest.param(auth.MalformedError("no private_key"), True, id="a key file that is none"),
        pytest.param(InvalidResponse(answer(403, "POST"), "No"), True, id="a refusal"),
        pytest.param(InvalidResponse(answer(503, "POST"), "No"), False, id="trouble"),
        pytest.param(DataCorruption(answer(200, "PUT"), "crc32c"), False, id="damaged on the way"),
        pytest.param(requests.HTTPError("No", response=answer(403, "GET")), True, id="a refusal of requests' own"),
        pytest.param(requests.ConnectionError("refused"), False, id="GCS does not answer"),
    ],
)  # fmt: skip
def test_which_errors_of_googles_libraries_a_retry_may_mend(error: Exception, is_for_good: bool) -> None:
    assert is_permanent(error) is is_for_good
