"""What a command says, and with which code it ends."""

from __future__ import annotations

import sys

GOOD = 0
#: Something is wrong that a person has to mend.
BAD = 1
#: As argparse.
USAGE = 2
#: Whether all is well could not be found out.
NOT_KNOWN = 3


def say(text: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(f"{text}\n")


def complain(text: str, code: int) -> int:
    """Write what is wrong to standard error, and return the exit code."""
    sys.stderr.write(f"{text}\n")
    return code
