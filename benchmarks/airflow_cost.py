"""
What a mapped clip costs Airflow, beside an operator that does nothing: CPU of all processes, rows of the database.

A real Airflow with LocalExecutor and SQLite, a sandbox and SeaweedFS; the Dags run in turns. Ends with 1 if a run
fails.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from dev.airflow import Airflow, airflow
from dev.sandbox import sandbox
from dev.seaweedfs import seaweedfs

DAGS = ("bare", "generate", "generate_and_copy")
_NAMES = {"bare": "bare operator", "generate": "generate", "generate_and_copy": "generate and copy"}
# The poll that sees the end comes about as late in the bare trigger.
_RUN_SECONDS, _BARE_SECONDS = 8.0, 10.0
_IDLE_SECONDS = 30.0
_PATIENCE_SECONDS = 900.0


@dataclass(frozen=True)
class Turn:
    """One run, all clips together: seconds, CPU seconds by component beyond what it takes when idle, rows by table."""

    seconds: float
    cpu: Mapping[str, float]
    rows: Mapping[str, int]


class Meter:
    """Reads what a running Airflow has used so far."""

    def __init__(self, running: Airflow) -> None:
        self._running = running

    def cpu(self) -> dict[str, float]:
        """Return CPU seconds of each component, with those of its children, ended ones too."""
        return {name: _cpu_of(psutil.Process(process.pid)) for name, process in self._running.components.items()}

    def rows(self) -> dict[str, int]:
        with self._database() as database:
            names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}

    def state(self, run_id: str) -> str:
        """Return the state of a run, from the database: asking the API server would be counted."""
        with self._database() as database:
            found = database.execute("SELECT state FROM dag_run WHERE run_id = ?", [run_id]).fetchone()
        return str(found[0]) if found else "not there"

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        path = self._running.home / "airflow.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as database:
            yield database

    def idle(self, seconds: float) -> dict[str, float]:
        """Return CPU seconds per second of each component while nothing runs."""
        before = self.cpu()
        time.sleep(seconds)
        return {name: (cpu - before[name]) / seconds for name, cpu in self.cpu().items()}


def _cpu_of(leader: psutil.Process) -> float:
    total = 0.0
    for process in [leader, *leader.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            # Of ended children the kernel tells once they were waited for: each is in exactly one of these.
            total += times.user + times.system + times.children_user + times.children_system
    return total


def turn(running: Airflow, dag_id: str, clips: int, idle: Mapping[str, float]) -> Turn:
    """Run the Dag once, and return what it took."""
    meter = Meter(running)
    rows, cpu, started = meter.rows(), meter.cpu(), time.monotonic()
    run_id = running.client.trigger(dag_id, {"clips": clips})
    while (state := meter.state(run_id)) not in ("success", "failed"):
        if time.monotonic() - started > _PATIENCE_SECONDS:
            state = "not over in time"
            break
        time.sleep(1.0)
    if state != "success":
        raise RuntimeError(f"{dag_id} is {state}:\n{_failures(running, dag_id, run_id)}")
    # What is written and cleaned up after the end belongs to it.
    time.sleep(5.0)
    seconds = time.monotonic() - started
    used = {name: after - cpu[name] - idle[name] * seconds for name, after in meter.cpu().items()}
    grown = {name: after - rows.get(name, 0) for name, after in meter.rows().items()}
    print(f"{dag_id}: {sum(used.values()):.1f} CPU s in {seconds:.0f} s", file=sys.stderr)
    return Turn(seconds, used, {name: count for name, count in grown.items() if count > 0})


def _failures(running: Airflow, dag_id: str, run_id: str) -> str:
    """Return the states of the run's tasks, and the end of the log of one that has failed."""
    instances = running.client.task_instances(dag_id, run_id)
    lines = [str(Counter(str(each.state) for each in instances))]
    for each in [each for each in instances if each.state == "failed"][:1]:
        lines += [line.text for line in running.client.log(each.key, run_id, each.try_number)][-30:]
    return "\n".join(lines)


def show(turns: Mapping[str, list[Turn]], clips: int) -> None:
    """Print the table, each figure by clip, and what we add."""
    cpu = {dag_id: _by_clip([run.cpu for run in runs], clips) for dag_id, runs in turns.items()}
    rows = {dag_id: _by_clip([run.rows for run in runs], clips) for dag_id, runs in turns.items()}
    # What there is once for a run says nothing of a clip.
    tables = sorted({name for found in rows.values() for name, count in found.items() if count > 0.5})
    print(f"| of each clip | {' | '.join(_NAMES[dag_id] for dag_id in turns)} |")
    print(f"|---|{'--:|' * len(turns)}")
    _line("**CPU s, all of Airflow**", [sum(found.values()) for found in cpu.values()])
    for name in sorted(cpu["bare"]):
        _line(f"CPU s, {name}", [found[name] for found in cpu.values()])
    _line("**rows, all tables**", [sum(found.get(name, 0) for name in tables) for found in rows.values()])
    for name in tables:
        _line(f"rows, {name}", [found.get(name, 0) for found in rows.values()])
    _line("run, s, all clips", [statistics.fmean(run.seconds for run in runs) for runs in turns.values()])
    bare, ours = (sum(cpu[dag_id].values()) for dag_id in ("bare", "generate"))
    more = sum(rows["generate"].get(name, 0) - rows["bare"].get(name, 0) for name in tables)
    print(
        f"\nWe add {ours - bare:.2f} CPU s and {more:.1f} rows to each generation: {ours / bare:.2f} times the CPU of "
        "the operator that does nothing."
    )


def _by_clip(runs: Sequence[Mapping[str, float]], clips: int) -> dict[str, float]:
    """Return the mean of the runs, for each clip."""
    names = {name for run in runs for name in run}
    return {name: sum(run.get(name, 0) for run in runs) / len(runs) / clips for name in names}


def _line(name: str, figures: Iterable[float]) -> None:
    print(f"| {name} | {' | '.join(f'{figure:.2f}' for figure in figures)} |")


@contextmanager
def stage(folder: Path, parallelism: int) -> Iterator[Airflow]:
    """Run everything while the block runs."""
    (folder / "s3").mkdir()
    with (
        sandbox(folder, queue_seconds=0, run_seconds=_RUN_SECONDS, concurrency=1000) as local,
        seaweedfs(folder / "s3") as s3,
    ):
        env = {
            "AIRFLOW_CONN_RUNCOMFY_DEFAULT": local.connection(),
            "AIRFLOW_CONN_AWS_DEFAULT": s3.connection(),
            "COST_SECONDS": str(_BARE_SECONDS),
            "PYTHONPATH": str(Path(__file__).parents[1]),
            # On a machine that is busy, an answer may take long.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            # Parsing Dag files goes on all the time, whatever runs; here it is kept out.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
        }
        file = Path(__file__).with_name("cost_dags.py")
        with airflow(folder / "airflow", [file], env=env, parallelism=parallelism) as running:
            for dag_id in DAGS:
                running.client.unpause(dag_id)
            yield running


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=40, help="mapped instances of each run (default: 40)")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each Dag (default: 2)")
    parser.add_argument("--parallelism", type=int, default=4, help="tasks at once (default: 4)")
    arguments = parser.parse_args()
    # The servers end with the block that runs them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    turns: dict[str, list[Turn]] = {dag_id: [] for dag_id in DAGS}
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder), arguments.parallelism) as running:
        # The first run of each warms everything up.
        for dag_id in DAGS:
            turn(running, dag_id, 1, dict.fromkeys(running.components, 0.0))
        idle = Meter(running).idle(_IDLE_SECONDS)
        for _ in range(arguments.rounds):
            for dag_id in DAGS:
                turns[dag_id].append(turn(running, dag_id, arguments.clips, idle))
    print(
        f"{arguments.clips} clips, {arguments.rounds} runs of each, {arguments.parallelism} tasks at once; "
        f"{sum(idle.values()):.2f} CPUs when idle, taken off (load of the machine: {os.getloadavg()[0]:.1f}):\n"
    )
    show(turns, arguments.clips)
    return 0


if __name__ == "__main__":
    sys.exit(main())
