"""Run the faults; see ``make help``."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from dev.faults.points import POINTS, run_point
from dev.faults.stage import stage
from dev.faults.table import Row, show


def main() -> int:
    """Run everything and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.faults", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".faults"), help="where everything is kept (.faults)")
    parser.add_argument("--only", default="", help="only the points whose name contains this")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows: list[Row] = []
    with stage(folder) as running:
        print(f"Airflow {running.airflow.url}", flush=True)
        for point in POINTS:
            for dag_id in point.dags:
                if arguments.only in point.name:
                    began = time.monotonic()
                    rows.append(run_point(running, point, dag_id))
                    print(f"{time.monotonic() - began:6.1f} s  {rows[-1].name}: {rows[-1].faults or 'ok'}", flush=True)
    print(show(rows))
    for row in rows:
        for fault in row.faults:
            print(f"\n{row.name}: {fault}", file=sys.stderr)
    return 1 if any(row.faults for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
