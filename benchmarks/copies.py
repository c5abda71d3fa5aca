"""
Throughput and memory of the copies, side by side with what else there is.

Each way runs in processes of its own, in turns with the others, from one local file server into one local store. The
memory told is the largest peak above the process's resident memory after all imports and one copy of a small file.
Ends with 1, and says which, if a promise is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from statistics import median

from benchmarks import servers
from benchmarks.measure import process

_SIZES = (8, 256, 1024)
# The peers need memory of twice the file: they copy one as large as this once.
_LARGE_MIB = 1024
_FILES, _FILE_MIB = 20, 20
#: What is promised: the share of a bare upload's throughput.
_LEAST_SHARE = 0.9


@dataclass(frozen=True)
class Contest:
    """A store with the ways into it, and how much memory, in MiB, is promised to be enough."""

    name: str
    store: Callable[[], AbstractContextManager[servers.Store]]
    ours: str
    bare: str
    peer: str
    most_memory: int


CONTESTS = {
    "s3": Contest("SeaweedFS", servers.s3, "RunComfyToS3Operator", "upload_fileobj", "HttpToS3Operator", 48),
    "gcs": Contest("GCS", servers.gcs, "RunComfyToGCSOperator", "upload_from_file", "HttpToGCSOperator", 20),
}


@dataclass(frozen=True)
class Copy:
    """One copy: seconds, seconds of the process's CPU, and MiB above the process's baseline."""

    seconds: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Copies:
    """All copies that one way made of the same files, ``mib`` MiB in all."""

    mib: int
    made: list[Copy]

    @property
    def rate(self) -> float:
        """The median MiB per second."""
        return median(self.mib / copy.seconds for copy in self.made)

    @property
    def cpu(self) -> float:
        """The median seconds of CPU for a GiB."""
        return median(copy.cpu * 1024 / self.mib for copy in self.made)

    @property
    def memory(self) -> float:
        """The most MiB of any."""
        return max(copy.memory for copy in self.made)

    def share_of(self, others: Copies) -> float:
        """Return the median of how many times as fast each was as the other way's copy of the same turn."""
        return median(other.seconds / copy.seconds for copy, other in zip(self.made, others.made, strict=False))


def in_turns(
    contest: Contest, ways: Sequence[str], mib: int, requests: Sequence[str], rounds: int
) -> dict[str, Copies]:
    """Let each way copy the same files in ``rounds`` processes, one way after the other."""
    found = {way: Copies(mib * len(requests), []) for way in ways}
    with contest.store() as store, servers.files(mib, requests) as base:
        env = {
            **store.env,
            "AIRFLOW_CONN_RUNCOMFY_DEFAULT": json.dumps({"conn_type": "runcomfy", "host": base, "password": "token"}),
            "AIRFLOW_CONN_HTTP_DEFAULT": json.dumps({"conn_type": "http", "host": base}),
        }
        for number in range(rounds):
            with ExitStack() as stack:
                running = {
                    way: stack.enter_context(process(way, base, env))
                    for way in ways
                    if not (way == contest.peer and mib >= _LARGE_MIB and number)
                }
                baselines = {}
                for way, copy in running.items():
                    baselines[way] = copy([servers.SMALL]).rest
                    store.empty()
                for turn in range(_turns(mib * len(requests))):
                    # The other way round each time, so that what one leaves to be done does not always hit the same.
                    for way in list(running)[:: -1 if (number + turn) % 2 else 1]:
                        taken = running[way](requests)
                        memory = (taken.peak - baselines[way]) / 1024
                        found[way].made.append(Copy(taken.seconds, taken.cpu, memory))
                        store.empty()
    return found


def _turns(mib: int) -> int:
    """Return how often a process copies: small files often, since each takes as long as the machine hesitates."""
    return max(1, 64 // mib)


def one_file(contest: Contest, mib: int, rounds: int) -> Iterator[str]:
    """Copy one file in each way, and yield which promises were missed."""
    found = in_turns(contest, [contest.ours, contest.bare, contest.peer], mib, ["request"], rounds)
    show(f"{mib} MiB into {contest.name}", found, contest.bare)
    share = found[contest.ours].share_of(found[contest.bare])
    if share < _LEAST_SHARE:
        yield f"{contest.ours}, {mib} MiB: {share:.2f} of the throughput of {contest.bare}, not {_LEAST_SHARE}"
    yield from too_much_memory(contest, f"{mib} MiB", found)


def several_files(contest: Contest, rounds: int) -> Iterator[str]:
    """Copy several files at once and one by one, and yield which promises were missed."""
    title, one_by_one = f"{_FILES} files of {_FILE_MIB} MiB", f"{contest.ours}, one by one"
    requests = [f"request-{number}" for number in range(_FILES)]
    found = in_turns(contest, [contest.ours, one_by_one], _FILE_MIB, requests, rounds)
    show(f"{title} into {contest.name}", found, one_by_one)
    yield from too_much_memory(contest, title, found)


def too_much_memory(contest: Contest, title: str, found: dict[str, Copies]) -> Iterator[str]:
    memory = found[contest.ours].memory
    if memory > contest.most_memory:
        yield f"{contest.ours}, {title}: {memory:.1f} MiB of memory, not {contest.most_memory}"


def show(title: str, found: dict[str, Copies], yardstick: str) -> None:
    print(f"\n{title} (load of the machine: {os.getloadavg()[0]:.1f}):\n")
    print(f"| {'way':<33} | copies | MiB/s | times as fast | CPU s per GiB | extra memory, MiB |")
    print(f"|{'-' * 35}|-------:|------:|--------------:|--------------:|------------------:|")
    for way, copies in found.items():
        print(
            f"| {way:<33} | {len(copies.made):>6} | {copies.rate:>5.0f} | {copies.share_of(found[yardstick]):>13.2f} "
            f"| {copies.cpu:>13.1f} | {copies.memory:>17.1f} |"
        )
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=CONTESTS, action="append", help="which store (default: all)")
    parser.add_argument("--sizes", type=int, nargs="*", default=_SIZES, metavar="MIB", help="default: 8 256 1024")
    parser.add_argument("--rounds", type=int, default=3, help="processes for each way and size (default: 3)")
    arguments = parser.parse_args()
    # The servers end with the block that runs them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    started = time.monotonic()
    missed: list[str] = []
    for contest in map(CONTESTS.__getitem__, arguments.store or CONTESTS):
        for mib in arguments.sizes:
            missed += one_file(contest, mib, arguments.rounds)
        missed += several_files(contest, arguments.rounds)
    print(f"\n{time.monotonic() - started:.0f} s in all.")
    for promise in missed:
        print(f"MISSED: {promise}.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
