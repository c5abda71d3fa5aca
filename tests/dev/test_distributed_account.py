"""The account of the cluster run: what it finds wrong, and what it does not."""

from __future__ import annotations

from dev.distributed.account import Account

PAID = {0: ["a"], 1: ["b"]}


def test_each_clip_paid_once_and_stored_is_as_it_should_be() -> None:
    account = Account(2, PAID, ["a", "b"])

    assert account.faults() == []
    assert account.submits == 2


def test_a_clip_that_was_paid_twice_is_named() -> None:
    assert Account(1, {0: ["a", "b"]}, ["a"]).faults() == ["clip 0 was paid 2 times: a, b"]


def test_what_is_missing_is_named() -> None:
    assert Account(3, PAID, ["b"]).faults() == [
        "clip 0 was paid for as a, and has no object",
        "clip 2 was never submitted",
    ]


def test_an_unknown_submission_may_have_been_paid_once_and_needs_no_object() -> None:
    assert Account(2, {0: ["a"]}, ["a"], unknown=frozenset({1})).faults() == []
    paid = Account(2, PAID, ["a"], unknown=frozenset({1}))
    assert paid.faults() == []
    assert (paid.unknown_paid, paid.submits) == (1, 2)
    assert Account(2, {0: ["a"], 1: ["b", "c"]}, ["a"], unknown=frozenset({1})).faults() == [
        "clip 1 was paid 2 times: b, c"
    ]


def test_an_object_that_nobody_paid_for_and_one_that_is_there_twice_are_named() -> None:
    assert Account(2, PAID, ["a", "a", "b", "c"]).faults() == [
        "request a has 2 objects",
        "there is an object of c, which nobody paid for",
    ]


def test_a_clip_that_nobody_wanted_and_a_wrong_object_are_named() -> None:
    assert Account(1, PAID, ["a", "b"], {"a": "is in no manifest"}).faults() == [
        "clip 1 was paid for, and nobody wanted it",
        "the object of a is in no manifest",
    ]
