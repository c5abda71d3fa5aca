"""What a submit may cost, estimated from the price that RunComfy's catalogue names; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from airflow_provider_runcomfy.api import fields
from airflow_provider_runcomfy.api.payload import one_line
from airflow_provider_runcomfy.api.plain_json import short_repr

_NOTE_LENGTH = 500
# Source of the units: official clients. The names of the inputs but for `duration` and `sound` (seed) are inference.
_SECOND = frozenset({"second", "sec", "s"})
_EACH = frozenset({"output", "image", "video", "audio", "generation", "request"})
_SECONDS_NAMES = ("duration", "duration_seconds", "seconds", "video_length")
_COUNT_NAMES = ("num_images", "num_outputs", "num_videos", "number_of_images", "batch_size", "image_count", "n")
_SOUND_NAMES = ("sound", "generate_audio", "enable_audio", "with_audio")
_AMOUNT = re.compile(
    r"\$\s?([0-9]{1,6}(?:\.[0-9]{1,6})?)|([0-9]{1,6}(?:\.[0-9]{1,6})?)\s?(?:USD|dollars?)\b", re.IGNORECASE
)
_CLAUSE = re.compile(r"[;,\n|]|\.\s")
_SOUND = re.compile(r"sound|audio", re.IGNORECASE)
_SILENT = re.compile(r"\b(?:no|without|silent|off)\b", re.IGNORECASE)
_PER_SECOND = re.compile(r"(?:\bper|/)\s?(?:s|sec|second)\b", re.IGNORECASE)
_ON_TOP = re.compile(r"\+\s?\$?\s?[0-9]|\b(?:adds?|added|additional|extra|surcharge)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)\s?(?:s|sec|seconds?)?\s*", re.IGNORECASE)
_LARGEST_COUNT = 1_000_000
_LARGEST_USD = 10**9


@dataclass(frozen=True)
class Estimate:
    """
    What a submit may cost.

    :param usd: the amount, in US dollars.
    :param arithmetic: how it came about, as it is shown to people.
    """

    usd: Decimal
    arithmetic: str


class UnknownPriceError(ValueError):
    """The catalogue's entry and the inputs do not tell what a submit costs; the message says why."""


def estimate(entry: Mapping[str, Any], inputs: Mapping[str, Any], schema: Mapping[str, Any] | None) -> Estimate:
    """
    Return what a submit may cost: a guard's estimate, so of several prices the dearest counts.

    :param entry: the catalogue's entry of the model, whatever it is.
    :param inputs: what is submitted.
    :param schema: where the defaults of what is not among the inputs are, if it is known.
    :raises UnknownPriceError: if they do not tell it.
    """
    values = {**_defaults(schema), **inputs}
    price, source = _price(entry, values)
    unit = _unit(entry)
    amounts = [f"{_shown(price)} USD per {unit} ({source})"]
    total = price
    if unit in _SECOND:
        name, seconds = _seconds(values)
        total *= seconds
        amounts.insert(0, f"{_shown(seconds)} s ({name})")
    for name in _COUNT_NAMES:
        if (value := values.get(name)) is not None:
            number = _count(name, value)
            total *= number
            amounts.insert(0, f"{number} ({name})")
    if total > _LARGEST_USD:
        raise UnknownPriceError(f"that would be more than {_LARGEST_USD} USD")
    return Estimate(total, f"{' x '.join(amounts)} = {_shown(total)} USD")


def _defaults(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    named = (schema or {}).get("properties", {})
    return {
        name: field["default"] for name, field in named.items() if isinstance(field, Mapping) and "default" in field
    }


def _price(entry: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[Decimal, str]:
    base = fields.cost(entry.get("base_price_usd"))
    if not base:
        raise UnknownPriceError(f"its base_price_usd is {short_repr(entry.get('base_price_usd'))}")
    price = Decimal(str(base))
    noted = _noted_amounts(entry.get("pricing_note"), values, _unit(entry))
    if noted and max(noted) > price:
        return max(noted), f"the dearest in {one_line(entry['pricing_note'], _NOTE_LENGTH)!r}"
    return price, "base_price_usd"


def _noted_amounts(note: Any, values: Mapping[str, Any], unit: str) -> list[Decimal]:
    if not isinstance(note, str):
        return []
    is_silent = any(values.get(name) is False for name in _SOUND_NAMES)
    amounts = []
    for clause in _CLAUSE.split(note[:_NOTE_LENGTH]):
        found = [Decimal(amount[1] or amount[2]) for amount in _AMOUNT.finditer(clause)]
        if not found or (is_silent and _SOUND.search(clause) and not _SILENT.search(clause)):
            continue
        if _ON_TOP.search(clause) or (_PER_SECOND.search(clause) and unit not in _SECOND):
            # Neither the dearest of several prices, nor of the unit that is counted.
            raise UnknownPriceError(
                f"its pricing_note has {short_repr(clause.strip())}, and its price_unit is {unit!r}"
            )
        amounts += found
    return amounts


def _unit(entry: Mapping[str, Any]) -> str:
    named = entry.get("price_unit")
    unit = named.strip().lower().removeprefix("per").strip(" _-") if isinstance(named, str) else ""
    for known in (unit, unit.removesuffix("s")):
        if known in _SECOND or known in _EACH:
            return "second" if known in _SECOND else known
    raise UnknownPriceError(f"its price_unit is {short_repr(named)}")


def _seconds(values: Mapping[str, Any]) -> tuple[str, Decimal]:
    for name in _SECONDS_NAMES:
        value = values.get(name)
        found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
        seconds = Decimal(found[1]) if found else _positive(value)
        if seconds > 0:
            return name, seconds
        if value is not None:
            raise UnknownPriceError(f"it is priced by the second, and {name} is {short_repr(value)}")
    raise UnknownPriceError("it is priced by the second, and neither the inputs nor its defaults tell how many")


def _positive(value: Any) -> Decimal:
    number = fields.cost(value)
    return Decimal(str(number)) if number else Decimal(0)


def _count(name: str, value: Any) -> int:
    number = (
        int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 8 else value
    )
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= _LARGEST_COUNT:
        raise UnknownPriceError(f"its {name} is {short_repr(value)}")
    return number


def _shown(amount: Decimal) -> str:
    return f"{round(amount, 6).normalize():f}"
