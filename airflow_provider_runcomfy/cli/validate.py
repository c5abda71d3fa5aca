"""``validate``: whether inputs fit a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from airflow_provider_runcomfy.api.errors import InvalidInputError
from airflow_provider_runcomfy.api.schema import check_inputs
from airflow_provider_runcomfy.cli.exits import BAD, GOOD, NOT_KNOWN, USAGE, complain, say


def validate(model_id: str, file: str) -> int:
    """
    Say whether inputs fit a model, with every fault at once.

    :param model_id: the model.
    :param file: the JSON file that has the inputs; ``-`` is standard input.
    :returns: the exit code.
    """
    try:
        inputs = _read(file)
    except OSError as error:
        return complain(f"{file} cannot be read: {error.strerror or type(error).__name__}", USAGE)
    except ValueError as error:
        return complain(f"{file} is no JSON: {error}", BAD)
    try:
        checked = check_inputs(model_id, inputs)
    except InvalidInputError as error:
        return complain(str(error), BAD)
    if not checked.checked:
        hint = f" {checked.hint}" if checked.hint else ""
        return complain(f"Not checked: this package has no schema of {model_id}.{hint}", NOT_KNOWN)
    say(f"The inputs fit {model_id}.")
    return GOOD


def _read(file: str) -> Any:
    return json.loads(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
