"""The table of `docs/retries.md` is what the ledger decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_runcomfy.ledger import Fate, decide
from airflow_provider_runcomfy.record import Record, Submission
from tests.docs.tables import docs, rows_of
from tests.test_ledger import (
    ADOPTED,
    ATTEMPT,
    FAILED,
    INTENT,
    MAX_TRIES,
    MODERATED,
    OTHER_CONNECTION,
    OTHER_INPUTS,
    OTHER_MODEL,
    REFUSED,
    TAKEN,
    in_words,
)

SAYS: dict[str, tuple[tuple[Submission, ...], Fate | None]] = {
    "nothing was submitted": ((), None),
    "every submit was certainly refused": ((REFUSED, REFUSED), None),
    "a submit is not known: the try died around it": ((INTENT,), None),
    "it waits or runs": ((TAKEN,), Fate.WAITING),
    "it has succeeded": ((TAKEN,), Fate.SUCCEEDED),
    "it has failed": ((FAILED,), None),
    "content moderation refused it": ((MODERATED,), None),
    "it was cancelled while it was queued": ((TAKEN,), Fate.CANCELLED),
    "it has expired, or is another account's": ((TAKEN,), Fate.GONE),
    "it was adopted by a person, and waits or runs": ((ADOPTED,), Fate.WAITING),
    "it was adopted by a person, and has succeeded": ((ADOPTED,), Fate.SUCCEEDED),
}
BESIDES: dict[str, dict[str, Any]] = {
    "": {},
    "other inputs": OTHER_INPUTS,
    "another model": OTHER_MODEL,
    "another connection": OTHER_CONNECTION,
    '`on_unknown_submission="resubmit"`': {"on_unknown_submission": "resubmit"},
    '`on_clear="resubmit"`': {"on_clear": "resubmit"},
    "`resubmit_failed=True`": {"resubmit_failed": True},
}
WORDS = {
    "submit": "submits",
    "submit instead of first": "cancels it if it is queued, and submits",
    "attach": "attaches",
    "attach with a new budget": "attaches, with a new budget of time",
    "use": "uses it",
    "refuse: unknown_submission": "fails: unknown submission",
    "refuse: failed": "fails: failed",
    "refuse: moderated": "fails: moderated",
    "refuse: gone": "fails: gone",
    "refuse: changed": "fails: changed",
}
ROWS = rows_of(docs("retries.md"), "what the record and RunComfy say")


@pytest.mark.parametrize(
    ("says", "besides", "retried", "cleared"), [pytest.param(*row, id=" - ".join(row[:2])) for row in ROWS]
)
def test_a_row_is_what_the_ledger_decides(says: str, besides: str, retried: str, cleared: str) -> None:
    submissions, fate = SAYS[says]
    record, attempt = Record(MAX_TRIES, submissions), replace(ATTEMPT, **BESIDES[besides])
    of_a_clear = replace(attempt, max_tries=MAX_TRIES + 2)
    # Through another connection the request cannot be asked for.
    fate = None if besides == "another connection" else fate
    assert WORDS[in_words(decide(record, attempt, fate))] == retried
    assert WORDS[in_words(decide(record, of_a_clear, fate))] == cleared


def test_every_case_has_a_row() -> None:
    assert {row[0] for row in ROWS} == set(SAYS)
    assert {row[1] for row in ROWS} == set(BESIDES)
    assert {cell for row in ROWS for cell in row[2:]} == set(WORDS.values())
