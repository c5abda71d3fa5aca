"""Keep a task instance's record in Airflow's task state store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_runcomfy.exceptions import RunComfyRetryableError, UnreadableRecordError
from airflow_provider_runcomfy.record import (
    LaterRecordError,
    MalformedRecordError,
    Record,
    Submission,
    request_ids_in,
)

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor

#: The key that people see in the task state store tab of a task instance.
KEY = "runcomfy"


class RecordStore(Protocol):
    """Where a task instance's record is read and written."""

    #: What a person does about a submission whose id is not known.
    how_to_settle: str

    def read(self) -> Record:
        """Return the record; an empty one where nothing was submitted yet."""

    def write(self, record: Record) -> None:
        """Replace the record; returns only when it is kept."""


def record_store(context: Context) -> RecordStore:
    """Return the store of the running task instance; before Airflow 3.3 there is none to keep anything."""
    ti = context["ti"]
    accessor = context.get("task_state_store")
    if accessor is None:
        return NoStore(try_number=ti.try_number, max_tries=ti.max_tries)
    return TaskStateStore(accessor, max_tries=ti.max_tries)


class TaskStateStore:
    """The record in the task state store, which all tries of a task instance share, and which a clear keeps."""

    how_to_settle = (
        "Look in your RunComfy account for a request of that time. If it is there, adopt it: in the task instance's "
        f"Task State Store tab, edit the key '{KEY}' and write its id as the \"request_id\" of the submission with "
        f"that \"intent_at\". If it is not, delete the key '{KEY}' to pay anew. Then clear the task."
    )

    def __init__(self, accessor: TaskStateStoreAccessor, *, max_tries: int) -> None:
        self._accessor = accessor
        self._max_tries = max_tries

    def read(self) -> Record:
        """
        Return the record.

        :raises UnreadableRecordError: if there is one that cannot be read: not the same as none.
        :raises RunComfyRetryableError: if the store does not answer, or has what a later version of the package wrote.
        """
        try:
            data = self._accessor.get(KEY)
        except Exception as error:
            raise RunComfyRetryableError(
                f"The task state store could not be read ({_in_words(error)}), so it is not known what was already "
                "submitted. Nothing was submitted; a retry reads it again."
            ) from None
        if data is None:
            return Record(self._max_tries)
        try:
            return Record.from_json(data)
        except LaterRecordError as error:
            # While workers are upgraded one after the other a retry may get one that is; a clear could pay anew.
            raise RunComfyRetryableError(
                f"A later version of this package wrote the record under the key '{KEY}' in the task state store: "
                f"{error}. {_named(data)}It says what was paid for, so nothing was submitted. Upgrade the package on "
                "all workers; a retry on one that is upgraded goes on with what was paid for."
            ) from None
        except MalformedRecordError as error:
            raise UnreadableRecordError(
                f"The record under the key '{KEY}' in the task state store cannot be read: {error}. {_named(data)}It "
                "says what was paid for, so nothing was submitted. Mend it in the task instance's Task State Store "
                "tab; delete the key to pay anew. Then clear the task."
            ) from None

    def write(self, record: Record) -> None:
        """
        Write the record, without expiry.

        :raises RunComfyRetryableError: if the store does not take it; also for a try that Airflow has replaced.
        """
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        try:
            self._accessor.set(KEY, record.as_json(), retention=NEVER_EXPIRE)
        except Exception as error:
            raise RunComfyRetryableError(f"The task state store could not be written ({_in_words(error)}).") from None


class NoStore:
    """
    Airflow before 3.3: nothing outlives a try.

    So every further try counts as one whose earlier try died around its POST.
    """

    how_to_settle = (
        "Before Airflow 3.3 nothing of a try outlives it, so no further try of this task instance can know. Look in "
        "your RunComfy account for a request of the earlier try, and use its id where you need it; or pay anew by a "
        "new Dag run, or with on_unknown_submission='resubmit'."
    )

    def __init__(self, *, try_number: int, max_tries: int) -> None:
        self._try_number = try_number
        self._max_tries = max_tries

    def read(self) -> Record:
        """Return an empty record for the first try, else one with a submission that is not known."""
        record = Record(self._max_tries)
        if self._try_number <= 1:
            return record
        earlier = Submission("a time that is not known", self._try_number - 1, "", "", None, "")
        return record.adding(earlier, max_tries=self._max_tries)

    def write(self, record: Record) -> None:
        """Keep nothing."""


def _named(data: Any) -> str:
    """Return a sentence with the requests that a record names which cannot be read."""
    ids = request_ids_in(data)
    return f"It names request {', '.join(ids)}. " if ids else ""


def _in_words(error: Exception) -> str:
    """Return an error of Airflow's supervisor, or of a state store backend, which is anybody's code."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
