"""Run clips on a cluster, lose a triggerer and a worker on the way, and account for every clip; see ``make help``."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from requests import RequestException

from dev.distributed import report
from dev.distributed.backends import postgres, redis
from dev.distributed.cluster import Cluster, cluster
from dev.distributed.database import Database, database
from dev.distributed.drive import Drive, RunFailedError
from dev.distributed.evidence import account, log_end
from dev.distributed.packages import install_what_is_missing
from dev.distributed.sampling import Sampler, sampling
from dev.processes import ServerFailedError, end_children
from dev.report import count_calls
from dev.sandbox import Sandbox, sandbox
from dev.seaweedfs import SeaweedFS, seaweedfs

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# How many clips may be under way at once, and how many of those RunComfy runs at once.
_SLOTS = 60
_RUNNING = 40
_RUN_SECONDS = 30.0
# PostgreSQL's counters come that late.
_SETTLE_SECONDS = 11.0


@dataclass(frozen=True)
class Stage:
    """Everything that runs."""

    cluster: Cluster
    database: Database
    sandbox: Sandbox
    s3: SeaweedFS
    sampler: Sampler


def main() -> int:
    """Run everything and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.distributed", description=__doc__)
    parser.add_argument("--clips", type=int, default=300, help="how many (300)")
    parser.add_argument("--folder", type=Path, default=Path(".distributed"), help="where all is kept (.distributed)")
    arguments = parser.parse_args()
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    folder = arguments.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        install_what_is_missing()
        faults = _run(folder, arguments.clips)
    except (ServerFailedError, RequestException) as error:
        print(f"\nThe cluster run ended: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Everything that was started has been ended.", file=sys.stderr)
        return 130
    finally:
        end_children()
    for fault in faults:
        print(f"FAULT {fault}", file=sys.stderr)
    return 1 if faults else 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    # What follows is the ending of everything: a second Ctrl-C must not cut that short.
    for again in _SIGNALS:
        signal.signal(again, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(folder: Path, clips: int) -> list[str]:
    with _stage(folder) as stage:
        time.sleep(_SETTLE_SECONDS)
        before = stage.database.tables()
        stage.sampler.begin()
        faults = []
        drive = Drive(stage.cluster, stage.database, stage.sampler, clips)
        try:
            drive.run(stage.s3.bucket, _SLOTS, timeout=600 + 8 * clips)
        except RunFailedError as error:
            faults.append(str(error))
        stage.sampler.sample()
        usage = report.show_usage(stage.sampler, clips)
        time.sleep(_SETTLE_SECONDS)
        after = stage.database.tables()
        calls = count_calls(stage.sandbox.calls())
        instances = stage.database.instances()
        found = account(drive, instances, stage.sandbox, stage.s3)
        print(f"\n{report.show_account(found, drive, instances)}\n\n{usage}\n")
        print(f"{report.show_tables(before, after, clips)}\n\n{report.show_calls(calls, clips)}")
        print(f"Measuring took {time.process_time():.0f} CPU s in all, which are in no table.")
        failed = [one for one in instances if one.state == "failed"]
        for one in failed:
            print(f"\n{log_end(stage.cluster, one) or f'--- {one} failed, and left no log of its last try'}")
        if not {one.map_index for one in failed} <= found.unknown:
            faults.append(f"{len(failed)} tasks failed: {', '.join(map(str, failed))}")
        return faults + found.faults()


@contextmanager
def _stage(folder: Path) -> Iterator[Stage]:
    began = time.monotonic()
    with ExitStack() as stack:
        sampler = stack.enter_context(sampling())
        metadata = stack.enter_context(postgres(folder / "postgres.log"))
        broker = stack.enter_context(redis(folder))
        local = stack.enter_context(
            sandbox(folder, queue_seconds=1, run_seconds=_RUN_SECONDS, concurrency=_RUNNING, balance=1_000_000)
        )
        s3 = stack.enter_context(seaweedfs(folder / "s3"))
        env = {"AIRFLOW_CONN_RUNCOMFY_DEFAULT": local.connection(), "AIRFLOW_CONN_AWS_DEFAULT": s3.connection()}
        running = stack.enter_context(cluster(folder, metadata, broker, env=env))
        for name, process in running.hosts.items():
            sampler.watch(name, process.pid)
        parts = {"postgres": metadata.pid, "redis": broker.pid, "sandbox": local.pid, "seaweedfs": s3.pid}
        for name, pid in parts.items():
            sampler.watch(name, pid)
        connected = stack.enter_context(database(metadata.url))
        print(
            f"{len(running.hosts)} hosts and {len(parts)} servers are up after {time.monotonic() - began:.0f} s",
            flush=True,
        )
        yield Stage(running, connected, local, s3, sampler)


if __name__ == "__main__":
    sys.exit(main())
