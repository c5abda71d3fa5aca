"""Submitting to a real server over real HTTP: what is sent, what is refused before it, and what each error says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_provider_runcomfy.compat import AirflowFailException
from airflow_provider_runcomfy.exceptions import (
    InsufficientBalanceError,
    InvalidInputsError,
    RequestNotAvailableError,
    RunComfyConnectionError,
    RunComfyRetryableError,
    SubmissionRefusedError,
    UnknownSubmissionError,
)
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
from airflow_provider_runcomfy.order import Order
from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from airflow_provider_runcomfy.submission import Obtained, obtain
from tests.runcomfy import CONNECTION_VARIABLE, PRO, TOKEN, connection_to, count
from tests.submission.parts import Log, StateStore, TaskInstance, context_of

pytestmark = pytest.mark.slow

SHORT = {"prompt": "A cat", "duration": 3, "sound": False}


class Task:
    """A task instance that generates; each call of :meth:`run` is one try."""

    def __init__(self) -> None:
        self.ti = TaskInstance()
        self.store = StateStore()
        self.log = Log()

    def run(self, model_id: str = PRO, inputs: Any = None, **order: Any) -> Obtained:
        order = {"conn_id": "runcomfy_default", "timeout": timedelta(hours=1), **order}
        log: Any = self.log
        return obtain(
            Order(model_id=model_id, inputs=SHORT if inputs is None else inputs, **order),
            RunComfyHook(order["conn_id"]),
            context_of(self.ti, self.store),
            log,
        )

    def fails(self, kind: type[AirflowException], **order: Any) -> str:
        """Run a try that raises exactly this class, and return what it says."""
        with pytest.raises(AirflowException) as caught:
            self.run(**order)
        assert type(caught.value) is kind
        # The last line of the task's log is this error, not a traceback through a library.
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        assert TOKEN not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def task() -> Task:
    return Task()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with running_sandbox(queue_seconds=0, run_seconds=0) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        yield sandbox


def test_a_submit_is_sent_once_and_recorded(task: Task, busy_sandbox: Sandbox) -> None:
    obtained = task.run()
    [made] = busy_sandbox.requests()
    assert obtained.request_id == made["request_id"]
    assert made["inputs"] == SHORT
    [recorded] = task.store.submissions
    assert recorded["request_id"] == obtained.request_id
    assert (recorded["model_id"], recorded["conn_id"], recorded["inputs"]) == (PRO, "runcomfy_default", SHORT)
    assert obtained.deadline == recorded["deadline"] == recorded["submitted_at"] + 3600
    assert f"RunComfy accepted request {obtained.request_id} for {PRO}; it will be charged." in task.log.lines
    assert TOKEN not in str(task.store.texts) + task.log.text


def test_a_retry_attaches_and_a_clear_gives_a_new_budget(task: Task, busy_sandbox: Sandbox) -> None:
    first = task.run()
    task.ti.retry()
    assert task.run() == first
    task.ti.clear()
    cleared = task.run()
    assert cleared.request_id == first.request_id
    assert first.deadline is not None
    assert cleared.deadline is not None
    assert cleared.deadline > first.deadline
    task.ti.retry()
    assert task.run() == cleared
    assert count(busy_sandbox)["submit"] == 1


def test_a_retry_uses_a_success(task: Task, sandbox: Sandbox) -> None:
    first = task.run()
    task.ti.retry()
    second = task.run()
    assert second.request_id == first.request_id
    assert second.result is not None
    assert second.result.media[0].url.startswith("http")
    assert count(sandbox)["submit"] == 1


def test_a_clear_with_other_inputs_cancels_what_is_queued(task: Task, busy_sandbox: Sandbox) -> None:
    first = task.run()
    task.ti.clear()
    second = task.run(inputs={**SHORT, "prompt": "A dog"})
    assert [(made["request_id"], made["state"]) for made in busy_sandbox.requests()] == [
        (first.request_id, "cancelled"),
        (second.request_id, "in_queue"),
    ]
    assert [(item["outcome"], item["detail"]) for item in task.store.submissions] == [
        ("cancelled", "replaced; cancel: cancelled"),
        (None, None),
    ]


def test_numbers_that_jinja_made_text_are_sent_as_numbers(task: Task, busy_sandbox: Sandbox) -> None:
    task.run(inputs={"prompt": "A cat", "duration": "3", "sound": "False"})
    [made] = busy_sandbox.requests()
    assert made["inputs"] == SHORT


def test_every_fault_of_the_inputs_is_told_before_anything_is_sent(task: Task, sandbox: Sandbox) -> None:
    inputs = {
        "prompt": " ",
        "duration": 20,
        "aspec_ratio": "16:9",
        "multi_prompt": [{"prompt": "a", "duration": 3}, {"prompt": "b", "duration": 4}],
    }
    said = task.fails(InvalidInputsError, inputs=inputs)
    assert said.splitlines()[0] == f"The inputs of {PRO} have 4 faults; nothing was submitted, nothing was charged:"
    assert [line.split(":")[0].strip() for line in said.splitlines()[1:]] == [
        "prompt",
        "duration",
        "aspec_ratio",
        "multi_prompt[].duration",
        "This is by the schema in RunComfy's live catalogue; validate_inputs=False submits without any check.",
    ]
    assert "did you mean aspect_ratio?" in said
    # Whether RunComfy takes by now what the package's schema does not allow.
    assert count(sandbox) == {"models": 1}
    assert task.store.stored is None


@pytest.mark.parametrize(
    ("order", "words"),
    [
        pytest.param({"inputs": "A cat"}, "nothing was submitted", id="text for inputs"),
        pytest.param({"inputs": []}, "nothing was submitted", id="a list for inputs"),
        pytest.param({"inputs": {**SHORT, "seed": {1, 2}}}, "nothing was submitted", id="a set within"),
        pytest.param({"inputs": {"x": float("nan")}, "model_id": "own/model"}, "nothing was submitted", id="NaN"),
        pytest.param(
            {"inputs": {"x": float("nan")}, "validate_inputs": False}, "Nothing was submitted", id="unchecked NaN"
        ),
        pytest.param({"inputs": {"x": {1}}, "validate_inputs": False}, "Nothing was submitted", id="unchecked set"),
        pytest.param({"model_id": "../balance"}, "Nothing was submitted", id="a path for a model"),
        pytest.param({"model_id": "a b"}, "Nothing was submitted", id="white space in a model"),
        pytest.param({"model_id": "a//b", "validate_inputs": False}, "Nothing was submitted", id="empty segment"),
        pytest.param({"model_id": None}, "Nothing was submitted", id="no model"),
    ],
)
def test_bad_input_of_every_kind_fails_before_anything_is_sent(
    task: Task, sandbox: Sandbox, order: dict[str, Any], words: str
) -> None:
    assert words in task.fails(InvalidInputsError, **order)
    assert sandbox.calls() == []
    assert task.store.stored is None


@pytest.mark.parametrize(
    ("fault", "kind", "advice"),
    [
        pytest.param(
            {"code": 401}, RunComfyConnectionError, "Set a valid API token as the password", id="401: bad token"
        ),
        pytest.param(
            {"code": 400, "error_code": 400004},
            RunComfyConnectionError,
            "Set a valid API token as the password",
            id="400004: bad token",
        ),
        pytest.param(
            {"code": 402}, InsufficientBalanceError, "Add funds to the RunComfy account", id="402: no balance"
        ),
        pytest.param(
            {"code": 400, "error_code": 400002},
            InsufficientBalanceError,
            "Add funds to the RunComfy account",
            id="400002: no balance",
        ),
        pytest.param(
            {"code": 422, "error_code": 422000},
            SubmissionRefusedError,
            "Check the model id and the inputs",
            id="422: inputs refused",
        ),
        pytest.param(
            {"code": 403, "error_code": 403001},
            RequestNotAvailableError,
            "This account may not use the model, or there is none of that id: check the model id.",
            id="403: model not for this account",
        ),
        pytest.param({"code": 404}, SubmissionRefusedError, "Nothing was charged", id="404: some gateway's page"),
    ],
)
def test_a_certain_refusal_is_not_retried_and_a_clear_submits(
    task: Task, busy_sandbox: Sandbox, fault: dict[str, Any], kind: type[AirflowException], advice: str
) -> None:
    body = {} if "error_code" in fault or fault["code"] != 404 else {"body": "<html>not here</html>"}
    busy_sandbox.add_fault("status", calls=["submit"], **fault, **body)
    said = task.fails(kind)
    assert issubclass(kind, AirflowFailException)
    assert said.startswith(f"Submit to {PRO}: ")
    assert said.endswith("Nothing was charged.")
    assert advice in said
    [refused] = task.store.submissions
    assert (refused["outcome"], refused["detail"]) == ("refused", said)
    task.ti.clear()
    task.run()
    assert len(busy_sandbox.requests()) == 1


def test_an_unknown_model_is_submitted_unchecked_and_the_log_says_so(task: Task, sandbox: Sandbox) -> None:
    said = task.fails(SubmissionRefusedError, model_id="kling/kling-9.9/pro/text-to-video", inputs={"anything": 1})
    assert "400001" in said
    [line] = task.log.lines
    assert line.startswith(
        "The inputs are submitted unchecked: this package has no schema of kling/kling-9.9/pro/text-to-video, and "
        "RunComfy's catalogue gave none (Catalogue entry of kling/kling-9.9/pro/text-to-video: unknown model_id"
    )
    assert count(sandbox)["submit"] == 1


def test_a_mistyped_model_is_told_which_one_may_be_meant(task: Task, sandbox: Sandbox) -> None:
    task.fails(SubmissionRefusedError, model_id=PRO.replace("text-to", "tekst-to"))
    assert f"did you mean {PRO}?" in task.log.text


def test_429_is_waited_out(task: Task, busy_sandbox: Sandbox) -> None:
    busy_sandbox.add_fault("status", calls=["submit"], code=429, headers={"Retry-After": "0"}, times=2)
    task.run()
    assert count(busy_sandbox)["submit"] == 3
    assert len(busy_sandbox.requests()) == 1
    assert len(task.store.submissions) == 1


LOST = pytest.param({"effect": "lost_answer"}, 1, id="the answer is lost")
UNAVAILABLE = pytest.param({"effect": "status", "code": 503, "calls": ["submit"]}, 0, id="503")


@pytest.mark.parametrize(("fault", "taken"), [LOST, UNAVAILABLE])
@pytest.mark.parametrize(
    "next_try", [pytest.param(TaskInstance.retry, id="retried"), pytest.param(TaskInstance.clear, id="cleared")]
)
def test_an_unanswered_submit_is_never_sent_again(
    task: Task, busy_sandbox: Sandbox, fault: dict[str, Any], taken: int, next_try: Callable[[TaskInstance], None]
) -> None:
    busy_sandbox.add_fault(**fault)
    said = task.fails(UnknownSubmissionError)
    [recorded] = task.store.submissions
    assert issubclass(UnknownSubmissionError, AirflowFailException)
    assert said.startswith(f"Submit to {PRO}: ")
    assert "it may have been charged, and it was not sent again" in said
    assert f"It was sent at {recorded['intent_at']}. Look in your RunComfy account for a request of that time." in said
    assert said.endswith("Then clear the task.")

    next_try(task.ti)
    said = task.fails(UnknownSubmissionError)
    assert said.startswith(
        f"An earlier try began to submit to {PRO} at {recorded['intent_at']}, and its request id was not recorded. "
        "RunComfy may have taken it and charge it, so it is not submitted again. Look in your RunComfy account"
    )
    assert count(busy_sandbox)["submit"] == 1
    assert len(busy_sandbox.requests()) == taken


def adopt_as_the_error_says(task: Task, said: str, request_id: str) -> None:
    """Follow the text: the key and the time are those that it names."""
    assert "edit the key 'runcomfy' and write its id as the \"request_id\" of the submission with that" in said
    [intent_at] = re.findall(r" at (\d{4}-[^ ,]+?)[.,] ", said)
    task.store.adopt(f" {request_id}\n", intent_at)


def test_a_person_adopts_what_was_lost_as_the_error_says(task: Task, busy_sandbox: Sandbox) -> None:
    busy_sandbox.add_fault("lost_answer")
    said = task.fails(UnknownSubmissionError)
    [lost] = busy_sandbox.requests()
    adopt_as_the_error_says(task, said, lost["request_id"])
    task.ti.clear()
    obtained = task.run()
    assert obtained.request_id == lost["request_id"]
    assert obtained.deadline is not None
    task.ti.retry()
    assert task.run().request_id == lost["request_id"]
    assert count(busy_sandbox)["submit"] == 1


def test_a_person_adopts_by_the_error_of_a_later_try(task: Task, sandbox: Sandbox) -> None:
    sandbox.add_fault("lost_answer")
    task.fails(UnknownSubmissionError)
    task.ti.clear()
    [lost] = sandbox.requests()
    adopt_as_the_error_says(task, task.fails(UnknownSubmissionError), lost["request_id"])
    task.ti.clear()
    obtained = task.run()
    assert obtained.result is not None
    assert obtained.result.request_id == lost["request_id"]
    assert count(sandbox)["submit"] == 1


def test_an_adopted_id_that_is_wrong_settles_nothing(task: Task, busy_sandbox: Sandbox) -> None:
    busy_sandbox.add_fault("lost_answer")
    adopt_as_the_error_says(task, task.fails(UnknownSubmissionError), "mistyped")
    task.ti.clear()
    said = task.fails(UnknownSubmissionError)
    assert "RunComfy does not have request mistyped, whose id was written into the record" in said
    [lost] = busy_sandbox.requests()
    adopt_as_the_error_says(task, task.fails(UnknownSubmissionError), lost["request_id"])
    task.ti.clear()
    assert task.run().request_id == lost["request_id"]
    assert count(busy_sandbox)["submit"] == 1


def test_a_person_pays_anew_as_the_error_says(task: Task, busy_sandbox: Sandbox) -> None:
    busy_sandbox.add_fault("status", code=503, calls=["submit"])
    assert "If it is not, delete the key 'runcomfy' to pay anew. Then clear the task." in task.fails(
        UnknownSubmissionError
    )
    task.store.delete_key()
    task.ti.clear()
    task.run()
    assert len(busy_sandbox.requests()) == 1


def test_with_on_unknown_submission_resubmit_a_retry_submits_again(task: Task, busy_sandbox: Sandbox) -> None:
    busy_sandbox.add_fault("lost_answer")
    said = task.fails(RunComfyRetryableError, on_unknown_submission="resubmit")
    assert "A retry, if one is left, submits again, which may pay twice" in said
    task.ti.retry()
    task.run(on_unknown_submission="resubmit")
    assert len(busy_sandbox.requests()) == 2
    assert "Submitting again, which may pay twice, because on_unknown_submission is 'resubmit'." in task.log.text


def test_the_request_of_another_account_is_refused(
    task: Task, busy_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = task.run()
    task.store.change_newest(submitted_at=1.0)  # A new request may be unknown for a minute.
    monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(busy_sandbox, token="somebody-elses-token"))
    task.ti.retry()
    said = task.fails(RequestNotAvailableError)
    assert said.startswith(f"RunComfy no longer has request {first.request_id} for {PRO}, or it is another account's.")
    assert "clear the task to pay anew" in said


def test_a_missing_connection_sends_nothing(task: Task, sandbox: Sandbox) -> None:
    said = task.fails(RunComfyConnectionError, conn_id="runcomfy_missing")
    assert said.startswith("There is no Airflow connection 'runcomfy_missing'.")
    assert said.endswith("Nothing was sent, nothing was charged.")
    assert task.store.stored is None


@pytest.mark.parametrize("next_try", [TaskInstance.retry, TaskInstance.clear])
def test_a_connection_that_is_gone_at_a_later_try_names_what_was_paid(
    task: Task,
    busy_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    next_try: Callable[[TaskInstance], None],
) -> None:
    monkeypatch.setattr("airflow_provider_runcomfy.looking._REREAD_SECONDS", 0.0)
    first = task.run()
    monkeypatch.delenv(CONNECTION_VARIABLE)
    next_try(task.ti)
    said = task.fails(RunComfyConnectionError)
    assert said.startswith(
        f"This try could not ask for request {first.request_id}, which try 1 submitted: it goes on and is charged. "
        "There is no Airflow connection 'runcomfy_default'."
    )
    assert said.endswith(
        "Mend the connection, then clear the task to wait for it again, with a new budget of time, which pays nothing."
    )
    assert "nothing was charged" not in said


def test_one_refused_token_at_a_later_try_does_not_end_it(
    task: Task, busy_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_runcomfy.looking._REREAD_SECONDS", 0.0)
    first = task.run()
    task.ti.retry()
    busy_sandbox.add_fault("status", code=401, calls=["result"])
    assert task.run() == first
    assert count(busy_sandbox)["result"] == 2


def test_an_empty_token_sends_nothing(task: Task, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox, token=" Bearer "))
    said = task.fails(RunComfyConnectionError)
    assert "'runcomfy_default' has no API token" in said
    assert said.endswith("Nothing was sent, nothing was charged.")
    assert sandbox.calls() == []
    assert task.store.stored is None
