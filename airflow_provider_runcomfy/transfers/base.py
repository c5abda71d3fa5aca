"""What all transfers share: from requests to files, from files to objects, and the manifest."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy.compat import AirflowFailException
from airflow_provider_runcomfy.parameters import DEFAULT_CONN_ID
from airflow_provider_runcomfy.request_ids import GivenRequest, given_requests
from airflow_provider_runcomfy.transfers.files import SourceFile, refuse_shared_keys
from airflow_provider_runcomfy.transfers.store import ObjectStore

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_runcomfy.transfers.copying import Copier

T = TypeVar("T")
R = TypeVar("R")

#: How many files are copied at the same time; the memory that their parts take together is bounded by the store.
FILES_AT_ONCE = 4


class RunComfyTransferOperator(BaseOperator):
    """
    Copy the results of requests into a store; each store has its own subclass.

    :param request_id: an id, a result, or a list of either. (templated)
    :param replace: whether another object under the same key is replaced; default: it is an error.
    :param runcomfy_conn_id: the RunComfy connection; default ``runcomfy_default``. (templated)
    """

    _copier: Copier | None = None

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
        """
        Copy every file that is not there yet, and return the manifest of all.

        One file that cannot be had does not keep the others from being copied: the error comes last.
        """
        from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
        from airflow_provider_runcomfy.transfers.copied import CopyRecord
        from airflow_provider_runcomfy.transfers.copying import OF_ONE_FILE, Copier
        from airflow_provider_runcomfy.transfers.results import OF_ONE_REQUEST, Results

        requests = given_requests(self.request_id)
        record = CopyRecord(context.get("task_state_store"), [request.request_id for request in requests])
        policy = RunComfyHook(self.runcomfy_conn_id).download_policy
        store, template = self.open_store()
        results = Results(self.runcomfy_conn_id, store, template, record)
        self._copier = copier = Copier(store, record, policy, results.fresh, self.replace)

        def files_of(request: GivenRequest) -> list[SourceFile]:
            copier.clean_up(request.request_id)
            return results.files(request)

        try:
            for request_id in record.earlier_requests():
                copier.clean_up(request_id)
            found = self._each(requests, files_of, tolerated=OF_ONE_REQUEST)
            files = list(chain.from_iterable(found.done))
            refuse_shared_keys(files)
            with store.writing(min(FILES_AT_ONCE, max(1, len(files)))):
                landed = self._each(files, copier.land, tolerated=(*OF_ONE_FILE, *OF_ONE_REQUEST))
        finally:
            # It holds locks, with which an operator cannot be copied.
            self._copier = None
        problems = found.problems + landed.problems
        if problems:
            self.log.error("%d of %d files are stored; problems: %d.", len(landed.done), len(files), len(problems))
            # If a retry can mend one of them, it has to be given the chance.
            raise next((p for p in problems if not isinstance(p, AirflowFailException)), problems[0])
        return landed.done

    def on_kill(self) -> None:
        """Stop copying: what is under way is given up, and its rest removed."""
        if self._copier:
            self._copier.stop()

    def _each(
        self, items: Sequence[T], work: Callable[[T], R], tolerated: tuple[type[AirflowException], ...]
    ) -> Outcomes[R]:
        """Do all of it, some at a time; an error that is not tolerated keeps what has not begun from beginning."""

        def attempt(item: T) -> R | AirflowException:
            try:
                return work(item)
            except tolerated as error:
                self.log.error("%s", error)
                return error

        with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="runcomfy-copy") as pool:
            futures: list[Future[R | AirflowException]] = []
            try:
                futures += (pool.submit(attempt, item) for item in items)
                wait(futures, return_when=FIRST_EXCEPTION)
                pool.shutdown(wait=False, cancel_futures=True)
                wait([future for future in futures if not future.cancelled()])
            except BaseException:
                # A time-out of the task comes here: the threads end soon, each with nothing left behind.
                self.on_kill()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        ended = [future for future in futures if not future.cancelled()]
        errors = [error for error in (future.exception() for future in ended) if error]
        results = [future.result() for future in ended if not future.exception()]
        outcomes = Outcomes(
            done=[result for result in results if not isinstance(result, AirflowException)],
            problems=[result for result in results if isinstance(result, AirflowException)],
        )
        if errors:
            self.log.error("%d of %d were done when this ended it: %s", len(outcomes.done), len(items), errors[0])
            raise errors[0]
        return outcomes


@dataclass(frozen=True)
class Outcomes(Generic[R]):
    """What was done, and what went wrong, each in the order in which it was asked for."""

    done: list[R]
    problems: list[AirflowException]
