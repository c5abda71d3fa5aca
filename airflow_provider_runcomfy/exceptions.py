"""The errors as Airflow sees them: which are retried, and which are not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy.compat import AirflowFailException

if TYPE_CHECKING:
    from airflow_provider_runcomfy.api.errors import RunComfyError


class RunComfyRetryableError(AirflowException):
    """Network or RunComfy trouble: Airflow retries the task, which then attaches to what was paid for."""


class RunComfyDownloadError(RunComfyRetryableError):
    """A result's file could not be downloaded whole; a retry continues with what is missing."""


class UrlRefusedError(RunComfyDownloadError):
    """The file server refused a file's URL, which may have expired; a retry asks RunComfy for a new one."""


class GenerationFailedRetryableError(RunComfyRetryableError):
    """The generation failed, and ``resubmit_failed`` is set: the retry submits anew."""


class RunComfyFailError(AirflowFailException):
    """A retry alone would end the same way or could pay twice: Airflow does not retry the task."""


class InvalidInputsError(RunComfyFailError):
    """The inputs, a model id or a request id are wrong: nothing was submitted."""


class RunComfyConnectionError(RunComfyFailError):
    """The connection is missing, unusable, or its token is not accepted."""


class InsufficientBalanceError(RunComfyFailError):
    """The account has no balance left: nothing was submitted."""


class CostLimitError(RunComfyFailError):
    """The submit may cost more than ``max_cost_usd``, or nobody can say what it costs: nothing was submitted."""


class MediaInputError(RunComfyFailError):
    """An input in a store (``s3://``, ``gs://``) cannot be read or signed for RunComfy: nothing was submitted."""


class SubmissionRefusedError(RunComfyFailError):
    """RunComfy refused the call."""


class RequestNotAvailableError(RunComfyFailError):
    """The request has expired, never existed, or belongs to another account; of a submit, the model."""


class UnknownSubmissionError(RunComfyFailError):
    """A submit was sent and it is not known whether it was taken: only a person can tell."""


class SubmissionChangedError(RunComfyFailError):
    """Model or connection have changed since an earlier try submitted."""


class UnreadableRecordError(RunComfyFailError):
    """The record in the task state store cannot be read, so nobody knows what was paid."""


class GenerationFailedError(RunComfyFailError):
    """The generation failed."""


class GenerationModeratedError(GenerationFailedError):
    """The generation was refused by content moderation: the same inputs would be refused again."""


class GenerationCancelledError(RunComfyFailError):
    """Somebody cancelled the request while the task waited for it."""


class GenerationTimeoutError(RunComfyFailError):
    """The generation did not end in time; the request goes on and is charged."""


class DownloadRefusedError(RunComfyFailError):
    """A result's file must not be downloaded: its host is not allowed, or it is too large."""


class FileGoneError(DownloadRefusedError):
    """RunComfy's servers no longer have a result's file."""


def to_airflow(error: RunComfyError) -> AirflowException:
    """Return an error of the ``api`` package as the one that Airflow acts upon."""
    from airflow_provider_runcomfy.api import errors

    table: tuple[tuple[type[RunComfyError], type[AirflowException]], ...] = (
        (errors.InvalidInputError, InvalidInputsError),
        (errors.InvalidSettingsError, RunComfyConnectionError),
        (errors.AuthenticationError, RunComfyConnectionError),
        (errors.InsufficientBalanceError, InsufficientBalanceError),
        (errors.RefusedError, SubmissionRefusedError),
        (errors.ForbiddenError, RequestNotAvailableError),
        (errors.NotFoundError, RequestNotAvailableError),
        (errors.SubmissionUnknownError, UnknownSubmissionError),
        (errors.FileGoneError, FileGoneError),
        (errors.DownloadRefusedError, DownloadRefusedError),
        (errors.UrlRefusedError, UrlRefusedError),
        (errors.DownloadFailedError, RunComfyDownloadError),
        (errors.UnavailableError, RunComfyRetryableError),
    )
    kind = next((to for of, to in table if isinstance(error, of)), RunComfyFailError)
    return kind(str(error))


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Raise the errors of the ``api`` package as Airflow's, without the libraries' tracebacks behind them."""
    from airflow_provider_runcomfy.api.errors import RunComfyError

    try:
        yield
    except RunComfyError as error:
        raise to_airflow(error) from None
