"""What tests name, and is in different places in the Airflow versions that they run on."""

from __future__ import annotations

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:
    # Airflow 3.1.
    from airflow.exceptions import TaskDeferred  # type: ignore[no-redef]

__all__ = ["TaskDeferred"]
