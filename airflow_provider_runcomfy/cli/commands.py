"""The commands, told once for both of their forms: ``airflow runcomfy`` and ``python -m airflow_provider_runcomfy``."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_runcomfy.sandbox import options as sandbox_options
from airflow_provider_runcomfy.sandbox.options import Option

DESCRIPTION = "What one wants to know of RunComfy, and of this provider, outside a Dag"


def check(arguments: Namespace) -> None:
    """Run ``check``, and exit with what it says."""
    from airflow_provider_runcomfy.cli.check import check as run

    sys.exit(run(arguments.conn_id, arguments.token_file, arguments.host))


def validate(arguments: Namespace) -> None:
    """Run ``validate``, and exit with what it says."""
    from airflow_provider_runcomfy.cli.validate import validate as run

    sys.exit(run(arguments.model_id, arguments.inputs, arguments.conn_id, arguments.token_file, arguments.host))


def sandbox(arguments: Namespace) -> None:
    """Run the sandbox until a signal comes."""
    from airflow_provider_runcomfy.sandbox.command import run

    run(sandbox_options.settings_of(arguments))


@dataclass(frozen=True)
class Command:
    """
    One command.

    :param run: is called with the parsed options, and exits.
    """

    name: str
    help: str
    run: Callable[[Namespace], None]
    options: tuple[Option, ...]
    epilog: str


_SOURCE: tuple[Option, ...] = (
    ("--conn-id", {"metavar": "ID", "help": "use this Airflow connection, as tasks read it"}),
    ("--token-file", {"metavar": "FILE", "help": "read the token from this file; - is standard input"}),
    ("--host", {"metavar": "URL", "help": "base URL for a token that is not a connection's; RunComfy by default"}),
)

COMMANDS = (
    Command(
        "check",
        "Check token, balance and base URL, and that RunComfy can be reached; free of charge",
        check,
        _SOURCE,
        "Without --conn-id and --token-file the token is that of the variable RUNCOMFY_TOKEN, else that of the Airflow "
        "connection runcomfy_default. Exits with 0 if all is well, 1 if there is something to mend (token, balance, "
        "base URL, proxy), 2 for a wrong option, 3 if RunComfy cannot be reached or cannot serve now.",
    ),
    Command(
        "validate",
        "Check a model's inputs before anything is paid; they are sent nowhere",
        validate,
        (
            ("model_id", {"metavar": "MODEL", "help": "the model, say kling/kling-3.0/pro/text-to-video"}),
            ("inputs", {"metavar": "INPUTS", "help": "a JSON file with the model's inputs; - is standard input"}),
            *_SOURCE,
        ),
        "Of a model that is not in the package the schema is asked for in RunComfy's catalogue, free of charge: that "
        "takes a token, of --conn-id, --token-file or the variable RUNCOMFY_TOKEN. Exits with 0 if the inputs fit, 1 "
        "if they do not, 2 for a wrong option or a file that cannot be read, 3 if the model's schema is not known.",
    ),
    Command("sandbox", sandbox_options.DESCRIPTION, sandbox, sandbox_options.OPTIONS, "Runs until SIGINT or SIGTERM."),
)
