"""
A process of its own in which triggers wait, made and run by Airflow's own triggerer, on one event loop.

Left out is what costs the same whatever waits: the triggerer's talk with its supervisor and the database, and its look
at every trigger each second. Run as a program it is that process: commands in on standard input, a line each; what
became of them out on standard output.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import statistics
import sys
import time
from typing import Any

from benchmarks.waiters import BARE, WAITERS, bare, request_id

_NAP = 0.05


class Loop:
    """The waiting of one kind."""

    def __init__(self, name: str, base: str) -> None:
        self._name, self._base = name, base
        self._tasks: list[asyncio.Task[Any]] = []
        self._lags: list[float] = []
        self._runner: Any = None
        self._session: Any = None

    async def open(self) -> None:
        """Import what is needed."""
        if self._name == BARE:
            import aiohttp

            self._session = aiohttp.ClientSession()
        else:
            self._runner = _runner()
        self._watching = asyncio.create_task(self._watch())

    async def start(self, number: int, seconds: float) -> None:
        """Start so many more, spread over so many seconds."""
        began, first = time.monotonic(), len(self._tasks)
        for count in range(number):
            await asyncio.sleep(max(0.0, began + seconds * count / number - time.monotonic()))
            if self._runner is None:
                url = f"{self._base}/v1/requests/{request_id(first + count)}/status"
                self._tasks.append(asyncio.create_task(bare(self._session, url)))
            else:
                self._runner.to_create.append(self._workload(first + count))
                await self._runner.create_triggers()
                self._tasks.append(self._runner.triggers[first + count]["task"])

    def _workload(self, number: int) -> Any:
        import uuid6
        from airflow.executors.workloads import RunTrigger
        from airflow.executors.workloads.task import TaskInstanceDTO
        from airflow.models.trigger import Trigger

        classpath, kwargs = WAITERS[self._name].make(number).serialize()
        task = TaskInstanceDTO(
            id=uuid6.uuid7(),
            dag_version_id=uuid6.uuid7(),
            dag_id="clips",
            task_id="generate",
            run_id="scheduled__2026-11-20T10:00:00+00:00",
            try_number=1,
            map_index=number,
            queue="default",
            pool_slots=1,
            priority_weight=1,
        )
        encrypted = Trigger.encrypt_kwargs(kwargs)
        return RunTrigger(id=number, classpath=classpath, encrypted_kwargs=encrypted, ti=task)

    async def _watch(self) -> None:
        while True:
            due = time.monotonic() + _NAP
            await asyncio.sleep(_NAP)
            self._lags.append(time.monotonic() - due)

    def mark(self) -> dict[str, float]:
        """Return the seconds of CPU so far, who waits, and the lag of the loop since the last mark."""
        lags, self._lags = self._lags, []
        cuts = statistics.quantiles(lags, n=100) if len(lags) > 1 else [0.0] * 99
        waiting = sum(not task.done() for task in self._tasks)
        return {"cpu": time.process_time(), "waiting": waiting, "p50": cuts[49], "p99": cuts[98]}


def _runner() -> Any:
    from airflow.jobs.triggerer_job_runner import TriggerRunner
    from airflow.sdk.log import configure_logging

    # As below a supervisor, but what is logged ends here.
    nowhere = open(os.devnull, "wb", buffering=0)  # noqa: PTH123, SIM115
    configure_logging(json_output=True, output=nowhere, sending_to_supervisor=True)
    return TriggerRunner()


async def main() -> None:
    name, base = sys.argv[1:]
    # Whatever prints elsewhere in here goes to standard error.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    loop = Loop(name, base)
    await loop.open()
    print(json.dumps("open"), file=answers, flush=True)
    while line := await commands.readline():
        match json.loads(line):
            case ["start", number, seconds]:
                await loop.start(number, seconds)
                said: object = "started"
            case ["collect"]:
                said = gc.collect()
            case _:
                said = loop.mark()
        print(json.dumps(said), file=answers, flush=True)
    # Nobody needs what the triggers would still do.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
