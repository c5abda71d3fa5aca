"""
A process of its own that copies in one way, again and again, and the time and the memory that each copy takes.

Run as a program it is that process: requests in on standard input, a line each time; what they took out on standard
output.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from benchmarks.ways import WAYS


@dataclass(frozen=True)
class Taken:
    """What one copy took: seconds, those of CPU, and KiB of resident memory at its peak and once it was over."""

    seconds: float
    cpu: float
    peak: int
    rest: int


@contextmanager
def process(way: str, base: str, env: Mapping[str, str]) -> Iterator[Callable[[Sequence[str]], Taken]]:
    """Yield a function that copies the files of some requests in that process."""
    command = [sys.executable, "-m", "benchmarks.measure", way, base]
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, **env, "AIRFLOW_HOME": home, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:

            def copy(requests: Sequence[str]) -> Taken:
                print(json.dumps(requests), file=running.stdin, flush=True)
                line = running.stdout.readline() if running.stdout else ""
                if not line:
                    raise RuntimeError(f"{way} failed: see above")
                return Taken(*json.loads(line))

            yield copy


def measured(way: str, base: str, requests: Sequence[str]) -> Taken:
    """Copy the files of some requests in this process."""
    # Forgets the kernel's own peak of this process, which misses nothing and takes no time from the copy.
    Path("/proc/self/clear_refs").write_text("5")
    started, cpu = time.monotonic(), time.process_time()
    WAYS[way](base, requests)
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    peak = _memory("VmHWM")
    gc.collect()
    return Taken(seconds, cpu, peak, _memory("VmRSS"))


def _memory(name: str) -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[name].removesuffix("kB"))


def main() -> None:
    way, base = sys.argv[1:]
    # Whatever prints elsewhere in here goes to standard error.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        print(json.dumps(astuple(measured(way, base, json.loads(line)))), file=answers, flush=True)


if __name__ == "__main__":
    main()
