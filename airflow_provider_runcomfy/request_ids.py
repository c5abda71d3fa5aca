"""Read the ``request_id`` parameter: an id, a result, or a list of either."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_runcomfy.api.fields import cost
from airflow_provider_runcomfy.api.ids import is_model_id, is_request_id
from airflow_provider_runcomfy.exceptions import InvalidInputsError


@dataclass(frozen=True)
class GivenRequest:
    """A request as it was given; ``result`` is what came with its id, empty where an id alone was given."""

    request_id: str
    result: Mapping[str, Any]

    @property
    def model_id(self) -> str | None:
        """The model that the result names; None where it names none, or what is no model's id."""
        model_id = self.result.get("model_id")
        return str(model_id) if is_model_id(model_id) else None

    @property
    def state(self) -> str | None:
        """The state that the result names; None where it names none."""
        state = self.result.get("state")
        return state if isinstance(state, str) else None

    @property
    def cost_usd(self) -> float | None:
        """What the request cost, if the result says so."""
        return cost(self.result.get("cost_usd"))


def given_requests(value: Any, *, parameter: str = "request_id") -> list[GivenRequest]:
    """
    Return the requests in ``value``, in their order, each once.

    :param value: an id, a result (a dict with ``request_id``), or anything iterable of those: a list, what mapped
        tasks returned, or a list of lists (what mapped tasks returned that each return a list).
    :param parameter: how errors name the parameter.
    :raises InvalidInputsError: for None, or anything else that is not one of those.
    """
    found: dict[str, GivenRequest] = {}
    for item in _flattened(value, depth=2):
        request = _given(item, parameter)
        known = found.setdefault(request.request_id, request)
        if not known.result:
            found[request.request_id] = request
    return list(found.values())


def request_ids(value: Any, *, parameter: str = "request_id") -> list[str]:
    """
    Return the ids in ``value``, in their order, each once; see `given_requests`.

    :param value: an id, a result, or a list of either.
    :param parameter: how errors name the parameter.
    :raises InvalidInputsError: for None, or anything else that is not one of those.
    """
    return [request.request_id for request in given_requests(value, parameter=parameter)]


def is_one_request(value: Any) -> bool:
    """Return whether ``value`` names one request, not a list: then one thing is returned, not a list."""
    return isinstance(value, str | Mapping)


def _flattened(value: Any, depth: int) -> Iterable[Any]:
    if depth == 0 or isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return [value]
    return [leaf for item in value for leaf in _flattened(item, depth - 1)]


def _given(item: Any, parameter: str) -> GivenRequest:
    result = item if isinstance(item, Mapping) else {}
    request_id = item.get("request_id") if isinstance(item, Mapping) else item
    # "None" is what Jinja makes of a None.
    if item is None or item == "None":
        raise InvalidInputsError(
            f"`{parameter}` is None: the upstream task gave no request id, as when it failed, or when a person marked "
            f"it successful by hand. Nothing was sent to RunComfy. Clear the upstream task, or give `{parameter}` an "
            'id; that of a generate task that failed is in its XCom of that name: `generate.output["request_id"]`.'
        )
    if not is_request_id(request_id):
        raise InvalidInputsError(
            f"`{parameter}` is {_described(item)}, which is no request id (letters, digits, - and _, at most 128), "
            "no result with one, and no list of those. Nothing was sent to RunComfy. Pass the upstream task's output "
            "itself (`request_id=generate.output`): a Jinja template makes text of lists and dicts."
        )
    return GivenRequest(str(request_id), result)


def _described(item: Any) -> str:
    text = repr(item)
    return f"{type(item).__name__} {text if len(text) <= 100 else text[:100] + '...'}"
