"""
A schema from RunComfy's live catalogue, reduced to what this package understands of it.

A schema that comes over the network is not handed to a validator: it could name a file to fetch (``$ref``), a pattern
that takes for ever, or be huge. What is not understood refuses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# A form that people fill in has less.
_MAX_SCHEMAS = 1_000
_MAX_DEPTH = 8
_MAX_CHOICES = 500
_MAX_COUNT = 2**31

_TYPES = {
    **dict.fromkeys(("string", "str"), "string"),
    **dict.fromkeys(("number", "float", "double"), "number"),
    **dict.fromkeys(("integer", "int"), "integer"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("array", "list"), "array"),
    "object": "object",
}
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
}
# With one of these, fields may be named elsewhere than in `properties`.
_OPENS = frozenset({"allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas", "dependencies"})


def understood(published: Any) -> dict[str, Any] | None:
    """
    Return JSON Schema of our own making for what is understood of ``published``.

    - As in the schemas of the package (:func:`~airflow_provider_runcomfy.api.schemas.normalised`): ``float`` is a
      number, ``items`` may list properties, no other field than those listed, required text is not blank unless it has
      a default.
    - Ignored: ``$ref``, ``pattern``, conditions, and every keyword of the wrong type or at odds with another one.

    :param published: an ``input_schema`` of the catalogue, which may be anything.
    :returns: the schema; None where it is no object with fields, or larger than any form is.
    """
    if not isinstance(published, dict) or "$ref" in published:
        return None
    if _type(published)[0] not in (None, "object") or not _named_fields(published):
        return None
    try:
        return _Reader().object(published, _MAX_DEPTH)
    except _TooLargeError:
        return None


class _TooLargeError(Exception):
    """The schema is larger than any form is."""


class _Reader:
    def __init__(self) -> None:
        self._left = _MAX_SCHEMAS

    def object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required")
        names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        fields = {
            name: self._property(field, depth, name=name, required=name in names)
            for name, field in _named_fields(schema).items()
        }
        result = {"type": "object", "properties": fields, "required": [name for name in names if name in fields]}
        is_open = _OPENS & schema.keys() or schema.get("additionalProperties", False) is not False
        return result if is_open else {**result, "additionalProperties": False}

    def _property(self, schema: Any, depth: int, *, name: str, required: bool) -> dict[str, Any]:
        field = self._field(schema, depth)
        must_say_something = required and (name == "prompt" or "default" not in field)
        if must_say_something and field.get("type") == "string" and "enum" not in field:
            field["pattern"] = r"\S"
        return field

    def _field(self, schema: Any, depth: int) -> dict[str, Any]:
        self._left -= 1
        if self._left < 0:
            raise _TooLargeError
        if not isinstance(schema, dict) or "$ref" in schema or not depth:
            return {}
        schema, nullable = _without_null(schema)
        kind, allows_null = _type(schema)
        nullable = nullable or allows_null
        result: dict[str, Any] = {"default": schema["default"]} if "default" in schema else {}
        if isinstance(schema.get("format"), str):
            result["format"] = schema["format"]
        if kind == "object" and _named_fields(schema):
            result |= self.object(schema, depth - 1)
        elif kind == "array":
            result |= {"items": self._field(_as_object(schema.get("items")), depth - 1), **_counts(schema, "Items")}
        elif kind == "string":
            result |= _counts(schema, "Length")
        elif kind in ("integer", "number"):
            result |= _bounds(schema)
        choices = _choices(schema)
        if choices and kind in _PYTHON_TYPES and not any(_fits(choice, kind) for choice in choices):
            # At odds with each other: which of the two is meant is not known.
            return {name: result[name] for name in ("default", "format") if name in result}
        if choices:
            result["enum"] = [*choices, None] if nullable else choices
        if kind:
            result["type"] = [kind, "null"] if nullable else kind
        return result


def _named_fields(schema: Mapping[str, Any]) -> dict[str, Any]:
    fields = schema.get("properties")
    return fields if isinstance(fields, dict) else {}


def _as_object(items: Any) -> Any:
    """Return ``items`` that list properties as the object that they describe (seed)."""
    if not isinstance(items, dict) or not items or not all(isinstance(field, dict) for field in items.values()):
        return items
    # Keywords whose value may be an object: these are a schema.
    if {"const", "properties", *_OPENS} & items.keys():
        return items
    return {
        "type": "object",
        "properties": items,
        "required": [name for name, field in items.items() if "default" not in field],
    }


def _without_null(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the schema without the choice of null (``nullable``, or ``anyOf`` with it), and whether it had one."""
    options = schema.get("anyOf")
    if isinstance(options, list) and len(options) == 2 and {"type": "null"} in options:
        [other] = [option for option in options if option != {"type": "null"}] or [{}]
        if isinstance(other, dict) and "$ref" not in other:
            return {**{name: value for name, value in schema.items() if name != "anyOf"}, **other}, True
    return schema, schema.get("nullable") is True


def _type(schema: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return the one type that a value may have, None where that is not known, and whether it may be null."""
    named = schema.get("type")
    words = named if isinstance(named, list) else [named]
    kinds = [word for word in words if word != "null"]
    allows_null = len(kinds) < len(words)
    if len(kinds) == 1 and isinstance(kinds[0], str):
        return _TYPES.get(kinds[0].lower()), allows_null
    return None, allows_null


def _choices(schema: Mapping[str, Any]) -> list[Any]:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list) or len(values) > _MAX_CHOICES:
        return []
    return values if all(value is None or isinstance(value, str | int | float) for value in values) else []


def _fits(value: Any, kind: str) -> bool:
    is_number = kind in ("integer", "number")
    return isinstance(value, _PYTHON_TYPES[kind]) and not (is_number and isinstance(value, bool))


def _counts(schema: Mapping[str, Any], of: str) -> dict[str, int]:
    found = {name: schema[name] for name in (f"min{of}", f"max{of}") if _is_count(schema.get(name))}
    return {} if found.get(f"min{of}", 0) > found.get(f"max{of}", _MAX_COUNT) else found


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_COUNT


def _bounds(schema: Mapping[str, Any]) -> dict[str, float]:
    names = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    found = {name: schema[name] for name in names if _is_number(schema.get(name))}
    low = max(found.get("minimum", -math.inf), found.get("exclusiveMinimum", -math.inf))
    return {} if low > min(found.get("maximum", math.inf), found.get("exclusiveMaximum", math.inf)) else found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63
