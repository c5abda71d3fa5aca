"""Measure the window in which a kill leaves a submission unknown: from the intent's being kept to the record's."""

from __future__ import annotations

import statistics
import time

from dev.faults.points import is_intent, is_new_id, is_submit
from dev.faults.processes import ti_id
from dev.faults.stage import Stage
from dev.gate import Exchange, Stop, When

_DAG = "faults_submit"


def measure_window(stage: Stage, *, clips: int) -> str:
    """Run ``clips`` submits undisturbed, and return the widths in words."""
    began: dict[str | None, float] = {}
    sent: dict[str | None, float] = {}
    widths: list[float] = []
    writes: list[float] = []
    posts: dict[int, float] = {}
    spent: list[float] = []

    def intent(exchange: Exchange) -> bool:
        began[ti_id(exchange)] = time.monotonic()
        return True

    def recording(exchange: Exchange) -> bool:
        sent[ti_id(exchange)] = time.monotonic()
        return True

    def recorded(exchange: Exchange) -> bool:
        widths.append(1000 * (time.monotonic() - began[ti_id(exchange)]))
        writes.append(1000 * (time.monotonic() - sent[ti_id(exchange)]))
        return True

    def post(exchange: Exchange) -> bool:
        posts[exchange.peer_port] = time.monotonic()
        return True

    def answered(exchange: Exchange) -> bool:
        spent.append(1000 * (time.monotonic() - posts[exchange.peer_port]))
        return True

    with (
        stage.to_airflow.stopping(Stop(is_intent, When.AFTER, intent, times=clips)),
        stage.to_airflow.stopping(Stop(is_new_id, When.BEFORE, recording, times=clips)),
        stage.to_airflow.stopping(Stop(is_new_id, When.AFTER, recorded, times=clips)),
        stage.to_runcomfy.stopping(Stop(is_submit, When.BEFORE, post, times=clips)),
        stage.to_runcomfy.stopping(Stop(is_submit, When.AFTER, answered, times=clips)),
    ):
        stage.wait(_DAG, stage.start(_DAG, "window", clips))
    return (
        f"From the intent's being kept to the record's, over {len(widths)} submits, eight at a time: median "
        f"{statistics.median(widths):.0f} ms, at most {max(widths):.0f} ms; of this Airflow's keeping of the record "
        f"takes {statistics.median(writes):.0f} ms, and the POST at the sandbox {statistics.median(spent):.0f} ms."
    )
