"""What a generation has cost is told once: by whichever try learns of it, and never again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from airflow_provider_runcomfy import finishing, purse
from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import GenerationResult, RequestState
from airflow_provider_runcomfy.exceptions import UnknownSubmissionError
from airflow_provider_runcomfy.purse import note_costs_once
from airflow_provider_runcomfy.record import Record, Submission
from airflow_provider_runcomfy.request_ids import given_requests
from tests.submission.parts import Log, StateStore, TaskInstance, context_of
from tests.submission.task import Task

RESULT = GenerationResult("r1", RequestState.SUCCEEDED, cost_usd=0.336)
TAGS = {"dag_id": "a_dag", "task_id": "a_task", "model_id": "model/a"}
ONCE = [("runcomfy.cost_microdollars", 336_000, TAGS), ("runcomfy.cost_usd", 0.336, TAGS)]


class Metrics:
    """Airflow's metrics; ``sent`` has each."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, float, dict[str, str]]] = []
        self.trouble: Exception | None = None

    def incr(self, stat: str, count: int | None = None, *, tags: dict[str, str]) -> None:
        if self.trouble:
            raise self.trouble
        assert type(count) is int
        self.sent.append((stat, count, tags))

    def gauge(self, stat: str, value: float, *, tags: dict[str, str]) -> None:
        self.sent.append((stat, value, tags))


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    metrics = Metrics()
    monkeypatch.setattr(purse, "stats", lambda: metrics)
    return metrics


@pytest.fixture
def task(metrics: Metrics) -> Task:
    """A task whose request has succeeded, and of which its record does not know it yet."""
    task = Task()
    task.run()
    task.becomes(RequestState.SUCCEEDED, cost_usd=0.336)
    return task


def hand_over(task: Task, request_id: str = "request-1") -> None:
    log: Any = task.log
    result = GenerationResult(request_id, RequestState.SUCCEEDED, cost_usd=0.336)
    finishing.hand_over(result, "model/a", context_of(task.ti, task.store), log)


def test_the_try_that_waited_tells_it(task: Task, metrics: Metrics) -> None:
    hand_over(task)
    assert metrics.sent == ONCE
    assert "Request request-1 has cost 0.336 USD." in task.log.lines


def test_the_try_that_finds_it_succeeded_tells_it_and_only_once(task: Task, metrics: Metrics) -> None:
    task.ti.retry()
    task.run()
    hand_over(task)
    assert metrics.sent == ONCE


def test_a_clear_that_uses_it_again_does_not(task: Task, metrics: Metrics) -> None:
    hand_over(task)
    task.ti.clear()
    task.run()
    hand_over(task)
    assert metrics.sent == ONCE
    assert task.log.lines.count("Request request-1 has cost 0.336 USD.") == 1


def test_a_clear_that_replaces_it_tells_what_the_old_one_has_cost(task: Task, metrics: Metrics) -> None:
    task.ti.clear()
    task.run("b")
    assert metrics.sent == ONCE


def test_a_failure_that_was_charged_is_told(metrics: Metrics) -> None:
    task = Task()
    task.run()
    task.becomes(RequestState.FAILED, "out of memory", 0.336)
    task.ti.clear()
    task.run("b")
    assert metrics.sent == ONCE


def test_an_adopted_one_is_told_once(metrics: Metrics) -> None:
    task = Task()
    task.fails(UnknownSubmissionError, submit_ends="unanswered but taken")
    task.becomes(RequestState.SUCCEEDED, cost_usd=0.336)
    task.adopt("request-1")
    for how in ("clear", "retry", "clear"):
        getattr(task.ti, how)()
        task.run()
        hand_over(task)
    assert metrics.sent == ONCE


def test_a_cost_that_comes_late_is_told_when_it_is_there(metrics: Metrics) -> None:
    task = Task()
    task.run()
    task.becomes(RequestState.SUCCEEDED)
    task.ti.retry()
    task.run()
    assert metrics.sent == []
    task.becomes(RequestState.SUCCEEDED, cost_usd=0.336)
    task.ti.retry()
    task.run()
    assert metrics.sent == ONCE


def test_what_could_not_be_kept_is_told_by_the_try_that_can(task: Task, metrics: Metrics) -> None:
    task.ti.retry()
    task.writes_until_failure = 0
    with pytest.raises(Exception, match="could not be written"):
        task.run()
    assert metrics.sent == []
    task.writes_until_failure = None
    task.ti.retry()
    task.run()
    assert metrics.sent == ONCE


def test_a_task_that_does_not_wait_leaves_it_to_the_one_that_does(metrics: Metrics) -> None:
    task = Task()
    task.run(waits=False)
    task.becomes(RequestState.SUCCEEDED, cost_usd=0.336)
    task.ti.clear()
    task.run(waits=False)
    assert metrics.sent == []


def test_before_airflow_3_3_it_is_told_by_the_try_that_waited(metrics: Metrics) -> None:
    log: Any = Log()
    finishing.hand_over(RESULT, "model/a", context_of(TaskInstance(), None), log)
    assert metrics.sent == ONCE


def test_a_record_that_cannot_be_kept_at_the_end_does_not_hide_it(metrics: Metrics) -> None:
    def no_answer(call: str) -> None:
        raise OSError("no answer")

    log: Any = Log()
    finishing.hand_over(RESULT, "model/a", context_of(TaskInstance(), StateStore(no_answer)), log)
    assert metrics.sent == ONCE


def test_a_failed_wait_tells_what_it_has_cost(metrics: Metrics) -> None:
    store, log = StateStore(), Log()
    taken = Submission("2026-11-05T12:00:00.000+00:00", 1, "model/a", "account_a", {}, "hash", "r1", 1.0, 2.0)
    store.texts["runcomfy"] = json.dumps(Record(2, (taken,)).as_json())
    result = GenerationResult("r1", RequestState.FAILED, error="out of memory", cost_usd=0.336)
    any_log: Any = log
    finishing.failure(
        "r1", Ending(End.FAILED, result, "out of memory"), "model/a", context_of(TaskInstance(), store), any_log,
        will_resubmit=False,
    )  # fmt: skip
    assert metrics.sent == ONCE


def test_a_broken_metrics_backend_loses_no_result(task: Task, metrics: Metrics) -> None:
    metrics.trouble = RuntimeError("no statsd")
    hand_over(task)
    assert "The metric of what request request-1 has cost was not sent (RuntimeError)." in task.log.lines


class TestASensor:
    TAGS = {"dag_id": "a_dag", "task_id": "a_task"}  # noqa: RUF012

    def look(self, store: StateStore | None, given: Any, *results: GenerationResult) -> None:
        context = context_of(TaskInstance(), store)
        ends = {RequestState.SUCCEEDED: End.SUCCEEDED, RequestState.FAILED: End.FAILED}
        log: Any = Log()
        endings = {result.request_id: Ending(ends[result.state], result) for result in results}
        note_costs_once(context, given_requests(given), endings, log)

    def test_tells_each_cost_once_over_all_its_tries(self, metrics: Metrics) -> None:
        store = StateStore()
        failed = GenerationResult("r2", RequestState.FAILED, cost_usd=0.1)
        free = GenerationResult("r3", RequestState.SUCCEEDED)
        self.look(store, ["r1", "r3"], RESULT, free)
        self.look(store, ["r1", "r2", "r3"], RESULT, failed, free)
        assert [(name, value) for name, value, _ in metrics.sent if "micro" in name] == [
            ("runcomfy.cost_microdollars", 336_000),
            ("runcomfy.cost_microdollars", 100_000),
        ]
        assert all(tags == self.TAGS for _, _, tags in metrics.sent)

    def test_leaves_the_cost_of_a_result_to_the_task_that_handed_it_on(self, metrics: Metrics) -> None:
        self.look(StateStore(), [RESULT.as_dict("model/a")], RESULT)
        assert metrics.sent == []

    @pytest.mark.parametrize("kept", [None, "text", {"r1": True}, [1, None]])
    def test_bears_whatever_is_in_its_note(self, metrics: Metrics, kept: Any) -> None:
        store = StateStore()
        store.texts[purse.TOLD_KEY] = json.dumps(kept)
        self.look(store, "r1", RESULT)
        assert len(metrics.sent) == 2

    def test_tells_it_before_airflow_3_3(self, metrics: Metrics) -> None:
        self.look(None, "r1", RESULT)
        assert len(metrics.sent) == 2

    def test_bears_a_store_that_does_not_answer(self, metrics: Metrics) -> None:
        def no_answer(call: str) -> None:
            raise OSError("no answer")

        self.look(StateStore(no_answer), "r1", RESULT)
        assert len(metrics.sent) == 2


def configure(configured: Any, backend: Metrics, patch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let Airflow's metrics go to a backend; return what lets them go where they went."""
    if not hasattr(configured, "initialize"):  # before Airflow 3.3
        patch.setattr(configured.Stats, "instance", backend)
        patch.setattr(configured.Stats, "_instance_pid", os.getpid())
        return patch.undo
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

    configured.initialize(factory=lambda: backend, export_legacy_names=True)
    return lambda: configured.initialize(factory=get_stats_factory(), export_legacy_names=True)


def test_the_metrics_are_those_that_a_task_of_airflow_has(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        configured = import_module("airflow.sdk.observability.stats")
    except ImportError:  # Airflow 3.1
        configured = import_module("airflow.stats")
    backend, log = Metrics(), Log()
    any_log: Any = log
    restore = configure(configured, backend, monkeypatch)
    try:
        purse.note_cost(context_of(TaskInstance(), None), "model/a", "r1", 0.336, any_log)
    finally:
        restore()
    assert backend.sent == ONCE
    assert log.lines == ["Request r1 has cost 0.336 USD."]
