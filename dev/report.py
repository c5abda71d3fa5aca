"""What the demo found, computed from Airflow's event log and the sandbox's list of calls: no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dev.airflow_client import StateEvent, TaskKey


@dataclass(frozen=True)
class Hold:
    """How long one task instance was deferred, and how long it held a worker, in seconds; ``deferrals`` counts."""

    deferrals: int = 0
    deferred: float = 0.0
    on_worker: float = 0.0


def holds(events: Iterable[StateEvent]) -> dict[TaskKey, Hold]:
    """
    Return where each task instance spent its time.

    Airflow logs an event when a task starts or resumes on a worker (``running``) and when it leaves it (any other
    state), so what lies between is time on a worker; from ``deferred`` to the resume no worker is held.
    """
    found: dict[TaskKey, Hold] = {}
    last: dict[TaskKey, tuple[str, datetime]] = {}
    for event in sorted(events, key=lambda event: event.when):
        hold = found.get(event.key, Hold())
        state, since = last.get(event.key, ("", event.when))
        seconds = (event.when - since).total_seconds()
        found[event.key] = Hold(
            hold.deferrals + (event.state == "deferred"),
            hold.deferred + (seconds if state == "deferred" else 0.0),
            hold.on_worker + (seconds if state == "running" else 0.0),
        )
        last[event.key] = (event.state, event.when)
    return found


@dataclass(frozen=True)
class Calls:
    """What the sandbox was asked: ``submits`` counts the accepted ones by request id."""

    submits: Mapping[str, int]
    polls: int
    files: int
    files_with_token: int

    def faults(self, wanted: Iterable[str]) -> list[str]:
        """Return what is wrong if exactly these requests should have been submitted, each once."""
        wanted = set(wanted)
        found = [f"request {name} was submitted {count} times" for name, count in self.submits.items() if count > 1]
        found += [f"request {name} was paid for, but is not stored" for name in self.submits.keys() - wanted]
        found += [f"request {name} is stored, but was not submitted" for name in wanted - self.submits.keys()]
        if self.files_with_token:
            found.append(f"{self.files_with_token} files were asked for with a token")
        return sorted(found)


def count_calls(calls: Iterable[Mapping[str, Any]]) -> Calls:
    """Return what matters of the sandbox's list of calls."""
    calls = list(calls)
    kinds = Counter(call["kind"] for call in calls)
    submits = Counter(call["request_id"] or f"(none: {call['status']})" for call in calls if call["kind"] == "submit")
    with_token = sum(call["kind"] == "file" and call["has_authorization"] for call in calls)
    return Calls(submits, kinds["status"] + kinds["result"], kinds["file"], with_token)
