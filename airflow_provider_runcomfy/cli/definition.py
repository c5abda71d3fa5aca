"""The commands as Airflow's own: ``airflow runcomfy`` (Airflow 3.2 or later)."""

from __future__ import annotations

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand

from airflow_provider_runcomfy.cli.commands import COMMANDS, DESCRIPTION


def get_runcomfy_cli_commands() -> list[CLICommand]:
    """Return what Airflow adds to its command line."""
    actions = [
        ActionCommand(
            name=command.name,
            help=command.help,
            func=command.run,
            args=[Arg((flag,), **details) for flag, details in command.options],
            epilog=command.epilog,
        )
        for command in COMMANDS
    ]
    return [GroupCommand(name="runcomfy", help=DESCRIPTION, subcommands=actions)]
