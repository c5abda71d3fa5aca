"""``@task.runcomfy``: a function gives the inputs, RunComfy generates, the task returns the result."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast

from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.parameters import (
    DEFAULT_CONN_ID,
    DEFAULT_MAX_POLL_INTERVAL,
    DEFAULT_MEDIA_URL_SECONDS,
    DEFAULT_POLL_INTERVAL,
)

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import Task

    from airflow_provider_runcomfy.order import Order

Declared = TypeVar("Declared", bound=Callable[..., Any])
FParams = ParamSpec("FParams")
FInputs = TypeVar("FInputs", bound=Mapping[str, Any])

_NO_PLAIN_FUNCTION = (iscoroutinefunction, isgeneratorfunction, isasyncgenfunction)


class _RunComfyDecoratedOperator(DecoratedOperator, RunComfyGenerateOperator):
    """
    What :func:`runcomfy_task` turns a function into: the generate operator, with the inputs that the function gives.

    What it returns is data, so ``inputs`` is no template field here.
    """

    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *(field for field in RunComfyGenerateOperator.template_fields if field != "inputs"),
    )
    template_fields_renderers = DecoratedOperator.template_fields_renderers

    custom_operator_name = "@task.runcomfy"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if any(is_kind(python_callable) for is_kind in _NO_PLAIN_FUNCTION):
            raise TypeError("The function under @task.runcomfy returns the inputs: it is neither async nor a generator")
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, inputs={}, **kwargs)

    def _order(self, context: Context) -> Order:
        return replace(super()._order(context), inputs=lambda: self._call(context))

    def _call(self, context: Context) -> Any:
        from airflow_provider_runcomfy.compat import determine_kwargs
        from airflow_provider_runcomfy.exceptions import RunComfyRetryableError

        kwargs = determine_kwargs(self.python_callable, self.op_args, {**context, **self.op_kwargs})
        inputs = self.python_callable(*self.op_args, **kwargs)
        if self._kill.has_come:
            # A function may take long, and after a kill on a worker the code goes on for some seconds.
            raise RunComfyRetryableError(
                "The task was killed while its function gave the inputs, so nothing was submitted for them."
            )
        return inputs


def _passing_on_what_is_given(declared: Declared) -> Declared:
    """Keep a signature for people and their editors: a default that is passed on would outdo a Dag's default_args."""

    @wraps(declared)
    def decorate(python_callable: Callable[..., Any] | None = None, **given: Any) -> Any:
        if given.pop("multiple_outputs", False):
            raise TypeError("@task.runcomfy returns one result: multiple_outputs cannot be set")
        return task_decorator_factory(
            python_callable,
            multiple_outputs=False,
            decorated_operator_class=_RunComfyDecoratedOperator,
            **given,
        )

    return cast("Declared", decorate)


@_passing_on_what_is_given
def runcomfy_task(
    *,
    model_id: str,
    runcomfy_conn_id: str = DEFAULT_CONN_ID,
    validate_inputs: bool = True,
    on_unknown_submission: Literal["fail", "resubmit"] = "fail",
    on_clear: Literal["reuse", "resubmit"] = "reuse",
    max_cost_usd: float | str | None = None,
    media_conn_id: str | None = None,
    media_url_seconds: int = DEFAULT_MEDIA_URL_SECONDS,
    deferrable: bool = True,
    poll_interval: float = DEFAULT_POLL_INTERVAL,
    max_poll_interval: float = DEFAULT_MAX_POLL_INTERVAL,
    timeout: timedelta = timedelta(hours=1),
    cancel_on_kill: bool = True,
    cancel_on_timeout: bool = False,
    resubmit_failed: bool = False,
    **kwargs: Any,
) -> Callable[[Callable[FParams, FInputs]], Task[FParams, FInputs]]:
    """
    Generate what a function asks for: ``@task.runcomfy(model_id=...)``, typed.

    The function returns the model's inputs, and the task the result, as :class:`RunComfyGenerateOperator` does. The two
    names are one decorator; only this one tells editors and type checkers its parameters, since Airflow's own stubs
    cannot be extended::

        from airflow_provider_runcomfy.decorators.runcomfy import runcomfy_task

        @runcomfy_task(model_id="kling/kling-3.0/pro/text-to-video")
        def clip(scene: str) -> dict[str, object]:
            return {"prompt": scene, "duration": 5}

        clip.expand(scene=["a paper boat", "a fox in tall grass"])

    **When the function is called.** Only where the task is to submit, or where a person has cleared it and what that
    does depends on the inputs: the request goes on, or has succeeded. A retry that attaches to what was paid for, or
    uses it, does not call it; so the function may give something else at every try. It is called before anything is
    written down or sent. What it raises is the task's error, and nothing was submitted by that try.

    **What it returns is data**: a mapping that is never rendered as a template, and whose keys never become XComs. What
    it is called with is what every ``@task`` gets: of upstream data only what comes by ``expand_kwargs()`` is rendered.

    :param model_id: the model, say ``kling/kling-3.0/pro/text-to-video``. (templated)
    :param runcomfy_conn_id: the connection, ``runcomfy_default`` by default. (templated)
    :param kwargs: whatever else every operator takes: ``retries``, ``pool``, ``trigger_rule``, ...
    :returns: the decorator of the function. The decorated function is called, and has ``expand()``, ``partial()`` and
        ``override()``, as under every ``@task``; the task's XComs are those of :class:`RunComfyGenerateOperator`.
    :raises TypeError: in the Dag file, if the function is async or a generator, or ``multiple_outputs`` is set.
    :raises InvalidInputsError: if what the function returns does not fit the model's schema; nothing was submitted.
        Not retried.

    The other parameters and exceptions are those of :class:`RunComfyGenerateOperator`; so is what a retry, a clear and
    a kill cost.
    """
    raise NotImplementedError
