"""A model's inputs, checked before any money is spent."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_runcomfy.api import schemas
from airflow_provider_runcomfy.api.errors import Fault, InvalidInputError
from airflow_provider_runcomfy.api.ids import is_model_id
from airflow_provider_runcomfy.api.plain_json import joined, plain_json, short_repr, shortened

_SHOWN_FAULTS = 50
_SHOWN_NAMES = 30

_WHOLE_NUMBER = re.compile(r"(-?[0-9]{1,300})(?:\.0*)?")
_NUMBER = re.compile(r"-?[0-9]{1,300}(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}

_NATIVE_JINJA = "with render_template_as_native_obj, Jinja makes a number or a list of text that reads like one"
_PLAIN_JINJA = "Jinja makes text of it unless the Dag has render_template_as_native_obj; an XComArg stays what it is"
_BY_CATALOGUE = "This is by the schema in RunComfy's live catalogue; validate_inputs=False submits without any check."


@dataclass(frozen=True)
class CheckedInputs:
    """
    Inputs that may be submitted.

    :param inputs: plain JSON values: numbers and booleans that Jinja made text are turned back where the schema says
        so, tuples are lists as in JSON, nothing else is changed and no default is added.
    :param checked: whether there was a schema to check them by; if not, only that JSON can hold them was checked.
    :param hint: for a model that is not in the package: a sentence that names one whose id is almost the same.
    :param schema: the schema that they were checked by, as JSON Schema.
    """

    inputs: dict[str, Any]
    checked: bool
    hint: str | None = None
    schema: Mapping[str, Any] | None = None


def known_models() -> tuple[str, ...]:
    """Return the ids of the models whose inputs can be checked, sorted."""
    return schemas.model_ids()


def input_schema(model_id: str) -> dict[str, Any] | None:
    """Return the model's input schema as RunComfy publishes it, quirks kept, or ``None`` if it is not known."""
    return schemas.load(model_id)


def check_model_id(model_id: str) -> str:
    """
    Return ``model_id`` if it has the form of one: segments of ``[A-Za-z0-9_.-]``, separated by slashes.

    :raises InvalidInputError: if it has not, ``.`` and ``..`` as segments included (source: official clients).
    """
    if is_model_id(model_id):
        return model_id
    near = _near_model(model_id) if isinstance(model_id, str) else None
    fault = Fault(
        "model_id",
        short_repr(model_id),
        "a model id is letters, digits, '_', '.' and '-' in segments between single slashes"
        + (f", say {near}" if near else ""),
    )
    raise InvalidInputError(f"{fault}. Nothing was submitted, nothing was charged.", faults=[fault])


def check_inputs(model_id: str, inputs: Mapping[str, Any], *, live: Mapping[str, Any] | None = None) -> CheckedInputs:
    """
    Check a model's inputs, without any call to RunComfy.

    :param model_id: the model; one for which there is no schema is not refused.
    :param inputs: the body of the submit.
    :param live: what :func:`~airflow_provider_runcomfy.api.live_schema.understood` made of the schema in RunComfy's
        catalogue; used in place of the package's.
    :returns: the inputs to submit.
    :raises InvalidInputError: if something is wrong with them; its ``faults`` and its message have everything at once.
    """
    check_model_id(model_id)
    plain, unfit = _as_object(model_id, inputs)
    packaged = input_schema(model_id)
    ours = None if packaged is None else schemas.normalised(packaged)
    schema = ours if live is None else live
    if schema is None:
        if unfit:
            raise invalid_inputs(model_id, unfit)
        return CheckedInputs(plain, checked=False, hint=_hint(model_id))
    restored = _restored(plain, schema)
    sums = () if ours is None else _sum_faults(restored, ours)
    # The schema's faults come first: what it says of a value is of more use than that JSON cannot hold it.
    faults = _one_per_path([*_schema_faults(restored, schema), *sums, *unfit])
    if faults:
        raise invalid_inputs(model_id, faults, source="" if schema is ours else _BY_CATALOGUE)
    return CheckedInputs(restored, checked=True, schema=schema)


def plain_inputs(model_id: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return inputs as the JSON object that they are sent as; nothing else is checked.

    :raises InvalidInputError: if they are no mapping, or hold what JSON cannot.
    """
    plain, unfit = _as_object(model_id, inputs)
    if unfit:
        listed = "; ".join(str(fault) for fault in unfit[:_SHOWN_FAULTS])
        raise InvalidInputError(
            f"The inputs of {model_id} cannot be written as JSON: {listed}. "
            "Nothing was submitted, nothing was charged.",
            model_id=model_id,
            faults=unfit,
        )
    return plain


def _as_object(model_id: str, inputs: Any) -> tuple[dict[str, Any], list[Fault]]:
    plain, unfit = plain_json(inputs)
    if isinstance(plain, dict):
        return plain, unfit
    no_object = Fault("inputs", short_repr(plain), f"an object with the model's fields{_why(plain, 'object')}")
    raise invalid_inputs(model_id, unfit if isinstance(inputs, Mapping) else [no_object])


def invalid_inputs(model_id: str, faults: Sequence[Fault], *, source: str = "") -> InvalidInputError:
    """Return the error that tells all faults; ``source`` says by which schema, where that is not obvious."""
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    lines = [f"The inputs of {model_id} have {count}; nothing was submitted, nothing was charged:"]
    lines += [f"  {fault}" for fault in faults[:_SHOWN_FAULTS]]
    if len(faults) > _SHOWN_FAULTS:
        lines.append(f"  ... and {len(faults) - _SHOWN_FAULTS} more")
    return InvalidInputError("\n".join(lines + ([source] if source else [])), model_id=model_id, faults=faults)


def _one_per_path(faults: Iterable[Fault]) -> list[Fault]:
    first: dict[str, Fault] = {}
    for fault in faults:
        first.setdefault(fault.path, fault)
    return list(first.values())


def _near_model(model_id: str) -> str | None:
    """Return the known model that a mistyped id seems to mean; other digits are another model, say a version."""
    digits = re.findall(r"[0-9]+", model_id)
    candidates = {known.lower(): known for known in known_models() if re.findall(r"[0-9]+", known) == digits}
    near = difflib.get_close_matches(model_id.strip().lower(), candidates, cutoff=0.92)
    return candidates[near[0]] if near else None


def _hint(model_id: str) -> str | None:
    near = _near_model(model_id)
    return f"{model_id} is not a model that this package knows; did you mean {near}? Case matters." if near else None


def _restored(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return the value with numbers and booleans turned back where Jinja made text (or 5.0 of 5) of them."""
    match _kind(schema), value:
        case "object", dict():
            fields = schema.get("properties", {})
            return {name: _restored(item, fields[name]) if name in fields else item for name, item in value.items()}
        case "array", list():
            return [_restored(item, schema.get("items", {})) for item in value]
        case "integer", float() if value.is_integer():
            return int(value)
        case ("integer" | "number" | "boolean") as wanted, str():
            return _from_text(value.strip(), wanted, value)
    return value


def _kind(schema: Mapping[str, Any]) -> str | None:
    """Return the type that a value has; a schema of the catalogue may also allow null, or say nothing of it."""
    named = schema.get("type")
    return named[0] if isinstance(named, list) else named


def _from_text(text: str, wanted: str, otherwise: str) -> bool | float | str:
    if wanted == "boolean":
        return _BOOLEANS.get(text.lower(), otherwise)
    if whole := _WHOLE_NUMBER.fullmatch(text):
        # 5.0 stays a float where any number will do.
        return float(text) if wanted == "number" and "." in text else int(whole[1])
    if wanted == "number" and _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return otherwise


def _schema_faults(inputs: dict[str, Any], schema: Mapping[str, Any]) -> Iterator[Fault]:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    for error in Draft202012Validator(schema).iter_errors(inputs):
        path = joined("", *error.absolute_path)
        if error.validator == "required":
            fields = error.schema["properties"]
            # One error for each missing field comes, but none says in data which: each lists all, once each is kept.
            for name in error.validator_value:
                if name not in error.instance:
                    yield Fault(joined(path, name), "nothing", f"required: {_described(fields[name])}")
        elif error.validator == "additionalProperties":
            fields = error.schema["properties"]
            for count, name in enumerate(name for name in error.instance if name not in fields):
                allowed = _no_such_field(name, fields) if count < _SHOWN_FAULTS else "no such field"
                yield Fault(joined(path, name), short_repr(error.instance[name]), allowed)
        else:
            allowed = _described(error.schema) + _why(error.instance, _kind(error.schema))
            yield Fault(path, short_repr(error.instance), allowed)


def _why(value: Any, wanted: str | None) -> str:
    """Return how Airflow may have made this of a value that was right, in brackets; or nothing."""
    if wanted == "string" and isinstance(value, bool | int | float | list | dict):
        return f" ({_NATIVE_JINJA})"
    if wanted in ("array", "object") and isinstance(value, str):
        return f" ({_PLAIN_JINJA})"
    return ""


def _no_such_field(name: str, fields: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name.lower(), fields, cutoff=0.5)
    return f"no such field: did you mean {near[0]}?" if near else f"no such field: it may be {_listed(fields)}"


def _listed(names: Iterable[str]) -> str:
    shown = [*names]
    return ", ".join(shown[:_SHOWN_NAMES]) + (", ..." if len(shown) > _SHOWN_NAMES else "")


def _described(schema: Mapping[str, Any]) -> str:
    """Return what the schema allows, in words."""
    if "enum" in schema:
        values = [short_repr(value) for value in schema["enum"]]
        return f"one of {_listed(values)}" if len(values) > 1 else f"only {values[0]}"
    match _kind(schema):
        case "integer":
            return f"a whole number{_bounds(schema)}"
        case "number":
            return f"a number{_bounds(schema)}"
        case "boolean":
            return "true or false"
        case "string":
            return ("text that is not blank" if "pattern" in schema else "text") + _counts(
                schema, "Length", "characters"
            )
        case "array":
            return f"a list{_counts(schema, 'Items')}, each {_described(schema.get('items', {}))}"
        case "object" if "properties" in schema:
            return f"an object with {_listed(schema['properties'])}"
        case "object":
            return "an object"
    return "anything"


def _bounds(schema: Mapping[str, Any]) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return "".join(f" {word} {short_repr(schema[bound])}" for bound, word in words.items() if bound in schema)


def _counts(schema: Mapping[str, Any], of: str, what: str = "") -> str:
    words = {f"min{of}": "at least", f"max{of}": "at most"}
    found = [f"{word} {schema[bound]}" for bound, word in words.items() if schema.get(bound)]
    return f" of {' and '.join(found)}{' ' if what else ''}{what}" if found else ""


def _sum_faults(inputs: dict[str, Any], schema: Mapping[str, Any]) -> Iterator[Fault]:
    """
    Check that the durations of ``multi_prompt`` add up to the video's (source: seed).

    A duration that is not given counts as its default (inference).
    """
    segments, fields = inputs.get("multi_prompt"), schema["properties"]
    if not isinstance(segments, list) or not segments or not all(isinstance(segment, dict) for segment in segments):
        return
    if "multi_prompt" not in fields:
        return
    default = fields["multi_prompt"]["items"]["properties"]["duration"]["default"]
    durations = [segment.get("duration", default) for segment in segments]
    total = inputs.get("duration", fields["duration"]["default"])
    if all(type(duration) is int for duration in [total, *durations]) and sum(durations) != total:
        given = f"{sum(durations)} = {' + '.join(map(str, durations))}"
        default_total = "" if "duration" in inputs else " when it is not given"
        allowed = f"the durations must add up to duration, which is {short_repr(total)}{default_total}"
        yield Fault("multi_prompt[].duration", shortened(given), allowed)
