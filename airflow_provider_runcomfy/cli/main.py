"""The commands without Airflow: ``python -m airflow_provider_runcomfy``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from airflow_provider_runcomfy.cli.commands import COMMANDS, DESCRIPTION


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name, and exit."""
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_runcomfy", description=DESCRIPTION)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        # Abbreviated, --token would be --token-file, and a token be taken for the name of a file.
        one = commands.add_parser(
            command.name, help=command.help, description=command.help, epilog=command.epilog, allow_abbrev=False
        )
        one.set_defaults(run=command.run)
        for flag, details in command.options:
            one.add_argument(flag, **details)
    parsed = parser.parse_args(arguments)
    parsed.run(parsed)
