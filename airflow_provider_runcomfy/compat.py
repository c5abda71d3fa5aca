"""What is in different places in the Airflow versions that this package runs on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

try:
    from airflow.sdk.exceptions import (
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
    )
except ImportError:
    # Airflow 3.1 has them only where later versions deprecate them.
    from airflow.exceptions import (  # type: ignore[attr-defined, no-redef]
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
    )

__all__ = [
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "amask_secret",
    "determine_kwargs",
    "stats",
]


def determine_kwargs(
    function: Callable[..., Any], arguments: Collection[Any], kwargs: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return those of the keyword arguments that a function takes; imported where a task runs, not in Dag files."""
    try:
        from airflow.sdk.bases.decorator import determine_kwargs
    except ImportError:
        # Airflow 3.1.
        from airflow.utils.operator_helpers import determine_kwargs  # type: ignore[attr-defined]
    return determine_kwargs(function, arguments, kwargs)


async def amask_secret(secret: str) -> None:
    """Have a secret masked in what a trigger logs: also by the triggerer's other process, which writes that."""
    try:
        from airflow.sdk.log import amask_secret
    except ImportError:
        # Before Airflow 3.3, which told only the trigger's own process from within a loop.
        from airflow.sdk.log import mask_secret

        mask_secret(secret)
    else:
        await amask_secret(secret)


def stats() -> Any:
    """Return Airflow's metrics as a running task has them configured; imported here, since most Dag files need none."""
    from importlib import import_module

    for module in ("airflow.sdk.observability.stats", "airflow.observability.stats", "airflow.stats"):
        try:
            return import_module(module).Stats
        except ImportError:
            continue
    raise ImportError("this Airflow has no module for metrics that is known")
