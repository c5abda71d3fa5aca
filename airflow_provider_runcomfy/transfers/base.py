"""What all transfers share as operators; it is imported by Dag files, so what copies is imported by the task."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_runcomfy.lineage.telling import TellsOfCopies
from airflow_provider_runcomfy.links.runcomfy import ResultPageLink, StoredObjectLink
from airflow_provider_runcomfy.parameters import DEFAULT_CONN_ID

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_runcomfy.transfers.batch import Batch
    from airflow_provider_runcomfy.transfers.files import SourceFile
    from airflow_provider_runcomfy.transfers.store import ObjectStore


class RunComfyTransferOperator(TellsOfCopies, BaseOperator):
    """
    Copy the results of requests into a store; each store has its own subclass.

    :param request_id: an id, a result, or a list of either. (templated)
    :param replace: whether another object under the same key is replaced; default: it is an error.
    :param runcomfy_conn_id: the RunComfy connection; default ``runcomfy_default``. (templated)
    """

    operator_extra_links = (ResultPageLink(), StoredObjectLink())
    _batch: Batch | None = None

    def __init__(
        self, *, request_id: Any, replace: bool = False, runcomfy_conn_id: str = DEFAULT_CONN_ID, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.request_id = request_id
        self.replace = replace
        self.runcomfy_conn_id = runcomfy_conn_id

    @abstractmethod
    def open_store(self) -> tuple[ObjectStore, str]:
        """Return the store and the template of the keys in it."""

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Copy every file that is not there yet, and return the manifest of all."""
        from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
        from airflow_provider_runcomfy.lineage.names import namespace_of
        from airflow_provider_runcomfy.request_ids import given_requests
        from airflow_provider_runcomfy.transfers.batch import Batch
        from airflow_provider_runcomfy.transfers.copied import CopyRecord
        from airflow_provider_runcomfy.transfers.facts import before_copies

        requests = given_requests(self.request_id)
        record = CopyRecord(context.get("task_state_store"), [request.request_id for request in requests])
        hook = RunComfyHook(self.runcomfy_conn_id)
        policy, namespace = hook.download_policy, namespace_of(hook.settings.base_url)
        self._facts = before_copies(requests, namespace)
        store, template = self.open_store()
        self._batch = Batch(
            self.runcomfy_conn_id, store, template, record, self.log, policy=policy, replace=self.replace
        )
        try:
            manifest = self._batch.land(requests)
            self._tell(self._batch.files, manifest, namespace, context)
            return manifest
        finally:
            # It holds locks, with which an operator cannot be copied.
            self._batch = None

    def _tell(self, files: list[SourceFile], manifest: list[dict[str, Any]], namespace: str, context: Context) -> None:
        """Keep what OpenLineage is told at the end, and give the task's outlets their asset events."""
        from airflow_provider_runcomfy.transfers.facts import after_copies

        self._facts = after_copies(files, manifest, namespace)
        if self.outlets:
            from airflow_provider_runcomfy.lineage.assets import add_events

            add_events(self.outlets, context, [copy.event for copy in self._facts.copies], self.log)

    def on_kill(self) -> None:
        """Stop copying: what is under way is given up, and its rest removed."""
        if self._batch:
            self._batch.stop()
