"""``python -m airflow_provider_runcomfy.sandbox``: run a sandbox until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from airflow_provider_runcomfy.sandbox import options
from airflow_provider_runcomfy.sandbox.command import run


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sandbox until a signal comes; exit with 1 and a message if it cannot start."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_runcomfy.sandbox", description=options.DESCRIPTION
    )
    for flag, details in options.OPTIONS:
        parser.add_argument(flag, **details)
    run(options.settings_of(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
