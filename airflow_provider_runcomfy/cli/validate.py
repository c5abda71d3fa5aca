"""``validate``: whether inputs fit a model."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_provider_runcomfy.api.errors import InvalidInputError, InvalidSettingsError
from airflow_provider_runcomfy.api.input_check import check_with_catalogue, refuse_what_cannot_be_fetched
from airflow_provider_runcomfy.api.media_inputs import media_in
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.cli.exits import BAD, GOOD, NOT_KNOWN, USAGE, complain, say
from airflow_provider_runcomfy.cli.source import WrongOptionError, is_named, settings_named
from airflow_provider_runcomfy.parameters import TOKEN_VARIABLE


def validate(model_id: str, file: str, conn_id: str | None, token_file: str | None, host: str | None) -> int:
    """
    Say whether inputs fit a model, with every fault at once, as a submit would.

    The other parameters are those of :func:`~airflow_provider_runcomfy.cli.source.settings_named`; without a token
    RunComfy's catalogue is not asked.

    :param model_id: the model.
    :param file: the JSON file that has the inputs; ``-`` is standard input.
    :returns: the exit code.
    """
    if file == token_file == "-":
        return complain("Inputs and token cannot both come by standard input", USAGE)
    try:
        inputs = _read(file)
    except OSError as error:
        return complain(f"{file} cannot be read: {error.strerror or type(error).__name__}", USAGE)
    except ValueError as error:
        return complain(f"{file} is no JSON: {error}", BAD)
    except RecursionError:
        return complain(f"{file} is no JSON: it is nested too deeply", BAD)
    try:
        asks = host is not None or is_named(conn_id, token_file)
        settings = settings_named(conn_id, token_file, host)[0] if asks else None
        return _validated(model_id, inputs, settings)
    except WrongOptionError as error:
        return complain(str(error), USAGE)
    except (InvalidInputError, InvalidSettingsError) as error:
        return complain(str(error), BAD)


def _validated(model_id: str, inputs: Any, settings: Settings | None) -> int:
    checked, remark = check_with_catalogue(model_id, inputs, lambda: _entry(model_id, settings))
    is_local = settings is not None and settings.is_local
    refuse_what_cannot_be_fetched(model_id, media_in(checked.inputs, checked.schema), is_local=is_local)
    if not checked.checked:
        return complain(f"Not checked: {remark}", NOT_KNOWN)
    say(remark or f"The inputs fit {model_id}.")
    return GOOD


def _entry(model_id: str, settings: Settings | None) -> Mapping[str, Any]:
    if settings is None:
        raise InvalidSettingsError(f"it was not asked: that takes --conn-id, --token-file or {TOKEN_VARIABLE}")
    from airflow_provider_runcomfy.api.client import RunComfyClient

    with RunComfyClient(settings) as client:
        return client.get_model(model_id)


def _read(file: str) -> Any:
    return json.loads(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
