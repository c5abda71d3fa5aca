"""The table of what was killed, paid and stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tabulate import tabulate

from dev.faults.stage import Account


@dataclass(frozen=True)
class Row:
    """
    One scenario.

    :param reported: unknown submissions that the tasks reported.
    :param faults: what is not as promised; empty if all is.
    :param kinds: how many of each kind were killed, where there are several.
    """

    name: str
    kills: int
    wanted: int
    account: Account
    reported: int
    faults: tuple[str, ...]
    kinds: Mapping[str, int] = field(default_factory=dict)

    @property
    def told_kills(self) -> str:
        """The number of kills, by kind where there are several."""
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.kinds.items()))
        return f"{self.kills}: {kinds}" if kinds else str(self.kills)


def show(rows: Sequence[Row]) -> str:
    """Return the table as text."""
    head = (
        "killed", "kills", "clips wanted", "paid submits", "objects stored", "wrong objects", "unfinished uploads",
        "unknown, reported", "",
    )  # fmt: skip
    body = [
        (
            row.name,
            row.told_kills,
            row.wanted,
            row.account.submits,
            row.account.stored,
            row.account.wrong,
            row.account.unfinished,
            row.reported,
            "FAULT" if row.faults else "as promised",
        )
        for row in rows
    ]
    return str(tabulate(body, head))
