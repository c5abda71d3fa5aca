"""From a model's inputs to a call that is ready to be sent: what can fail before the intent is written fails here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.api.errors import InvalidInputError, RunComfyError
from airflow_provider_runcomfy.api.live_schema import understood
from airflow_provider_runcomfy.api.media_inputs import Medium, media_in, replaced
from airflow_provider_runcomfy.api.plain_json import plain_json
from airflow_provider_runcomfy.api.schema import (
    CheckedInputs,
    check_inputs,
    check_model_id,
    input_schema,
    invalid_inputs,
    plain_inputs,
)
from airflow_provider_runcomfy.catalogue import Catalogue
from airflow_provider_runcomfy.exceptions import airflow_errors
from airflow_provider_runcomfy.purse import check_cost, limit_of

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.api.wire import Call
    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
    from airflow_provider_runcomfy.submission import Order


def prepare(order: Order, give_inputs: Callable[[], Any], hook: RunComfyHook, log: Logger) -> Call:
    """
    Return the encoded call: inputs checked, cost within its limit, URLs signed for media in the team's own stores.

    :param give_inputs: gives them as they are: neither they nor what is recorded of them is changed by what is sent in
        their place.
    :raises AirflowException: a class of :mod:`airflow_provider_runcomfy.exceptions`; nothing was submitted.
    """
    limit = limit_of(order.max_cost_usd)
    with airflow_errors():
        client = hook.client
        inputs = give_inputs()
        catalogue = Catalogue(hook, order.model_id)
        if order.validate_inputs:
            checked = _Check(order, catalogue, log).of(inputs)
        else:
            check_model_id(order.model_id)
            checked = CheckedInputs(plain_inputs(order.model_id, inputs), checked=False)
        media = media_in(checked.inputs, checked.schema)
        if order.validate_inputs:
            _refuse_what_cannot_be_fetched(order.model_id, media, is_local=hook.settings.is_local)
        if limit is not None:
            check_cost(limit, order.model_id, catalogue, checked, log)
        return client.prepare_submit(order.model_id, _with_signed_urls(order, checked.inputs, media, hook))


class _Check:
    """The inputs against a schema: the package's, and RunComfy's live one where that does not do."""

    def __init__(self, order: Order, catalogue: Catalogue, log: Logger) -> None:
        self._model_id = order.model_id
        self._catalogue = catalogue
        self._log = log

    def of(self, inputs: Any) -> CheckedInputs:
        """Return the inputs as they may be submitted."""
        try:
            checked = check_inputs(self._model_id, inputs)
        except InvalidInputError as faults:
            return self._by_newer_schema(inputs, faults)
        return checked if checked.checked else self._by_live_schema(inputs, checked)

    def _by_newer_schema(self, inputs: Any, faults: InvalidInputError) -> CheckedInputs:
        """Return inputs that RunComfy takes by now, although the package does not know of it; else raise the faults."""
        # What JSON cannot hold no schema will ever take.
        may_be_newer = input_schema(self._model_id) is not None and _is_plain_object(inputs)
        live = self._live_schema()[0] if may_be_newer else None
        if live is None:
            raise faults
        checked = check_inputs(self._model_id, inputs, live=live)
        self._log.info(
            "The inputs of %s do not fit the schema in this package, and fit the newer one of RunComfy's catalogue.",
            self._model_id,
        )
        return checked

    def _by_live_schema(self, inputs: Any, unchecked: CheckedInputs) -> CheckedInputs:
        live, why = self._live_schema()
        if live is not None:
            return check_inputs(self._model_id, inputs, live=live)
        self._log.warning(
            "The inputs are submitted unchecked: this package has no schema of %s, and RunComfy's catalogue gave none "
            "(%s)%s",
            self._model_id,
            why,
            f". {unchecked.hint}" if unchecked.hint else ".",
        )
        return unchecked

    def _live_schema(self) -> tuple[dict[str, Any] | None, str]:
        """Return the catalogue's schema, or why there is none: that blocks no submit."""
        try:
            live = understood(self._catalogue.glance().get("input_schema"))
        except RunComfyError as error:
            return None, str(error).rstrip(".")
        return live, "" if live else "its entry has none that can be read"


def _is_plain_object(inputs: Any) -> bool:
    plain, unfit = plain_json(inputs)
    return isinstance(plain, dict) and not unfit


def _refuse_what_cannot_be_fetched(model_id: str, media: Sequence[Medium], *, is_local: bool) -> None:
    faults = [fault for medium in media if (fault := medium.fault(allow_loopback_http=is_local))]
    if faults:
        raise invalid_inputs(model_id, faults)


def _with_signed_urls(
    order: Order, inputs: dict[str, Any], media: Sequence[Medium], hook: RunComfyHook
) -> dict[str, Any]:
    stored = [medium for medium in media if medium.stored_at]
    if not stored:
        return inputs
    from airflow_provider_runcomfy.presigning import signed_urls

    urls = signed_urls(
        stored,
        conn_id=order.media_conn_id,
        seconds=order.media_url_seconds,
        allow_loopback_http=hook.settings.is_local,
    )
    signed: dict[str, Any] = replaced(inputs, urls)
    return signed
