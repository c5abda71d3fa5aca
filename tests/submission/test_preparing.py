"""From inputs to what is sent, over real HTTP: the live catalogue's schema and price, and media from a store."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException
from botocore.exceptions import ClientError, NoCredentialsError

from airflow_provider_runcomfy import presigning
from airflow_provider_runcomfy.api.media_inputs import Medium
from airflow_provider_runcomfy.compat import AirflowFailException
from airflow_provider_runcomfy.exceptions import (
    CostLimitError,
    InvalidInputsError,
    MediaInputError,
    RunComfyConnectionError,
    RunComfyRetryableError,
    SubmissionRefusedError,
)
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
from airflow_provider_runcomfy.order import Order
from airflow_provider_runcomfy.record import hash_inputs
from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from airflow_provider_runcomfy.submission import Obtained, obtain
from tests.airflow_db import has_task_state_store, needs_task_state_store
from tests.runcomfy import CONNECTION_VARIABLE, PRO, connection_to, count
from tests.submission.parts import Log, StateStore, TaskInstance, context_of

pytestmark = pytest.mark.slow

IMAGE_TO_VIDEO = "sandbox/image-to-video"
SHORT = {"prompt": "A cat", "duration": 3, "sound": False}
FRAME = {"prompt": "It moves", "image_url": "https://example.com/cat.png", "duration": 3}
STORED = {"prompt": "It moves", "image_url": "s3://frames/cat.png", "duration": 3}
SIGNED = "https://frames.s3.amazonaws.com/cat.png?X-Amz-Signature=0123456789abcdef"


class Task:
    """A task instance that generates; each call of :meth:`run` is one try."""

    def __init__(self) -> None:
        self.ti = TaskInstance()
        self.store = StateStore()
        self.log = Log()

    def run(self, inputs: Any = SHORT, model_id: str = PRO, **order: Any) -> Obtained:
        log: Any = self.log
        given = Order(
            model_id=model_id, inputs=inputs, conn_id="runcomfy_default", timeout=timedelta(hours=1), **order
        )  # fmt: skip
        context = context_of(self.ti, self.store if has_task_state_store else None)
        return obtain(given, RunComfyHook(), context, log)

    def fails(self, kind: type[AirflowException], *args: Any, **order: Any) -> str:
        with pytest.raises(AirflowException) as caught:
            self.run(*args, **order)
        assert type(caught.value) is kind
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        return str(caught.value)


@pytest.fixture
def task() -> Task:
    return Task()


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with running_sandbox(queue_seconds=1000) as sandbox:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection_to(sandbox))
        yield sandbox


def entry_is(sandbox: Sandbox, model_id: str = PRO, **keys: Any) -> None:
    """Let the catalogue say this of a model."""
    sandbox.add_fault("status", calls=["models"], code=200, body={"model_id": model_id, **keys}, times=None)


def made(sandbox: Sandbox) -> Any:
    [request] = sandbox.requests()
    return request["inputs"]


class TestTheLiveSchema:
    def test_checks_a_model_that_the_package_does_not_know(self, task: Task, sandbox: Sandbox) -> None:
        said = task.fails(InvalidInputsError, {"prompt": "A", "duration": 99, "image": "b"}, IMAGE_TO_VIDEO)
        assert said.splitlines() == [
            f"The inputs of {IMAGE_TO_VIDEO} have 3 faults; nothing was submitted, nothing was charged:",
            "  duration: got 99; a whole number from 3 to 15",
            "  image_url: got nothing; required: text that is not blank",
            "  image: got 'b'; no such field: did you mean image_url?",
            "This is by the schema in RunComfy's live catalogue; validate_inputs=False submits without any check.",
        ]
        assert count(sandbox) == {"models": 1}
        assert task.store.stored is None

    def test_turns_numbers_back_that_jinja_made_text(self, task: Task, sandbox: Sandbox) -> None:
        task.run({**FRAME, "duration": "3"}, IMAGE_TO_VIDEO)
        assert made(sandbox) == FRAME
        assert count(sandbox) == {"models": 1, "submit": 1}
        assert "unchecked" not in task.log.text

    def test_is_not_asked_for_where_the_package_knows_better_for_sure(self, task: Task, sandbox: Sandbox) -> None:
        task.run(SHORT)
        assert count(sandbox) == {"submit": 1}

    def test_has_the_last_word_on_what_a_schema_of_the_package_refuses(self, task: Task, sandbox: Sandbox) -> None:
        fields = {"prompt": {"type": "string"}, "duration": {"type": "integer"}, "seed": {"type": "integer"}}
        entry_is(sandbox, input_schema={"type": "object", "properties": fields})
        # The sandbox itself still has the old schema: that it refuses shows that it was asked.
        said = task.fails(SubmissionRefusedError, {"prompt": "A cat", "duration": 3, "seed": "7"})
        assert "seed" in said
        assert (
            f"The inputs of {PRO} do not fit the schema in this package, and fit the newer one of RunComfy's catalogue."
            in task.log.lines
        )

    @pytest.mark.parametrize(
        "fault",
        [
            {"effect": "status", "code": 503},
            {"effect": "status", "code": 404, "error_code": 404000},
            {"effect": "status", "code": 429},
            {"effect": "status", "code": 200, "body": "<html>not RunComfy</html>"},
            {"effect": "status", "code": 200, "body": {"model_id": "another/model"}},
            {"effect": "outage", "seconds": 60, "drop": True},
        ],
        ids=lambda fault: str(fault.get("code", fault["effect"])),
    )
    def test_that_cannot_be_had_warns_and_blocks_nothing(
        self, task: Task, sandbox: Sandbox, fault: dict[str, Any]
    ) -> None:
        sandbox.add_fault(**fault, calls=["models"])
        task.run(FRAME, IMAGE_TO_VIDEO)
        assert count(sandbox) == {"models": 1, "submit": 1}
        [warning] = [line for line in task.log.lines if "unchecked" in line]
        assert warning.startswith(
            f"The inputs are submitted unchecked: this package has no schema of {IMAGE_TO_VIDEO}, and RunComfy's "
            f"catalogue gave none (Catalogue entry of {IMAGE_TO_VIDEO}: "
        )

    @pytest.mark.parametrize(
        "schema", [None, [], "x", {"type": "array"}, {"$ref": "https://example.com/x"}, {"properties": {}}], ids=repr
    )
    def test_that_cannot_be_read_warns_and_blocks_nothing(self, task: Task, sandbox: Sandbox, schema: Any) -> None:
        entry_is(sandbox, IMAGE_TO_VIDEO, input_schema=schema)
        task.run(FRAME, IMAGE_TO_VIDEO)
        assert "(its entry has none that can be read)." in task.log.text

    def test_that_cannot_be_had_leaves_the_word_to_the_package(self, task: Task, sandbox: Sandbox) -> None:
        sandbox.add_fault("status", calls=["models"], code=503)
        said = task.fails(InvalidInputsError, {"prompt": "A cat", "seed": 7})
        assert "seed: got 7; no such field" in said
        assert count(sandbox) == {"models": 1}

    def test_that_is_slow_is_not_waited_for_without_end(
        self, task: Task, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("airflow_provider_runcomfy.catalogue._CONNECT_SECONDS", 0.2)
        monkeypatch.setattr("airflow_provider_runcomfy.catalogue._READ_SECONDS", 0.3)
        sandbox.add_fault("delay", calls=["models"], seconds=60)
        before = time.monotonic()
        task.run(FRAME, IMAGE_TO_VIDEO)
        assert time.monotonic() - before < 30
        assert "unchecked" in task.log.text

    def test_is_not_asked_for_without_validation(self, task: Task, sandbox: Sandbox) -> None:
        task.run(FRAME, IMAGE_TO_VIDEO, validate_inputs=False)
        assert count(sandbox) == {"submit": 1}


class TestTheLimit:
    def test_lets_what_costs_less_pass_and_tells_the_estimate(self, task: Task, sandbox: Sandbox) -> None:
        task.run(SHORT, max_cost_usd=0.336)
        assert task.log.lines[0] == (
            "Estimated cost, by RunComfy's catalogue: 3 s (duration) x 0.112 USD per second (base_price_usd) = 0.336 "
            "USD; max_cost_usd is 0.336."
        )
        assert sandbox.requests()[0]["charged_usd"] == 0.336
        assert count(sandbox) == {"models": 1, "submit": 1}

    def test_stops_what_costs_more_with_the_arithmetic(self, task: Task, sandbox: Sandbox) -> None:
        said = task.fails(CostLimitError, {"prompt": "A cat", "duration": 15}, max_cost_usd="2.5")
        assert said == (
            f"A submit to {PRO} would cost more than max_cost_usd, which is 2.5 USD, by estimate: 15 s (duration) x "
            "0.168 USD per second (the dearest in '0.168 USD per second with sound') = 2.52 USD. The price is that of "
            "RunComfy's catalogue; its bill may differ. Nothing was submitted, nothing was charged. Ask for less or "
            "raise max_cost_usd, then clear the task."
        )
        assert issubclass(CostLimitError, AirflowFailException)
        assert count(sandbox) == {"models": 1}
        assert task.store.stored is None

    def test_counts_what_is_not_given_by_its_default(self, task: Task, sandbox: Sandbox) -> None:
        task.fails(CostLimitError, {"prompt": "A cat"}, max_cost_usd=0.839)
        task.run({"prompt": "A cat"}, max_cost_usd=0.84)
        assert sandbox.requests()[0]["charged_usd"] == 0.84

    def test_knows_the_defaults_of_the_live_schema_without_validation(self, task: Task, sandbox: Sandbox) -> None:
        inputs = {"prompt": "a", "image_url": "https://example.com/a.png"}
        said = task.fails(CostLimitError, inputs, IMAGE_TO_VIDEO, max_cost_usd=0.1, validate_inputs=False)
        assert "5 s (duration) x 0.1 USD per second (base_price_usd) = 0.5 USD" in said

    @pytest.mark.parametrize(
        ("entry", "why"),
        [
            ({}, "its base_price_usd is None"),
            ({"base_price_usd": 0.1, "price_unit": "step"}, "its price_unit is 'step'"),
        ],
    )
    def test_refuses_an_unknown_price(self, task: Task, sandbox: Sandbox, entry: Any, why: str) -> None:
        entry_is(sandbox, **entry)
        said = task.fails(CostLimitError, max_cost_usd=100)
        assert said == (
            f"What a submit to {PRO} costs cannot be estimated from RunComfy's catalogue ({why}), so it may be above "
            "max_cost_usd, which is 100 USD. Nothing was submitted, nothing was charged. Set max_cost_usd=None to "
            "submit without a limit, then clear the task."
        )
        assert count(sandbox)["submit"] == 0

    def test_refuses_a_model_that_the_catalogue_does_not_have(self, task: Task, sandbox: Sandbox) -> None:
        assert "unknown model_id" in task.fails(CostLimitError, model_id="no/such/model", max_cost_usd=100)
        assert count(sandbox)["submit"] == 0

    @needs_task_state_store
    def test_is_retried_where_the_catalogue_is_away(
        self, task: Task, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
        sandbox.add_fault("status", calls=["models"], code=503, times=4)
        task.fails(RunComfyRetryableError, max_cost_usd=1)
        assert count(sandbox) == {"models": 4}
        assert task.store.stored is None
        task.ti.retry()
        task.run(max_cost_usd=1)

    def test_a_refused_token_is_named_as_that(self, task: Task, sandbox: Sandbox) -> None:
        sandbox.add_fault("status", calls=["models"], code=401, error_code=400004)
        task.fails(RunComfyConnectionError, max_cost_usd=1)

    @pytest.mark.parametrize("limit", ["", "None", "ten", 0, -1, True, float("nan"), float("inf"), [1]], ids=repr)
    def test_that_is_none_is_not_taken_for_no_limit(self, task: Task, sandbox: Sandbox, limit: Any) -> None:
        said = task.fails(InvalidInputsError, max_cost_usd=limit)
        assert "it must be a number of US dollars above 0, or None for no limit. Nothing was submitted" in said
        assert sandbox.calls() == []

    @needs_task_state_store
    def test_is_no_question_once_it_was_paid(self, task: Task, sandbox: Sandbox) -> None:
        first = task.run()
        task.ti.retry()
        assert task.run(max_cost_usd=0.01).request_id == first.request_id
        assert count(sandbox) == {"submit": 1, "result": 1}

    @needs_task_state_store
    def test_that_stops_a_clear_names_the_request_that_goes_on(self, task: Task, sandbox: Sandbox) -> None:
        first = task.run()
        task.ti.clear()
        said = task.fails(CostLimitError, {**SHORT, "duration": 15}, max_cost_usd=1)
        assert f"The earlier request {first.request_id} is not replaced: it goes on and is charged." in said
        assert [request["state"] for request in sandbox.requests()] == ["in_queue"]


class Signer:
    """Signs for every store; ``signed`` has what it was asked for, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.signed: list[tuple[str, str, str, int]] = []
        monkeypatch.setattr(presigning, "_s3", self._sign)
        monkeypatch.setattr(presigning, "_gcs", self._sign)

    def _sign(self, bucket: str, key: str, conn_id: str, seconds: int) -> str:
        self.signed.append((bucket, key, conn_id, seconds))
        return SIGNED.replace("cat.png", key)


@pytest.fixture
def signer(monkeypatch: pytest.MonkeyPatch) -> Signer:
    return Signer(monkeypatch)


class TestMediaInAStore:
    @needs_task_state_store
    def test_are_signed_for_and_only_runcomfy_gets_the_url(self, task: Task, sandbox: Sandbox, signer: Signer) -> None:
        task.run(STORED, IMAGE_TO_VIDEO)
        assert made(sandbox) == {**STORED, "image_url": SIGNED}
        [recorded] = task.store.submissions
        assert (recorded["inputs"], recorded["inputs_hash"]) == (STORED, hash_inputs(STORED))
        assert "Signature" not in task.log.text + str(task.store.texts) + str(task.ti.xcoms)
        assert signer.signed == [("frames", "cat.png", "aws_default", 86_400)]

    def test_are_signed_for_once_each_wherever_they_are(self, task: Task, sandbox: Sandbox, signer: Signer) -> None:
        references = ["s3://frames/cat.png", "gs://frames/dog.png", "https://example.com/a.png"]
        task.run({**STORED, "reference_images": references}, IMAGE_TO_VIDEO, media_url_seconds=60)
        assert made(sandbox)["reference_images"] == [SIGNED, SIGNED.replace("cat", "dog"), references[2]]
        assert signer.signed == [
            ("frames", "cat.png", "aws_default", 60),
            ("frames", "dog.png", "google_cloud_default", 60),
        ]

    def test_are_signed_for_with_the_connection_that_is_named(
        self, task: Task, sandbox: Sandbox, signer: Signer
    ) -> None:
        task.run(STORED, IMAGE_TO_VIDEO, media_conn_id="frames_reader")
        assert signer.signed == [("frames", "cat.png", "frames_reader", 86_400)]

    def test_of_two_kinds_are_not_signed_for_with_one_connection(
        self, task: Task, sandbox: Sandbox, signer: Signer
    ) -> None:
        inputs = {**STORED, "reference_images": ["gs://frames/dog.png"]}
        said = task.fails(MediaInputError, inputs, IMAGE_TO_VIDEO, media_conn_id="mine")
        assert "names one connection, 'mine', for both. Nothing was submitted" in said
        assert signer.signed == []

    def test_are_signed_for_without_a_schema_too(self, task: Task, sandbox: Sandbox, signer: Signer) -> None:
        task.run(STORED, IMAGE_TO_VIDEO, validate_inputs=False)
        assert made(sandbox)["image_url"] == SIGNED

    @needs_task_state_store
    def test_are_not_signed_for_again_by_a_retry_nor_seen_as_other_inputs(
        self, task: Task, sandbox: Sandbox, signer: Signer
    ) -> None:
        first = task.run(STORED, IMAGE_TO_VIDEO)
        task.ti.retry()
        assert task.run(STORED, IMAGE_TO_VIDEO).request_id == first.request_id
        task.ti.clear()
        assert task.run(STORED, IMAGE_TO_VIDEO).request_id == first.request_id
        assert len(signer.signed) == 1
        assert "other inputs" not in task.log.text

    def test_are_signed_for_when_all_else_is_known_to_be_right(
        self, task: Task, sandbox: Sandbox, signer: Signer
    ) -> None:
        task.fails(CostLimitError, STORED, IMAGE_TO_VIDEO, max_cost_usd=0.01)
        task.fails(InvalidInputsError, {**STORED, "duration": 99}, IMAGE_TO_VIDEO)
        assert signer.signed == []

    @pytest.mark.parametrize("code", [422, 500])
    def test_are_not_told_of_by_an_answer_that_repeats_them(
        self, task: Task, sandbox: Sandbox, signer: Signer, code: int
    ) -> None:
        body = {"error_code": code * 1000, "error_message": f"cannot fetch '{SIGNED}'", "detail": [{"input": SIGNED}]}
        sandbox.add_fault("status", calls=["submit"], code=code, body=body)
        with pytest.raises(AirflowException, match=r"cannot fetch 'https://frames\.s3\.") as caught:
            task.run(STORED, IMAGE_TO_VIDEO)
        assert "Signature" not in str(caught.value) + task.log.text + str(task.store.texts)

    def test_are_not_told_of_by_a_failure_that_repeats_them(self, task: Task, sandbox: Sandbox, signer: Signer) -> None:
        request_id = task.run(STORED, IMAGE_TO_VIDEO).request_id
        sandbox.add_fault(
            "status", calls=["result"], code=200,
            body={"request_id": request_id, "status": "failed", "error": f"cannot fetch {SIGNED}"},
        )  # fmt: skip
        error = RunComfyHook().get_result(request_id).error
        assert error == "cannot fetch https://frames.s3.amazonaws.com/cat.png?…"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("image_url", "/data/cat.png", "a local path cannot be fetched"),
        ("image_url", "http://example.com/cat.png", "plain HTTP is not fetched"),
        ("reference_images", ["file:///data/cat.png"], "file: cannot be fetched"),
    ],
)
def test_a_medium_that_runcomfy_cannot_fetch_is_refused_before_it_is_paid_for(
    task: Task, sandbox: Sandbox, field: str, value: Any, words: str
) -> None:
    said = task.fails(InvalidInputsError, {**FRAME, field: value}, IMAGE_TO_VIDEO)
    assert f"have 1 fault; nothing was submitted, nothing was charged:\n  {field}" in said
    assert words in said
    assert count(sandbox) == {"models": 1}


def test_a_sandbox_may_be_given_plain_http_of_this_machine(task: Task, sandbox: Sandbox) -> None:
    url = f"{sandbox.files_url}/cat.png"
    task.run({**FRAME, "image_url": url}, IMAGE_TO_VIDEO)
    assert made(sandbox)["image_url"] == url


def store_error(status: int, code: str) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "No"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetObject")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (store_error(404, "NoSuchKey"), MediaInputError, "connection 'aws_default' gives no URL by which RunComfy "
         "could fetch s3://frames/cat.png: ClientError: An error occurred (NoSuchKey) when calling the GetObject "
         "operation: No. Nothing was submitted"),
        (store_error(403, "AccessDenied"), MediaInputError, "that the identity may read it, then clear the task."),
        (store_error(503, "SlowDown"), RunComfyRetryableError, "could not be asked for s3://frames/cat.png: "
         "ClientError: An error occurred (SlowDown) when calling the GetObject operation: No. Nothing was submitted, "
         "nothing was charged. A retry asks again."),
        (store_error(400, "ExpiredToken"), RunComfyRetryableError, "A retry asks again."),
        (OSError("reset"), RunComfyRetryableError, "A retry asks again."),
        (NoCredentialsError(), MediaInputError, "NoCredentialsError"),
        (ModuleNotFoundError("No module named 'airflow.providers.amazon'"), MediaInputError,
         "Install 'airflow-provider-runcomfy[amazon]' on the workers, then clear the task."),
    ],
)  # fmt: skip
def test_a_store_that_gives_no_url_stops_the_submit(
    task: Task,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[AirflowException],
    words: str,
) -> None:
    def fail(*at: object) -> str:
        raise error

    monkeypatch.setattr(presigning, "_s3", fail)
    said = task.fails(kind, STORED, IMAGE_TO_VIDEO)
    assert said.startswith("image_url: ")
    assert words in said
    assert count(sandbox)["submit"] == 0
    assert task.store.stored is None


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [("http://127.0.0.1:9000/a?s=1", True), ("http://minio.internal/a?s=1", False)],
)
def test_a_store_with_a_plain_http_endpoint_is_for_the_sandbox_only(
    task: Task, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, url: str, is_allowed: bool
) -> None:
    monkeypatch.setattr(presigning, "_s3", lambda *at: url)
    if is_allowed:
        task.run(STORED, IMAGE_TO_VIDEO)
        assert made(sandbox)["image_url"] == url
    else:
        assert "its endpoint is plain HTTP" in task.fails(MediaInputError, STORED, IMAGE_TO_VIDEO)


def test_a_real_runcomfy_is_given_no_plain_http_of_this_machine() -> None:
    medium = Medium(("image_url",), "s3://frames/cat.png", True)

    def signed(*at: object) -> str:
        return "http://127.0.0.1:9000/cat.png?s=1"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presigning, "_s3", signed)
        with pytest.raises(MediaInputError, match="plain HTTP"):
            presigning.signed_urls([medium], conn_id=None, seconds=60, allow_loopback_http=False)


class TestGoogleCloudStorage:
    """With stand-ins for Google's packages, which are not in every environment; `make test-stores` has them."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """Return what the stand-ins were asked for, and what they answer: ``has_key`` and ``exists``."""
        asked: dict[str, Any] = {"has_key": True, "exists": True}

        class Signing:
            pass

        class Blob:
            def __init__(self, name: str) -> None:
                asked["key"] = name

            def exists(self) -> bool:
                return bool(asked["exists"])

            def generate_signed_url(self, **how: Any) -> str:
                asked["how"] = how
                return "https://storage.googleapis.com/frames/cat.png?X-Goog-Signature=1"

        class GCSHook:
            def __init__(self, gcp_conn_id: str) -> None:
                asked["conn_id"] = gcp_conn_id

            def get_credentials(self) -> object:
                return Signing() if asked["has_key"] else object()

            def get_conn(self) -> Any:
                return SimpleNamespace(bucket=lambda name: SimpleNamespace(blob=Blob))

        hooks, credentials = SimpleNamespace(GCSHook=GCSHook), SimpleNamespace(Signing=Signing)
        monkeypatch.setitem(sys.modules, "airflow.providers.google.cloud.hooks.gcs", hooks)
        monkeypatch.setitem(sys.modules, "google.auth.credentials", credentials)
        return asked

    def test_signs_with_the_connections_key(self, task: Task, sandbox: Sandbox, asked: dict[str, Any]) -> None:
        task.run({**STORED, "image_url": "gs://frames/cat.png"}, IMAGE_TO_VIDEO, media_url_seconds=60)
        assert made(sandbox)["image_url"] == "https://storage.googleapis.com/frames/cat.png?X-Goog-Signature=1"
        assert (asked["conn_id"], asked["key"]) == ("google_cloud_default", "cat.png")
        assert (asked["how"]["version"], asked["how"]["expiration"]) == ("v4", timedelta(seconds=60))

    @pytest.mark.parametrize(
        ("answer", "words"),
        [({"has_key": False}, "its credentials have no key to sign with"), ({"exists": False}, "no such object")],
    )
    def test_without_a_key_or_an_object_nothing_is_submitted(
        self, task: Task, sandbox: Sandbox, asked: dict[str, Any], answer: dict[str, bool], words: str
    ) -> None:
        asked.update(answer)
        assert words in task.fails(MediaInputError, {**STORED, "image_url": "gs://frames/cat.png"}, IMAGE_TO_VIDEO)
        assert count(sandbox)["submit"] == 0
