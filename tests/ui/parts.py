"""What tasks leave behind, as the page finds it, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_runcomfy.record import Outcome, Record, Submission
from airflow_provider_runcomfy.ui.found import RunFacts, TaskFacts
from airflow_provider_runcomfy.ui.reading import manifest_in, progress_in, results_in

PRO = "kling/kling-3.0/pro/text-to-video"
CLIP = {"prompt": "a paper boat", "duration": 3}
URL = "https://files.runcomfy.net/abc_output.mp4"


def result(request_id: str = "r-1", *, state: str = "succeeded", url: str = URL, **changes: Any) -> dict[str, Any]:
    """Return a result as a generate task or a sensor returns it."""
    return {
        "request_id": request_id,
        "model_id": PRO,
        "state": state,
        "media": [{"url": url, "kind": "video"}],
        "output": {"video": url},
        "cost_usd": 0.336,
        "created_at": "2026-11-26T10:00:00+00:00",
        "finished_at": "2026-11-26T10:01:30+00:00",
    } | changes


def line(
    request_id: str = "r-1", *, uri: str = "s3://videos/r-1/0.mp4", url: str = URL, **changes: Any
) -> dict[str, Any]:
    """Return a line of a transfer's manifest."""
    return {
        "uri": uri,
        "size": 4711,
        "content_type": "video/mp4",
        "sha256": "0" * 64,
        "kind": "video",
        "request_id": request_id,
        "source_url": url,
    } | changes


def progress(request_id: str = "r-1", state: str = "in_queue", **changes: Any) -> list[dict[str, Any]]:
    """Return the XCom ``progress`` of a task that waits for one request."""
    at = "2026-11-26T10:00:20+00:00"
    return [{"request_id": request_id, "state": state, "queue_position": 3, "at": at, **changes}]


def submission(request_id: str | None = "r-1", outcome: Outcome | None = None, **changes: Any) -> Submission:
    """Return a submission as a record has it."""
    values = {"submitted_at": None if request_id is None else 1795687200.0, "inputs": CLIP, **changes}
    return Submission(
        "2026-11-26T10:00:00+00:00", 1, PRO, "runcomfy_default", values.pop("inputs"), "hash", request_id,
        outcome=outcome, **values,
    )  # fmt: skip


def task(
    task_id: str = "generate",
    index: int = -1,
    *,
    state: str | None = "success",
    operator: str = "RunComfyGenerateOperator",
    submissions: Sequence[Submission] = (),
    returned: Any = None,
    told: Any = None,
    fields: dict[str, Any] | None = None,
    ids: Sequence[str] = (),
) -> TaskFacts:
    """Return what is known of a task instance: its record, its XComs, its rendered fields."""
    return TaskFacts(
        (task_id, index),
        state,
        operator,
        record=Record(0, tuple(submissions)) if submissions else None,
        request_ids=list(ids),
        results=results_in(returned),
        copies=manifest_in(returned),
        progress=progress_in(told),
        fields=fields or {},
    )


def run(*tasks: TaskFacts, state: str = "success") -> RunFacts:
    """Return what is known of a run with these task instances."""
    return RunFacts(state, {task.key: task for task in tasks})
