"""Kill processes at random, with trouble at RunComfy on top, and account for every clip."""

from __future__ import annotations

import random
import signal
import time
from contextlib import suppress

import psutil

from dev.airflow_client import TaskInstance
from dev.faults.processes import kill
from dev.faults.stage import TOKEN, Stage, account
from dev.faults.table import Row

_DAG = "faults_generate"
_CLIPS = 12
_COMPONENTS = ("triggerer-0", "scheduler")


def campaign(stage: Stage, *, kills: int, seed: int) -> list[Row]:
    """Run twelve mapped clips again and again until so many kills were done; a row for each run."""
    dice = random.Random(seed)
    print(f"         seed {seed}", flush=True)
    rows: list[Row] = []
    while sum(row.kills for row in rows) < kills:
        _trouble(stage, dice)
        rows.append(_one_run(stage, dice, len(rows), kills - sum(row.kills for row in rows)))
        stage.sandbox.clear_faults()
    return rows


def _trouble(stage: Stage, dice: random.Random) -> None:
    sandbox = stage.sandbox
    for code in (500, 502, 503, 504):
        sandbox.add_fault("status", code=code, calls=["status", "result"], times=dice.randint(1, 2))
    sandbox.add_fault("status", code=429, calls=["status"], headers={"Retry-After": "1"}, times=dice.randint(1, 2))
    sandbox.add_fault("status", code=429, calls=["submit"], headers={"Retry-After": "1"}, times=dice.randint(1, 2))
    sandbox.add_fault("lost_answer", calls=["status", "result"], times=dice.randint(1, 2))
    # It may echo the token; nobody must write that down.
    echo = {"error_message": f"token {TOKEN} is having a bad day"}
    sandbox.add_fault("status", code=500, calls=["status", "result"], body=echo, times=2)
    sandbox.add_fault("truncate", after_bytes=dice.randint(0, 30_000), times=dice.randint(2, 6))


def _one_run(stage: Stage, dice: random.Random, number: int, wanted: int) -> Row:
    prefix = f"campaign-{number}"
    run_id = stage.start(_DAG, prefix, _CLIPS)
    done = 0
    deadline = time.monotonic() + 600
    while stage.airflow.client.run_state(_DAG, run_id) in ("queued", "running"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{prefix} has not ended after 600 s")
        time.sleep(dice.uniform(0.2, 2.0))
        if done < wanted:
            done += _kill_one(stage, dice)
    instances = stage.airflow.client.task_instances(_DAG, run_id)
    return _row(stage, prefix, run_id, done, instances)


def _kill_one(stage: Stage, dice: random.Random) -> int:
    """Kill a task's process more often than not, seldom a triggerer or the scheduler, which is started again."""
    runners = _runners()
    if runners and dice.random() < 0.8:
        return int(kill([dice.choice(runners)]))
    # They need some seconds to start, and killed in every one of them they would never do anything.
    if dice.random() > 0.15:
        return 0
    name = dice.choice(_COMPONENTS)
    leader = stage.airflow.components[name]
    children: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        # The triggers' process goes with its parent; a scheduler's tasks go on without it, as on another host.
        children = psutil.Process(leader.pid).children() if name.startswith("triggerer") else []
    leader.send_signal(signal.SIGKILL)
    leader.wait()
    kill(children)
    stage.airflow.start(name)
    return 1


def _runners() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            title = " ".join(process.cmdline()).strip()
            if title.startswith("airflow worker -- ") and "LocalExecutor" not in title:
                found.append(process)
    return sorted(found, key=lambda process: process.pid)


def _row(stage: Stage, prefix: str, run_id: str, done: int, instances: list[TaskInstance]) -> Row:
    found = account(stage, prefix, _CLIPS)
    reported = {
        one.key.map_index
        for one in instances
        if one.key.task_id.endswith(".make")
        and one.state == "failed"
        and "UnknownSubmissionError" in stage.log(one, run_id)
    }
    faults = []
    if found.wrong:
        faults.append(f"{found.wrong} wrong objects")
    stored = 0
    for index in range(_CLIPS):
        ids = found.paid.get(f"{prefix}/{index}", [])
        if len(ids) > 1:
            faults.append(f"clip {index} was paid {len(ids)} times: {ids}")
        if index not in reported:
            stored += 1
            if len(ids) != 1:
                faults.append(f"clip {index} was paid {len(ids)} times, and no unknown submission was reported")
    if found.stored != stored:
        faults.append(f"stored {found.stored}, expected {stored}")
    states = [f"{one.key} is {one.state}" for one in instances if one.state not in ("success", "upstream_failed")]
    if len(states) > len(reported):
        faults.append("; ".join(states))
    return Row(prefix, done, _CLIPS, found, len(reported), tuple(faults))
