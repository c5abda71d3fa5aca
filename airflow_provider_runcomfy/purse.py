"""What generations cost: the limit before a submit, and the metric after it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.api.live_schema import understood
from airflow_provider_runcomfy.api.plain_json import short_repr
from airflow_provider_runcomfy.api.prices import UnknownPriceError, estimate
from airflow_provider_runcomfy.compat import stats
from airflow_provider_runcomfy.exceptions import (
    CostLimitError,
    InvalidInputsError,
    RunComfyConnectionError,
    RunComfyFailError,
)
from airflow_provider_runcomfy.record import Record
from airflow_provider_runcomfy.store import RecordStore

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.api.polling import Ending
    from airflow_provider_runcomfy.api.schema import CheckedInputs
    from airflow_provider_runcomfy.catalogue import Catalogue
    from airflow_provider_runcomfy.request_ids import GivenRequest

#: A counter, to be summed up: millionths of a dollar, since not every backend of Airflow's counts in fractions.
COUNTER = "runcomfy.cost_microdollars"
#: A gauge: what the latest generation has cost, in dollars.
GAUGE = "runcomfy.cost_usd"
#: The key in a sensor's task state store under which it keeps whose cost it has told.
TOLD_KEY = "runcomfy costs"
_MICRODOLLARS = 1_000_000
_NOTHING_SUBMITTED = "Nothing was submitted, nothing was charged."


def limit_of(max_cost_usd: Any) -> float | None:
    """
    Return ``max_cost_usd`` as a number of dollars; None where there is no limit.

    :raises InvalidInputsError: if it is something else: a limit that silently is none would be no limit.
    """
    if max_cost_usd is None:
        return None
    try:
        limit = math.nan if isinstance(max_cost_usd, bool) else float(max_cost_usd)
    except (TypeError, ValueError, OverflowError):
        limit = math.nan
    if 0 < limit < math.inf:
        return limit
    raise InvalidInputsError(
        f"max_cost_usd is {short_repr(max_cost_usd)}; it must be a number of US dollars above 0, or None for no limit. "
        f"{_NOTHING_SUBMITTED}"
    )


def check_cost(limit: float, model_id: str, catalogue: Catalogue, checked: CheckedInputs, log: Logger) -> None:
    """
    Refuse a submit that may cost more than ``limit`` dollars, or of which nobody can say what it costs.

    :raises CostLimitError: if it is refused.
    :raises RunComfyRetryableError: if the catalogue cannot be had now.
    """
    try:
        entry = catalogue.entry()
        found = estimate(entry, checked.inputs, checked.schema or understood(entry.get("input_schema")))
    except UnknownPriceError as error:
        raise _price_unknown(model_id, str(error), limit) from None
    except RunComfyConnectionError:
        raise
    except RunComfyFailError as error:
        raise _price_unknown(model_id, str(error), limit) from None
    # As it was written: as a float, 0.336 is a little more or less.
    if found.usd > Decimal(str(limit)):
        raise _too_dear(model_id, found.arithmetic, limit)
    log.info("Estimated cost, by RunComfy's catalogue: %s; max_cost_usd is %g.", found.arithmetic, limit)


def _too_dear(model_id: str, arithmetic: str, limit: float) -> CostLimitError:
    """Return the error for a submit whose estimated cost is above its limit."""
    return CostLimitError(
        f"A submit to {model_id} would cost more than max_cost_usd, which is {limit:g} USD, by estimate: {arithmetic}. "
        f"The price is that of RunComfy's catalogue; its bill may differ. {_NOTHING_SUBMITTED} Ask for less or raise "
        "max_cost_usd, then clear the task."
    )


def _price_unknown(model_id: str, why: str, limit: float) -> CostLimitError:
    """Return the error for a submit that has a limit, and of which nobody can say what it costs."""
    return CostLimitError(
        f"What a submit to {model_id} costs cannot be estimated from RunComfy's catalogue ({why.rstrip('.')}), so it "
        f"may be above max_cost_usd, which is {limit:g} USD. {_NOTHING_SUBMITTED} Set max_cost_usd=None to submit "
        "without a limit, then clear the task."
    )


def note_cost(context: Context, model_id: str | None, request_id: str, cost_usd: float | None, log: Logger) -> None:
    """Tell the log and Airflow's metrics what a generation has cost; call it once for each."""
    if cost_usd is None:
        return
    log.info("Request %s has cost %g USD.", request_id, cost_usd)
    ti: Any = context["ti"]
    tags = {"dag_id": ti.dag_id, "task_id": ti.task_id, **({"model_id": model_id} if model_id else {})}
    try:
        metrics = stats()
        metrics.incr(COUNTER, round(cost_usd * _MICRODOLLARS), tags=tags)
        metrics.gauge(GAUGE, cost_usd, tags=tags)
    except Exception as error:
        # A backend is anybody's code, and what was paid for is worth more than a metric of it.
        log.warning("The metric of what request %s has cost was not sent (%s).", request_id, type(error).__name__)


def note_costs_once(
    context: Context, given: Iterable[GivenRequest], endings: Mapping[str, Ending], log: Logger
) -> None:
    """
    Tell of the costs that a sensor learns, which other tasks' records do not have.

    Not those of requests that were given as results: whoever handed on the result has told them. A note in the task
    state store keeps a further try from telling them again.
    """
    costs = {
        request.request_id: ending.result.cost_usd
        for request in given
        if (ending := endings.get(request.request_id)) and ending.result and not request.result
    }
    store = context.get("task_state_store")
    told = _told(store)
    new = {request_id: cost for request_id, cost in costs.items() if cost is not None and request_id not in told}
    for request_id, cost in new.items():
        note_cost(context, None, request_id, cost, log)
    if new and store is not None:
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        with suppress(Exception):
            store.set(TOLD_KEY, [*told, *new], retention=NEVER_EXPIRE)


def _told(store: Any) -> list[str]:
    with suppress(Exception):
        kept = store.get(TOLD_KEY) if store is not None else None
        return [item for item in kept if isinstance(item, str)] if isinstance(kept, list) else []
    return []


class CountingStore:
    """A task instance's record; each cost is told once: when a record that has it is kept for the first time."""

    def __init__(self, store: RecordStore, context: Context, log: Logger) -> None:
        self._store = store
        self._context = context
        self._log = log
        self._known: Record | None = None
        self.how_to_settle = store.how_to_settle

    def read(self) -> Record:
        """Return the record."""
        self._known = self._store.read()
        return self._known

    def write(self, record: Record) -> None:
        """Replace the record, and tell of the costs that are new in it."""
        self._store.write(record)
        told = {s.request_id for s in self._known.submissions if s.cost_usd is not None} if self._known else set()
        for submission in record.submissions:
            if submission.request_id is not None and submission.request_id not in told:
                note_cost(self._context, submission.model_id, submission.request_id, submission.cost_usd, self._log)
        self._known = record
