"""The cases of a waiting request whose task a person marks or clears, or that times out, and what must become of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

_CANCELLED = "was cancelled while it was queued; nothing is charged"
_TOO_LATE = "could not be cancelled: it runs or has ended, and is charged"
_FLAG_OFF = "cancel_on_kill is off"
_ATTACHED = "Attached to request"
_SUBMITTED = "RunComfy accepted request"


@dataclass(frozen=True)
class Case:
    """
    One task that waits, and what is done to it.

    :param state: of its request: ``in_progress`` or ``in_queue``.
    :param mode: ``deferred`` or ``worker``.
    :param flag: ``on`` or ``off``: its ``cancel_on_kill``; its ``cancel_on_timeout`` where it times out.
    :param act: ``failed``, ``success``, ``cleared`` or ``timed out``.
    """

    state: str
    mode: str
    flag: str
    act: str

    @property
    def name(self) -> str:
        """The case in words."""
        option = "cancel_on_timeout" if self.times_out else "cancel_on_kill"
        return f"{self.act}, {self.mode}, {self.state}, {option} {self.flag}"

    @property
    def is_in_short(self) -> bool:
        """Whether it is one of those that the short form has: what a cancel or a clear decides, in both modes."""
        return self.state == "in_queue" and (self.flag == "on" or self.act == "cleared") and self.act != "success"

    @property
    def times_out(self) -> bool:
        """Whether nobody does anything to it."""
        return self.act == "timed out"

    @property
    def dag_id(self) -> str:
        """The Dag that has this mode and flag."""
        return f"faults_timeout_{self.flag}" if self.times_out else f"faults_wait_{self.mode}_{self.flag}"

    @property
    def prefix(self) -> str:
        """What the prompt begins with."""
        return self.name.replace(", ", "-").replace(" ", "-").replace("_", "-")

    @property
    def cancels(self) -> bool:
        """Whether a cancel is sent: not for a clear, where Airflow lets us know that it is one."""
        return self.flag == "on" and not (self.act == "cleared" and self.mode == "deferred")

    @property
    def becomes(self) -> list[str]:
        """What its requests must be afterwards, oldest first."""
        if not self.cancels or self.state == "in_progress":
            return [self.state]
        return ["cancelled", "in_queue"] if self.act == "cleared" else ["cancelled"]

    @property
    def said(self) -> list[str]:
        """What the log of the task must say, as often as it is here; with the last of it the act is over."""
        if self.times_out:
            became = _CANCELLED if self.state == "in_queue" else _TOO_LATE
            return ["did not end in time", became if self.flag == "on" else "It goes on and is charged"]
        if self.flag == "off":
            killed = _FLAG_OFF
        elif self.mode == "deferred" and self.act == "cleared":
            # The new try is there first: it has attached before the old trigger is told.
            killed = "Left alone, since the task is"
        else:
            killed = _CANCELLED if self.state == "in_queue" else _TOO_LATE
        if self.act != "cleared":
            return [killed]
        # The first try has submitted, too.
        return [killed, _ATTACHED] if len(self.becomes) == 1 else [killed, _SUBMITTED, _SUBMITTED]


def cases(state: str) -> tuple[Case, ...]:
    """Return every case of a request in a state."""
    return (
        *(
            Case(state, mode, flag, act)
            for mode, flag, act in product(("deferred", "worker"), ("on", "off"), ("failed", "success", "cleared"))
        ),
        *(Case(state, "deferred", flag, "timed out") for flag in ("on", "off")),
    )


# So many requests run for ever; the next ones are queued for ever.
RUNNING = len(cases("in_progress"))
