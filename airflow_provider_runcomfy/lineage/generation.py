"""What a task that submits tells at its end: its asset events, and the facts for OpenLineage."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_runcomfy.lineage.facts import Facts, Request

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.api.polling import Ending
    from airflow_provider_runcomfy.api.types import GenerationResult

#: Loaded before a task begins where OpenLineage is to be told.
LISTENER = "airflow.providers.openlineage.plugins.listener"


class SubmittingTask(Protocol):
    """What is asked here of an operator that submits."""

    model_id: str
    runcomfy_conn_id: str
    outlets: list[Any]

    @property
    def log(self) -> Logger:
        """The task's log."""


def submitted(task: SubmittingTask, request_id: str) -> Facts:
    """Return what a task tells that has submitted and does not wait."""
    return _located(task, Request(request_id, task.model_id))


def succeeded(task: SubmittingTask, result: GenerationResult, context: Context) -> Facts:
    """Return what a task tells whose request has succeeded, and give its outlets their asset events."""
    request = Request(
        result.request_id, task.model_id, result.state.value, cost_usd=result.cost_usd, files=len(result.media)
    )
    if task.outlets:
        from airflow_provider_runcomfy.lineage.assets import add_events

        add_events(task.outlets, context, [request.event], task.log)
    return _located(task, request)


def ended(task: SubmittingTask, request_id: str, ending: Ending) -> Facts:
    """Return what a task tells whose wait ended otherwise."""
    cost_usd = ending.result.cost_usd if ending.result else None
    return _located(task, Request(request_id, task.model_id, ending.end.value, cost_usd))


def _located(task: SubmittingTask, request: Request) -> Facts:
    """
    Return the facts with their namespace, where OpenLineage is to be told.

    The connection is read here and not when OpenLineage asks: it asks in a process of its own, which shares the way to
    Airflow with the task's, and is killed if it takes long. Nor does every task have it at hand: one that was deferred
    ends in a fresh process, with what the trigger's event has told.
    """
    facts = Facts((request,))
    if LISTENER not in sys.modules:
        return facts
    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
    from airflow_provider_runcomfy.lineage.names import namespace_of

    try:
        return replace(facts, namespace=namespace_of(RunComfyHook(task.runcomfy_conn_id).settings.base_url))
    except Exception as error:
        # The request was paid for: whatever this is, the task must not fail of it.
        task.log.warning("OpenLineage is not told of request %s: %s", request.request_id, error)
        return facts
