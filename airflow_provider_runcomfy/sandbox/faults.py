"""
The faults that people inject: one flat JSON object each, put in over ``POST /_sandbox/faults``.

What it meets: ``calls`` (a list of kinds; each effect has its own default), ``model_id``, ``request_id``, ``prompt``
(a part of it), ``token``; all that are given must fit. How often: ``times``, a number, or null for "until removed".

| effect | further keys | what it does | meets by default | times |
| --- | --- | --- | --- | --- |
| ``status`` | ``code``, ``error_code``, ``body``, ``headers`` | answers so, and does nothing else | every call | 1 |
| ``delay`` | ``seconds`` | waits, then goes on | every call | 1 |
| ``lost_answer`` | | does what was asked, then cuts the connection without an answer | submit | 1 |
| ``fail`` | ``error`` | takes the submit; the generation will fail | submit | 1 |
| ``moderate`` | ``error`` | takes the submit; the generation will be refused by moderation | submit | 1 |
| ``outage`` | ``seconds``, ``code`` or ``drop`` | for so long: 503, ``code`` or a cut connection | every call | null |
| ``expire`` | ``code`` (files: 404 or 403) | 404001 for the request, 404 for its file | all about a request | null |
| ``truncate`` | ``after_bytes`` | announces the whole file, sends so much, cuts the connection | file | 1 |

One call can meet several: each delay, then the first of ``outage``, ``status`` and ``expire`` in the order in which
they were put in; if none did, then the first of ``fail`` and ``moderate``, and ``lost_answer`` or ``truncate``.
A revoked token is ``{"effect": "status", "token": "...", "code": 401, "error_code": 400004, "times": null}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airflow_provider_runcomfy.sandbox.calls import CallKind
from airflow_provider_runcomfy.sandbox.settings import LARGEST, SandboxError


class Effect(StrEnum):
    """What a fault does; see the table above."""

    STATUS = "status"
    DELAY = "delay"
    LOST_ANSWER = "lost_answer"
    FAIL = "fail"
    MODERATE = "moderate"
    OUTAGE = "outage"
    EXPIRE = "expire"
    TRUNCATE = "truncate"


class InvalidFaultError(SandboxError):
    """A fault is not one of the table above; the message says which key is wrong."""


@dataclass(frozen=True)
class _Rule:
    """What an effect can meet (``calls``, by default all of them) and which keys it takes."""

    calls: frozenset[CallKind]
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    times: int | None = 1


_EVERY = frozenset(CallKind)
_SUBMIT = frozenset({CallKind.SUBMIT})
_API = _EVERY - {CallKind.FILE, CallKind.OTHER}
_OF_A_REQUEST = frozenset({CallKind.STATUS, CallKind.RESULT, CallKind.CANCEL, CallKind.FILE})
_RULES: Mapping[Effect, _Rule] = {
    Effect.STATUS: _Rule(_EVERY, frozenset({"code"}), frozenset({"error_code", "body", "headers"})),
    Effect.DELAY: _Rule(_EVERY, frozenset({"seconds"})),
    Effect.LOST_ANSWER: _Rule(_API),
    Effect.FAIL: _Rule(_SUBMIT, optional=frozenset({"error"})),
    Effect.MODERATE: _Rule(_SUBMIT, optional=frozenset({"error"})),
    Effect.OUTAGE: _Rule(_EVERY, frozenset({"seconds"}), frozenset({"code", "drop"}), None),
    Effect.EXPIRE: _Rule(_OF_A_REQUEST, optional=frozenset({"code"}), times=None),
    Effect.TRUNCATE: _Rule(frozenset({CallKind.FILE}), frozenset({"after_bytes"})),
}
# Losing the answer of every poll as well would be a surprise: what hurts is the submit.
_DEFAULT_CALLS: Mapping[Effect, frozenset[CallKind]] = {Effect.LOST_ANSWER: _SUBMIT}
# With a wrong one of these an answer would never end, or tear the connection: that is for hostile servers.
_FRAMING = frozenset({"connection", "content-length", "transfer-encoding"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OF_EVERY_EFFECT = frozenset({"effect", "calls", "model_id", "request_id", "prompt", "token", "times"})


@dataclass(frozen=True)
class Fault:
    """One fault, as the table above describes it; made from JSON by :func:`parse_fault`."""

    effect: Effect
    calls: frozenset[CallKind]
    times: int | None
    model_id: str | None = None
    request_id: str | None = None
    prompt: str | None = None
    token: str | None = field(default=None, repr=False)
    code: int | None = None
    error_code: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    after_bytes: int = 0
    drop: bool = False


def parse_fault(given: object) -> Fault:
    """
    Return the fault that a JSON object describes.

    :raises InvalidFaultError: if a key is unknown, missing, or has a value that its effect has no use for.
    """
    if not isinstance(given, Mapping):
        raise InvalidFaultError("a fault is a JSON object")
    effect = _parse_effect(given.get("effect"))
    rule = _RULES[effect]
    allowed = _OF_EVERY_EFFECT | rule.required | rule.optional
    if unknown := sorted(str(key) for key in given if key not in allowed):
        raise InvalidFaultError(f"{effect} does not take {', '.join(unknown)}; it takes {', '.join(sorted(allowed))}")
    if missing := sorted(rule.required - given.keys()):
        raise InvalidFaultError(f"{effect} needs {', '.join(missing)}")
    for key, value in given.items():
        _check(key, value)
    _check_headers(given.get("headers", {}))
    if effect is Effect.OUTAGE and "code" in given and given.get("drop"):
        raise InvalidFaultError("outage takes code or drop, not both: a connection that is cut brings no code")
    values = {key: value for key, value in given.items() if key not in ("effect", "calls")}
    calls = _parse_calls(effect, given.get("calls"))
    if "request_id" in given and not calls & _OF_A_REQUEST:
        raise InvalidFaultError(f"request_id cannot be met by {_names(calls)}: these calls have none")
    return Fault(effect, calls, **{"times": rule.times, **values})


def _parse_effect(given: object) -> Effect:
    try:
        return Effect(given)  # type: ignore[arg-type]
    except ValueError:
        raise InvalidFaultError(f"effect must be one of {_names(Effect)}, not {given!r}") from None


def _parse_calls(effect: Effect, given: list[str] | None) -> frozenset[CallKind]:
    can_meet = _RULES[effect].calls
    if given is None:
        return _DEFAULT_CALLS.get(effect, can_meet)
    if wrong := sorted(set(given) - can_meet):
        raise InvalidFaultError(f"{effect} cannot meet {', '.join(wrong)}; it can meet {_names(can_meet)}")
    return frozenset(CallKind(kind) for kind in given)


def _check(key: str, value: object) -> None:
    is_right, wanted = _VALUES[key]
    if not is_right(value):
        raise InvalidFaultError(f"{key} must be {wanted}, not {value!r}")


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if name.lower() in _FRAMING:
            raise InvalidFaultError(f"headers must not have {name}: the sandbox frames its answers by itself")
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidFaultError(
                f"headers must not have {name!r}: a name is letters, digits and some signs of ASCII"
            )
        if not (value.isascii() and value.isprintable()):
            raise InvalidFaultError(f"headers must have printable ASCII as values, not {f'{name}: {value}'!r}")


def _names(members: Iterable[StrEnum]) -> str:
    return ", ".join(sorted(member.value for member in members))


def _is_whole(value: object, at_least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= at_least


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LARGEST


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(map(_is_text, value))


def _is_status(value: object) -> bool:
    return _is_whole(value, 200) and value <= 599  # type: ignore[operator]


def _are_headers(value: object) -> bool:
    return isinstance(value, Mapping) and all(_is_text(name) and isinstance(value[name], str) for name in value)


def _can_be_sent(value: object) -> bool:
    return not isinstance(value, str) or not any("\ud800" <= character <= "\udfff" for character in value)


_TEXT = (_is_text, "a non-empty text")
_VALUES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "effect": _TEXT,
    "calls": (_are_texts, "a list of kinds of calls"),
    "model_id": _TEXT,
    "request_id": _TEXT,
    "prompt": _TEXT,
    "token": _TEXT,
    "times": (lambda value: value is None or _is_whole(value, 1), "a number from 1, or null for no end"),
    "code": (_is_status, "an HTTP status from 200 to 599"),
    "error_code": (lambda value: _is_whole(value, 0), "a number"),
    "body": (_can_be_sent, "JSON, or text that UTF-8 can hold"),
    "headers": (_are_headers, "an object of texts"),
    "seconds": (_is_seconds, f"a number of seconds from 0 to {LARGEST}"),
    "error": _TEXT,
    "after_bytes": (lambda value: _is_whole(value, 0), "a number of bytes"),
    "drop": (lambda value: isinstance(value, bool), "true or false"),
}
