"""Copy the files of several requests, some at a time: from requests to files, from files to the manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy.api.download_policy import DownloadPolicy
from airflow_provider_runcomfy.compat import AirflowFailException
from airflow_provider_runcomfy.request_ids import GivenRequest
from airflow_provider_runcomfy.transfers.copied import CopyRecord
from airflow_provider_runcomfy.transfers.copying import OF_ONE_FILE, Copier
from airflow_provider_runcomfy.transfers.files import SourceFile, refuse_shared_keys
from airflow_provider_runcomfy.transfers.results import OF_ONE_REQUEST, Results
from airflow_provider_runcomfy.transfers.store import ObjectStore

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

T = TypeVar("T")
R = TypeVar("R")

#: How many files are copied at the same time; the memory that their parts take together is bounded by the store.
FILES_AT_ONCE = 4


class Batch:
    """
    One task's copies.

    :param conn_id: the RunComfy connection.
    :param store: where the files go.
    :param template: of the keys in it.
    :param record: what earlier tries have copied and begun.
    :param policy: what may be downloaded.
    :param replace: whether another object under the same key is replaced.
    """

    def __init__(
        self,
        conn_id: str,
        store: ObjectStore,
        template: str,
        record: CopyRecord,
        log: Logger,
        *,
        policy: DownloadPolicy,
        replace: bool,
    ) -> None:
        self._store = store
        self._record = record
        self._log = log
        self._results = Results(conn_id, store, template, record)
        self._copier = Copier(store, record, policy, self._results.fresh, replace)
        #: What `land` has found to copy: in the order of the manifest, if all were copied.
        self.files: list[SourceFile] = []

    def land(self, requests: Sequence[GivenRequest]) -> list[dict[str, Any]]:
        """
        Copy every file that is not there yet, and return the manifest of all.

        One file that cannot be had does not keep the others from being copied: the error comes last.
        """
        for request_id in self._record.earlier_requests():
            self._copier.clean_up(request_id)
        found = self._each(requests, self._files_of, OF_ONE_REQUEST)
        self.files = files = list(chain.from_iterable(found.done))
        refuse_shared_keys(files)
        with self._store.writing(min(FILES_AT_ONCE, max(1, len(files)))):
            landed = self._each(files, self._copier.land, (*OF_ONE_FILE, *OF_ONE_REQUEST))
        problems = found.problems + landed.problems
        if problems:
            self._log.error("%d of %d files are stored; problems: %d.", len(landed.done), len(files), len(problems))
            # If a retry can mend one of them, it has to be given the chance.
            raise next((p for p in problems if not isinstance(p, AirflowFailException)), problems[0])
        return landed.done

    def stop(self) -> None:
        """Stop copying: what is under way is given up, and its rest removed."""
        self._copier.stop()

    def _each(
        self, items: Sequence[T], work: Callable[[T], R], tolerated: tuple[type[AirflowException], ...]
    ) -> Outcomes[R]:
        return each(items, work, tolerated=tolerated, stop=self.stop, log=self._log)

    def _files_of(self, request: GivenRequest) -> list[SourceFile]:
        self._copier.clean_up(request.request_id)
        return self._results.files(request)


@dataclass(frozen=True)
class Outcomes(Generic[R]):
    """What was done, and what went wrong, each in the order in which it was asked for."""

    done: list[R]
    problems: list[AirflowException]


def each(
    items: Sequence[T],
    work: Callable[[T], R],
    *,
    tolerated: tuple[type[AirflowException], ...],
    stop: Callable[[], None],
    log: Logger,
) -> Outcomes[R]:
    """
    Do all of it, some at a time; an error that is not tolerated keeps what has not begun from beginning.

    :param stop: has what is under way end soon; called where this is interrupted.
    """

    def attempt(item: T) -> R | AirflowException:
        try:
            return work(item)
        except tolerated as error:
            log.error("%s", error)
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
            stop()
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
        log.error("%d of %d were done when this ended it: %s", len(outcomes.done), len(items), errors[0])
        raise errors[0]
    return outcomes
