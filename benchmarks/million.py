"""
What a million clips a day need, computed from what the other benchmarks have measured (benchmarks/figures.json).

Prints the tables that docs/scale.md has; a test compares the two. `--write` puts them there.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.scale_docs import put

FIGURES = Path(__file__).with_name("figures.json")
_SECONDS_PER_DAY = 24 * 3600


class Need(NamedTuple):
    """One line: what is needed, how much of it, and how that was computed."""

    what: str
    much: str
    how: str


def needs(f: dict[str, float]) -> Iterator[Need]:
    """Compute what is needed from the figures, by their names in the file."""
    rate = f["clips_per_day"] / _SECONDS_PER_DAY
    peak = rate * f["peak"]
    yield Need("clips", f"{rate:.1f}/s, at the peak {peak:.1f}/s", "clips_per_day / 86400 [* peak]")

    waiting = peak * (f["wait_seconds"] + f["detection_seconds"])
    yield Need("waiting at once, at the peak", f"{waiting:,.0f}", "clips/s * (wait_seconds + detection_seconds)")
    triggerers = math.ceil(waiting / f["capacity"])
    yield Need("triggerers", f"{triggerers} and one to spare", "ceil(waiting / capacity)")
    # Beside the polls there are the submit and the copy's look at the result.
    calls = peak * (f["calls_per_generation"] + 2)
    yield Need("calls of RunComfy's API, at the peak", f"{calls:,.0f}/s", "clips/s * (calls_per_generation + 2)")
    polling = peak * f["calls_per_generation"] * f["poll_cpu_ms"] / 1000
    yield Need(
        "cores for polls, at the peak",
        f"{polling:.1f}, of each triggerer {polling / triggerers:.0%} of one",
        "clips/s * calls_per_generation * poll_cpu_ms",
    )

    airflow = peak * (f["generate_cpu_seconds"] + f["copy_cpu_seconds"])
    yield Need(
        "cores of all Airflow's processes, at the peak",
        f"{airflow / f['use']:.0f}",
        "clips/s * (generate_cpu_seconds + copy_cpu_seconds) / use",
    )
    yield Need(
        "of these, for a generate task that did nothing",
        f"{peak * f['bare_cpu_seconds'] / f['use']:.0f}",
        "clips/s * bare_cpu_seconds / use",
    )
    gib = peak * f["clip_mib"] / 1024
    copies = gib * f["copy_cpu_seconds_per_gib"]
    yield Need(
        "cores for the bytes of copies, at the peak",
        f"{copies / f['use']:.1f}",
        "clips/s * clip_mib * copy_cpu_seconds_per_gib / use",
    )
    yield Need("bytes through the workers, at the peak", f"{gib * 1024:,.0f} MiB/s in and out", "clips/s * clip_mib")
    stored = f["clips_per_day"] * f["clip_mib"] / 1024 / 1024
    yield Need("into the bucket", f"{stored:.1f} TiB a day", "clips_per_day * clip_mib")

    rows = f["generate_rows"] + f["copy_rows"]
    a_day = rows * f["clips_per_day"]
    yield Need(
        "rows of the metadata database",
        f"{a_day / 1e6:.0f} million a day, {peak * rows:,.0f}/s at the peak",
        "clips * (generate_rows + copy_rows)",
    )
    yield Need("rows that are kept", f"{a_day * f['retention_days'] / 1e6:,.0f} million", "rows a day * retention_days")

    for model in ("standard", "pro"):
        dollars = f["clips_per_day"] * f["clip_seconds"] * f[f"usd_per_second_{model}"]
        yield Need(
            f"dollars for kling-3.0 {model}", f"{dollars:,.0f} a day", f"clips * clip_seconds * usd_per_second_{model}"
        )


def tables() -> str:
    """Return the table of needs, and that of the figures."""
    kinds = json.loads(FIGURES.read_text())
    figures = {name: each["value"] for kind in kinds.values() for name, each in kind.items()}
    lines = ["| a million clips a day need | | computed as |", "|---|--:|---|"]
    lines += [f"| {need.what} | {need.much} | `{need.how}` |" for need in needs(figures)]
    for kind, title in (("measured", "measured by"), ("assumed", "assumed: where it is from")):
        lines += ["", f"| figure | | {title} |", "|---|--:|---|"]
        lines += [
            f"| {name} | {_number(each['value'])} {each['unit']} | {each['source']} |"
            for name, each in kinds[kind].items()
        ]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scale.md")
    if parser.parse_args().write:
        put("million", tables())
    print(tables(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
