"""The one way from a model's inputs to a request id: read the record, decide, check, intent, POST, record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy import failures, submit_failures
from airflow_provider_runcomfy.api.types import CancelOutcome, GenerationResult
from airflow_provider_runcomfy.exceptions import RunComfyFailError, RunComfyRetryableError
from airflow_provider_runcomfy.ledger import (
    Attach,
    Attempt,
    Refusal,
    Refuse,
    Submit,
    Use,
    compares_inputs,
    decide,
)
from airflow_provider_runcomfy.looking import learned, look
from airflow_provider_runcomfy.order import Order
from airflow_provider_runcomfy.posting import Posting
from airflow_provider_runcomfy.preparing import prepare
from airflow_provider_runcomfy.purse import CountingStore
from airflow_provider_runcomfy.record import Outcome, Record, Submission, hash_inputs, readable
from airflow_provider_runcomfy.store import RecordStore, record_store

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.exceptions import AirflowException
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.api.wire import Call
    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook


@dataclass(frozen=True)
class Obtained:
    """
    A request that is this task instance's own.

    :param submitted_at: seconds since the epoch, where it is known.
    :param deadline: until when to wait, in seconds since the epoch; None for a task that does not wait.
    :param result: the result, where it is there already.
    """

    request_id: str
    submitted_at: float | None
    deadline: float | None
    result: GenerationResult | None = None


def obtain(
    order: Order,
    hook: RunComfyHook,
    context: Context,
    log: Logger,
    on_taken: Callable[[str], None] = lambda request_id: None,
) -> Obtained:
    """
    Return a request for the order: a new one, or the one that an earlier try of the task instance paid for.

    :param on_taken: called with the id of a new request, also where it could not be recorded.
    :raises AirflowException: a class of :mod:`airflow_provider_runcomfy.exceptions`; each message says whether
        money was spent.
    """
    ti = context["ti"]
    attempt = Attempt(
        model_id=order.model_id,
        conn_id=order.conn_id,
        inputs_hash=None if callable(order.inputs) else hash_inputs(order.inputs),
        max_tries=ti.max_tries,
        try_number=ti.try_number,
        on_unknown_submission=order.on_unknown_submission,
        on_clear=order.on_clear,
        resubmit_failed=order.resubmit_failed,
        waits=order.timeout is not None,
    )
    store = record_store(context)
    if attempt.waits:
        # Of a request that this task does not wait for, whoever waits tells the cost.
        store = CountingStore(store, context, log)
    return _Flow(order, attempt, hook, store, log, on_taken).run()


class _Flow:
    """One try's way through the decision table."""

    def __init__(
        self,
        order: Order,
        attempt: Attempt,
        hook: RunComfyHook,
        store: RecordStore,
        log: Logger,
        on_taken: Callable[[str], None],
    ) -> None:
        self._order = order
        self._attempt = attempt
        self._hook = hook
        self._store = store
        self._log = log
        self._on_taken = on_taken

    def run(self) -> Obtained:
        attempt, found = self._attempt, self._store.read()
        seen = look(found, attempt, self._hook, self._log)
        record = learned(found, seen)
        if attempt.inputs_hash is None and compares_inputs(found, attempt, seen.fate):
            attempt = replace(attempt, inputs_hash=hash_inputs(self._inputs(found, record)))
        decision = decide(found, attempt, seen.fate)
        if note := getattr(decision, "note", ""):
            self._log.warning("%s", note)
        match decision:
            case Submit(replaces=replaces):
                return self._submit(found, record, replaces)
            case Attach(new_budget=new_budget):
                return self._attach(record, new_budget)
            case Use():
                return self._use(record, seen.result)
            case Refuse(refusal=refusal):
                self._note(found, record)
                raise self._refusal(record, refusal)

    def _submit(self, found: Record, record: Record, replaces: str | None) -> Obtained:
        try:
            call = prepare(self._order, lambda: self._inputs(found, record), self._hook, self._log)
        except (RunComfyRetryableError, RunComfyFailError) as error:
            self._note(found, record)
            raise submit_failures.not_replaced(error, replaces) from None
        if replaces is None:
            return self._post(call, self._posting(record))
        outcome, record = self._cancel(record, replaces)
        posting = self._posting(record)
        try:
            return self._post(call, posting)
        except (RunComfyRetryableError, RunComfyFailError) as error:
            raise submit_failures.not_submitted_in_place(
                error, replaces, outcome, is_refused=posting.is_refused
            ) from None

    @cached_property
    def _given(self) -> Any:
        inputs = self._order.inputs
        return inputs() if callable(inputs) else inputs

    def _inputs(self, found: Record, record: Record) -> Any:
        """Return the inputs; where a function gives them and raises, the record keeps what the look has told."""
        try:
            return self._given
        except Exception:
            self._note(found, record)
            if record.last is not None and record.last.request_id is not None:
                self._log.warning(
                    "The function that gives the inputs raised, so nothing was submitted. Request %s, submitted by try "
                    "%s, is left as it is.",
                    record.last.request_id,
                    record.last.try_number,
                )
            raise

    def _posting(self, earlier: Record) -> Posting:
        return Posting(
            self._hook.client,
            self._store,
            self._log,
            earlier=earlier,
            max_tries=self._attempt.max_tries,
            will_resubmit=self._order.on_unknown_submission == "resubmit",
        )

    def _post(self, call: Call, posting: Posting) -> Obtained:
        order, attempt = self._order, self._attempt
        inputs, its_hash = readable(self._given), hash_inputs(self._given)
        new = Submission("", attempt.try_number, order.model_id, order.conn_id, inputs, its_hash)
        taken = posting.send(call, new)
        now = time.time() if taken.submitted_at is None else taken.submitted_at
        deadline = self._new_deadline(now)
        try:
            posting.record(replace(taken, deadline=deadline))
        finally:
            self._on_taken(_id(taken))
        return Obtained(_id(taken), now, deadline)

    def _attach(self, record: Record, new_budget: bool) -> Obtained:
        last = _last(record)
        request_id, submitted_at = _id(last), last.submitted_at
        deadline = self._new_deadline(time.time()) if new_budget or last.deadline is None else last.deadline
        self._keep(record.changing(request_id, deadline=deadline), request_id)
        self._log.info("Attached to request %s, submitted by try %s.", request_id, last.try_number)
        return Obtained(request_id, submitted_at, deadline)

    def _use(self, record: Record, result: GenerationResult | None) -> Obtained:
        last = _last(record)
        self._keep(record, _id(last))
        self._log.info("Request %s, submitted by try %s, has succeeded: it is used.", last.request_id, last.try_number)
        return Obtained(_id(last), last.submitted_at, last.deadline, result)

    def _keep(self, record: Record, request_id: str) -> None:
        """Write the record, with the clear that led here taken note of: later retries are retries of this try."""
        try:
            self._store.write(Record(self._attempt.max_tries, record.submissions))
        except RunComfyRetryableError as error:
            raise RunComfyRetryableError(
                f"{error} Request {request_id} was paid for and is left alone; a retry takes it up again and pays "
                "nothing."
            ) from None

    def _note(self, found: Record, record: Record) -> None:
        """Write what became of the latest request, for a try that ends here; the next one asks RunComfy anyway."""
        if record == found:
            return
        try:
            self._store.write(record)
        except RunComfyRetryableError as error:
            self._log.warning("%s The record does not show what became of the latest request.", error)

    def _cancel(self, record: Record, request_id: str) -> tuple[CancelOutcome, Record]:
        try:
            outcome = self._hook.cancel(request_id)
            said = outcome.value
        except (RunComfyRetryableError, RunComfyFailError) as error:
            outcome, said = CancelOutcome.UNKNOWN, f"not known: {error}"
        self._log.warning(
            "The earlier request %s is replaced; cancelling it: %s. Unless cancelled it goes on and is charged.",
            request_id,
            said,
        )
        became = Outcome.CANCELLED if outcome is CancelOutcome.CANCELLED else None
        return outcome, record.changing(request_id, outcome=became, detail=f"replaced; cancel: {said}")

    def _new_deadline(self, now: float) -> float | None:
        return None if self._order.timeout is None else now + self._order.timeout.total_seconds()

    def _refusal(self, record: Record, refusal: Refusal) -> AirflowException:
        last = _last(record)
        if refusal is Refusal.UNKNOWN_SUBMISSION:
            return submit_failures.unknown_submission(last, self._order.model_id, self._store.how_to_settle)
        if refusal is Refusal.CHANGED:
            return submit_failures.submission_changed(last, self._order.model_id, self._order.conn_id)
        if refusal is Refusal.GONE:
            return failures.request_gone(_id(last), last.model_id)
        return failures.generation_failed(
            _id(last),
            last.detail or "",
            last.model_id,
            is_moderated=refusal is Refusal.MODERATED,
            will_resubmit=refusal is Refusal.FAILED_WILL_RESUBMIT,
        )


def _last(record: Record) -> Submission:
    if record.last is None:
        raise ValueError("a record without a submission")
    return record.last


def _id(submission: Submission) -> str:
    if submission.request_id is None:
        raise ValueError("a submission without a request id")
    return submission.request_id
