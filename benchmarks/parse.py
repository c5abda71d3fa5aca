"""
What the imports of a Dag file cost: our operators, sensors and transfers, and those of peers.

Each import runs in fresh interpreters, in turns with the others, after `airflow.sdk` with its DAG and BaseOperator is
there; ours a second time with the decorator, and then after `task` too, without which no Dag file can use it. Ends
with 1, and says which, if a promise is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

_PACKAGE = "airflow_provider_runcomfy"
#: Whatever a Dag file imports of ours.
_ROOMS = ("operators/*.py", "sensors/*.py", "transfers/runcomfy_to_*.py")
_DECORATORS = ("decorators/*.py",)
OURS, DECORATED = "ours, all of them", "ours, and the decorator"
PEERS = {
    "HttpOperator": "airflow.providers.http.operators.http",
    "HttpToS3Operator": "airflow.providers.amazon.aws.transfers.http_to_s3",
    "DbtCloudRunJobOperator": "airflow.providers.dbt.cloud.operators.dbt",
    "DatabricksRunNowOperator": "airflow.providers.databricks.operators.databricks",
    "AnthropicBatchOperator": "airflow.providers.anthropic.operators.batch",
    "OpenAITriggerBatchOperator": "airflow.providers.openai.operators.openai",
}
#: What is promised, in milliseconds of CPU.
_MOST_CPU_MS = 15.0

_PROGRAM = """
import importlib, json, sys, time
import airflow.sdk
for name in sys.argv[1].split():
    getattr(airflow.sdk, name)
loaded, cpu, wall = len(sys.modules), time.process_time(), time.perf_counter()
for name in sys.argv[2:]:
    importlib.import_module(name)
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
print(json.dumps([1000 * cpu, 1000 * wall, len(sys.modules) - loaded]))
"""


@dataclass(frozen=True)
class Import:
    """Milliseconds of CPU and in all, and how many modules were new."""

    cpu: float
    wall: float
    modules: int


def our_modules(rooms: Sequence[str]) -> list[str]:
    """Return the names of the modules in some rooms of ours."""
    spec = find_spec(_PACKAGE)
    [folder] = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    found = [path.relative_to(folder) for room in rooms for path in sorted(Path(folder).glob(room))]
    return [".".join([_PACKAGE, *path.with_suffix("").parts]) for path in found if path.stem != "__init__"]


def in_turns(contestants: Mapping[str, Sequence[str]], runs: int) -> dict[str, list[Import]]:
    """Import each in so many interpreters; one more each before them, which is not counted, writes the bytecode."""
    found: dict[str, list[Import]] = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "AIRFLOW_HOME": home}
        for turn in range(runs + 1):
            for name, modules in contestants.items():
                before = "DAG BaseOperator task" if name == DECORATED else "DAG BaseOperator"
                command = [sys.executable, "-c", _PROGRAM, before, *modules]
                done = subprocess.run(
                    command, env=env, stdout=subprocess.PIPE, text=True, check=True, start_new_session=True
                )
                if turn:
                    found[name].append(Import(*json.loads(done.stdout.splitlines()[-1])))
    return found


def show(found: dict[str, list[Import]]) -> None:
    print("| import | CPU ms | least | most | wall ms | new modules | times ours |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    ours = _cpu(found[OURS])
    for name, imports in found.items():
        times = [it.cpu for it in imports]
        print(
            f"| {name} | {_cpu(imports):.1f} | {min(times):.1f} | {max(times):.1f} "
            f"| {median(it.wall for it in imports):.1f} | {imports[0].modules} | {_cpu(imports) / ours:.1f} |"
        )


def _cpu(imports: Sequence[Import]) -> float:
    return median(it.cpu for it in imports)


def missed(found: dict[str, list[Import]]) -> Iterator[str]:
    """Yield which promises were missed."""
    for name in (OURS, DECORATED):
        if _cpu(found[name]) >= _MOST_CPU_MS:
            yield f"{name}: {_cpu(found[name]):.1f} ms of CPU, not under {_MOST_CPU_MS:.0f}"
    ours = _cpu(found[DECORATED])
    for peer in PEERS:
        if _cpu(found[peer]) <= ours:
            yield f"{peer} takes {_cpu(found[peer]):.1f} ms of CPU, which is less than our {ours:.1f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15, help="interpreters for each import (default: 15)")
    arguments = parser.parse_args()
    started = time.monotonic()
    modules, decorators = our_modules(_ROOMS), our_modules(_DECORATORS)
    print(f"Ours: {', '.join(name.removeprefix(_PACKAGE + '.') for name in modules + decorators)}.\n")
    ours = {OURS: modules, DECORATED: modules + decorators}
    found = in_turns(ours | {name: [module] for name, module in PEERS.items()}, arguments.runs)
    show(found)
    print(f"\n{time.monotonic() - started:.0f} s in all, load of the machine: {os.getloadavg()[0]:.1f}.")
    promises = list(missed(found))
    for promise in promises:
        print(f"MISSED: {promise}.")
    return 1 if promises else 0


if __name__ == "__main__":
    sys.exit(main())
