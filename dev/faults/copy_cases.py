"""What becomes of a copy of large files when a person clears or marks its task."""

from __future__ import annotations

import threading
import time

import psutil

from dev.faults.large_copies import LargeCopies, is_part
from dev.faults.processes import peer, ti_id
from dev.faults.stage import Stage
from dev.gate import Exchange, Stop, When

_FILES = 5
_ALWAYS = 1_000_000
# So many parts are on their way at the same time, whatever the number of files.
_PARTS_AT_ONCE = 2
_PATIENCE = 120.0


def handle_copies(stage: Stage) -> list[tuple[str, str, str, str]]:
    """Return, for each case, its name, what must be, what is, and what is wrong (empty if nothing)."""
    return [_clear(stage), _mark(stage)]


def _clear(stage: Stage) -> tuple[str, str, str, str]:
    copies = LargeCopies.paid(stage, "transfer-cleared", copies=1, files=_FILES)
    copies.start()
    _, wrong = copies.judge()
    before, calls = copies.manifest(0), len(stage.large.calls())
    stage.airflow.client.clear(copies.key(0), copies.run_id)
    [cleared] = copies.wait()
    more = len(stage.large.calls()) - calls
    # A clear that nothing came of would make no calls either.
    if (cleared.state, cleared.try_number, more) != ("success", 2, 0) or copies.manifest(0) != before:
        wrong.append(f"{cleared}, {more} calls of RunComfy, manifest {copies.manifest(0)}, was {before}")
    same = "same" if copies.manifest(0) == before else "another"
    name = f"clears a copy of {_FILES} files that has succeeded"
    return name, "the same manifest, 0 calls", f"the {same} manifest, {more} calls", "; ".join(wrong)


def _mark(stage: Stage) -> tuple[str, str, str, str]:
    copies = LargeCopies.paid(stage, "transfer-marked", copies=1, files=_FILES)
    holding = _Holding()
    with (
        stage.to_s3.stopping(Stop(lambda e: is_part(e) and copies.group_of(e) == 0, When.AFTER, holding.part, _ALWAYS)),
        stage.to_airflow.stopping(Stop(holding.is_late_heartbeat, When.AFTER, holding.told)),
    ):
        copies.start()
        if not holding.holds.wait(_PATIENCE) or holding.process is None:
            raise TimeoutError(f"{copies.prefix}: not {_PARTS_AT_ONCE} parts were sent after {_PATIENCE:.0f} s")
        uploads = len(copies.sent_parts(0))
        stage.airflow.client.mark(copies.key(0), copies.run_id, "failed")
        holding.marked.set()
        holding.process.wait(_PATIENCE)
    [instance] = copies.wait()
    found = copies.account()
    wrong = []
    if (instance.state, found.stored, found.unfinished) != ("failed", 0, 0) or not uploads:
        wrong.append(f"it is {instance.state}; {uploads} uploads had begun when it was marked")
    log = stage.log(instance, copies.run_id)
    if "The task was killed while it copied" not in log:
        wrong.append(f"the log does not say that it was killed: {log[-1500:]}")
    name = f"marks a copy of {_FILES} files failed while it sends parts"
    is_there = f"{found.stored} objects, {found.unfinished} unfinished uploads"
    return name, "0 objects, 0 unfinished uploads", is_there, "; ".join(wrong)


class _Holding:
    """Holds back what S3 answers to the parts of a copy until Airflow has told its supervisor that it was marked."""

    def __init__(self) -> None:
        self._told = threading.Event()
        self._title = ""
        self._held: list[Exchange] = []
        self.holds = threading.Event()
        self.marked = threading.Event()
        self.process: psutil.Process | None = None

    def part(self, exchange: Exchange) -> bool:
        """Hold the answer to a part."""
        if self.process is None and (process := peer(exchange)):
            self._title = " ".join(process.cmdline())
            self.process = process
        self._held.append(exchange)
        if len(self._held) == _PARTS_AT_ONCE:
            self.holds.set()
        self._told.wait(_PATIENCE)
        # The signal follows the answer to the heartbeat at once; five seconds later comes SIGKILL.
        time.sleep(1.0)
        return True

    def is_late_heartbeat(self, exchange: Exchange) -> bool:
        """Return whether a call is the first heartbeat of the copy after it was marked."""
        is_heartbeat = self.marked.is_set() and exchange.path.endswith("/heartbeat")
        return is_heartbeat and (ti_id(exchange) or "?") in self._title

    def told(self, exchange: Exchange) -> bool:
        """Let the parts go on."""
        self._told.set()
        return True
