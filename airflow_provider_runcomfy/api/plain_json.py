"""Values as plain JSON, and words for those that JSON cannot hold."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_runcomfy.api.errors import Fault

_SHOWN_CHARACTERS = 80
# Far above what any model takes, and far below what Python's JSON encoder can take.
_MAX_DEPTH = 50
_MAX_VALUES = 100_000
# A larger number is none to most readers of JSON, and Python may refuse to print it.
_MAX_BITS = 1023

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,79}")
# JSON could escape both, but neither is text: databases and other languages refuse them.
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


class Unfit:
    """Stands in a plain copy for a value that JSON cannot hold."""

    def __init__(self, description: str) -> None:
        self._shown = description

    def __repr__(self) -> str:
        return self._shown


def plain_json(value: Any) -> tuple[Any, list[Fault]]:
    """
    Copy a value into ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool`` and ``None`` exactly.

    Other mappings and tuples become what JSON would make of them.

    :param value: anything, also with cycles.
    :returns: the copy, with :class:`Unfit` in place of what JSON cannot hold, and a fault for each such value.
    """
    copy = _Copy()
    try:
        return copy.of(value, "", _MAX_DEPTH), copy.faults
    except _TooManyValuesError:
        given = f"<{type(value).__name__}>"
        return Unfit(given), [Fault("inputs", given, f"at most {_MAX_VALUES} values, and none within itself")]


class _TooManyValuesError(Exception):
    """The value is too large to be inputs, or holds itself many times."""


class _Copy:
    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._left = _MAX_VALUES

    def of(self, value: Any, path: str, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise _TooManyValuesError
        if isinstance(value, Mapping | list | tuple):
            if not depth:
                return self._unfit(path, Unfit("..."), f"at most {_MAX_DEPTH} levels deep, and no value within itself")
            if isinstance(value, Mapping):
                return self._object(value, path, depth - 1)
            return [self.of(item, joined(path, index), depth - 1) for index, item in enumerate(value)]
        return self._scalar(value, path)

    def _object(self, value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
        plain = {}
        for key, item in value.items():
            if not isinstance(key, str):
                self._unfit(joined(path, key), key, "field names are text")
            elif _NOT_TEXT.search(key):
                self._unfit(joined(path, key), key, "field names without NUL and lone surrogates")
            else:
                plain[str.__str__(key)] = self.of(item, joined(path, key), depth)
        return plain

    def _scalar(self, value: Any, path: str) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            if _NOT_TEXT.search(value):
                self._unfit(path, value, "text without NUL and lone surrogates")
            return str.__str__(value)
        if isinstance(value, int):
            if value.bit_length() > _MAX_BITS:
                return self._unfit(path, value, "a number that JSON's readers can hold")
            return int.__int__(value)
        if isinstance(value, float):
            return float.__float__(value) if math.isfinite(value) else self._unfit(path, value, "a finite number")
        return self._unfit(path, value, "text, a number, true, false, None, a list or an object, as JSON has them")

    def _unfit(self, path: str, value: Any, allowed: str) -> Unfit:
        fault = Fault(path or "inputs", short_repr(value), allowed)
        self.faults.append(fault)
        return Unfit(fault.value)


def joined(path: str, *steps: Any) -> str:
    """Return the path of what is reached from ``path`` by names and indexes, say ``multi_prompt[2].duration``."""
    for step in steps:
        if isinstance(step, str) and _NAME.fullmatch(step):
            path = f"{path}.{step}" if path else step
        else:
            path = f"{path or 'inputs'}[{short_repr(step)}]"
    return path


def short_repr(value: Any) -> str:
    """Return the ``repr`` of a value for an error: one line, cut, and never failing."""
    try:
        # The beginning of a long text is enough, and the end of a pre-signed URL is a secret.
        text = repr(value[:_SHOWN_CHARACTERS] if isinstance(value, str | bytes | bytearray) else value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return shortened(text)


def shortened(text: str) -> str:
    """Return the text on one line, and cut."""
    line = "".join(character if character.isprintable() else " " for character in text[: 2 * _SHOWN_CHARACTERS])
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}..."
