"""What the errors of stores mean, whoever met them: would a retry end the same way? Imports no store's own classes."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from typing import Any

from airflow.sdk.exceptions import AirflowException

# Whatever else an operating system says may pass: a disk is cleared, a share comes back, the next worker has no limit.
_PERMANENT_ERRNOS = {
    errno.EROFS: 403,
    errno.ENOTDIR: 400,
    errno.EISDIR: 400,
    errno.ENAMETOOLONG: 400,
    errno.ELOOP: 400,
}
_PASSING_CODES = frozenset(
    {
        "RequestTimeout",
        # AWS's token service says these with a 400.
        "Throttling",
        "ThrottlingException",
        # Bytes that were damaged or lost on the way, and a part that S3 does not have after all.
        "BadDigest",
        "IncompleteBody",
        "InvalidPart",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
        # The next try asks for new credentials.
        "ExpiredToken",
        "ExpiredTokenException",
        "TokenRefreshRequired",
        "RequestTimeTooSkewed",
        # All that the answer to a HEAD has of any of these.
        "400",
        # An upload that is gone may have been completed by a call whose answer was lost, or aborted by a newer try.
        "NoSuchUpload",
        # Azure's word for another writer of the same blob, whose commit has thrown our blocks away.
        "InvalidBlockList",
    }
)
_PASSING_STATUSES = (408, 409, 425, 429)
_FORBIDDEN = (401, 403)
_NOT_IMPLEMENTED = 501
# A wrong connection, a missing package, a file system that cannot do what is asked of it.
_MISCONFIGURED = (AirflowException, ImportError, NotImplementedError, TypeError, ValueError)
_MISCONFIGURED_AWS = (
    "NoCredentialsError",
    "NoRegionError",
    "ParamValidationError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "UnknownCredentialError",
)
_SECRET = re.compile(r"(\?)[^\s'\"<>)]+|\b(sig=|\w*key=|\w*token=|password=|\w*secret=)[^\s;&,'\"]+", re.IGNORECASE)
_LONGEST = 500


def status(error: BaseException) -> int:
    """Return what an error, or what it was raised from, would be as a status of HTTP; 0 if that cannot be told."""
    return next((found for each in _chain(error) if (found := _own_status(each))), 0)


def code(error: BaseException) -> str:
    """Return the store's own word for an error, as S3 and Azure have one; else nothing."""
    response = getattr(error, "response", None)
    # botocore's.
    found = response.get("Error", {}).get("Code") if isinstance(response, dict) else getattr(error, "error_code", None)
    return found if isinstance(found, str) else ""


def is_permanent(error: BaseException) -> bool:
    """Whether the same would happen again if nobody changed anything."""
    chain = [*_chain(error)]
    if any(code(each) in _PASSING_CODES for each in chain):
        return False
    if of_google := [each for each in chain if _is_one(each, "google.auth.exceptions", "GoogleAuthError")]:
        return not any(_may_pass(each) for each in of_google)
    if found := status(error):
        return _is_refusal(found, next(filter(None, map(_method, chain)), ""))
    # The body of an answer that cannot be read, which is a ValueError, too.
    if _is_one(error, "requests.exceptions", "InvalidJSONError"):
        return False
    return isinstance(error, _MISCONFIGURED) or _is_one(error, "botocore.exceptions", *_MISCONFIGURED_AWS)


def _may_pass(error: Any) -> bool:
    """Whether Google's token service did not answer, or says itself that it may be asked again."""
    return bool(error.retryable) or _is_one(error, "google.auth.exceptions", "TransportError")


def _is_refusal(status: int, method: str) -> bool:
    if status in _FORBIDDEN:
        return True
    if method == "PUT" or (method == "GET" and status == 404):
        # What GCS has begun to take it would take another time, and what is gone from it was there a moment ago.
        return False
    return (400 <= status < 500 and status not in _PASSING_STATUSES) or status == _NOT_IMPLEMENTED


def _method(error: BaseException) -> str:
    """Return by which method of HTTP Google's client met it, the only one here that keeps answers of requests."""
    response: Any = getattr(error, "response", None)
    return str(response.request.method) if _is_one(response, "requests", "Response") and response.request else ""


def _is_one(thing: object, module: str, *names: str) -> bool:
    """Whether it is of one of a library's classes; where that was never imported, nothing is."""
    library = sys.modules.get(module)
    return library is not None and isinstance(thing, tuple(getattr(library, name) for name in names))


def said(error: BaseException) -> str:
    """Return what the store says, in one line, without queries, keys or tokens."""
    text = " ".join(str(error).split()) or type(error).__name__
    # Azure adds its whole answer, in XML.
    text = text.partition(" Content: <?xml")[0]
    return _SECRET.sub(lambda found: f"{found[1] or found[2]}***", text)[:_LONGEST].rstrip(".") + "."


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _own_status(error: BaseException) -> int:
    if isinstance(error, AirflowException):
        # The status that it has is one of Airflow's own API.
        return 0
    if isinstance(error, FileNotFoundError):
        return 404
    # gcsfs says it in words only.
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and str(error).startswith("Forbidden")):
        return 403
    if isinstance(error, OSError) and error.errno:
        return _PERMANENT_ERRNOS.get(error.errno, 0)
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        # botocore.
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    # azure.core, aiohttp, gcsfs, Google's client.
    found = [getattr(error, name, None) for name in ("status_code", "status", "code")]
    found.append(getattr(response, "status_code", None))
    return next((int(status) for status in found if isinstance(status, int)), 0)
