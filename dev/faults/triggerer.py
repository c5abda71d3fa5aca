"""Kill, end and stall the triggerer under waiting tasks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import psutil

from dev.faults.components import TRIGGERER, wait_for_triggers
from dev.faults.stage import Stage, account
from dev.faults.table import Row

_DAG = "faults_slow"
_STALL_SECONDS = 45.0


def kill_triggerer(stage: Stage, number: signal.Signals, *, kills: int) -> Row:
    """
    Send a signal to the triggerer again and again while clips are waited for, and start a new one each time.

    Each is killed only once it has all triggers: one that is just starting would have nothing to lose.
    """

    def act() -> bool:
        if not wait_for_triggers(stage):
            return False
        process = stage.airflow.components[TRIGGERER]
        _send(process.pid, number)
        process.wait(60)
        stage.airflow.start(TRIGGERER)
        return True

    return _under_waiting_clips(stage, f"triggerer {number.name}", act, clips=2 * kills, kills=kills)


def stall_triggerer(stage: Stage, *, kills: int) -> Row:
    """Stop one of two triggerers for 45 s again and again: Airflow gives its triggers to the other, then it wakes."""
    stage.airflow.start("triggerer-1")
    names = (TRIGGERER, "triggerer-1")
    turn = iter(range(kills))

    def act() -> bool:
        process = stage.airflow.components[names[next(turn) % 2]]
        _send(process.pid, signal.SIGSTOP)
        time.sleep(_STALL_SECONDS)
        _send(process.pid, signal.SIGCONT)
        # It finds out within a few seconds that its triggers are another one's now.
        time.sleep(8.0)
        return True

    before = _kills_in_logs(stage)
    try:
        row = _under_waiting_clips(stage, "triggerer SIGSTOP 45 s", act, clips=4 * kills, kills=kills)
    finally:
        second = stage.airflow.components["triggerer-1"]
        _send(second.pid, signal.SIGTERM)
        second.wait(60)
    mistaken = _kills_in_logs(stage) - before
    print(f"         Airflow called on_kill by mistake {mistaken} times in the stalls.", flush=True)
    if not mistaken:
        not_met = "Airflow never called on_kill by mistake, so what must withstand that was not exercised"
        row = replace(row, faults=(*row.faults, not_met))
    return row


def _kills_in_logs(stage: Stage) -> int:
    logs = (stage.airflow.home / "logs" / f"dag_id={_DAG}").rglob("*.trigger.*")
    return sum(log.read_text(errors="replace").count("cancelled by user action") for log in logs)


def _under_waiting_clips(stage: Stage, name: str, act: Callable[[], bool], *, clips: int, kills: int) -> Row:
    """Act on a triggerer under waiting clips until so many kills are done, or ``act`` has met no waiting one."""
    prefix = name.replace(" ", "-").lower()
    run_id = stage.start(_DAG, prefix, clips)
    _wait_until_all_wait(stage, run_id, clips)
    faults = []
    done = 0
    while done < kills:
        waits = any(one.state == "deferred" for one in stage.airflow.client.task_instances(_DAG, run_id))
        if not waits or not act():
            faults.append(f"only {done} of {kills} kills met a waiting task")
            break
        done += 1
    instances = stage.wait(_DAG, run_id, timeout=600)
    found = account(stage, prefix, clips, stage.slow)
    if found.submits != clips or found.stored != clips or found.wrong:
        faults.append(f"paid {found.submits}, stored {found.stored}, wrong {found.wrong}: {found.paid}")
    # A cancel of what has ended anyway does no harm; one of what is still queued would.
    lost = [r["request_id"] for r in stage.slow.requests() if r["state"] == "cancelled"]
    if lost:
        faults.append(f"requests were cancelled: {lost}")
    faults += [f"{one.key} is {one.state}" for one in instances if one.state != "success"]
    return Row(name, done, clips, found, 0, tuple(faults))


def _wait_until_all_wait(stage: Stage, run_id: str, clips: int) -> None:
    """Wait until each clip waits, or has ended already: some are paid for while the others are still submitted."""
    deadline = time.monotonic() + 180 * stage.slow_by
    while time.monotonic() < deadline:
        instances = stage.airflow.client.task_instances(_DAG, run_id)
        made = [one.state for one in instances if one.key.task_id.endswith(".make")]
        if "deferred" in made and made.count("deferred") + made.count("success") >= clips:
            return
        time.sleep(0.5)
    raise TimeoutError(f"{_DAG}: not all tasks wait in time")


def _send(leader: int, number: signal.Signals) -> None:
    """Send a signal to a triggerer and to the process in which its triggers run."""
    with suppress(psutil.NoSuchProcess):
        processes = [*psutil.Process(leader).children(recursive=True), psutil.Process(leader)]
        # Asked to end, Airflow ends its own children; killed, it cannot.
        for process in processes[-1:] if number is signal.SIGTERM else processes:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
