"""Submit generations to RunComfy, wait for them, cancel them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator

from airflow_provider_runcomfy.killing import Kill
from airflow_provider_runcomfy.lineage.telling import TellsOfGeneration
from airflow_provider_runcomfy.links.runcomfy import ResultPageLink
from airflow_provider_runcomfy.parameters import (
    DEFAULT_CONN_ID,
    DEFAULT_MAX_POLL_INTERVAL,
    DEFAULT_MEDIA_URL_SECONDS,
    DEFAULT_POLL_INTERVAL,
    require_limit,
    require_one_of,
    require_positive,
    require_url_seconds,
)

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider_runcomfy.api.polling import Ending
    from airflow_provider_runcomfy.api.types import GenerationResult
    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
    from airflow_provider_runcomfy.order import Order
    from airflow_provider_runcomfy.submission import Obtained

# Everything else is imported when a task runs: Dag files, which import this one, are parsed every few seconds.


class RunComfySubmitOperator(TellsOfGeneration, BaseOperator):
    """
    Submit a generation to RunComfy and return its ``request_id``, without waiting for it.

    **What it costs.** Each submission is charged by RunComfy, also if nobody waits for it. A retry of this task
    returns the id that an earlier try got and submits nothing. A clear with the same inputs returns it too, as
    long as the request waits, runs or has succeeded; with other inputs it submits anew. If a try dies around its
    POST, nobody can know whether RunComfy took it: see ``on_unknown_submission``. All this needs Airflow's task
    state store (3.3 or later); before it, every further try counts as such an unknown submission.

    :param model_id: the model, say ``kling/kling-3.0/pro/text-to-video``. (templated)
    :param inputs: the model's inputs. Numbers and booleans that Jinja turned into text are taken where the
        model's schema wants numbers or booleans. (templated)
    :param runcomfy_conn_id: the connection, ``runcomfy_default`` by default. (templated)
    :param validate_inputs: check the inputs against the model's schema before anything is paid, True by
        default: the one in this package, else that of RunComfy's live catalogue. Without either they are submitted
        unchecked, and the log says so. Media that RunComfy cannot fetch (a local path, plain HTTP) are refused.
    :param on_unknown_submission: what to do when an earlier try died around its POST: ``fail`` (default) or
        ``resubmit``, which may pay twice.
    :param on_clear: what a clear of a succeeded task with the same inputs does: ``reuse`` the request (default)
        or ``resubmit``, which pays again.
    :param max_cost_usd: what one submit may cost at most, in US dollars, by an estimate from the price in RunComfy's
        live catalogue; None (default) for no limit. Each submit is held against it, also that of a retry. (templated)
    :param media_conn_id: the connection with which URLs are signed for inputs that are ``s3://`` or ``gs://``, just
        before they are submitted; ``aws_default`` and ``google_cloud_default`` by default. (templated)
    :param media_url_seconds: for how many seconds such a URL can be fetched, 86400 (a day) by default, 604800 at most.
    :returns: the request id, as the task's XCom.
    :raises InvalidInputsError: if the inputs do not fit the schema; nothing was submitted. Not retried.
    :raises CostLimitError: if the submit may cost more than ``max_cost_usd``, or if nobody can say what it costs;
        nothing was submitted. Not retried.
    :raises MediaInputError: if an input in a store is not there, may not be read, or cannot be signed for; nothing was
        submitted. Not retried.
    :raises RunComfyConnectionError: if the connection is missing or unusable, or its token is refused; this try
        submitted nothing, and what an earlier one paid for is named. Not retried.
    :raises InsufficientBalanceError: if the account has no balance left; nothing was submitted. Not retried.
    :raises SubmissionRefusedError: if RunComfy refuses the submit; nothing is charged. Not retried.
    :raises RequestNotAvailableError: if RunComfy does not have the model, or not for this account; nothing is
        charged. Not retried.
    :raises UnknownSubmissionError: if it is not known whether RunComfy took the submit. Not retried.
    :raises SubmissionChangedError: if an earlier try submitted to another model or through another connection.
        Not retried.
    :raises UnreadableRecordError: if the record of what was submitted cannot be read. Not retried.
    :raises RunComfyRetryableError: if RunComfy, Airflow or an input's store could not be reached, and certainly nothing
        was taken; also if a store's credentials have expired, or if a later version of this package wrote the record.
    """

    template_fields: Sequence[str] = ("model_id", "inputs", "runcomfy_conn_id", "max_cost_usd", "media_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"inputs": "json"}
    operator_extra_links = (ResultPageLink(),)
    ui_color = "#efe7fb"

    def __init__(
        self,
        *,
        model_id: str,
        inputs: Mapping[str, Any] | XComArg,
        runcomfy_conn_id: str = DEFAULT_CONN_ID,
        validate_inputs: bool = True,
        on_unknown_submission: Literal["fail", "resubmit"] = "fail",
        on_clear: Literal["reuse", "resubmit"] = "reuse",
        max_cost_usd: float | str | None = None,
        media_conn_id: str | None = None,
        media_url_seconds: int = DEFAULT_MEDIA_URL_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_one_of("on_unknown_submission", on_unknown_submission, ("fail", "resubmit"))
        require_one_of("on_clear", on_clear, ("reuse", "resubmit"))
        require_limit("max_cost_usd", max_cost_usd)
        require_url_seconds("media_url_seconds", media_url_seconds)
        self.model_id = model_id
        # An XComArg until the task runs.
        self.inputs: Any = inputs
        self.runcomfy_conn_id = runcomfy_conn_id
        self.validate_inputs = validate_inputs
        self.on_unknown_submission = on_unknown_submission
        self.on_clear = on_clear
        self.max_cost_usd = max_cost_usd
        self.media_conn_id = media_conn_id
        self.media_url_seconds = media_url_seconds

    def execute(self, context: Context) -> Any:
        """Submit, or return what an earlier try submitted."""
        from airflow_provider_runcomfy.lineage import generation

        request_id = self._obtain(self._hook(), context).request_id
        self._facts = generation.submitted(self, request_id)
        return request_id

    def _hook(self) -> RunComfyHook:
        from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook

        return RunComfyHook(self.runcomfy_conn_id)

    def _obtain(self, hook: RunComfyHook, context: Context) -> Obtained:
        from airflow_provider_runcomfy.submission import obtain

        return obtain(self._order(context), hook, context, self.log)

    def _order(self, context: Context) -> Order:
        from airflow_provider_runcomfy.order import Order

        return Order(
            model_id=self.model_id,
            inputs=self.inputs,
            conn_id=self.runcomfy_conn_id,
            validate_inputs=self.validate_inputs,
            on_unknown_submission=self.on_unknown_submission,
            on_clear=self.on_clear,
            max_cost_usd=self.max_cost_usd,
            media_conn_id=self.media_conn_id,
            media_url_seconds=self.media_url_seconds,
        )


class RunComfyGenerateOperator(RunComfySubmitOperator):
    """
    Submit a generation to RunComfy, wait for it without holding a worker, and return its result.

    **What it costs.** As :class:`RunComfySubmitOperator`: a retry attaches to the request that an earlier try
    paid for, and so does a clear with the same inputs. A request that nobody waits for any more goes on and is
    charged; only a queued one can be cancelled. RunComfy's URLs expire: copy the result with one of the transfers.

    Map prompts that people have written with ``expand(inputs=...)``, which takes upstream data as they are. Airflow
    renders the dicts that ``expand_kwargs()`` gets from upstream tasks as templates once more, so there a hostile
    prompt runs as Jinja.

    ``outlets`` with an ``AssetAlias`` get an asset event of the request, with its model and cost.

    ``model_id``, ``inputs``, ``runcomfy_conn_id``, ``validate_inputs``, ``on_unknown_submission``, ``on_clear``,
    ``max_cost_usd``, ``media_conn_id`` and ``media_url_seconds`` are those of :class:`RunComfySubmitOperator`, and so
    are its exceptions; besides these:

    :param deferrable: wait in the triggerer, True by default; False holds the worker.
    :param poll_interval: seconds between the first polls, 5 by default; they spread as the wait goes on.
    :param max_poll_interval: seconds between polls at most, 30 by default.
    :param timeout: how long to wait, counted from the submission, one hour by default. A time-out is not
        retried; a clear waits again, with a new budget, and pays nothing.
    :param cancel_on_kill: cancel the request, if it is still queued, when a person ends the waiting task, True
        by default. A clear of a deferred task never cancels. While deferred this needs Airflow 3.3 or later. On a
        worker (``deferrable=False``) Airflow does not tell why a task is killed, so there a clear or a shutdown
        cancels too; the next try submits anew, and nothing was charged for what was cancelled.
    :param cancel_on_timeout: cancel the request, if it is still queued, when the wait times out, False by default.
    :param resubmit_failed: let retries submit a failed generation again, False by default; ``retries`` bounds
        what that costs. What content moderation refused is never submitted again.
    :returns: ``{"request_id", "model_id", "state", "media": [{"url", "kind"}], "output", "cost_usd",
        "created_at", "finished_at"}``; the XCom ``request_id`` is pushed before the wait, ``url`` (the first
        medium) at the end.
    :raises GenerationFailedError: if the generation failed. Not retried.
    :raises GenerationModeratedError: if content moderation refused it, a kind of the former. Not retried.
    :raises GenerationFailedRetryableError: if the generation failed, with ``resubmit_failed``; the retry pays anew.
    :raises GenerationTimeoutError: if it did not end in time; unless cancelled it goes on and is charged. Not retried.
    :raises GenerationCancelledError: if somebody cancelled the request meanwhile. Not retried.
    :raises RequestNotAvailableError: if the request has expired or is another account's. Not retried.
    :raises RunComfyRetryableError: also if a request that has succeeded cannot be asked for until the time-out.
    :raises RunComfyConnectionError: if the token is refused while it waits; the request goes on. Not retried.
    """

    def __init__(
        self,
        *,
        deferrable: bool = True,
        poll_interval: float = DEFAULT_POLL_INTERVAL,
        max_poll_interval: float = DEFAULT_MAX_POLL_INTERVAL,
        timeout: timedelta = timedelta(hours=1),
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = False,
        resubmit_failed: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        require_positive("poll_interval", poll_interval)
        require_positive("max_poll_interval", max_poll_interval)
        if not isinstance(timeout, timedelta) or timeout <= timedelta():
            raise ValueError(f"timeout must be a timedelta above zero; got {timeout!r}")
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.max_poll_interval = max_poll_interval
        self.timeout = timeout
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self.resubmit_failed = resubmit_failed
        self._kill = Kill()

    def execute(self, context: Context) -> Any:
        """Submit, or attach to what an earlier try submitted, and wait."""
        from airflow_provider_runcomfy import finishing

        self._kill = Kill()
        hook = self._hook()
        obtained = self._obtain(hook, context)
        self._remember_for_kill(hook, obtained.request_id)
        if self._kill.has_cancelled:
            raise finishing.cancelled_by_kill(obtained.request_id, context, self.log)
        context["ti"].xcom_push(key="request_id", value=obtained.request_id)
        if obtained.result is not None:
            return self._hand_over(obtained.result, obtained.result.error, context)
        if self.deferrable and self._is_worth_deferring(obtained):
            self._defer(obtained)
        return self._finish(obtained.request_id, self._wait(hook, obtained, context), context)

    def execute_complete(self, context: Context, event: Any) -> Any:
        """Resume when the trigger has seen the end."""
        from airflow_provider_runcomfy.api.polling import End
        from airflow_provider_runcomfy.failures import submitter
        from airflow_provider_runcomfy.triggers.events import one_from_event

        request_id, ending = one_from_event(event, submitter(context))
        if ending.end in (End.TIMED_OUT, End.UNAUTHENTICATED):
            self._remember_for_kill(self._hook(), request_id)
        return self._finish(request_id, ending, context)

    def on_kill(self) -> None:
        """Cancel the request that a killed worker waited for, if it is still queued."""
        self._kill.come(self.log, cancels=self.cancel_on_kill)

    def _obtain(self, hook: RunComfyHook, context: Context) -> Obtained:
        from airflow_provider_runcomfy.submission import obtain

        with self._kill.obtaining():
            return obtain(
                self._order(context),
                hook,
                context,
                self.log,
                lambda request_id: self._remember_for_kill(hook, request_id),
            )

    def _order(self, context: Context) -> Order:
        from dataclasses import replace

        return replace(super()._order(context), resubmit_failed=self.resubmit_failed, timeout=self.timeout)

    def _remember_for_kill(self, hook: RunComfyHook, request_id: str) -> None:
        self._kill.remember(hook, request_id, self.log, cancels=self.cancel_on_kill)

    def _is_worth_deferring(self, obtained: Obtained) -> bool:
        """Whether the deadline leaves time enough; a retry may come after it, and then only looks once more."""
        from airflow_provider_runcomfy import waiting

        return self._end_time(obtained) - time.time() > waiting.SHORTEST_DEFERRAL_SECONDS

    def _defer(self, obtained: Obtained) -> None:
        from airflow_provider_runcomfy.triggers.runcomfy import RunComfyRequestTrigger

        self.defer(
            trigger=RunComfyRequestTrigger(
                request_id=obtained.request_id,
                runcomfy_conn_id=self.runcomfy_conn_id,
                poll_interval=self.poll_interval,
                max_poll_interval=self.max_poll_interval,
                end_time=self._end_time(obtained),
                cancel_on_kill=self.cancel_on_kill,
                submitted_at=obtained.submitted_at,
            ),
            method_name="execute_complete",
        )

    def _wait(self, hook: RunComfyHook, obtained: Obtained, context: Context) -> Ending:
        from airflow_provider_runcomfy.api.polling import Poller
        from airflow_provider_runcomfy.progress import ProgressOnWorker
        from airflow_provider_runcomfy.waiting import Progress, wait_on_worker

        poller = Poller(
            now=time.time(),
            deadline=self._end_time(obtained),
            poll_interval=self.poll_interval,
            max_poll_interval=self.max_poll_interval,
            submitted_at=obtained.submitted_at,
        )
        note = ProgressOnWorker(context, self.log).note
        progress = Progress(obtained.request_id, self.runcomfy_conn_id, self.log, note)
        return wait_on_worker(hook, obtained.request_id, poller, progress)

    def _end_time(self, obtained: Obtained) -> float:
        return time.time() + self.timeout.total_seconds() if obtained.deadline is None else obtained.deadline

    def _finish(self, request_id: str, ending: Ending, context: Context) -> Any:
        from airflow_provider_runcomfy import finishing
        from airflow_provider_runcomfy.api.polling import End
        from airflow_provider_runcomfy.lineage import generation
        from airflow_provider_runcomfy.progress import tell_ends

        tell_ends({request_id: ending}, context, self.log)
        if ending.end is End.SUCCEEDED and ending.result is not None:
            return self._hand_over(ending.result, ending.reason, context)
        self._facts = generation.ended(self, request_id, ending)
        if ending.end is End.CANCELLED and self._kill.has_come:
            raise finishing.cancelled_by_kill(request_id, context, self.log)
        cancel = None
        if ending.end is End.TIMED_OUT and self.cancel_on_timeout:
            cancel = finishing.cancel_after_timeout(request_id, self._hook(), context, self.log)
        raise finishing.failure(
            request_id, ending, self.model_id, context, self.log, will_resubmit=self.resubmit_failed, cancel=cancel
        )

    def _hand_over(self, result: GenerationResult, remark: str | None, context: Context) -> Any:
        from airflow_provider_runcomfy.finishing import hand_over
        from airflow_provider_runcomfy.lineage import generation

        handed_over = hand_over(result, self.model_id, context, self.log, remark=remark or "")
        self._facts = generation.succeeded(self, result, context)
        return handed_over


class RunComfyCancelOperator(BaseOperator):
    """
    Cancel requests at RunComfy; as a teardown task it stops what nobody waits for any more.

    Only a queued request can be cancelled (documentation). A running one goes on and is charged, which is an
    outcome here, not an error. A retry cancels again, which does nothing twice. One request of a list that cannot
    be reached does not keep the others from being cancelled: the error comes last.

    A task that failed has returned nothing, so its ``.output`` is None and is refused. As the teardown of a generate
    task take the id that it pushes before it waits::

        cancel = RunComfyCancelOperator(task_id="cancel", request_id=generate.output["request_id"])
        generate >> cancel.as_teardown()

    :param request_id: an id, a result, or a list of either. (templated)
    :param runcomfy_conn_id: the connection, ``runcomfy_default`` by default. (templated)
    :returns: ``{"request_id", "outcome"}``, a list of them for a list; ``outcome`` is ``cancelled``,
        ``not_cancellable``, ``cancellation_requested`` or ``unknown``.
    :raises InvalidInputsError: if ``request_id`` names no request. Not retried.
    :raises RunComfyConnectionError: if the connection is missing or unusable, or its token is refused. Not retried.
    :raises RequestNotAvailableError: if a request has expired or is another account's. Not retried.
    :raises SubmissionRefusedError: if RunComfy refuses the cancel (400, 405, 422, ...). Not retried.
    :raises InsufficientBalanceError: if RunComfy refuses the cancel since no balance is left. Not retried.
    :raises RunComfyRetryableError: if RunComfy could not be reached for one of them.
    """

    template_fields: Sequence[str] = ("request_id", "runcomfy_conn_id")
    ui_color = "#efe7fb"

    def __init__(self, *, request_id: Any, runcomfy_conn_id: str = DEFAULT_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.request_id = request_id
        self.runcomfy_conn_id = runcomfy_conn_id

    def execute(self, context: Context) -> Any:
        """Cancel each request, and say what became of it; one that cannot be cancelled keeps no other from it."""
        from airflow_provider_runcomfy.exceptions import RunComfyFailError, RunComfyRetryableError
        from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
        from airflow_provider_runcomfy.request_ids import is_one_request, request_ids

        hook = RunComfyHook(self.runcomfy_conn_id)
        answers: list[dict[str, str]] = []
        problems: list[RunComfyRetryableError | RunComfyFailError] = []
        for request_id in request_ids(self.request_id):
            try:
                answers.append(self._cancel(hook, request_id))
            except (RunComfyRetryableError, RunComfyFailError) as error:
                self.log.error("Request %s was not cancelled: %s", request_id, error)
                problems.append(error)
        if problems:
            # If a retry can mend one of them, it has to be given the chance.
            raise next((p for p in problems if isinstance(p, RunComfyRetryableError)), problems[0])
        return answers[0] if is_one_request(self.request_id) else answers

    def _cancel(self, hook: RunComfyHook, request_id: str) -> dict[str, str]:
        outcome = hook.cancel(request_id)
        self.log.info("Request %s %s.", request_id, outcome.meaning)
        return {"request_id": request_id, "outcome": outcome.value}
