"""How fast a crowd may call a server that says 429 or falls over: pure, the clock passed in."""

from __future__ import annotations

from enum import Enum, auto

# A limit is felt for from below: slower at once when it is met, then a little faster with each second, and much
# faster once it must be gone; the longer a server asks to be left alone, the slower, or little of its limit is used.
_SLOWER = 0.8
_FASTER, _MUCH_FASTER = 1.02, 1.1
_CAREFUL_SECONDS = 15.0
_SECONDS_PER_RETRY_AFTER = 0.2
_SLOWEST_RATE = 0.5
# So many failures in a row, and no answer for so long, are an outage; fewer are single calls' bad luck. A large crowd
# has three in a row also where one of RunComfy's servers is down and the others answer.
_OUTAGE_FAILURES = 3
_SILENT_SECONDS = 2.0
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 10.0
# After a pause one call now and then shows whether the outage is over; then the crowd comes back, faster and faster,
# until each of it may have its turn in so many seconds: those who come back all at once would do so again and again.
_PROBES_PER_SECOND = 1.0
_RECOVERY_RATE, _RECOVERY = 5.0, 1.5
_ROUND_SECONDS = 30.0
# What is late comes at once, but no more than of so many seconds.
_CATCH_UP_SECONDS = 0.05
# Where nobody had to wait for so long there is no limit any more.
_FREE_AFTER_SECONDS = 10.0
# Powers of longer times would overflow, and mean nothing.
_LONGEST_GROWTH_SECONDS = 100.0


class _Mode(Enum):
    FREE = auto()
    LIMITED = auto()
    PROBING = auto()
    RECOVERING = auto()


class Throttle:
    """
    The pace of all calls together: as fast as they come, until the server asks for less or falls over.

    All times are in seconds, of any one clock.
    """

    def __init__(self) -> None:
        self._mode = _Mode.FREE
        self._base = self._since = 0.0
        self._growth_second = 1.0
        self._next_at = self._closed_until = self._held_at = 0.0
        self._failures = self._pauses = 0
        # The second of the last answer.
        self._second = -10
        self._answers = self._answers_before = 0

    @property
    def is_free(self) -> bool:
        """Whether calls are made as they come."""
        return self._mode is _Mode.FREE

    def rate(self, now: float) -> float:
        """Return how many calls a second may be made; infinity where there is no limit."""
        # Where all are held back nothing is felt for.
        waited = max(now - max(self._since, self._closed_until), 0.0) / self._growth_second
        waited = min(waited, _LONGEST_GROWTH_SECONDS)
        match self._mode:
            case _Mode.FREE:
                return float("inf")
            case _Mode.PROBING:
                return _PROBES_PER_SECOND
            case _Mode.RECOVERING:
                return min(float(_RECOVERY_RATE * _RECOVERY**waited), self._grown(waited, _ROUND_SECONDS))
            case _Mode.LIMITED:
                return self._grown(waited, _CAREFUL_SECONDS)

    def delay(self, now: float) -> float:
        """Return how long the next call has to wait, in seconds; 0 where it may be made."""
        return 0.0 if self.is_free else max(self._closed_until - now, self._next_at - now, 0.0)

    def sent(self, now: float) -> None:
        """Take note that a call is made."""
        if not self.is_free:
            self._next_at = max(self._next_at, now - _CATCH_UP_SECONDS) + 1 / self.rate(now)

    def held(self, now: float) -> None:
        """Take note that somebody has to wait."""
        self._held_at = now

    def is_over(self, now: float) -> bool:
        """Return whether a limit that there was is not felt any more, and lift it then."""
        felt = self._mode is _Mode.PROBING or now < max(self._held_at + _FREE_AFTER_SECONDS, self._closed_until)
        if self.is_free or felt:
            return False
        self._mode = _Mode.FREE
        return True

    def answered(self, now: float) -> None:
        """Take note of an answer: the server is well."""
        second = int(now)
        if second != self._second:
            self._answers_before = self._answers if second == self._second + 1 else 0
            self._second, self._answers = second, 0
        self._answers += 1
        self._failures = self._pauses = 0
        if self._mode is _Mode.PROBING:
            self._enter(_Mode.RECOVERING, now)

    def refused(self, now: float, retry_after: float | None) -> bool:
        """
        Take note of a 429.

        :param retry_after: for how many seconds the server asks to be left alone.
        :returns: whether a limit begins to be felt with this one.
        """
        was = self._mode
        # Those that were under way when the last one came say nothing new.
        if was is _Mode.LIMITED and now < max(self._since + 1, self._closed_until):
            return False
        known = self.rate(now) if was is _Mode.LIMITED else self._accepted(now)
        self._base = max(known * _SLOWER, _SLOWEST_RATE)
        self._growth_second = max((retry_after or 0.0) * _SECONDS_PER_RETRY_AFTER, 1.0)
        self._enter(_Mode.LIMITED, now)
        if retry_after is not None:
            self._closed_until = max(self._closed_until, now + retry_after)
        return was is not _Mode.LIMITED

    def failed(self, now: float, crowd: int, *, for_all: bool) -> None:
        """
        Take note of a call that came to nothing.

        :param crowd: how many share the pace.
        :param for_all: whether it is sure that it would have failed for everybody.
        """
        if now < self._closed_until:
            return
        self._failures += 1
        is_luck = self._failures < _OUTAGE_FAILURES or now - self._second < _SILENT_SECONDS
        if is_luck and not for_all and self._mode is not _Mode.PROBING:
            return
        pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(self._pauses, 10), _LONGEST_PAUSE_SECONDS)
        self._pauses += 1
        self._base, self._growth_second = max(crowd / _ROUND_SECONDS, 2 * _RECOVERY_RATE), 1.0
        self._enter(_Mode.PROBING, now)
        self._closed_until = self._next_at = now + pause

    def _enter(self, mode: _Mode, now: float) -> None:
        self._mode, self._since = mode, now
        self._next_at = self._held_at = now

    def _grown(self, waited: float, careful_seconds: float) -> float:
        careful = min(waited, careful_seconds)
        return float(self._base * _FASTER**careful * _MUCH_FASTER ** (waited - careful))

    def _accepted(self, now: float) -> float:
        """Return how many calls were answered in a second lately."""
        before = self._answers_before if int(now) - self._second <= 1 else 0
        return float(max(self._answers, before, 1))
