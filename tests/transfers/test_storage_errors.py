from __future__ import annotations

import errno

import pytest

from airflow_provider_runcomfy.transfers.storage_errors import is_permanent, said


class _AzureError(Exception):
    def __init__(self, status_code: int) -> None:
        super().__init__("Nothing.")
        self.status_code = status_code


def _raised_from(cause: Exception) -> Exception:
    error = RuntimeError(f"Failed to upload block: {cause}!")
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
        (_AzureError(409), False),
        (_AzureError(429), False),
        (_AzureError(503), False),
        (_raised_from(_AzureError(403)), True),
        (_raised_from(_AzureError(500)), False),
        (_raised_from(ConnectionResetError()), False),
        (ValueError("Connection string is either blank or malformed."), True),
        (ImportError("no s3fs"), True),
        (RuntimeError("?"), False),
    ],
    ids=repr,
)
def test_what_would_happen_again_is_not_retried(error: Exception, is_for_good: bool) -> None:
    assert is_permanent(error) is is_for_good


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
