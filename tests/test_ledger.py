"""The decision table of paying, cell by cell: what a try does, by what the record says and by who started it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.ledger import (
    Attach,
    Attempt,
    Decision,
    Fate,
    Refuse,
    Submit,
    Use,
    compares_inputs,
    decide,
    look_at,
    was_cleared,
)
from airflow_provider_runcomfy.record import Outcome, Record, Submission

MAX_TRIES = 2

#: A request of try 1 that RunComfy took and of which nothing more is recorded.
TAKEN = Submission(
    intent_at="2026-11-05T12:00:00.000+00:00",
    try_number=1,
    model_id="model/a",
    conn_id="account_a",
    inputs={},
    inputs_hash="inputs a",
    request_id="first",
    submitted_at=1000.0,
    deadline=4600.0,
)
INTENT = replace(TAKEN, request_id=None, submitted_at=None, deadline=None)
REFUSED = replace(INTENT, outcome=Outcome.REFUSED, detail="no balance")
ADOPTED = replace(TAKEN, submitted_at=None, deadline=None)
#: The same after RunComfy has told of it.
PROVEN = replace(ADOPTED, submitted_at=1000.0)
ADOPTED_SUCCESS = replace(ADOPTED, outcome=Outcome.SUCCEEDED)
FAILED = replace(TAKEN, outcome=Outcome.FAILED, detail="out of memory")
MODERATED = replace(TAKEN, outcome=Outcome.MODERATED, detail="nsfw")
CANCELLED = replace(TAKEN, outcome=Outcome.CANCELLED)
SUCCEEDED = replace(TAKEN, outcome=Outcome.SUCCEEDED)
GONE = replace(TAKEN, outcome=Outcome.GONE)
SECOND = replace(TAKEN, request_id="second", try_number=2)

#: A later try with the same model, connection and inputs.
ATTEMPT = Attempt("model/a", "account_a", "inputs a", MAX_TRIES, try_number=2)
OTHER_INPUTS = {"inputs_hash": "inputs b"}
OTHER_MODEL = {"model_id": "model/b"}
OTHER_CONNECTION = {"conn_id": "account_b"}


@dataclass(frozen=True)
class Row:
    """
    One row of the table.

    :param says: what the record holds, oldest first.
    :param retried: what a retried try does, in the words of :func:`in_words`.
    :param cleared: what a cleared try does.
    :param fate: what RunComfy says of the request that is looked at.
    :param attempt: how the try differs from :data:`ATTEMPT`.
    """

    name: str
    says: tuple[Submission, ...]
    retried: str
    cleared: str
    fate: Fate | None = None
    attempt: Any = None


def in_words(decision: Decision) -> str:
    match decision:
        case Submit(replaces=None):
            return "submit"
        case Submit(replaces=replaces):
            return f"submit instead of {replaces}"
        case Attach(new_budget=new_budget):
            return "attach with a new budget" if new_budget else "attach"
        case Use():
            return "use"
        case Refuse(refusal=refusal):
            return f"refuse: {refusal}"


TABLE = [
    # Nothing, or only POSTs that were certainly refused.
    Row("nothing", (), "submit", "submit"),
    Row("refused", (REFUSED,), "submit", "submit"),
    Row("refused twice", (REFUSED, REFUSED), "submit", "submit"),
    Row("refused, other inputs", (REFUSED,), "submit", "submit", attempt=OTHER_INPUTS),
    Row("refused, other model", (REFUSED,), "submit", "submit", attempt=OTHER_MODEL),
    Row("refused, other connection", (REFUSED,), "submit", "submit", attempt=OTHER_CONNECTION),
    # An intent without an id.
    Row("unknown", (INTENT,), "refuse: unknown_submission", "refuse: unknown_submission"),
    Row("unknown, resubmit", (INTENT,), "submit", "submit", attempt={"on_unknown_submission": "resubmit"}),
    Row(
        "unknown, other inputs",
        (INTENT,),
        "refuse: unknown_submission",
        "refuse: unknown_submission",
        attempt=OTHER_INPUTS,
    ),
    Row(
        "unknown, on_clear=resubmit",
        (INTENT,),
        "refuse: unknown_submission",
        "refuse: unknown_submission",
        attempt={"on_clear": "resubmit"},
    ),
    Row("unknown after a success", (SUCCEEDED, INTENT), "refuse: unknown_submission", "refuse: unknown_submission"),
    Row("refused after unknown", (INTENT, REFUSED), "refuse: unknown_submission", "refuse: unknown_submission"),
    Row(
        "refused after unknown, resubmit",
        (INTENT, REFUSED),
        "submit",
        "submit",
        attempt={"on_unknown_submission": "resubmit"},
    ),
    Row("waits after unknown", (INTENT, SECOND), "attach", "attach with a new budget", Fate.WAITING),
    # Waits or runs.
    Row("waits", (TAKEN,), "attach", "attach with a new budget", Fate.WAITING),
    Row("waits, other inputs", (TAKEN,), "attach", "submit instead of first", Fate.WAITING, OTHER_INPUTS),
    Row(
        "waits, on_clear=resubmit",
        (TAKEN,),
        "attach",
        "attach with a new budget",
        Fate.WAITING,
        {"on_clear": "resubmit"},
    ),
    Row(
        "waits, resubmit_failed",
        (TAKEN,),
        "attach",
        "attach with a new budget",
        Fate.WAITING,
        {"resubmit_failed": True},
    ),
    Row("waits, adopted", (ADOPTED,), "attach", "attach with a new budget", Fate.WAITING),
    Row("waits, adopted, other inputs", (ADOPTED,), "attach", "attach with a new budget", Fate.WAITING, OTHER_INPUTS),
    Row(
        "waits, adopted, proven, other inputs",
        (PROVEN,),
        "attach",
        "submit instead of first",
        Fate.WAITING,
        OTHER_INPUTS,
    ),
    Row("waits, refused since", (TAKEN, REFUSED), "attach", "attach with a new budget", Fate.WAITING),
    Row(
        "waits, refused since, other inputs",
        (TAKEN, REFUSED),
        "attach",
        "submit instead of first",
        Fate.WAITING,
        OTHER_INPUTS,
    ),
    # Succeeded.
    Row("succeeded", (TAKEN,), "use", "use", Fate.SUCCEEDED),
    Row("succeeded, other inputs", (TAKEN,), "use", "submit", Fate.SUCCEEDED, OTHER_INPUTS),
    Row("succeeded, on_clear=resubmit", (TAKEN,), "use", "submit", Fate.SUCCEEDED, {"on_clear": "resubmit"}),
    Row("succeeded, adopted", (ADOPTED,), "use", "use", Fate.SUCCEEDED),
    Row("succeeded, adopted, other inputs", (ADOPTED,), "use", "use", Fate.SUCCEEDED, OTHER_INPUTS),
    Row("succeeded, adopted, on_clear=resubmit", (ADOPTED,), "use", "use", Fate.SUCCEEDED, {"on_clear": "resubmit"}),
    Row("succeeded, adopted, expired since", (ADOPTED_SUCCESS,), "refuse: gone", "submit", Fate.GONE),
    Row("succeeded, recorded", (SUCCEEDED,), "use", "use", Fate.SUCCEEDED),
    Row("succeeded, expired since", (SUCCEEDED,), "refuse: gone", "submit", Fate.GONE),
    Row("succeeded, outage", (SUCCEEDED,), "attach", "attach with a new budget", Fate.WAITING),
    Row("succeeded, refused since", (SUCCEEDED, REFUSED), "use", "use", Fate.SUCCEEDED),
    Row(
        "succeeded, refused since, on_clear=resubmit",
        (SUCCEEDED, REFUSED),
        "use",
        "submit",
        Fate.SUCCEEDED,
        {"on_clear": "resubmit"},
    ),
    # Failed.
    Row("failed", (TAKEN,), "refuse: failed", "submit", Fate.FAILED),
    Row("failed, recorded", (FAILED,), "refuse: failed", "submit"),
    Row("failed, later try, resubmit_failed", (FAILED,), "submit", "submit", attempt={"resubmit_failed": True}),
    Row(
        "failed, same try, resubmit_failed",
        (FAILED,),
        "refuse: failed_will_resubmit",
        "submit",
        attempt={"resubmit_failed": True, "try_number": 1},
    ),
    Row("failed, refused since", (FAILED, REFUSED), "refuse: failed", "submit"),
    Row(
        "failed, refused since, resubmit_failed",
        (FAILED, replace(REFUSED, try_number=2)),
        "submit",
        "submit",
        attempt={"resubmit_failed": True},
    ),
    Row("failed after a failed one", (FAILED, SECOND), "refuse: failed", "submit", Fate.FAILED),
    Row(
        "failed after a failed one, resubmit_failed, its own try",
        (FAILED, SECOND),
        "refuse: failed_will_resubmit",
        "submit",
        Fate.FAILED,
        {"resubmit_failed": True},
    ),
    Row("moderated", (TAKEN,), "refuse: moderated", "submit", Fate.MODERATED),
    Row("moderated, recorded", (MODERATED,), "refuse: moderated", "submit"),
    Row("moderated, resubmit_failed", (MODERATED,), "refuse: moderated", "submit", attempt={"resubmit_failed": True}),
    # Cancelled.
    Row("cancelled", (TAKEN,), "submit", "submit", Fate.CANCELLED),
    Row("cancelled, recorded", (CANCELLED,), "submit", "submit"),
    Row("cancelled, other inputs", (CANCELLED,), "submit", "submit", attempt=OTHER_INPUTS),
    Row("cancelled, refused since", (CANCELLED, REFUSED), "submit", "submit"),
    # Expired, unknown or not ours.
    Row("gone", (TAKEN,), "refuse: gone", "submit", Fate.GONE),
    Row("gone, recorded", (GONE,), "refuse: gone", "submit"),
    Row("gone, recorded, there again", (GONE,), "use", "use", Fate.SUCCEEDED),
    Row("gone, adopted", (ADOPTED,), "refuse: unknown_submission", "refuse: unknown_submission", Fate.GONE),
    Row(
        "gone, adopted, resubmit",
        (ADOPTED,),
        "submit",
        "submit",
        Fate.GONE,
        {"on_unknown_submission": "resubmit"},
    ),
    # Another model or connection than now.
    *(
        Row(f"{fate}, other model", (TAKEN,), "refuse: changed", cleared, fate, OTHER_MODEL)
        for fate, cleared in {
            Fate.WAITING: "submit instead of first",
            Fate.SUCCEEDED: "submit",
            Fate.FAILED: "submit",
            Fate.MODERATED: "submit",
            Fate.CANCELLED: "submit",
            Fate.GONE: "submit",
        }.items()
    ),
    Row("other connection", (TAKEN,), "refuse: changed", "submit", attempt=OTHER_CONNECTION),
    Row("succeeded, other connection", (SUCCEEDED,), "refuse: changed", "submit", attempt=OTHER_CONNECTION),
    Row("failed, other connection", (FAILED,), "refuse: changed", "submit", attempt=OTHER_CONNECTION),
    Row("adopted, other connection", (ADOPTED,), "refuse: changed", "submit", attempt=OTHER_CONNECTION),
    # A task that does not wait asks for nothing when it is retried.
    Row("does not wait, nothing", (), "submit", "submit", attempt={"waits": False}),
    Row("does not wait, waits", (TAKEN,), "attach", "attach with a new budget", Fate.WAITING, {"waits": False}),
    Row("does not wait, adopted", (ADOPTED,), "attach", "attach with a new budget", Fate.WAITING, {"waits": False}),
    *(
        Row(f"does not wait, {taken.outcome}, recorded", (taken,), "attach", cleared, attempt={"waits": False})
        for taken, cleared in [(SUCCEEDED, "use"), (FAILED, "submit"), (MODERATED, "submit"), (GONE, "submit")]
    ),
    Row("does not wait, cancelled", (CANCELLED,), "submit", "submit", attempt={"waits": False}),
    Row(
        "does not wait, unknown",
        (INTENT,),
        "refuse: unknown_submission",
        "refuse: unknown_submission",
        attempt={"waits": False},
    ),
    Row("does not wait, other model", (TAKEN,), "refuse: changed", "submit", attempt=OTHER_MODEL | {"waits": False}),
]


def cells() -> Iterator[Any]:
    for row in TABLE:
        attempt = replace(ATTEMPT, **(row.attempt or {}))
        cleared = replace(attempt, max_tries=MAX_TRIES + 2)
        fate_when_retried = row.fate if look_at(Record(MAX_TRIES, row.says), attempt) else None
        yield pytest.param(row.says, attempt, fate_when_retried, row.retried, id=f"{row.name} - retried")
        # The row of an other model that waits is asked for; the one of another connection cannot be.
        yield pytest.param(row.says, cleared, row.fate, row.cleared, id=f"{row.name} - cleared")


@pytest.mark.parametrize(("says", "attempt", "fate", "expected"), list(cells()))
def test_the_decision_table(says: tuple[Submission, ...], attempt: Attempt, fate: Fate | None, expected: str) -> None:
    assert in_words(decide(Record(MAX_TRIES, says), attempt, fate)) == expected


@pytest.mark.parametrize(
    ("max_tries", "cleared"),
    [
        pytest.param(2, False, id="an automatic retry leaves max_tries"),
        pytest.param(4, True, id="a clear raises it"),
        pytest.param(1, True, id="a clear with fewer retries lowers it"),
    ],
)
def test_a_clear_is_told_from_a_retry_by_max_tries(max_tries: int, cleared: bool) -> None:
    assert was_cleared(Record(2, (TAKEN,)), replace(ATTEMPT, max_tries=max_tries)) is cleared


@pytest.mark.parametrize(
    ("says", "changes", "retried", "cleared"),
    [
        pytest.param((), {}, None, None, id="nothing"),
        pytest.param((REFUSED,), {}, None, None, id="refused"),
        pytest.param((INTENT,), {}, None, None, id="unknown"),
        pytest.param((TAKEN,), {}, "first", "first", id="nothing known yet"),
        pytest.param((ADOPTED,), {}, "first", "first", id="adopted"),
        pytest.param((SUCCEEDED,), {}, "first", "first", id="succeeded, but may have expired"),
        pytest.param((GONE,), {}, "first", "first", id="gone, but the token may have been another"),
        pytest.param((FAILED,), {}, None, None, id="failed"),
        pytest.param((MODERATED,), {}, None, None, id="moderated"),
        pytest.param((CANCELLED,), {}, None, None, id="cancelled"),
        pytest.param((TAKEN, SECOND), {}, "second", "second", id="the latest"),
        pytest.param((TAKEN, REFUSED), {}, "first", "first", id="the latest that was not refused"),
        pytest.param((TAKEN, INTENT), {}, None, None, id="the latest is unknown"),
        pytest.param((TAKEN,), OTHER_INPUTS, "first", "first", id="other inputs"),
        pytest.param((TAKEN,), OTHER_MODEL, "first", "first", id="other model"),
        pytest.param((TAKEN,), OTHER_CONNECTION, None, None, id="other connection: its token may not ask"),
        pytest.param((TAKEN,), {"waits": False}, None, "first", id="a task that does not wait"),
    ],
)
def test_which_request_is_looked_at(
    says: tuple[Submission, ...], changes: Any, retried: str | None, cleared: str | None
) -> None:
    record, attempt = Record(MAX_TRIES, says), replace(ATTEMPT, **changes)
    assert look_at(record, attempt) == retried
    assert look_at(record, replace(attempt, max_tries=MAX_TRIES + 1)) == cleared


@pytest.mark.parametrize(
    ("says", "fate", "changes", "max_tries", "note"),
    [
        pytest.param(
            (INTENT,),
            None,
            {"on_unknown_submission": "resubmit"},
            MAX_TRIES,
            "may pay twice, because on_unknown_submission is 'resubmit'",
            id="paying twice, perhaps",
        ),
        pytest.param(
            (TAKEN,),
            Fate.SUCCEEDED,
            OTHER_INPUTS,
            MAX_TRIES,
            "The inputs have changed since they were submitted. This is a retry, so the inputs of the try that paid "
            "stand; clear the task to submit the new ones.",
            id="a retry with other inputs",
        ),
        pytest.param(
            (TAKEN,),
            Fate.WAITING,
            OTHER_INPUTS,
            MAX_TRIES,
            "The inputs have changed since they were submitted.",
            id="a retry with other inputs while it waits",
        ),
        pytest.param(
            (TAKEN,),
            Fate.SUCCEEDED,
            {},
            MAX_TRIES + 1,
            "request first is used again, nothing is paid. For a new result change the inputs, or clear with "
            "on_clear='resubmit'.",
            id="a clear with the same inputs",
        ),
        pytest.param(
            (TAKEN,),
            Fate.WAITING,
            {},
            MAX_TRIES + 1,
            "request first still goes on and is attached to",
            id="a clear while it waits",
        ),
        pytest.param(
            (TAKEN,),
            Fate.WAITING,
            OTHER_INPUTS,
            MAX_TRIES + 1,
            "with other inputs: submitting anew, in place of request first.",
            id="a clear, other inputs",
        ),
        pytest.param(
            (TAKEN,),
            Fate.WAITING,
            OTHER_MODEL,
            MAX_TRIES + 1,
            "for another model: submitting anew, in place of request first.",
            id="a clear, other model",
        ),
        pytest.param(
            (ADOPTED,),
            Fate.SUCCEEDED,
            OTHER_INPUTS,
            MAX_TRIES + 1,
            "request first, whose id was written into the record, has succeeded and is used. It was submitted with "
            "other inputs than those of now; clear the task once more to submit these.",
            id="a clear after an adoption, other inputs",
        ),
        pytest.param(
            (ADOPTED,),
            Fate.WAITING,
            {},
            MAX_TRIES + 1,
            "request first, whose id was written into the record, still goes on and is attached to.",
            id="a clear after an adoption while it waits",
        ),
        pytest.param(
            (TAKEN,),
            None,
            OTHER_CONNECTION,
            MAX_TRIES + 1,
            "request first was submitted through connection 'account_a': submitting anew through 'account_b'. The "
            "earlier request is left alone, and charged if it runs.",
            id="a clear, other connection",
        ),
        pytest.param(
            (TAKEN,),
            Fate.GONE,
            {},
            MAX_TRIES + 1,
            "RunComfy no longer has request first, or it is another account's: submitting anew.",
            id="a clear, gone",
        ),
        pytest.param((FAILED,), None, {}, MAX_TRIES + 1, "request first failed: submitting anew", id="a clear, failed"),
        pytest.param((TAKEN,), None, {}, MAX_TRIES + 1, "request first ended: submitting anew", id="a clear, no fate"),
        pytest.param(
            (FAILED,),
            None,
            {"resubmit_failed": True},
            MAX_TRIES,
            "The earlier generation failed; submitting again, because resubmit_failed is set.",
            id="a retry, failed",
        ),
        pytest.param(
            (CANCELLED,), None, {}, MAX_TRIES, "cancelled while it was queued, so nothing was charged", id="cancelled"
        ),
    ],
)
def test_the_log_says_what_is_done_with_the_money(
    says: tuple[Submission, ...], fate: Fate | None, changes: Any, max_tries: int, note: str
) -> None:
    decision = decide(Record(MAX_TRIES, says), replace(ATTEMPT, max_tries=max_tries, **changes), fate)
    assert not isinstance(decision, Refuse)
    assert note in decision.note


@pytest.mark.parametrize("its_hash", ["inputs a", None], ids=["the same inputs", "inputs that are not known"])
@pytest.mark.parametrize("fate", [Fate.WAITING, Fate.SUCCEEDED])
def test_a_retry_says_nothing_of_inputs_that_have_not_changed(fate: Fate, its_hash: str | None) -> None:
    decision = decide(Record(MAX_TRIES, (TAKEN,)), replace(ATTEMPT, inputs_hash=its_hash), fate)
    assert not isinstance(decision, Refuse)
    assert decision.note == ""


outcomes = st.sampled_from([INTENT, REFUSED, TAKEN, ADOPTED, FAILED, MODERATED, CANCELLED, SUCCEEDED, GONE, SECOND])
attempts = st.builds(
    Attempt,
    model_id=st.sampled_from(["model/a", "model/b"]),
    conn_id=st.sampled_from(["account_a", "account_b"]),
    inputs_hash=st.sampled_from(["inputs a", "inputs b"]),
    max_tries=st.sampled_from([MAX_TRIES, MAX_TRIES + 1]),
    try_number=st.integers(1, 3),
    on_unknown_submission=st.sampled_from(["fail", "resubmit"]),
    on_clear=st.sampled_from(["reuse", "resubmit"]),
    resubmit_failed=st.booleans(),
    waits=st.booleans(),
)


@given(says=st.lists(outcomes, max_size=4).map(tuple), attempt=attempts, fate=st.sampled_from(Fate))
def test_every_try_has_a_decision_that_keeps_the_promises(
    says: tuple[Submission, ...], attempt: Attempt, fate: Fate
) -> None:
    record = Record(MAX_TRIES, says)
    asked = look_at(record, attempt)
    decision = decide(record, attempt, fate if asked else None)
    last = record.last
    if isinstance(decision, Attach | Use):
        assert last is not None
        assert last.request_id is not None
        assert last.model_id == attempt.model_id
        assert last.conn_id == attempt.conn_id
    if isinstance(decision, Use):
        assert asked
        assert fate is Fate.SUCCEEDED
    if last is not None and last.is_unknown and attempt.on_unknown_submission == "fail":
        assert isinstance(decision, Refuse)
    if asked and attempt.max_tries == MAX_TRIES and fate in (Fate.WAITING, Fate.SUCCEEDED):
        assert not isinstance(decision, Submit)


@pytest.mark.parametrize(
    ("says", "fate", "changes", "compared"),
    [
        pytest.param((TAKEN,), Fate.WAITING, {}, True, id="goes on"),
        pytest.param((TAKEN,), Fate.SUCCEEDED, {}, True, id="succeeded"),
        pytest.param((TAKEN,), Fate.SUCCEEDED, {"on_clear": "resubmit"}, False, id="succeeded, on_clear=resubmit"),
        pytest.param((TAKEN,), Fate.WAITING, {"on_clear": "resubmit"}, True, id="goes on, on_clear=resubmit"),
        pytest.param((PROVEN,), Fate.WAITING, {}, True, id="adopted and told of since"),
        pytest.param((ADOPTED,), Fate.WAITING, {}, False, id="adopted, goes on"),
        pytest.param((ADOPTED,), Fate.SUCCEEDED, {}, False, id="adopted, succeeded"),
        pytest.param((), None, {}, False, id="nothing"),
        pytest.param((REFUSED,), None, {}, False, id="refused"),
        pytest.param((INTENT,), None, {}, False, id="unknown"),
        pytest.param((FAILED,), None, {}, False, id="failed"),
        pytest.param((CANCELLED,), None, {}, False, id="cancelled"),
        pytest.param((TAKEN,), Fate.GONE, {}, False, id="gone"),
        pytest.param((TAKEN,), Fate.WAITING, OTHER_MODEL, False, id="other model"),
        pytest.param((TAKEN,), None, OTHER_CONNECTION, False, id="other connection"),
    ],
)
def test_only_a_clear_compares_inputs_and_only_where_they_matter(
    says: tuple[Submission, ...], fate: Fate | None, changes: Any, compared: bool
) -> None:
    record, attempt = Record(MAX_TRIES, says), replace(ATTEMPT, inputs_hash=None, **changes)
    assert compares_inputs(record, attempt, fate) is False
    assert compares_inputs(record, replace(attempt, max_tries=MAX_TRIES + 1), fate) is compared


@given(says=st.lists(outcomes, max_size=4).map(tuple), attempt=attempts, fate=st.sampled_from(Fate))
def test_inputs_are_compared_exactly_where_the_decision_depends_on_them(
    says: tuple[Submission, ...], attempt: Attempt, fate: Fate
) -> None:
    record = Record(MAX_TRIES, says)
    seen = fate if look_at(record, attempt) else None
    by_inputs = {in_words(decide(record, replace(attempt, inputs_hash=its), seen)) for its in ("inputs a", "inputs b")}
    unknown = in_words(decide(record, replace(attempt, inputs_hash=None), seen))
    assert compares_inputs(record, attempt, seen) is (len(by_inputs) == 2)
    assert len(by_inputs) == 2 or by_inputs == {unknown}
