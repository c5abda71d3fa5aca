"""Tell people where a request stands: an XCom, which the trigger writes meanwhile, and the task at the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pendulum

from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import RequestState, RequestStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.triggers.shared import SharedConnection

#: A list with an entry for each request: ``request_id``, ``state``, ``queue_position``, and ``at``: when that was told.
#: At the end also ``running_since``: when a poll first saw it running, in seconds since the epoch, or None.
KEY = "progress"
# Each write is a call to Airflow's API by the one process that serves all triggers.
_LEAST_SECONDS = 30.0


class ProgressXCom:
    """
    The XCom ``progress`` of one waiting task: written when a state or a place in the queue has changed.

    :param task_instance: the task instance, as the triggerer knows it; without one nothing is written.
    :param shared: bounds what all triggers write together.
    """

    def __init__(self, task_instance: Any, shared: SharedConnection, log: Logger) -> None:
        self._task_instance = task_instance
        self._shared = shared
        self._log = log
        self._seen: dict[str, RequestStatus] = {}
        self._is_new = False
        self._written_at = float("-inf")

    def note(self, status: RequestStatus) -> bool:
        """Take note of an answer; return whether it is time to write what has changed."""
        if self._seen.get(status.request_id) != status:
            self._seen[status.request_id] = status
            self._is_new = True
        if not self._is_new or self._task_instance is None:
            return False
        now = asyncio.get_running_loop().time()
        return now - self._written_at >= _LEAST_SECONDS and self._shared.may_tell()

    async def write(self) -> None:
        """Write where all requests stand."""
        self._is_new, self._written_at = False, asyncio.get_running_loop().time()
        at = pendulum.now("UTC").isoformat(timespec="seconds")
        try:
            await _set_xcom(self._task_instance, [_entry(status, at) for status in self._seen.values()])
        except Exception as error:
            # Whatever it was, a line for people to look at must not end a wait that was paid for.
            self._log.debug("The XCom %r could not be written: %s", KEY, type(error).__name__)


_STATES = {
    End.SUCCEEDED: RequestState.SUCCEEDED,
    End.FAILED: RequestState.FAILED,
    End.CANCELLED: RequestState.CANCELLED,
}


def tell_ends(endings: Mapping[str, Ending], context: Context, log: Logger) -> None:
    """Write how the requests of a task that resumes have ended, over what its trigger wrote last."""
    ended = {request_id: ending for request_id, ending in endings.items() if ending.end in _STATES}
    at = pendulum.now("UTC").isoformat(timespec="seconds")
    entries = [
        _entry(RequestStatus(request_id, _STATES[ending.end]), at) | {"running_since": ending.running_since}
        for request_id, ending in ended.items()
    ]
    if not entries:
        return
    try:
        context["ti"].xcom_push(key=KEY, value=entries)
    except Exception as error:
        log.debug("The XCom %r could not be written: %s", KEY, type(error).__name__)


def _entry(status: RequestStatus, at: str) -> dict[str, Any]:
    return {
        "request_id": status.request_id,
        "state": status.state.value,
        "queue_position": status.queue_position,
        "at": at,
    }


async def _set_xcom(task_instance: Any, value: list[dict[str, Any]]) -> None:
    from airflow.sdk.execution_time.comms import SetXCom
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS
    from airflow.sdk.execution_time.xcom import XCom

    mapped = task_instance.map_index is not None and task_instance.map_index >= 0
    key = {
        "key": KEY,
        "dag_id": task_instance.dag_id,
        "run_id": task_instance.run_id,
        "task_id": task_instance.task_id,
        "map_index": task_instance.map_index if mapped else -1,
    }
    # An XCom backend may write to a store of its own.
    serialized = await asyncio.to_thread(XCom.serialize_value, value, **key)
    await SUPERVISOR_COMMS.asend(SetXCom(value=serialized, **key))
