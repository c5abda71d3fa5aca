"""
Die anywhere, retry, clear, edit, settle: no sequence of these pays where the decision table says that it must not.

The rules are stated here from what RunComfy really took and what a person really did, not through ``decide``.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from airflow_provider_runcomfy import finishing, posting
from airflow_provider_runcomfy.api.polling import End, Ending
from airflow_provider_runcomfy.api.types import RequestState
from airflow_provider_runcomfy.exceptions import RunComfyFailError, RunComfyRetryableError
from airflow_provider_runcomfy.order import Order
from airflow_provider_runcomfy.record import Record
from airflow_provider_runcomfy.submission import Obtained, obtain
from tests.submission.account import (
    FAILED,
    MODERATED,
    POSTS,
    SUBMITS,
    Account,
    Hook,
    Request,
    ends_of,
    resending,
)
from tests.submission.parts import Log, StateStore, TaskInstance, context_of

TIMEOUT = timedelta(hours=1)


class Death(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class Trouble:
    """
    What goes wrong during one try.

    :param dies_at: the point at which the process dies: before and after each call to RunComfy and to the store.
    :param submit_ends: how its submit ends.
    :param write_fails: which of its writes the store refuses.
    :param outage: whether RunComfy answers neither results nor cancels.
    """

    dies_at: int | None = None
    submit_ends: str = "taken"
    write_fails: int | None = None
    outage: bool = False


# Most tries are quiet; else nothing would ever get far enough to go wrong in an interesting way.
troubles = st.one_of(
    st.just(Trouble()),
    st.just(Trouble()),
    st.builds(Trouble, submit_ends=st.sampled_from(SUBMITS)),
    st.builds(Trouble, dies_at=st.integers(0, 17), submit_ends=st.sampled_from(["taken", "taken", *SUBMITS])),
    st.builds(Trouble, write_fails=st.integers(1, 2), submit_ends=st.sampled_from(["taken", "taken", *SUBMITS])),
    st.builds(Trouble, outage=st.just(True)),
)
BECOMES = ["running", "succeeded", "succeeded", "failed", "failed", "moderated", "cancelled", "gone"]
edits = st.sampled_from(
    [
        *({} for _ in range(20)),
        *({"inputs": inputs} for inputs in ("inputs a", "inputs b", "inputs a", "inputs b", "invalid")),
        *({"model_id": model_id} for model_id in ("model/a", "model/b")),
        *({"account": account} for account in ("account_a", "account_b")),
    ]
)


class Paying(RuleBasedStateMachine):
    """One task instance, all that happens to it, and the account that pays."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = time_machine.travel(1_800_000_000, tick=False)
        self.now = self.clock.start()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(posting, "resending", resending(self._point))
        self.runcomfy = Account()
        self.store = StateStore(self._store_call)
        self.ti = TaskInstance()
        self.log = Log()
        self.inputs = "inputs a"
        self.model_id = "model/a"
        self.account = "account_a"
        #: How the request that a try of today waits for was obtained; None where no try waits.
        self.waiting: Obtained | None = None
        #: Whether a person has cleared the task, and nothing came of it yet.
        self.clear_is_due = False
        self.started = False
        self.answered: set[str] = set()

    def teardown(self) -> None:
        self.patch.undo()
        self.clock.stop()

    # What happens to the task instance.

    @rule(
        edits=edits,
        how=st.sampled_from(["retry", "retry", "clear", "requeue"]),
        on_unknown=st.sampled_from(["fail", "fail", "fail", "resubmit"]),
        on_clear=st.sampled_from(["reuse", "reuse", "resubmit"]),
        resubmit_failed=st.booleans(),
        waits=st.sampled_from([True, True, False]),
        function=st.booleans(),
        trouble=troubles,
    )
    def start_a_try(
        self,
        edits: dict[str, str],
        how: str,
        on_unknown: Any,
        on_clear: Any,
        resubmit_failed: bool,
        waits: bool,
        function: bool,
        trouble: Trouble,
    ) -> None:
        self._next_try(how)
        vars(self).update(edits)
        self.now.shift(1)
        self.trouble, self.points, self.writes, self.posts = trouble, 0, 0, 0
        self.replaced = ""
        self.order = Order(
            model_id=self.model_id,
            inputs={"prompt": self.inputs},
            conn_id=self.account,
            validate_inputs=False,
            on_unknown_submission=on_unknown,
            on_clear=on_clear,
            resubmit_failed=resubmit_failed,
            timeout=TIMEOUT if waits else None,
        )
        self.function_calls = 0
        order = replace(self.order, inputs=self._give) if function else self.order
        self.found = self.store.submissions
        self.found_cleared = bool(self.found) and self.store.stored["max_tries"] != self.ti.max_tries
        self.found_last = self._last_paid(self.found)
        self.found_truth = self._truth(self.found_last)
        self.found_state = self.found_truth and self.found_truth.state
        hook: Any = Hook(
            self.runcomfy,
            self.account,
            self.ti.try_number,
            self._point,
            self._check_post,
            self._check_taken,
            self._check_cancel,
            trouble.submit_ends,
            trouble.outage,
        )
        log: Any = self.log
        self.waiting = None
        try:
            obtained = obtain(order, hook, context_of(self.ti, self.store), log)
        except Death:
            pass
        except (RunComfyRetryableError, RunComfyFailError) as error:
            # Nothing else may come out of a try.
            self._check_error(error)
        else:
            self._check_obtained(obtained)
            self.clear_is_due = False
            self.waiting = obtained if waits else None
        self._check_growth()
        assert self.function_calls <= 1, "the function that gives the inputs is called once"

    def _give(self) -> Any:
        """The function that gives the inputs is called: does what the try does depend on them?"""
        self._point()
        self.function_calls += 1
        assert self.posts == 0
        truth = self.found_truth
        if self.found_last is not None and truth is not None and self._there(truth) and not self.clear_is_due:
            assert not self._found_going_on()
            assert not self._found_success()
        return self.order.inputs

    def _next_try(self, how: str) -> None:
        if not self.started:
            self.started = True
        elif how == "retry":
            self.ti.retry()
        elif how == "clear":
            self.ti.clear()
            self.clear_is_due = True

    # What happens at RunComfy.

    @rule(which=st.sampled_from([0, 0, 1]), becomes=st.sampled_from(BECOMES), seconds=st.sampled_from([1, 90, 5000]))
    @precondition(lambda self: self.runcomfy.requests)
    def a_request_goes_on(self, which: int, becomes: str, seconds: int) -> None:
        self.now.shift(seconds)
        self._goes_on([*self.runcomfy.requests.values()][-1 - which % len(self.runcomfy.requests)], becomes)

    def _goes_on(self, request: Request, becomes: str) -> None:
        if becomes == "gone":
            request.gone = True
        elif becomes == "cancelled":
            if request.state is RequestState.IN_QUEUE:
                request.state = RequestState.CANCELLED
        elif request.goes_on:
            request.state = {
                "running": RequestState.IN_PROGRESS,
                "succeeded": RequestState.SUCCEEDED,
                "failed": RequestState.FAILED,
                "moderated": RequestState.FAILED,
            }[becomes]
            request.error = {"failed": FAILED, "moderated": MODERATED}.get(becomes)

    @rule(becomes=st.sampled_from(BECOMES), trouble=st.sampled_from([Trouble(), Trouble(), Trouble(write_fails=1)]))
    @precondition(lambda self: self.waiting)
    def the_wait_ends(self, becomes: str, trouble: Trouble) -> None:
        """The trigger of the try that waits has seen the end; the try resumes and says so."""
        assert self.waiting is not None
        request = self.runcomfy.requests.get(self.waiting.request_id)
        # Nobody waits for a wrong id that a person adopted for longer than a minute.
        if request is not None:
            self._goes_on(request, becomes)
            if request.gone or not request.goes_on:
                self._resume(request, trouble)

    def _resume(self, request: Request, trouble: Trouble) -> None:
        self.trouble, self.points, self.writes, self.waiting = trouble, 0, 0, None
        log: Any = self.log
        context = context_of(self.ti, self.store)
        end = End.NOT_FOUND if request.gone else End(request.state)
        if end is End.SUCCEEDED:
            handed = finishing.hand_over(request.result(), self.model_id, context, log)
            assert handed["request_id"] == request.request_id
            return
        ending = Ending(end, request.result(), request.error or "")
        error = finishing.failure(
            request.request_id, ending, self.model_id, context, log, will_resubmit=self.order.resubmit_failed
        )
        assert isinstance(error, RunComfyRetryableError | RunComfyFailError)
        assert request.request_id in str(error)

    # What a person does in the task's state store tab.

    @rule(settles=st.sampled_from(["adopts", "adopts", "mistypes", "deletes the key"]))
    @precondition(lambda self: self._is_unknown(self._last_paid(self.store.submissions)))
    def a_person(self, settles: str) -> None:
        unknown = self._last_paid(self.store.submissions)
        named = {submission["request_id"] for submission in self.store.submissions}
        lost = [request_id for request_id in self.runcomfy.requests if request_id not in named]
        if settles == "deletes the key":
            self.store.delete_key()
        else:
            self.store.adopt(lost[-1] if settles == "adopts" and lost else "mistyped", unknown["intent_at"])

    # What must hold.

    def _check_post(self) -> None:
        """A submit leaves the machine: was it allowed, from what was true when the try began?"""
        self.posts += 1
        assert self.posts == 1 or ends_of(self.trouble.submit_ends)[0] == "not sent", "one try, one submit"
        last, truth, order = self.found_last, self.found_truth, self.order
        if last is None:
            return
        assert not self._is_unknown(last) or order.on_unknown_submission == "resubmit"
        if last["request_id"] is None:
            return
        if truth is None:
            # Only a person writes ids that RunComfy never gave.
            assert last["submitted_at"] is None
            same_account = last["conn_id"] == order.conn_id
            assert order.on_unknown_submission == "resubmit" or (self.clear_is_due and not same_account)
        elif self.clear_is_due:
            same = (last["model_id"], last["conn_id"], last["inputs"]) == (order.model_id, order.conn_id, order.inputs)
            assert not (same and self._there(truth) and self._found_going_on())
            assert not (same and self._there(truth) and self._found_success()) or order.on_clear == "resubmit"
            here = (last["model_id"], last["conn_id"]) == (order.model_id, order.conn_id) and self._there(truth)
            if here and last["submitted_at"] is None and last["outcome"] is None:
                # A person has adopted it, and no try has taken it up since.
                assert not self._found_going_on()
                assert not self._found_success()
        else:
            self._check_post_of_a_retry(last, truth)

    def _check_post_of_a_retry(self, last: Any, truth: Request) -> None:
        order = self.order
        adopted_in_vain = last["submitted_at"] is None and not self._there(truth)
        if adopted_in_vain and order.on_unknown_submission == "resubmit":
            return
        assert (last["model_id"], last["conn_id"]) == (order.model_id, order.conn_id)
        assert not self._found_going_on()
        assert not self._found_success()
        if self.found_state is RequestState.FAILED:
            assert order.resubmit_failed
            assert truth.error == FAILED
            assert self.ti.try_number > last["try_number"]
        else:
            assert self.found_state is RequestState.CANCELLED

    def _check_cancel(self, request_id: str) -> None:
        """Only what a clear replaces by something else is cancelled."""
        last, order = self.found_last, self.order
        assert self.clear_is_due
        assert request_id == last["request_id"]
        assert (last["model_id"], last["inputs"]) != (order.model_id, order.inputs)
        assert last["conn_id"] == order.conn_id
        self.replaced = request_id

    def _check_taken(self, request: Request) -> None:
        """RunComfy took it. The intent was stored before, so that a death here is not forgotten."""
        newest = self.store.submissions[-1]
        assert newest["request_id"] is None
        assert newest["outcome"] is None
        assert newest["try_number"] == self.ti.try_number
        assert newest["inputs"] == request.inputs
        end = ends_of(self.trouble.submit_ends)[self.posts > 1]
        if POSTS[end][1] is None and self.trouble.dies_at != self.points:
            self.answered.add(request.request_id)
        self.clear_is_due = False

    def _check_error(self, error: Exception) -> None:
        assert self.replaced in str(error), "a submit that comes to nothing names what it was to replace"

    def _check_obtained(self, obtained: Obtained) -> None:
        submission = self.store.submissions[-1]
        if self.posts:
            assert submission["request_id"] == obtained.request_id
        else:
            submission = self._last_paid(self.store.submissions)
            assert submission["request_id"] == obtained.request_id
        request = self.runcomfy.requests.get(obtained.request_id)
        assert (obtained.result is not None) <= (request is not None and request.state is RequestState.SUCCEEDED)
        self._check_deadline(obtained)

    def _check_deadline(self, obtained: Obtained) -> None:
        """Counted from the submission, kept by a retry, renewed by a clear; none where nobody waits."""
        kept = self.found_last["deadline"] if self.found_last and not self.posts else None
        fresh = None if self.order.timeout is None else time.time() + TIMEOUT.total_seconds()
        if obtained.result is not None:
            assert obtained.deadline == kept
        elif self.found_cleared or kept is None:
            assert obtained.deadline == fresh
        else:
            assert obtained.deadline == kept

    def _check_growth(self) -> None:
        """The record only grows: what was written of a submission stays."""
        after = self.store.submissions
        assert len(after) >= len(self.found)
        for old, new in zip(self.found, after, strict=False):
            for name in ("intent_at", "try_number", "model_id", "conn_id", "inputs", "inputs_hash", "request_id"):
                assert new[name] == old[name]

    @invariant()
    def the_record_can_be_read(self) -> None:
        if self.store.stored is not None:
            Record.from_json(self.store.stored)

    @invariant()
    def every_answer_is_named_somewhere(self) -> None:
        kept = str(self.store.stored)
        assert all(request_id in self.log.text or request_id in kept for request_id in self.answered)

    # How these are known.

    def _point(self) -> None:
        if self.points == self.trouble.dies_at:
            raise Death
        self.points += 1

    def _store_call(self, call: str) -> None:
        self._point()
        if call == "set":
            self.writes += 1
            if self.writes == self.trouble.write_fails:
                raise OSError("the API server is restarting")

    @staticmethod
    def _last_paid(submissions: list[Any]) -> Any:
        return next((item for item in reversed(submissions) if item["outcome"] != "refused"), None)

    @staticmethod
    def _is_unknown(submission: Any) -> bool:
        return submission is not None and submission["request_id"] is None

    def _truth(self, submission: Any) -> Request | None:
        return submission and self.runcomfy.requests.get(submission["request_id"])

    def _there(self, truth: Request) -> bool:
        """Whether RunComfy shows it to the account of today."""
        return not truth.gone and truth.account == self.account

    def _found_going_on(self) -> bool:
        return self.found_state in (RequestState.IN_QUEUE, RequestState.IN_PROGRESS)

    def _found_success(self) -> bool:
        return self.found_state is RequestState.SUCCEEDED


Paying.TestCase.settings = settings(max_examples=300, stateful_step_count=25, deadline=None)
TestPaying = Paying.TestCase
