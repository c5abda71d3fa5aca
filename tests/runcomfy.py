"""A sandbox, the Airflow connection to it, and what tests ask of both."""

from __future__ import annotations

import json
from collections import Counter

from airflow_provider_runcomfy.sandbox.server import Sandbox

PRO = "kling/kling-3.0/pro/text-to-video"
STANDARD = "kling/kling-3.0/standard/text-to-video"
TOKEN = "sandbox-token-0123456789"
CONNECTION_VARIABLE = "AIRFLOW_CONN_RUNCOMFY_DEFAULT"


def connection_to(sandbox: Sandbox, token: str = TOKEN) -> str:
    """Return what the variable of the connection is set to."""
    return json.dumps({"conn_type": "runcomfy", "host": sandbox.url, "password": token})


def count(sandbox: Sandbox) -> Counter[str]:
    """Return how many calls of each kind the sandbox got."""
    return Counter(str(call.kind) for call in sandbox.calls())
