"""What a store's error means: one answer for copies and for signatures. Google's are in test_google_errors.py."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from airflow.sdk.exceptions import AirflowException, AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse
from botocore import exceptions as botocore
from botocore.exceptions import ClientError

from airflow_provider_runcomfy.compat import AirflowNotFoundException
from airflow_provider_runcomfy.storage_errors import is_permanent, said


class _AzureError(Exception):
    def __init__(self, status_code: int, error_code: str | None = None) -> None:
        super().__init__("Nothing.")
        self.status_code, self.error_code = status_code, error_code
        # Azure sends all that it stores by PUT.
        self.response = SimpleNamespace(status_code=status_code, request=SimpleNamespace(method="PUT"))


def _s3(status: int, code: str) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetObject")


def _raised_from(cause: Exception, error: Exception | None = None) -> Exception:
    error = error or RuntimeError(f"Failed to upload block: {cause}!")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "is_for_good"),
    [
        (PermissionError(errno.EACCES, "no"), True),
        (PermissionError("no"), True),
        (FileNotFoundError("gone"), True),
        (OSError(errno.EROFS, "read-only"), True),
        (OSError(errno.ENOSPC, "full"), False),
        (OSError(errno.EDQUOT, "full"), False),
        (OSError(errno.EFBIG, "large"), False),
        (OSError(errno.EIO, "broken"), False),
        (OSError(errno.ESTALE, "stale"), False),
        (OSError(errno.ETIMEDOUT, "slow"), False),
        (ConnectionResetError(), False),
        (TimeoutError(), False),
        (OSError("Forbidden: bucket/key\nno"), True),
        (_AzureError(401), True),
        (_AzureError(403), True),
        (_AzureError(404), True),
        (_AzureError(400, "InvalidBlockList"), False),
        (_AzureError(400, "InvalidHeaderValue"), True),
        (_AzureError(409), False),
        (_AzureError(429), False),
        (_AzureError(501), True),
        (_AzureError(503), False),
        (_raised_from(_AzureError(403)), True),
        (_raised_from(_AzureError(500)), False),
        (_raised_from(ConnectionResetError()), False),
        (ValueError("Connection string is either blank or malformed."), True),
        (TypeError("Got unexpected keyword argument 'retrys'"), True),
        (NotImplementedError("assume_role_method=x not expected"), True),
        (ImportError("no s3fs"), True),
        (RuntimeError("?"), False),
        (requests.exceptions.ConnectionError("refused"), False),
        (requests.exceptions.JSONDecodeError("a proxy's page", "<html>", 0), False),
        (requests.exceptions.InvalidURL("no host"), True),
    ],
    ids=repr,
)
def test_what_would_happen_again_is_not_retried(error: Exception, is_for_good: bool) -> None:
    assert is_permanent(error) is is_for_good


@pytest.mark.parametrize(
    ("error", "is_for_good"),
    [
        (AirflowException("Unrecognised extension for key file."), True),
        (AirflowNotFoundException("The conn_id `x` isn't defined"), True),
        (AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={})), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_connection_that_is_wrong_stays_so_and_one_that_cannot_be_asked_for_now_may_not(
    error: Exception, is_for_good: bool
) -> None:
    assert is_permanent(error) is is_for_good


@pytest.mark.parametrize(
    ("status", "code", "is_for_good"),
    [
        # The next try asks for new credentials.
        (400, "ExpiredToken", False),
        (403, "ExpiredTokenException", False),
        (400, "TokenRefreshRequired", False),
        (403, "RequestTimeTooSkewed", False),
        # Of patience.
        (400, "RequestTimeout", False),
        (400, "Throttling", False),
        (400, "ThrottlingException", False),
        (408, "408", False),
        (429, "TooManyRequests", False),
        (503, "SlowDown", False),
        (500, "InternalError", False),
        # Of others who write there.
        (409, "OperationAborted", False),
        (409, "ConditionalRequestConflict", False),
        (404, "NoSuchUpload", False),
        # Of what was lost on the way.
        (400, "BadDigest", False),
        (400, "IncompleteBody", False),
        (400, "InvalidPart", False),
        (400, "XAmzContentChecksumMismatch", False),
        (400, "XAmzContentSHA256Mismatch", False),
        # Of settings and rights.
        (400, "InvalidToken", True),
        (400, "InvalidRequest", True),
        (400, "InvalidTag", True),
        (400, "EntityTooLarge", True),
        (403, "AccessDenied", True),
        (403, "InvalidAccessKeyId", True),
        (403, "SignatureDoesNotMatch", True),
        (403, "InvalidObjectState", True),
        (404, "NoSuchBucket", True),
        (404, "NoSuchKey", True),
        (405, "MethodNotAllowed", True),
        (416, "InvalidRange", True),
        (501, "NotImplemented", True),
        # A HEAD's, whose answer has no body that would say more.
        (400, "400", False),
        (403, "403", True),
        (404, "404", True),
        (503, "503", False),
    ],
)
def test_which_answers_of_s3_a_retry_may_mend(status: int, code: str, is_for_good: bool) -> None:
    error = _s3(status, code)

    assert is_permanent(error) is is_for_good
    # As fsspec's S3 tells it.
    assert is_permanent(_raised_from(error, OSError(errno.EIO, code))) is is_for_good


@pytest.mark.parametrize(
    ("error", "is_for_good"),
    [
        (botocore.NoCredentialsError(), True),
        (botocore.PartialCredentialsError(provider="env", cred_var="aws_secret_access_key"), True),
        (botocore.NoRegionError(), True),
        (botocore.InvalidRegionError(region_name="eu west"), True),
        (botocore.ProfileNotFound(profile="films"), True),
        (botocore.ParamValidationError(report="Invalid bucket name"), True),
        (botocore.UnknownCredentialError(name="x"), True),
        (botocore.CredentialRetrievalError(provider="assume-role", error_msg="slow"), False),
        (botocore.EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), False),
        (botocore.ReadTimeoutError(endpoint_url="http://127.0.0.1:9"), False),
        (botocore.IncompleteReadError(actual_bytes=1, expected_bytes=2), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_which_errors_of_boto3_a_retry_may_mend(error: Exception, is_for_good: bool) -> None:
    assert is_permanent(error) is is_for_good


def test_an_expired_token_that_fsspec_takes_for_a_refusal_may_be_mended() -> None:
    assert is_permanent(_raised_from(_s3(400, "ExpiredToken"), PermissionError("expired"))) is False


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("No such\n  container.", "No such container."),
        ("", "ValueError."),
        ("x" * 1000, "x" * 500 + "."),
        ("https://a.blob/c/k?sv=1&sig=S3CRET failed", "https://a.blob/c/k?*** failed."),
        ("AccountName=a;AccountKey=S3CRET==;End", "AccountName=a;AccountKey=***;End."),
        ("SharedAccessSignature=sv=1&sig=S3CRET", "SharedAccessSignature=sv=1&sig=***."),
        ("client_secret=S3CRET, password=S3CRET", "client_secret=***, password=***."),
        ("Not here. RequestId:1 Content: <?xml version='1.0'?><Code>x</Code>", "Not here. RequestId:1."),
    ],
)
def test_what_the_store_says_has_one_line_and_no_secret(message: str, shown: str) -> None:
    assert said(ValueError(message)) == shown
