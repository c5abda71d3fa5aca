"""What one can ask of a sandbox on the command line, whichever command starts it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from airflow_provider_runcomfy.sandbox.settings import LIMITS, SandboxSettings

#: A flag, and what ``argparse`` has to know of it.
Option = tuple[str, dict[str, Any]]

DESCRIPTION = "A local RunComfy: same calls, real videos, no bill. Any non-empty token is accepted"


def _number(kind: Callable[[str], float], field: str) -> Callable[[str], float]:
    low, high = LIMITS[field]

    def parse(text: str) -> float:
        number = kind(text)
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"must be a number from {low} to {high}")
        return number

    # argparse names the type when a text is no number at all.
    parse.__name__ = "number"
    return parse


def _option(flag: str, field: str, kind: Callable[[str], Any], says: str) -> Option:
    default = getattr(SandboxSettings(), field)
    parse = _number(kind, field) if field in LIMITS else kind
    return flag, {"dest": field, "type": parse, "default": default, "help": f"{says} (default: {default})"}


OPTIONS: tuple[Option, ...] = (
    _option("--host", "host", str, "address to listen on"),
    _option("--port", "port", int, "port of the API; 0: a free one"),
    _option("--queue-seconds", "queue_seconds", float, "shortest wait"),
    _option("--run-seconds", "run_seconds", float, "how long a request runs"),
    _option("--concurrency", "concurrency", int, "running slots"),
    _option("--balance", "balance_usd", float, "account at the start, in USD"),
)


def settings_of(arguments: argparse.Namespace) -> SandboxSettings:
    """Return the settings that were asked for; whatever else the arguments hold is left alone."""
    return SandboxSettings(**{field.name: getattr(arguments, field.name) for field in fields(SandboxSettings)})
