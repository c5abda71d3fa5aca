"""What Airflow calls the host that it runs on; here each host is a folder and a session of processes."""

from __future__ import annotations

import os

VARIABLE = "DISTRIBUTED_HOST"


def get() -> str:
    """Return the name of this host."""
    return os.environ[VARIABLE]
