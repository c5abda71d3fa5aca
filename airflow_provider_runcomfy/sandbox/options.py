"""What one can ask of a sandbox on the command line, whichever command starts it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from airflow_provider_runcomfy.sandbox.settings import SandboxSettings

#: A flag, and what ``argparse`` has to know of it.
Option = tuple[str, dict[str, Any]]

DESCRIPTION = "A local RunComfy: same calls, real videos, no bill. Any non-empty token is accepted"


def _number(kind: Callable[[str], float], low: int, high: float = math.inf) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = kind(text)
        if not math.isfinite(number) or not low <= number <= high:
            upto = f" to {high}" if math.isfinite(high) else ""
            raise argparse.ArgumentTypeError(f"must be a number from {low}{upto}")
        return number

    # argparse names the type when a text is no number at all.
    parse.__name__ = "number"
    return parse


def _option(flag: str, field: str, kind: Callable[[str], Any], says: str) -> Option:
    default = getattr(SandboxSettings(), field)
    return flag, {"dest": field, "type": kind, "default": default, "help": f"{says} (default: {default})"}


_seconds = _number(float, 0)

OPTIONS: tuple[Option, ...] = (
    _option("--host", "host", str, "address to listen on"),
    _option("--port", "port", _number(int, 0, 65535), "port of the API; 0: a free one"),
    _option("--queue-seconds", "queue_seconds", _seconds, "shortest wait"),
    _option("--run-seconds", "run_seconds", _seconds, "how long a request runs"),
    _option("--concurrency", "concurrency", _number(int, 1), "running slots"),
    _option("--balance", "balance_usd", _seconds, "account at the start, in USD"),
)


def settings_of(arguments: argparse.Namespace) -> SandboxSettings:
    """Return the settings that were asked for; whatever else the arguments hold is left alone."""
    return SandboxSettings(**{field.name: getattr(arguments, field.name) for field in fields(SandboxSettings)})
