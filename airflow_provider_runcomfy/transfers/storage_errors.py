"""What the errors of file systems and of fsspec's stores mean, without importing any store's own classes."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy.compat import AirflowNotFoundException

# Whatever else an operating system says may pass: a disk is cleared, a share comes back, the next worker has no limit.
_PERMANENT_ERRNOS = {
    errno.EROFS: 403,
    errno.ENOTDIR: 400,
    errno.EISDIR: 400,
    errno.ENAMETOOLONG: 400,
    errno.ELOOP: 400,
}
# Azure's word for another writer of the same blob, whose commit has thrown our blocks away.
_PASSING_CODES = ("InvalidBlockList",)
_PASSING_STATUSES = (408, 409, 425, 429)
# A wrong connection, a missing package, a file system that cannot do what is asked of it.
_MISCONFIGURED = (AirflowNotFoundException, ImportError, NotImplementedError, TypeError, ValueError)
_SECRET = re.compile(r"(\?)[^\s'\"<>)]+|\b(sig=|\w*key=|\w*token=|password=|\w*secret=)[^\s;&,'\"]+", re.IGNORECASE)
_LONGEST = 500


def status(error: BaseException) -> int:
    """Return what an error, or what it was raised from, would be as a status of HTTP; 0 if that cannot be told."""
    return next((found for each in _chain(error) if (found := _own_status(each))), 0)


def is_permanent(error: BaseException) -> bool:
    """Whether the same would happen again if nobody changed anything."""
    if any(getattr(each, "error_code", None) in _PASSING_CODES for each in _chain(error)):
        return False
    if found := status(error):
        return 400 <= found < 500 and found not in _PASSING_STATUSES
    return isinstance(error, _MISCONFIGURED)


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
    if isinstance(error, OSError):
        return _PERMANENT_ERRNOS.get(error.errno or 0, 0)
    # azure.core, aiohttp, gcsfs.
    found = (getattr(error, name, None) for name in ("status_code", "status", "code"))
    return next((code for code in found if isinstance(code, int)), 0)
