"""The faults that are waiting for their calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_runcomfy.sandbox.calls import CallKind
from airflow_provider_runcomfy.sandbox.faults import Effect, Fault


@dataclass(frozen=True)
class CallFacts:
    """What is known of a call when a fault is looked for: of a submit its inputs, else those of its request."""

    kind: CallKind
    token: str
    model_id: str | None = None
    request_id: str | None = None
    prompt: str | None = None


@dataclass
class _Entry:
    fault: Fault
    times: int | None
    until: float


class FaultBook:
    """
    The faults in the order in which they were put in; those that are used up or over are forgotten.

    :param clock: gives seconds; only an outage asks for it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: list[_Entry] = []

    def add(self, fault: Fault) -> None:
        """Put a fault in; an outage begins now."""
        lasts = fault.seconds if fault.effect is Effect.OUTAGE else float("inf")
        self._entries.append(_Entry(fault, fault.times, self._clock() + lasts))

    def clear(self) -> None:
        """Forget all faults."""
        self._entries.clear()

    def take(self, facts: CallFacts, *effects: Effect) -> Fault | None:
        """Return the first fault of one of these effects that meets the call, and count it; None if none does."""
        taken = self._take(facts, effects, only_first=True)
        return taken[0] if taken else None

    def take_all(self, facts: CallFacts, effect: Effect) -> list[Fault]:
        """Return every fault of this effect that meets the call, and count each."""
        return self._take(facts, (effect,), only_first=False)

    def _take(self, facts: CallFacts, effects: tuple[Effect, ...], *, only_first: bool) -> list[Fault]:
        now = self._clock()
        self._entries = [entry for entry in self._entries if entry.until > now and entry.times != 0]
        met = [entry for entry in self._entries if entry.fault.effect in effects and _meets(entry.fault, facts)]
        taken = met[:1] if only_first else met
        for entry in taken:
            if entry.times is not None:
                entry.times -= 1
        return [entry.fault for entry in taken]


def _meets(fault: Fault, facts: CallFacts) -> bool:
    return (
        facts.kind in fault.calls
        and fault.model_id in (None, facts.model_id)
        and fault.request_id in (None, facts.request_id)
        and fault.token in (None, facts.token)
        and (fault.prompt is None or (facts.prompt is not None and fault.prompt in facts.prompt))
    )
