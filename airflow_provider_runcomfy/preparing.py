"""From a model's inputs to a call that is ready to be sent: what can fail before the intent is written fails here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.api.input_check import check_with_catalogue, refuse_what_cannot_be_fetched
from airflow_provider_runcomfy.api.media_inputs import Medium, media_in, replaced
from airflow_provider_runcomfy.api.schema import CheckedInputs, check_model_id, plain_inputs
from airflow_provider_runcomfy.catalogue import Catalogue
from airflow_provider_runcomfy.exceptions import airflow_errors
from airflow_provider_runcomfy.purse import check_cost, limit_of

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.api.wire import Call
    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
    from airflow_provider_runcomfy.order import Order


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
            checked = _checked(order, inputs, catalogue, log)
        else:
            check_model_id(order.model_id)
            checked = CheckedInputs(plain_inputs(order.model_id, inputs), checked=False)
        media = media_in(checked.inputs, checked.schema)
        if order.validate_inputs:
            refuse_what_cannot_be_fetched(order.model_id, media, is_local=hook.settings.is_local)
        if limit is not None:
            check_cost(limit, order.model_id, catalogue, checked, log)
        return client.prepare_submit(order.model_id, _with_signed_urls(order, checked.inputs, media, hook))


def _checked(order: Order, inputs: Any, catalogue: Catalogue, log: Logger) -> CheckedInputs:
    checked, remark = check_with_catalogue(order.model_id, inputs, catalogue.glance)
    if not checked.checked:
        log.warning("The inputs are submitted unchecked: %s", remark)
    elif remark:
        log.info("%s", remark)
    return checked


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
