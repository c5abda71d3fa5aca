"""The XCom that tells where a request stands, as the triggerer writes it while a task is deferred."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.api.types import RequestStatus
from airflow_provider_runcomfy.progress import KEY, News

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.triggers.shared import SharedConnection


class ProgressXCom:
    """
    The XCom ``progress`` of one deferred task: written when a state or a place in the queue has changed.

    :param task_instance: the task instance, as the triggerer knows it; without one nothing is written.
    :param shared: bounds what all triggers write together.
    """

    def __init__(self, task_instance: Any, shared: SharedConnection, log: Logger) -> None:
        self._task_instance = task_instance
        self._shared = shared
        self._log = log
        self._news = News(lambda: asyncio.get_running_loop().time())

    def note(self, status: RequestStatus) -> bool:
        """Take note of an answer; return whether it is time to write what has changed."""
        return self._task_instance is not None and self._news.note(status) and self._shared.may_tell()

    async def write(self) -> None:
        """Write where all requests stand."""
        entries = self._news.told()
        try:
            await _set_xcom(self._task_instance, entries)
        except Exception as error:
            # Whatever it was, a line for people to look at must not end a wait that was paid for.
            self._log.debug("The XCom %r could not be written: %s", KEY, type(error).__name__)


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
