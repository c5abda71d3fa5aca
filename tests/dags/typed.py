"""
What type checkers say of ``runcomfy_task``: checked by mypy, run by nobody.

Each wrong line is told to be wrong: should mypy take it, its "type: ignore" would be unused, which mypy reports.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypedDict, assert_type

from airflow.sdk import XComArg, task
from airflow.sdk.bases.decorator import Task

from airflow_provider_runcomfy.decorators.runcomfy import runcomfy_task


class Inputs(TypedDict):
    prompt: str
    duration: int


@runcomfy_task(model_id="a/model", timeout=timedelta(minutes=20), on_clear="resubmit", retries=2)
def clip(scene: str, duration: int = 5) -> dict[str, Any]:
    return {"prompt": scene, "duration": duration}


@runcomfy_task(model_id="a/model", deferrable=False)
def typed(scene: str) -> Inputs:
    return {"prompt": scene, "duration": 5}


@runcomfy_task(model_id="a/model")  # type: ignore[type-var]
def no_mapping() -> str:
    return "a prompt"


assert_type(clip("a fox", duration=3), XComArg)
assert_type(clip.override(task_id="again")("a fox"), XComArg)
assert_type(clip.function("a fox"), dict[str, Any])
mapped: XComArg = clip.partial(duration=3).expand(scene=["a fox", "a hen"])
task_of_it: Task[[str], Inputs] = typed

clip(7)  # type: ignore[arg-type]
clip("a fox", seconds=3)  # type: ignore[call-arg]
runcomfy_task()  # type: ignore[call-arg]
runcomfy_task(model_id=7)  # type: ignore[arg-type]
runcomfy_task(model_id="a/model", timeout=3600)  # type: ignore[arg-type]
runcomfy_task(model_id="a/model", on_clear="pay")  # type: ignore[arg-type]
runcomfy_task(model_id="a/model", deferrable="no")  # type: ignore[arg-type]

# Airflow's own name for it takes anything: its stub knows no providers.
task.runcomfy(model_id=7)
