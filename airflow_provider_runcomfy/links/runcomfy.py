"""Links on a task: to the page of its result, and to what it has stored. Dag files import this: next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class ResultPageLink(BaseOperatorLink):
    """The page on which the clips of the task instance play; there from the moment that it waits or has ended."""

    name = "Clips"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's URL."""
        return _url("page", ti_key.dag_id, ti_key.run_id, ti_key.task_id, str(_map_index(ti_key)))


class StoredObjectLink(BaseOperatorLink):
    """The first object that a transfer has stored: the browser gets it from the bucket, by a URL signed for an hour."""

    name = "Stored object"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return a URL below Airflow's own that leads there; nothing signed."""
        return _url("stored", ti_key.dag_id, ti_key.run_id, ti_key.task_id, str(_map_index(ti_key)))


def _map_index(ti_key: TaskInstanceKey) -> int:
    return -1 if ti_key.map_index is None else ti_key.map_index


def _url(*parts: str) -> str:
    from urllib.parse import quote, urlsplit

    from airflow.configuration import conf

    # Only a path: whoever reads it may reach Airflow by another name than the one that is configured.
    prefix = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    return f"{prefix}/runcomfy/{'/'.join(quote(part, safe='') for part in parts)}"
