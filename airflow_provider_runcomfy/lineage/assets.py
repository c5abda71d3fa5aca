"""Asset events: how a task tells Airflow, and the Dags that wait for it, which objects there are now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

# Airflow would drop a fragment, and sort what it takes for a query: two objects would be one asset.
_RESERVED = re.compile(r"[%?#]")


def add_events(
    outlets: Iterable[Any], context: Context, events: Sequence[tuple[str, dict[str, Any]]], log: Logger
) -> None:
    """
    Give each alias among ``outlets`` an event for every URI; and a plain asset its extra, where there is one URI.

    Airflow sends them when the task has succeeded.
    """
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            for uri, extra in events:
                _add(outlet, context, uri, extra, log)
        elif isinstance(outlet, Asset) and len(events) == 1:
            event = context["outlet_events"][outlet]
            # What somebody else has set, say in a hook of the task, stands.
            event.extra = {**events[0][1], **event.extra}


def asset_of(uri: str) -> Asset:
    """
    Return the asset of an object.

    ``%``, ``?`` and ``#`` in its key are escaped in the asset's name and URI. No other character is.

    :raises ValueError: if Airflow takes no such URI, as when it is above 1500 characters.
    """
    return Asset(uri=_RESERVED.sub(lambda found: f"%{ord(found[0]):02X}", uri))


def _add(alias: AssetAlias, context: Context, uri: str, extra: dict[str, Any], log: Logger) -> None:
    try:
        asset = asset_of(uri)
    except ValueError as error:
        # The object is there: a task that fails now would neither undo that nor mend this.
        log.warning("%s gets no asset event, since Airflow takes no such asset: %s", uri, error)
    else:
        context["outlet_events"][alias].add(asset, extra=extra)
