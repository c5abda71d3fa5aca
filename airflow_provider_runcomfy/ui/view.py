"""What the page is told, as JSON: no URL of a file, and nothing signed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.ui.clips import Clip, clips_of, is_live

if TYPE_CHECKING:
    from airflow_provider_runcomfy.ui.files import File, Place
    from airflow_provider_runcomfy.ui.found import Key, RunFacts
    from airflow_provider_runcomfy.ui.media import Viewing


def view_of(run: RunFacts, viewing: Viewing, key: Key | None = None) -> dict[str, Any]:
    """
    Return what the page of a Dag run shows, or that of one of its task instances.

    :param key: the task instance; None for the whole run.
    """
    clips = [clip for clip in clips_of(run) if key is None or key in clip.tasks]
    costs = [clip.cost_usd for clip in clips if clip.cost_usd is not None]
    return {
        "live": is_live(run, key),
        "cost_usd": sum(costs) if costs else None,
        "without_cost": sum(1 for clip in clips if clip.cost_usd is None and clip.state == "succeeded"),
        "clips": [_clip(clip, run, viewing) for clip in clips],
    }


def _clip(clip: Clip, run: RunFacts, viewing: Viewing) -> dict[str, Any]:
    return {
        "request_id": clip.request_id,
        "state": clip.state,
        "model_id": clip.model_id,
        "inputs": clip.inputs,
        "queue_position": clip.queue_position,
        "told_at": clip.told_at,
        **asdict(clip.times),
        "cost_usd": clip.cost_usd,
        "error": clip.error,
        "attention": clip.attention,
        "tasks": [_task(key, run) for key in clip.tasks],
        "files": [_file(file, run, viewing) for file in clip.files],
    }


def _task(key: Key, run: RunFacts) -> dict[str, Any]:
    return {"task_id": key[0], "map_index": key[1], "state": run.tasks[key].state}


def _file(file: File, run: RunFacts, viewing: Viewing) -> dict[str, Any]:
    return {
        "kind": file.kind.value,
        "source": viewing.source_of(file, run),
        "places": [_place(place, run, viewing) for place in file.places],
    }


def _place(place: Place, run: RunFacts, viewing: Viewing) -> dict[str, Any]:
    opens = viewing.stored_at(place, run) is not None
    return {"uri": place.copy.uri, "size": place.copy.size, "opens": opens}
