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
    )
except ImportError:
    # Airflow 3.1 has them only where later versions deprecate them.
    from airflow.exceptions import (  # type: ignore[attr-defined, no-redef]
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
    )

__all__ = [
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "determine_kwargs",
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
