"""A model's inputs against a schema: the package's, and RunComfy's live one where that does not do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_runcomfy.api.errors import InvalidInputError, RunComfyError
from airflow_provider_runcomfy.api.live_schema import understood
from airflow_provider_runcomfy.api.media_inputs import Medium
from airflow_provider_runcomfy.api.plain_json import plain_json
from airflow_provider_runcomfy.api.schema import CheckedInputs, check_inputs, input_schema, invalid_inputs

#: Gives a model's entry in the live catalogue, or raises a :class:`RunComfyError`; it blocks no submit.
Entry = Callable[[], Mapping[str, Any]]


def check_with_catalogue(model_id: str, inputs: Any, entry: Entry) -> tuple[CheckedInputs, str]:
    """
    Return inputs as they may be submitted, and what is to be said of the schema that they were checked by, or not.

    :param entry: asked only where the package has no schema, or where that refuses what RunComfy may take by now.
    :raises InvalidInputError: if they do not fit.
    """
    try:
        checked = check_inputs(model_id, inputs)
    except InvalidInputError:
        # What JSON cannot hold no schema will ever take.
        may_be_newer = input_schema(model_id) is not None and _is_plain_object(inputs)
        live = _live_schema(entry)[0] if may_be_newer else None
        if live is None:
            raise
        return check_inputs(model_id, inputs, live=live), (
            f"The inputs of {model_id} do not fit the schema in this package, and fit the newer one of RunComfy's "
            "catalogue."
        )
    if checked.checked:
        return checked, ""
    live, why = _live_schema(entry)
    if live is not None:
        return check_inputs(model_id, inputs, live=live), ""
    hint = f". {checked.hint}" if checked.hint else "."
    return checked, f"this package has no schema of {model_id}, and RunComfy's catalogue gave none ({why}){hint}"


def refuse_what_cannot_be_fetched(model_id: str, media: Sequence[Medium], *, is_local: bool) -> None:
    """
    Refuse media that RunComfy cannot fetch.

    :param is_local: whether plain HTTP to a loopback address will do: the sandbox.
    :raises InvalidInputError: if there are any.
    """
    faults = [fault for medium in media if (fault := medium.fault(allow_loopback_http=is_local))]
    if faults:
        raise invalid_inputs(model_id, faults)


def _live_schema(entry: Entry) -> tuple[dict[str, Any] | None, str]:
    """Return the catalogue's schema, and where that is None, why."""
    try:
        live = understood(entry().get("input_schema"))
    except RunComfyError as error:
        return None, str(error).removesuffix(".")
    return live, "its entry has none that can be read"


def _is_plain_object(inputs: Any) -> bool:
    plain, unfit = plain_json(inputs)
    return isinstance(plain, dict) and not unfit
