"""Kill copies: around the moment in which an object appears, and in the middle of its parts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from dev.faults.large_copies import LargeCopies, is_completion, is_part, request_of
from dev.faults.processes import kill, peer
from dev.faults.stage import Stage, account
from dev.faults.table import Row
from dev.gate import Exchange, Stop, When

_FILES = 5
_ALWAYS = 1_000_000


def kill_copies(stage: Stage, when: When, *, kills: int) -> Row:
    """Kill each of some copies once, before or after S3 has its object."""
    name = f"transfer, {when} its object is written"
    prefix = f"transfer-{when}"
    lock = threading.Lock()
    killed = 0

    def act(exchange: Exchange) -> bool:
        nonlocal killed
        if kill([peer(exchange)]):
            with lock:
                killed += 1
        return False

    def writes(exchange: Exchange) -> bool:
        return exchange.method == "PUT" and f"/{prefix}/" in exchange.path

    with stage.to_s3.stopping(Stop(writes, when, act, times=kills)):
        run_id = stage.start("faults_generate", prefix, kills)
        instances = stage.wait("faults_generate", run_id)
    found = account(stage, prefix, kills)
    faults = [f"{one.key} is {one.state}" for one in instances if one.state != "success"]
    if killed != kills or found.submits != kills or found.stored != kills or found.wrong or found.unfinished:
        faults.append(
            f"{killed} kills, paid {found.submits}, stored {found.stored}, wrong {found.wrong}, "
            f"unfinished uploads {found.unfinished}"
        )
    return Row(name, killed, kills, found, 0, tuple(faults))


@dataclass(frozen=True)
class Middle:
    """A moment of a multipart upload; ``leaves`` tells whether S3 then has parts of what is no object yet."""

    name: str
    when: When
    matches: Callable[[Exchange], bool]
    leaves: bool


MIDDLES = (
    Middle("after a part of five", When.AFTER, is_part, leaves=True),
    Middle("before its parts are put together", When.BEFORE, is_completion, leaves=True),
    Middle("after its parts are put together", When.AFTER, is_completion, leaves=False),
)


def kill_in_middle(stage: Stage, middle: Middle, *, kills: int) -> Row:
    """Kill each of some copies of one large file once."""
    copies = LargeCopies.paid(stage, f"transfer-{MIDDLES.index(middle)}-in-parts", copies=kills, files=1)
    lock = threading.Lock()
    met: set[int] = set()
    left: list[int] = []

    def matches(exchange: Exchange) -> bool:
        index = copies.group_of(exchange)
        if index is None or index in met or not middle.matches(exchange):
            return False
        met.add(index)
        return True

    def act(exchange: Exchange) -> bool:
        index = copies.group_of(exchange)
        if kill([peer(exchange)]) and index is not None:
            with lock:
                left.append(sum(copies.sent_parts(index).values()))
        return False

    with stage.to_s3.stopping(Stop(matches, middle.when, act, times=kills)):
        copies.start()
        found, faults = copies.judge()
    if [bool(parts) for parts in left] != [middle.leaves] * kills:
        faults.append(f"the kills left so many parts each: {left}")
    return Row(f"transfer, {middle.name}", len(left), copies.wanted, found, 0, tuple(faults))


def kill_several(stage: Stage, *, kills: int) -> Row:
    """Kill each of some copies of five large files once, when one at least is there and the others are under way."""
    copies = LargeCopies.paid(stage, "transfer-several", copies=kills, files=_FILES)
    killing = _KillSeveral(copies)
    with (
        stage.to_s3.stopping(Stop(is_completion, When.AFTER, killing.complete, times=_ALWAYS)),
        stage.to_s3.stopping(Stop(is_part, When.AFTER, killing.part, times=_ALWAYS)),
    ):
        copies.start()
        copies.wait()
    calls = {request_id: copies.file_calls(request_id) for group in copies.groups for request_id in group}
    found, faults = copies.judge()
    if len(killing.there) != kills:
        faults.append(f"only {len(killing.there)} of {kills} kills")
    for index, there in killing.there.items():
        again = {r: calls[r] for r in copies.groups[index] if calls[r] > (1 if r in there else 2)}
        if again:
            faults.append(f"{len(there)} of {_FILES} files were there; some were asked for too often: {again}")
    counts = [len(there) for there in killing.there.values()]
    print(f"         files there at the kill, and not asked for again: {counts} of {_FILES} each", flush=True)
    return Row("transfer, five files at once", len(killing.there), copies.wanted, found, 0, tuple(faults))


@dataclass
class _KillSeveral:
    """
    Kills each copy of several files once.

    :param there: by copy, the requests whose object was complete before it was killed.
    """

    copies: LargeCopies
    there: dict[int, set[str]] = field(default_factory=dict)
    _complete: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def complete(self, exchange: Exchange) -> bool:
        """Note that an object is there."""
        with self._lock:
            self._complete.add(request_of(exchange))
        return True

    def part(self, exchange: Exchange) -> bool:
        """Kill the copy that sends this part, if it has begun every file, has sent of each, and has ended one."""
        index = self.copies.group_of(exchange)
        if index is None:
            return True
        with self._lock:
            there = self._complete & set(self.copies.groups[index])
            if index in self.there or not there:
                return True
            parts = self.copies.sent_parts(index)
            # A kill between the beginning of an upload and the note of it would leave one without a part.
            if len(there | set(parts)) < _FILES or not all(parts.values()):
                return True
            if kill([peer(exchange)]):
                self.there[index] = there
        return False
