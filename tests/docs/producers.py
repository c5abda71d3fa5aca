"""What brings about each error of the documentation's table, by the words that the table has for its cause."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

from airflow.sdk.exceptions import AirflowException
from tenacity import Retrying, stop_after_attempt

from airflow_provider_runcomfy import posting
from airflow_provider_runcomfy.api.client import RunComfyClient
from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook
from tests.docs.stage import CLIP, Produce, Stage
from tests.runcomfy import PRO, STANDARD, connection_to
from tests.submission.parts import context_of
from tests.transfers.copying import LARGE
from tests.transfers.file_server import File, Halt

PRODUCERS: dict[str, Produce] = {}


def causes(cause: str) -> Callable[[Produce], Produce]:
    """Say which row of the table a function brings about."""

    def keep(produce: Produce) -> Produce:
        assert cause not in PRODUCERS
        PRODUCERS[cause] = produce
        return produce

    return keep


def nobody() -> str:
    """Return an address at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


def first_try(stage: Stage, **given: object) -> None:
    """Run a try that ends with an error of its own, or with none."""
    with suppress(AirflowException):
        stage.generate(**given)
    stage.ti.retry()


@causes("RunComfy cannot be reached before a submit")
def _(stage: Stage) -> None:
    stage.patch.setattr(posting, "resending", lambda: Retrying(stop=stop_after_attempt(1), reraise=True))
    stage.set_connection(f'{{"conn_type": "runcomfy", "host": "{nobody()}", "password": "t"}}')
    stage.generate()


@causes("Airflow's task state store does not answer")
def _(stage: Stage) -> None:
    def refuse(call: str) -> None:
        raise OSError("no answer")

    assert stage.sandbox
    assert stage.store is not None
    stage.store.on_call = refuse
    stage.generate()


@causes("an input is wrong")
def _(stage: Stage) -> None:
    assert stage.sandbox
    stage.generate(inputs={"prompt": "A cat", "duration": 20})


@causes("the submit may cost more than `max_cost_usd`")
def _(stage: Stage) -> None:
    assert stage.sandbox
    stage.generate(max_cost_usd=0.01)


@causes("there is a `max_cost_usd`, and nobody can say what the submit costs")
def _(stage: Stage) -> None:
    assert stage.sandbox
    stage.generate(model_id="nobody/has/this-model", max_cost_usd=1)


@causes("there is a `max_cost_usd`, and the catalogue does not answer")
def _(stage: Stage) -> None:
    stage.sandbox.add_fault("status", calls=["models"], code=503, times=None)
    stage.generate(max_cost_usd=1)


@causes("an input in a store is not there, may not be read, or cannot be signed for")
def _(stage: Stage) -> None:
    # Any HTTP server will do for a store that does not have the object.
    store = {"conn_type": "aws", "login": "key", "password": "secret", "extra": {"endpoint_url": stage.sandbox.url}}
    stage.patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(store))
    inputs = {"prompt": "A cat", "image_url": "s3://frames/cat.png"}
    stage.generate(model_id="sandbox/image-to-video", inputs=inputs)


@causes("the store of an input does not answer")
def _(stage: Stage) -> None:
    assert stage.sandbox
    extra = {"endpoint_url": nobody(), "config_kwargs": {"retries": {"max_attempts": 0}}}
    store = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    stage.patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(store))
    inputs = {"prompt": "A cat", "image_url": "s3://frames/cat.png"}
    stage.generate(model_id="sandbox/image-to-video", inputs=inputs)


@causes("`media_conn_id` is named for inputs in S3 and in GCS")
def _(stage: Stage) -> None:
    assert stage.sandbox
    inputs = {"prompt": "A cat", "image_url": "s3://frames/cat.png", "reference_images": ["gs://frames/dog.png"]}
    stage.generate(model_id="sandbox/image-to-video", inputs=inputs, media_conn_id="mine")


@causes("the upstream task gave no request id")
def _(stage: Stage) -> None:
    stage.wait(None)


@causes("there is no connection")
def _(stage: Stage) -> None:
    assert stage.sandbox
    stage.generate(runcomfy_conn_id="runcomfy_missing")


@causes("the token is refused at the submit")
def _(stage: Stage) -> None:
    stage.sandbox.add_fault("status", calls=["submit"], code=401)
    stage.generate()


@causes("the connection is gone at a later try")
def _(stage: Stage) -> None:
    stage.patch.setattr("airflow_provider_runcomfy.looking._REREAD_SECONDS", 0.0)
    assert stage.sandbox
    first_try(stage)
    stage.patch.delenv("AIRFLOW_CONN_RUNCOMFY_DEFAULT")
    stage.generate()


@causes("the task was cleared, and RunComfy cannot be asked what became of its request")
def _(stage: Stage) -> None:
    sandbox = stage.sandbox
    first_try(stage)
    stage.ti.clear()
    sandbox.add_fault("status", code=503, calls=["result"], times=None)
    stage.generate()


@causes("the account has no balance left")
def _(stage: Stage) -> None:
    stage.sandbox.add_fault("status", calls=["submit"], code=402)
    stage.generate()


@causes("the task was cleared with other inputs, and RunComfy refuses the submit")
def _(stage: Stage) -> None:
    sandbox = stage.connect(run_seconds=1000)
    first_try(stage, timeout=timedelta(seconds=0.3))
    stage.ti.clear()
    sandbox.add_fault("status", calls=["submit"], code=402)
    stage.generate(inputs={**CLIP, "prompt": "A dog"})


@causes("RunComfy refuses the submit")
def _(stage: Stage) -> None:
    assert stage.sandbox
    stage.generate(model_id="kling/kling-9.9/pro/text-to-video", inputs={"anything": 1})


@causes("RunComfy does not have the model, or not for this account")
def _(stage: Stage) -> None:
    stage.sandbox.add_fault("status", calls=["submit"], code=404, error_code=404001)
    stage.generate()


@causes("a submit got no answer")
def _(stage: Stage) -> None:
    stage.sandbox.add_fault("lost_answer")
    stage.generate()


@causes("an earlier try died around its submit")
def _(stage: Stage) -> None:
    stage.sandbox.add_fault("lost_answer")
    first_try(stage)
    stage.generate()


@causes("the submit was taken, and Airflow's task state store does not answer any more")
def _(stage: Stage) -> None:
    def refuse_what_comes_after_the_post(call: str) -> None:
        if call == "set" and stage.sandbox.requests():
            raise OSError("no answer")

    assert stage.sandbox
    assert stage.store is not None
    stage.store.on_call = refuse_what_comes_after_the_post
    stage.generate()


@causes('a submit got no answer, and `on_unknown_submission="resubmit"`')
def _(stage: Stage) -> None:
    stage.sandbox.add_fault("lost_answer")
    stage.generate(on_unknown_submission="resubmit")


@causes("the model or the connection is another one than that of the try that paid")
def _(stage: Stage) -> None:
    assert stage.sandbox
    first_try(stage)
    stage.generate(model_id=STANDARD)


@causes("the record was damaged")
def _(stage: Stage) -> None:
    assert stage.sandbox
    assert stage.store is not None
    first_try(stage)
    stage.store.texts["runcomfy"] = '{"version": 1}'
    stage.generate()


@causes("a later version of this package wrote the record")
def _(stage: Stage) -> None:
    assert stage.sandbox
    assert stage.store is not None
    first_try(stage)
    stage.store.texts["runcomfy"] = '{"version": 99}'
    stage.generate()


@causes("the generation failed")
def _(stage: Stage) -> None:
    stage.sandbox.add_fault("fail", error="out of memory")
    stage.generate()


@causes("the generation failed, and `resubmit_failed=True`")
def _(stage: Stage) -> None:
    stage.sandbox.add_fault("fail", error="out of memory")
    stage.generate(resubmit_failed=True)


@causes("content moderation refused it")
def _(stage: Stage) -> None:
    stage.sandbox.add_fault("moderate")
    stage.generate(resubmit_failed=True)


@causes("somebody cancelled the request")
def _(stage: Stage) -> None:
    sandbox = stage.connect(queue_seconds=1000)
    hook = RunComfyHook()
    request_id = hook.submit(PRO, CLIP)
    hook.cancel(request_id)
    assert sandbox.requests()[0]["state"] == "cancelled"
    stage.wait(request_id)


@causes("the task was killed while its request was queued")
def _(stage: Stage) -> None:
    stage.connect(queue_seconds=1000)
    post = RunComfyClient.submit_once
    make = stage.make()

    def killed(client: RunComfyClient, call: object) -> str:
        request_id = post(client, call)  # type: ignore[arg-type]
        make.on_kill()
        return request_id

    stage.patch.setattr(RunComfyClient, "submit_once", killed)
    make.execute(context_of(stage.ti, stage.store))


@causes("it did not end in time")
def _(stage: Stage) -> None:
    stage.connect(run_seconds=1000)
    stage.generate(timeout=timedelta(seconds=0.3))


@causes("it did not end in time, and may be queued still")
def _(stage: Stage) -> None:
    stage.connect(queue_seconds=1000)
    stage.generate(timeout=timedelta(seconds=0.3))


@causes("it did not end in a sensor's time")
def _(stage: Stage) -> None:
    stage.connect(run_seconds=1000)
    first_try(stage, timeout=timedelta(seconds=0.3))
    stage.wait(stage.ti.xcoms["request_id"], timeout=0.3)


@causes("the request has expired, or is another account's")
def _(stage: Stage) -> None:
    assert stage.store is not None
    sandbox = stage.sandbox
    first_try(stage)
    stage.store.change_newest(submitted_at=1.0)
    stage.set_connection(connection_to(sandbox, token="another-account-0123"))
    stage.generate()


@causes("it has succeeded, and RunComfy cannot be asked for the result now")
def _(stage: Stage) -> None:
    sandbox = stage.sandbox
    first_try(stage, timeout=timedelta(seconds=1))
    sandbox.add_fault("status", code=503, calls=["status", "result"], times=None)
    stage.generate(timeout=timedelta(seconds=1))


@causes("the task was resumed by something else than its trigger, or by that of a later version")
def _(stage: Stage) -> None:
    stage.make().execute_complete(context_of(stage.ti, stage.store), {})


@causes("the same, before Airflow 3.3")
def _(stage: Stage) -> None:
    stage.make().execute_complete({"ti": stage.ti}, {})  # type: ignore[typeddict-item]


@causes("a copy came before the generation has ended")
def _(stage: Stage) -> None:
    stage.files.says("r-1", status="in_progress")
    stage.copy()


@causes("a file cannot be downloaded whole now")
def _(stage: Stage) -> None:
    stage.files.has("r-1", File(b""))
    stage.copy()


@causes("the file server refuses the file's URL")
def _(stage: Stage) -> None:
    stage.files.has("r-1", File(statuses=[403] * 9))
    stage.copy()


@causes("a file's host is none of RunComfy's, or the file is too large")
def _(stage: Stage) -> None:
    stage.files.says("r-1", status="succeeded", output={"videos": ["https://example.org/a.mp4"]})
    stage.copy()


@causes("the file is gone from RunComfy's servers")
def _(stage: Stage) -> None:
    stage.files.has("r-1", File(statuses=[404] * 9))
    stage.copy()


@causes("the store takes no more now")
def _(stage: Stage) -> None:
    stage.files.has("r-1", File(LARGE))
    with stage.folder.breaking(after=1024 * 1024):
        stage.copy()


@causes("the store is missing or refuses the file")
def _(stage: Stage) -> None:
    stage.files.has("r-1", File())
    with stage.folder.missing():
        stage.copy()


@causes("another object has the file's name")
def _(stage: Stage) -> None:
    stage.files.has("r-1", File())
    stage.folder.put("r-1/0.mp4", b"theirs")
    stage.copy()


@causes("the task was killed while it copied")
def _(stage: Stage) -> None:
    halt = Halt(at=15 * 1024 * 1024)
    stage.files.has("r-1", File(LARGE, halt=halt))
    copy = stage.folder.operator()
    with ThreadPoolExecutor(1) as worker:
        under_way = worker.submit(copy.execute, {})
        try:
            assert halt.reached.wait(30)
            copy.on_kill()
        finally:
            halt.go_on.set()
        under_way.result()
