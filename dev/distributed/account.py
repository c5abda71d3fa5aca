"""The account of a run: what was wanted, paid for and stored, clip by clip. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Account:
    """
    What a run came to.

    :param wanted: how many clips there were to be.
    :param paid: the ids of the requests that RunComfy charged, by clip.
    :param stored: the ids of the requests whose objects are in the bucket, one for each object.
    :param wrong: what is wrong with objects, in words, by request id.
    :param unknown: the clips of which a task reported that it is not known whether they were paid for.
    """

    wanted: int
    paid: Mapping[int, list[str]]
    stored: list[str]
    wrong: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[int] = frozenset()

    @property
    def submits(self) -> int:
        """How many submits were paid."""
        return sum(len(ids) for ids in self.paid.values())

    @property
    def unknown_paid(self) -> int:
        """How many of the reported unknown submissions were in truth paid for."""
        return sum(bool(self.paid.get(clip)) for clip in self.unknown)

    def faults(self) -> list[str]:
        """Return what keeps "paid submits = clips = objects" from being true, beyond what was reported as unknown."""
        return [*self._clips(), *self._objects()]

    def _clips(self) -> Iterable[str]:
        for clip in range(self.wanted):
            ids = self.paid.get(clip, [])
            if len(ids) > 1:
                yield f"clip {clip} was paid {len(ids)} times: {', '.join(ids)}"
            if clip in self.unknown:
                continue
            if not ids:
                yield f"clip {clip} was never submitted"
            elif not set(ids) & set(self.stored):
                yield f"clip {clip} was paid for as {ids[0]}, and has no object"
        for clip in sorted(self.paid.keys() - range(self.wanted)):
            yield f"clip {clip} was paid for, and nobody wanted it"

    def _objects(self) -> Iterable[str]:
        known = {request_id for ids in self.paid.values() for request_id in ids}
        for request_id in sorted(set(self.stored)):
            if self.stored.count(request_id) > 1:
                yield f"request {request_id} has {self.stored.count(request_id)} objects"
            if request_id not in known:
                yield f"there is an object of {request_id}, which nobody paid for"
        for request_id, what in sorted(self.wrong.items()):
            yield f"the object of {request_id} {what}"
