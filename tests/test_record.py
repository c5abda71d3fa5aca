"""The record: what is kept of each submission, and what is taken for one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runcomfy.record import (
    MalformedRecordError,
    Outcome,
    Record,
    Submission,
    hash_inputs,
    readable,
)

ID = "0f3a-_B"
SUBMISSION = Submission(
    intent_at="2026-11-05T12:00:00.000+00:00",
    try_number=1,
    model_id="kling/kling-3.0/pro/text-to-video",
    conn_id="runcomfy_default",
    inputs={"prompt": "A cat"},
    inputs_hash=hash_inputs({"prompt": "A cat"}),
    request_id=ID,
    submitted_at=1762344000.5,
    deadline=1762347600.5,
)
STORED = Record(3, (SUBMISSION,)).as_json()

numbers = st.floats(allow_nan=False, allow_infinity=False)
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
request_ids = st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True)
submissions = st.builds(
    Submission,
    intent_at=st.text(),
    try_number=st.integers(1, 100),
    model_id=st.text(),
    conn_id=st.text(),
    inputs=plain_json,
    inputs_hash=st.text(),
    request_id=st.none() | request_ids,
    submitted_at=st.none() | numbers,
    deadline=st.none() | numbers,
    outcome=st.none() | st.sampled_from(Outcome),
    detail=st.none() | st.text(),
    cost_usd=st.none() | numbers,
)
records = st.builds(Record, st.integers(0, 100), st.lists(submissions, max_size=4).map(tuple))


def stored(**changes: Any) -> dict[str, Any]:
    """Return a stored record whose one submission was changed so."""
    return {**STORED, "submissions": [{**STORED["submissions"][0], **changes}]}


@given(record=records)
def test_a_record_outlives_json(record: Record) -> None:
    assert Record.from_json(json.loads(json.dumps(record.as_json()))) == record


# Anything, and what looks like a record: the fields of one with any values in them.
near_records = st.fixed_dictionaries(
    {
        "version": st.just(1) | plain_json,
        "max_tries": st.integers() | plain_json,
        "submissions": plain_json
        | st.lists(
            st.fixed_dictionaries({field.name: plain_json for field in fields(Submission)})
            | submissions.map(lambda submission: Record(0, (submission,)).as_json()["submissions"][0])
        ),
    }
)


@given(data=plain_json | near_records)
def test_any_json_is_a_record_or_malformed(data: Any) -> None:
    try:
        record = Record.from_json(data)
    except MalformedRecordError:
        return
    assert Record.from_json(record.as_json()) == record


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(None, "its version is None; this package reads version 1", id="null"),
        pytest.param([], "its version is None; this package reads version 1", id="a list"),
        pytest.param("a" * 9, "its version is None; this package reads version 1", id="text"),
        pytest.param({**STORED, "version": 2}, "its version is 2; this package reads version 1", id="from the future"),
        pytest.param({**STORED, "version": True}, "its version is True; this package reads version 1", id="true for 1"),
        pytest.param({**STORED, "version": 1.0}, "its version is 1.0; this package reads version 1", id="1.0 for 1"),
        pytest.param(
            {**STORED, "note": ""},
            "it needs version, max_tries and a list of submissions, and nothing else",
            id="one key more",
        ),
        pytest.param(
            {"version": 1, "max_tries": 1},
            "it needs version, max_tries and a list of submissions, and nothing else",
            id="no submissions",
        ),
        pytest.param(
            {**STORED, "submissions": {}},
            "it needs version, max_tries and a list of submissions, and nothing else",
            id="submissions by name",
        ),
        pytest.param({**STORED, "max_tries": True}, "max_tries is no whole number", id="max_tries true"),
        pytest.param({**STORED, "max_tries": 1.0}, "max_tries is no whole number", id="max_tries 1.0"),
        pytest.param({**STORED, "max_tries": 2**63}, "max_tries is no whole number", id="max_tries beyond 64 bits"),
        pytest.param(
            {**STORED, "submissions": [None]}, "submissions[0] has not the fields of a submission", id="no object"
        ),
        pytest.param(stored(note=""), "submissions[0] has not the fields of a submission", id="one field more"),
        pytest.param(
            stored(conn_id=None),
            "submissions[0]: intent_at, model_id, conn_id, inputs_hash must be text",
            id="no connection",
        ),
        pytest.param(stored(try_number=True), "submissions[0]: try_number must be a whole number", id="try true"),
        pytest.param(stored(try_number=1.5), "submissions[0]: try_number must be a whole number", id="try 1.5"),
        pytest.param(
            stored(deadline=True),
            "submissions[0]: submitted_at, deadline, cost_usd must be numbers",
            id="deadline true",
        ),
        pytest.param(
            stored(deadline=math.nan), "submissions[0]: submitted_at, deadline, cost_usd must be numbers", id="NaN"
        ),
        pytest.param(
            stored(cost_usd=math.inf), "submissions[0]: submitted_at, deadline, cost_usd must be numbers", id="infinity"
        ),
        pytest.param(
            stored(submitted_at="now"),
            "submissions[0]: submitted_at, deadline, cost_usd must be numbers",
            id="a time in words",
        ),
        pytest.param(
            stored(submitted_at=10**400),
            "submissions[0]: submitted_at, deadline, cost_usd must be numbers",
            id="a time that no float holds",
        ),
        pytest.param(stored(detail=1), "submissions[0]: detail must be text", id="detail"),
        pytest.param(stored(outcome="lost"), "submissions[0]: unknown outcome 'lost'", id="unknown outcome"),
        pytest.param(stored(outcome=[]), "submissions[0]: unknown outcome []", id="outcome a list"),
        pytest.param(stored(request_id=""), "submissions[0]: request_id is no request id", id="empty id"),
        pytest.param(stored(request_id="a b"), "submissions[0]: request_id is no request id", id="white space inside"),
        pytest.param(stored(request_id="a/b"), "submissions[0]: request_id is no request id", id="a path for an id"),
        pytest.param(stored(request_id=7), "submissions[0]: request_id is no request id", id="a number for an id"),
    ],
)
def test_what_is_no_record_says_why(data: Any, message: str) -> None:
    with pytest.raises(MalformedRecordError) as caught:
        Record.from_json(data)
    assert str(caught.value) == message


def test_the_error_for_an_absurd_version_stays_short() -> None:
    with pytest.raises(MalformedRecordError) as caught:
        Record.from_json({"version": "2" * 100_000})
    assert len(str(caught.value)) < 200


def test_an_id_that_a_person_pasted_loses_the_white_space_around_it() -> None:
    assert Record.from_json(stored(request_id=f" {ID}\n")).submissions[0].request_id == ID


def a_submission(**changes: Any) -> Submission:
    return Record.from_json(stored(**changes)).submissions[0]


@pytest.mark.parametrize(
    ("submission", "is_unknown", "is_adopted"),
    [
        pytest.param(a_submission(request_id=None, submitted_at=None), True, False, id="intent"),
        pytest.param(a_submission(request_id=None, submitted_at=None, outcome="refused"), False, False, id="refused"),
        pytest.param(a_submission(), False, False, id="taken"),
        pytest.param(a_submission(submitted_at=None), False, True, id="adopted by a person"),
    ],
)
def test_a_submission_knows_what_is_known_of_it(submission: Submission, is_unknown: bool, is_adopted: bool) -> None:
    assert (submission.is_unknown, submission.is_adopted) == (is_unknown, is_adopted)


def test_the_last_submission_is_the_latest_that_may_have_been_paid() -> None:
    refused = a_submission(request_id=None, outcome="refused")
    assert Record(0).last is None
    assert Record(0, (refused,)).last is None
    assert Record(0, (SUBMISSION, refused)).last is SUBMISSION


def test_a_change_meets_the_newest_submission_of_a_request() -> None:
    """A person may adopt an id that the record holds already."""
    record = Record(0, (SUBMISSION, a_submission(submitted_at=None), a_submission(request_id="other")))
    changed = record.changing(ID, outcome=Outcome.SUCCEEDED)
    assert [submission.outcome for submission in changed.submissions] == [None, Outcome.SUCCEEDED, None]
    assert record.changing("nobody", outcome=Outcome.FAILED) == record


class Odd:
    """Whose description cannot be had."""

    def __repr__(self) -> str:
        raise RuntimeError


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def cycle() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


odd_values = [
    pytest.param(Odd(), id="no repr"),
    pytest.param({"a": Odd()}, id="no repr within"),
    pytest.param({Odd(): 1}, id="no repr as a key"),
    pytest.param({1: "a", "b": 2}, id="keys of two types"),
    pytest.param(10**5000, id="number without text"),
    pytest.param({"seed": 2**64}, id="number of 65 bits"),
    pytest.param({"cfg": math.nan}, id="NaN"),
    pytest.param(cycle(), id="a cycle"),
    pytest.param(nested(400), id="400 levels"),
    pytest.param(nested(100_000), id="100 000 levels"),
    pytest.param({"prompt": "\ud800"}, id="lone surrogate"),
    pytest.param({"\ud800": "\0"}, id="NUL, and a surrogate as a key"),
    pytest.param({"image": b"\x89PNG"}, id="bytes"),
    pytest.param({1, 2}, id="a set"),
]


@pytest.mark.parametrize("value", odd_values)
def test_any_value_has_a_hash_and_can_be_recorded(value: Any) -> None:
    import msgspec

    assert len(hash_inputs(value)) == 64
    kept = json.dumps(readable(value), allow_nan=False)
    assert "\\ud800" not in kept
    assert "\\u0000" not in kept
    # As it goes to Airflow's supervisor.
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(readable(value))) == readable(value)


@given(value=plain_json)
def test_a_hash_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(value)}
        return [turned(item) for item in value] if isinstance(value, list) else value

    assert hash_inputs(turned(value)) == hash_inputs(value)


@given(one=plain_json, other=plain_json)
def test_a_hash_tells_inputs_apart(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (hash_inputs(one) == hash_inputs(other)) == same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param({"a": [1, 2]}, {"a": (1, 2)}, True, id="a tuple is a list"),
        pytest.param({"a": 1}, MappingProxyType({"a": 1}), True, id="a mapping is an object"),
        pytest.param({"p": {"a": 1}}, {"p": MappingProxyType({"a": 1})}, True, id="a mapping within"),
        pytest.param({1: "a"}, {"1": "a"}, True, id="JSON has text for keys"),
        pytest.param({1: "a", "b": 2}, {"b": 2, "1": "a"}, True, id="keys of two types in another order"),
        pytest.param({1: "a" * 200, "b": 2}, {1: "a" * 201, "b": 2}, False, id="keys of two types, other text"),
        pytest.param({"a": True}, {"a": 1}, False, id="true is not 1"),
        pytest.param({"a": "1"}, {"a": 1}, False, id="text is not a number"),
        pytest.param({"a": None}, {}, False, id="null is not nothing"),
        pytest.param({"a": "é"}, {"a": "e\u0301"}, False, id="text is not normalised"),
    ],
)
def test_inputs_are_the_same_if_their_json_is(one: Any, other: Any, same: bool) -> None:
    assert (hash_inputs(one) == hash_inputs(other)) is same


def test_a_mapping_without_a_description_of_its_own_has_one_hash() -> None:
    """Else the hash would be the address of an object: other inputs at every try."""

    class Plain(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            return {"prompt": "A cat"}[key]

        def __iter__(self) -> Any:
            return iter(["prompt"])

        def __len__(self) -> int:
            return 1

    assert hash_inputs(Plain()) == hash_inputs({"prompt": "A cat"})
    assert readable(Plain()) == {"prompt": "A cat"}


@pytest.mark.parametrize(
    ("given_inputs", "kept"),
    [
        pytest.param({"n": 1, "f": 0.5, "b": True, "x": None}, {"n": 1, "f": 0.5, "b": True, "x": None}, id="as it is"),
        pytest.param({"prompt": "a" * 2000}, {"prompt": "a" * 2000}, id="2000 characters"),
        pytest.param({"prompt": "a" * 2001}, {"prompt": "a" * 2000 + "… (2001 characters)"}, id="2001 characters"),
        pytest.param({"image": "https://b/k.png"}, {"image": "https://b/k.png"}, id="plain URL"),
        pytest.param({"image": "https://b/k?X-Sig=s"}, {"image": "https://b/k?…"}, id="signed URL"),
        pytest.param({"image": "HTTPS://b/k?X-Sig=s"}, {"image": "HTTPS://b/k?…"}, id="signed URL in capitals"),
        pytest.param({"image": "https://u:p@b/k.png"}, {"image": "https://…@b/k.png"}, id="a password in a URL"),
        pytest.param({"image": "HTTP://u@b"}, {"image": "HTTP://…@b"}, id="a user in a URL"),
        pytest.param({"image": "https://u:p@q@b/k?s=1"}, {"image": "https://…@b/k?…"}, id="a password with an @"),
        pytest.param({"image": "s3://key:secret@b/k"}, {"image": "s3://…@b/k"}, id="a password for S3"),
        pytest.param(
            {"prompt": "see (ftp://u:p@b) and https://c/@d"},
            {"prompt": "see (ftp://…@b) and https://c/@d"},
            id="a password in a text",
        ),
        pytest.param({"prompt": "mail a@b.c: now"}, {"prompt": "mail a@b.c: now"}, id="no URL"),
        pytest.param({"image": " https://b/k?X-Sig=s "}, {"image": " https://b/k?… "}, id="white space around it"),
        pytest.param(
            {"prompt": "https://b/k?X-Sig=s and http://c?t=1?"},
            {"prompt": "https://b/k?… and http://c?…"},
            id="URLs in a text",
        ),
        pytest.param({"prompt": "Why? Because."}, {"prompt": "Why? Because."}, id="a question"),
        pytest.param({"a": [{"b": ("https://b/k?s",)}]}, {"a": [{"b": ["https://b/k?…"]}]}, id="nested"),
        pytest.param(MappingProxyType({"u": "https://b/k?s"}), {"u": "https://b/k?…"}, id="a mapping"),
        pytest.param({"https://b/k?s": 1}, {"https://b/k?…": 1}, id="as a key"),
        pytest.param({"seed": 2**63 - 1}, {"seed": 2**63 - 1}, id="number of 63 bits"),
        pytest.param({"seed": 2**63}, {"seed": "9223372036854775808"}, id="number of 64 bits"),
        pytest.param({"prompt": "a\0\ud800"}, {"prompt": "a\ufffd?"}, id="what databases refuse"),
    ],
)
def test_inputs_are_kept_readable(given_inputs: Any, kept: Any) -> None:
    assert readable(given_inputs) == kept


KIB = 1024


@pytest.mark.parametrize(
    ("given_inputs", "kept"),
    [
        pytest.param(
            {"multi_prompt": [{"prompt": "a" * 2000, "duration": 3}] * 6},
            {"multi_prompt": [{"prompt": "a" * 500 + "… (2000 characters)", "duration": 3}] * 6},
            id="six long prompts",
        ),
        pytest.param(
            {"images": ["data:" + "A" * 995] * 40},
            {"images": ["data:" + "A" * 95 + "… (1000 characters)"] * 40},
            id="forty small files",
        ),
    ],
)
def test_inputs_that_are_too_large_together_have_each_text_cut(given_inputs: Any, kept: Any) -> None:
    assert readable(given_inputs) == kept


large = [
    pytest.param(list(range(100_000)), id="100 000 numbers"),
    pytest.param({f"k{n}": '"\\' * 50 for n in range(500)}, id="quotes and backslashes"),
    pytest.param(["\u00e9" * 3000] * 99, id="not ASCII"),
    pytest.param({"a" * 5000: {"b" * 5000: [None] * 9000}}, id="long keys"),
    pytest.param("x" * 10_000_000, id="10 MB of text"),
    pytest.param({"u": "http://" * 500_000}, id="half a million URLs"),
    pytest.param([[[[1e-300] * 20] * 20] * 20] * 20, id="160 000 nested"),
]


@pytest.mark.parametrize("value", large)
def test_no_inputs_take_more_than_8_kib_of_the_record(value: Any) -> None:
    kept = readable(value)
    assert len(json.dumps(kept)) <= 8 * KIB
    assert "characters)" in json.dumps(kept)


def test_a_record_stays_editable_in_the_ui_and_keeps_what_was_paid() -> None:
    """Airflow's REST API refuses more than 64 KiB of JSON (422)."""
    record = Record(0)
    for number in range(40):
        newest = a_submission(inputs={"prompt": ["a b" * 600] * 4}, request_id=f"r-{number}", detail="d" * 500)
        record = record.adding(newest, max_tries=1)
    assert len(json.dumps(record.as_json())) <= 64 * KIB
    assert [submission.request_id for submission in record.submissions] == [f"r-{number}" for number in range(40)]
    assert record.submissions[-1].inputs == {"prompt": ["a b" * 600] * 4}
    assert record.submissions[0].inputs == "(left out: the record had grown too large)"
    assert Record.from_json(json.loads(json.dumps(record.as_json()))) == record


def test_a_record_of_few_submissions_keeps_all_their_inputs() -> None:
    record = Record(0)
    for _ in range(5):
        record = record.adding(SUBMISSION, max_tries=1)
    assert record.submissions == (SUBMISSION,) * 5


@given(value=plain_json)
def test_what_is_kept_is_json_of_the_same_form(value: Any) -> None:
    kept = readable(value)
    json.dumps(kept, allow_nan=False)
    assert type(kept) is type(value) or isinstance(kept, str)


@given(
    path=st.from_regex(r"[a-z/.]{0,20}", fullmatch=True),
    secret=st.from_regex(r"[A-Z]{8}[A-Za-z0-9=&%+._-]{0,64}", fullmatch=True),
)
def test_no_signature_is_kept(path: str, secret: str) -> None:
    assert secret not in json.dumps(readable({"image": f"https://bucket{path}?X-Amz-Signature={secret}"}))
