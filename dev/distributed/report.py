"""The tables at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from dev.distributed.account import Account
from dev.distributed.database import Instance, Table
from dev.distributed.drive import COPY, GENERATE, Drive
from dev.distributed.sampling import Sampler
from dev.report import Calls


def show_account(account: Account, drive: Drive, instances: Sequence[Instance]) -> str:
    """Return what was wanted, paid and stored."""
    rows: list[tuple[str, object]] = [
        ("clips wanted", account.wanted),
        ("paid submits", account.submits),
        ("unknown submissions reported", len(account.unknown)),
        ("of these paid in truth", account.unknown_paid),
        ("objects in the bucket", len(account.stored)),
        ("wrong objects", len(account.wrong)),
        ("hosts lost", ", ".join(f"{loss.host} at {loss.second:.0f} s" for loss in drive.losses)),
        ("tasks that ran on them", ", ".join(str(task) for loss in drive.losses for task in loss.tasks)),
        ("seconds", f"{drive.seconds:.0f}"),
    ]
    for task_id in (GENERATE, COPY):
        tries = Counter(one.try_number for one in instances if one.task_id == task_id)
        text = ", ".join(f"{count} x {number}" for number, count in sorted(tries.items()))
        rows.append((f"tries of {task_id}", text))
    return str(tabulate(rows, colalign=("left", "left"), disable_numparse=True))


def show_usage(sampler: Sampler, clips: int) -> str:
    """Return what each part of the cluster took."""
    rows = [
        (name, usage.processes, usage.pss, usage.rss, sampler.cpu(name), 1000 * sampler.cpu(name) / clips)
        for name, usage in sampler.usages.items()
    ]
    head = ("part", "processes", "peak PSS, MiB", "peak RSS, MiB", "CPU s", "CPU ms per clip")
    return str(tabulate([*rows, _sum(rows)], head, floatfmt=("", "", ".0f", ".0f", ".1f", ".0f"), tablefmt="github"))


def show_tables(before: Mapping[str, Table], after: Mapping[str, Table], clips: int) -> str:
    """Return what the run left and did in the metadata database, per clip."""
    none = Table(0, 0, 0, 0, 0.0)
    changes = {name: table.since(before.get(name, none)) for name, table in after.items()}
    # What is written whatever the number of clips is no matter of a clip.
    changes = {name: table for name, table in changes.items() if table.inserts + table.updates >= clips / 2}
    rows = [
        (name, *(value / clips for value in (one.rows, one.inserts, one.updates, one.deletes, one.kib)))
        for name, one in sorted(changes.items(), key=lambda item: -item[1].inserts)
    ]
    head = ("per clip in", "rows kept", "inserts", "updates", "deletes", "KiB")
    return str(tabulate([*rows, _sum(rows)], head, floatfmt=".2f", tablefmt="github"))


def _sum(rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    return ("sum", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))


def show_calls(calls: Calls, clips: int) -> str:
    """Return what RunComfy was asked."""
    return (
        f"RunComfy was asked, per clip: {sum(calls.submits.values()) / clips:.2f} submits, "
        f"{calls.polls / clips:.2f} polls and results, {calls.files / clips:.2f} files."
    )
