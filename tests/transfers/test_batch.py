"""Some at a time: the order, the errors, and what an interruption does."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_runcomfy.exceptions import RunComfyDownloadError
from airflow_provider_runcomfy.transfers.batch import each
from airflow_provider_runcomfy.transfers.store import StorageFailedError

LOG: Any = logging.getLogger(__name__)


def nothing() -> None:
    """Stop nothing."""


def test_results_are_in_the_order_of_what_was_asked_for() -> None:
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 1:
            assert second_is_done.wait(5)
        if item == 2:
            second_is_done.set()
        if item == 3:
            raise RunComfyDownloadError("three")
        return item * 10

    outcomes = each([1, 2, 3, 4], work, tolerated=(RunComfyDownloadError,), stop=nothing, log=LOG)
    assert outcomes.done == [10, 20, 40]
    assert [str(problem) for problem in outcomes.problems] == ["three"]


def test_an_error_of_the_store_keeps_what_has_not_begun_from_beginning() -> None:
    four_are_under_way = threading.Barrier(4)
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item < 4:
            four_are_under_way.wait(5)
        if item == 0:
            raise StorageFailedError("the store is away")
        # The others go on until what has not begun is cancelled.
        assert cancelled.wait(5) or item >= 4
        return item

    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    with pytest.raises(StorageFailedError, match="the store is away"):
        each(list(range(100)), work, tolerated=(RunComfyDownloadError,), stop=nothing, log=LOG)
    assert len(begun) < 10


class TimeOutError(Exception):
    pass


@pytest.fixture
def alarm() -> Iterator[None]:
    def expire(*_: Any) -> None:
        raise TimeOutError

    before = signal.signal(signal.SIGALRM, expire)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_a_time_out_after_an_error_stops_what_is_still_under_way() -> None:
    begun, failed, killed = threading.Event(), threading.Event(), threading.Event()

    def work(item: int) -> None:
        if item == 0:
            assert begun.wait(5)
            failed.set()
            raise StorageFailedError("the store is away")
        begun.set()
        assert failed.wait(5)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        assert killed.wait(5)

    with pytest.raises(TimeOutError):
        each([0, 1], work, tolerated=(), stop=killed.set, log=LOG)
    assert killed.is_set()
