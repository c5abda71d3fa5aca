"""RunComfy goes down under many waiting tasks, and comes back."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime

from dev.faults.stage import Stage, account
from dev.faults.table import Row

_DAG = "faults_outage"


def go_down(stage: Stage, *, clips: int, seconds: float) -> Row:
    """Cut every connection to RunComfy for ``seconds`` while ``clips`` tasks wait, and print the first minute after."""
    prefix = "outage"
    run_id = stage.start(_DAG, prefix, clips)
    deadline = time.monotonic() + 300 * stage.slow_by
    while sum(one.state == "deferred" for one in stage.airflow.client.task_instances(_DAG, run_id)) < clips:
        if time.monotonic() > deadline:
            raise TimeoutError("not all tasks wait in time")
        time.sleep(1.0)
    stage.outage.add_fault("outage", seconds=seconds, drop=True)
    down = time.time()
    time.sleep(seconds)
    instances = stage.wait(_DAG, run_id, timeout=900)
    found = account(stage, prefix, clips, stage.outage)
    faults = [f"{one.key} is {one.state}" for one in instances if one.state != "success"]
    if found.submits != clips or found.stored != clips or found.wrong:
        faults.append(f"paid {found.submits}, stored {found.stored}, wrong {found.wrong}")
    polls = [_when(call) for call in stage.outage.calls() if call["kind"] in ("status", "result")]
    _show(polls, down, seconds)
    before = max(_per_second(polls, down - 30, 30).values(), default=0)
    after = max(_per_second(polls, down + seconds, 60).values(), default=0)
    # All at once would be one poll of each in a second.
    if after > max(clips // 2, 2 * before, 15):
        faults.append(f"a stampede: {after} polls in one second, {before} at most before the outage")
    return Row(f"RunComfy down for {seconds:.0f} s under {clips} waiting tasks", 0, clips, found, 0, tuple(faults))


def _show(polls: list[float], down: float, seconds: float) -> None:
    for name, start, length in (
        ("the 30 s before the outage", down - 30, 30.0),
        ("the outage", down, seconds),
        ("the first minute after it", down + seconds, 60.0),
    ):
        counts = _per_second(polls, start, length)
        total = sum(counts.values())
        highest = max(counts.values(), default=0)
        print(f"         {name}: {total} polls, {total / length:.1f} per second, at most {highest} in one", flush=True)


def _per_second(polls: list[float], start: float, length: float) -> Counter[int]:
    return Counter(int(when - start) for when in polls if 0 <= when - start < length)


def _when(call: dict[str, object]) -> float:
    return datetime.fromisoformat(str(call["time"])).timestamp()
