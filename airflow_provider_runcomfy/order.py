"""What a task orders; made of an operator's parameters when the task runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_provider_runcomfy.ledger import OnClear, OnUnknownSubmission
from airflow_provider_runcomfy.parameters import DEFAULT_MEDIA_URL_SECONDS


@dataclass(frozen=True)
class Order:
    """
    What a task wants to be generated, and what it may cost to get it.

    :param inputs: the model's inputs, or a function that gives them: called at most once, and only where what the try
        does depends on them. A retry that attaches to what was paid for, or uses it, does not call it.
    :param timeout: how long to wait for it, counted from the submission; None for a task that does not wait.
    :param max_cost_usd: what a submit may cost by estimate, in US dollars; None for no limit.
    :param media_conn_id: the connection of the store that media come from; None for the store's default one.
    :param media_url_seconds: for how many seconds RunComfy may fetch them.
    """

    model_id: str
    inputs: Mapping[str, Any] | Callable[[], Any]
    conn_id: str
    validate_inputs: bool = True
    on_unknown_submission: OnUnknownSubmission = "fail"
    on_clear: OnClear = "reuse"
    resubmit_failed: bool = False
    timeout: timedelta | None = None
    max_cost_usd: Any = None
    media_conn_id: str | None = None
    media_url_seconds: int = DEFAULT_MEDIA_URL_SECONDS
