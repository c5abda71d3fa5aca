"""The demo: two example Dags on a real Airflow and a real S3 server, against the sandbox or the real RunComfy."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from requests import RequestException
from tabulate import tabulate

from dev.airflow import Airflow, airflow
from dev.airflow_client import TaskInstance, TaskKey
from dev.objects import StoredVideo, fetch
from dev.processes import ServerFailedError, end_children
from dev.report import Hold, count_calls, holds
from dev.sandbox import Sandbox, sandbox
from dev.seaweedfs import SeaweedFS, seaweedfs
from dev.spend import NotAllowedError, ask_to_spend
from dev.submitted import real_folder, tell_what_goes_on
from dev.watch import RunFailedError, Watch

_EXAMPLES = Path(__file__).parent.parent / "example_dags"
_TEXT_TO_VIDEO, _STORYBOARD = "example_runcomfy_text_to_video", "example_runcomfy_storyboard"
_FORM = "example_runcomfy_params_form"
_WAITING = ("RunComfyRequestSensor", "RunComfyGenerateOperator")
_COPYING = "RunComfyToS3Operator"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DemoFailedError(RuntimeError):
    """Something that the demo is to show is not so."""


@dataclass(frozen=True)
class Stage:
    """Everything that runs; ``sandbox`` is None on the real RunComfy."""

    airflow: Airflow
    s3: SeaweedFS
    sandbox: Sandbox | None


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything up until Ctrl-C")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(".demo"),
        help="where everything is kept, emptied first (.demo); each run on the real RunComfy has its own in .demo-real",
    )
    parser.add_argument("--host", help="where RUNCOMFY_TOKEN is taken, in place of the public RunComfy")
    arguments = parser.parse_args()
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    folder, is_real = arguments.folder.resolve(), bool(os.environ.get("RUNCOMFY_TOKEN"))
    folder = real_folder(folder) if is_real else folder
    code = 1
    try:
        code = _run_guarded(folder, host=arguments.host, keep=arguments.keep)
    finally:
        end_children()
        if code and is_real:
            tell_what_goes_on(folder)
    return code


def _run_guarded(folder: Path, *, host: str | None, keep: bool) -> int:
    """Run the demo and return its exit code; what ends it is said in words."""
    try:
        _run(folder, host=host, keep=keep)
    except (ServerFailedError, RunFailedError, DemoFailedError, NotAllowedError, RequestException) as error:
        print(f"\nThe demo ended: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Everything that was started has been ended.", file=sys.stderr)
        return 130
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    # What follows is the ending of everything: a second Ctrl-C must not cut that short.
    for again in _SIGNALS:
        signal.signal(again, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(folder: Path, *, host: str | None, keep: bool) -> None:
    token = os.environ.get("RUNCOMFY_TOKEN", "")
    if token:
        ask_to_spend(os.environ)
    with _emptied(folder), _stage(folder, token, host) as stage:
        runs = _run_dags(stage)
        _show_holds(stage, runs)
        requests = _show_objects(stage, runs, folder)
        _show_calls(stage, requests)
        if keep:
            _wait_for_interrupt(f"\nAirflow's UI: {stage.airflow.url} (no password). Ctrl-C ends everything.")


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """Have the folder for oneself, and empty."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoFailedError(f"another demo is running in {folder}") from None
        for entry in folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != ".lock":
                entry.unlink()
        yield


@contextmanager
def _stage(folder: Path, token: str, host: str | None) -> Iterator[Stage]:
    with ExitStack() as stack:
        local = None
        env = {}
        if token and host:
            env["AIRFLOW_CONN_RUNCOMFY_DEFAULT"] = Sandbox(host).connection(token)
        if not token:
            local = stack.enter_context(sandbox(folder, queue_seconds=3, run_seconds=8, concurrency=2))
            env["AIRFLOW_CONN_RUNCOMFY_DEFAULT"] = local.connection()
        print(f"RunComfy  {f'local sandbox, {local.url}' if local else host or 'the real one'}", flush=True)
        s3 = stack.enter_context(seaweedfs(folder / "s3"))
        env["AIRFLOW_CONN_AWS_DEFAULT"] = s3.connection()
        print(f"S3        SeaweedFS, {s3.endpoint}", flush=True)
        began = time.monotonic()
        files = [_EXAMPLES / f"{dag_id}.py" for dag_id in (_TEXT_TO_VIDEO, _STORYBOARD, _FORM)]
        running = stack.enter_context(airflow(folder / "airflow", files, env=env))
        print(f"Airflow   {running.url}, ready after {time.monotonic() - began:.0f} s", flush=True)
        yield Stage(running, s3, local)


def _run_dags(stage: Stage) -> dict[str, str]:
    """Run both Dags at once, show what happens, and return the run ids by Dag id."""
    client = stage.airflow.client
    for dag_id in (_TEXT_TO_VIDEO, _STORYBOARD):
        client.unpause(dag_id)
    runs = {dag_id: client.trigger(dag_id) for dag_id in (_TEXT_TO_VIDEO, _STORYBOARD)}
    began = time.time()
    print("\nseconds  Dag            task             what happened", flush=True)

    def say(when: datetime, key: TaskKey, text: str) -> None:
        dag = key.dag_id.removeprefix("example_runcomfy_")
        print(f"{when.timestamp() - began:7.1f}  {dag:<13}  {key!s:<15}  {text}", flush=True)

    Watch(client, runs, say).until_ended(timeout=300 if stage.sandbox else 7200)
    return runs


def _show_holds(stage: Stage, runs: dict[str, str]) -> None:
    found: dict[TaskKey, Hold] = {}
    for dag_id, run_id in runs.items():
        found |= holds(stage.airflow.client.state_events(dag_id, run_id))
    waiting = [instance.key for instance in _instances(stage, runs) if instance.operator in _WAITING]
    rows = [
        (key.dag_id.removeprefix("example_runcomfy_"), key, key in waiting, found[key].deferred, found[key].on_worker)
        for key in sorted(found)
    ]
    print("\nWhere the tasks spent their time, from Airflow's event log:\n")
    head = ("Dag", "task", "waits for RunComfy", "seconds deferred", "seconds on a worker")
    print(tabulate([(*row[:2], "yes" if row[2] else "", *row[3:]) for row in rows], head, floatfmt=".2f"))
    if idle := [str(key) for key in waiting if not found[key].deferrals]:
        raise DemoFailedError(f"these tasks waited without being deferred: {', '.join(idle)}")
    longest = max(found[key].on_worker for key in waiting)
    total = sum(found[key].deferred for key in waiting)
    print(
        f"\nAll {len(waiting)} waiting tasks were deferred, {total:.0f} s together; "
        f"the longest that one of them held a worker is {longest:.2f} s."
    )


def _show_objects(stage: Stage, runs: dict[str, str], folder: Path) -> list[str]:
    """Download every object, check it against its manifest, and return the request ids of the clips."""
    client = stage.airflow.client
    copies = [one.key for one in _instances(stage, runs) if one.operator == _COPYING]
    manifests = [entry for key in copies for entry in client.xcom(key, runs[key.dag_id])]
    film_uri = client.xcom(TaskKey(_STORYBOARD, "film"), runs[_STORYBOARD])
    clips = [_as_promised(fetch(stage.s3, entry["uri"], folder / "clips"), entry) for entry in manifests]
    film = fetch(stage.s3, film_uri, folder)
    rows = [
        (one.uri, one.size, one.video.seconds, f"{one.video.width}x{one.video.height}", one.sha256)
        for one in (*clips, film)
    ]
    print("\nWhat is in the bucket now, downloaded and decoded:\n")
    print(tabulate(rows, ("URI", "bytes", "seconds", "size", "sha256"), floatfmt=".2f"))
    print(f"\nThe film: {film.file}")
    return [entry["request_id"] for entry in manifests]


def _as_promised(stored: StoredVideo, entry: dict[str, Any]) -> StoredVideo:
    if (stored.size, stored.sha256) != (entry["size"], entry["sha256"]):
        raise DemoFailedError(f"{stored.uri} is not what its manifest says: {entry}")
    return stored


def _show_calls(stage: Stage, requests: list[str]) -> None:
    if stage.sandbox is None:
        return
    calls = count_calls(stage.sandbox.calls())
    if faults := calls.faults(requests):
        raise DemoFailedError("; ".join(faults))
    print(
        f"\nWhat the sandbox was asked: {len(calls.submits)} submits for {len(requests)} clips, one each; "
        f"{calls.polls} polls; {calls.files} file requests, {calls.files_with_token} of them with a token."
    )


def _instances(stage: Stage, runs: dict[str, str]) -> list[TaskInstance]:
    found = [one for dag_id, run_id in runs.items() for one in stage.airflow.client.task_instances(dag_id, run_id)]
    return sorted(found, key=lambda one: one.key)


def _wait_for_interrupt(invitation: str) -> None:
    try:
        # Also where it is read by a program, which may answer at once.
        print(invitation, flush=True)
        signal.pause()
    except KeyboardInterrupt:
        print("\nEnding everything.", flush=True)


if __name__ == "__main__":
    sys.exit(main())
