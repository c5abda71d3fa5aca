"""The POST that costs money; at every moment around it the record says what a later try has to know."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pendulum

from airflow_provider_runcomfy import submit_failures
from airflow_provider_runcomfy.api.client import resending
from airflow_provider_runcomfy.api.errors import RunComfyError, SubmissionUnknownError
from airflow_provider_runcomfy.exceptions import RunComfyRetryableError, airflow_errors
from airflow_provider_runcomfy.record import Outcome, Record, Submission

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_runcomfy.api.client import RunComfyClient
    from airflow_provider_runcomfy.api.wire import Call
    from airflow_provider_runcomfy.store import RecordStore


class Posting:
    """
    One submission, from its intent to its id in the record.

    :param earlier: the record without it.
    :param max_tries: what the record says of the task instance once this is submitted.
    :param will_resubmit: whether a retry of an unknown submission submits again.
    """

    def __init__(
        self,
        client: RunComfyClient,
        store: RecordStore,
        log: Logger,
        *,
        earlier: Record,
        max_tries: int,
        will_resubmit: bool,
    ) -> None:
        self._client = client
        self._store = store
        self._log = log
        self._earlier = earlier
        self._max_tries = max_tries
        self._will_resubmit = will_resubmit
        #: What is certain while nothing is under way.
        self._certain = earlier
        #: Whether the latest POST was certainly refused, and the record says so.
        self.is_refused = False

    def send(self, call: Call, submission: Submission) -> Submission:
        """Submit, and return the submission with its id and time; it is sent again where it certainly was not taken."""
        with airflow_errors():
            taken: Submission = resending()(self._send_once, call, submission)
        return taken

    def record(self, taken: Submission) -> None:
        """Write a submission that RunComfy has taken."""
        try:
            self._store.write(self._earlier.adding(taken, max_tries=self._max_tries))
        except RunComfyRetryableError as error:
            raise submit_failures.submission_not_recorded(error, taken, self._store.how_to_settle) from None

    def _send_once(self, call: Call, submission: Submission) -> Submission:
        self.is_refused = False
        intent = replace(submission, intent_at=pendulum.now("UTC").isoformat(timespec="milliseconds"))
        self._write_intent(intent)
        try:
            request_id = self._client.submit_once(call)
        except SubmissionUnknownError as error:
            raise submit_failures.submit_unanswered(
                error, intent, self._store.how_to_settle, will_resubmit=self._will_resubmit
            ) from None
        except RunComfyError as error:
            self._write_refusal(intent, error)
            raise
        except BaseException as error:
            # A time-out of Airflow's or a kill: the intent stays in the record.
            self._log.warning(
                "This try was ended (%s) while its submit to %s of %s was under way: RunComfy may have taken it and "
                "charge it.",
                type(error).__name__,
                intent.model_id,
                intent.intent_at,
            )
            raise
        # Logged before it is recorded: should the try die in between, a person finds the id here.
        self._log.info("RunComfy accepted request %s for %s; it will be charged.", request_id, intent.model_id)
        return replace(intent, request_id=request_id, submitted_at=time.time())

    def _write_intent(self, intent: Submission) -> None:
        try:
            self._store.write(self._earlier.adding(intent, max_tries=self._max_tries))
        except RunComfyRetryableError as error:
            # It may have been kept, with only the answer lost; and nothing was sent.
            raise submit_failures.intent_not_recorded(error, intent, taken_back=self._is_taken_back()) from None

    def _is_taken_back(self) -> bool:
        try:
            self._store.write(self._certain)
        except RunComfyRetryableError:
            return False
        return True

    def _write_refusal(self, intent: Submission, error: RunComfyError) -> None:
        """Close the intent, also for the pause before it is sent again: a try may be killed in it."""
        refused = replace(intent, outcome=Outcome.REFUSED, detail=str(error))
        # A clear that came to nothing is still to be answered: the record keeps the max_tries from before it.
        self._certain = self._earlier.adding(refused, max_tries=self._earlier.max_tries)
        try:
            self._store.write(self._certain)
            self.is_refused = True
        except RunComfyRetryableError as trouble:
            self._log.warning("%s The next try will not know that this was refused: %s", trouble, error)
