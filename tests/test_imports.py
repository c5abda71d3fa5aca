"""Dag files are parsed every few seconds: what they import of this package must load next to nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from airflow_provider_runcomfy.get_provider_info import get_provider_info

_DAG_FACING = [
    "airflow_provider_runcomfy.operators.runcomfy",
    "airflow_provider_runcomfy.sensors.runcomfy",
    "airflow_provider_runcomfy.decorators.runcomfy",
    "airflow_provider_runcomfy.transfers.runcomfy_to_s3",
    "airflow_provider_runcomfy.transfers.runcomfy_to_gcs",
    "airflow_provider_runcomfy.transfers.runcomfy_to_object_storage",
]
_HEAVY = {
    "requests",
    "aiohttp",
    "boto3",
    "botocore",
    "pandas",
    "jsonschema",
    "tenacity",
    "airflow.triggers",
    "fsspec",
    "google",
    "openlineage",
}
_LISTING = """
import sys
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, task
before = set(sys.modules)
import {module}
print(*sorted(set(sys.modules) - before), sep="\\n")
"""


def _loaded_by(module: str) -> set[str]:
    listing = subprocess.run(
        [sys.executable, "-c", _LISTING.format(module=module)], check=True, capture_output=True, text=True
    )
    return set(listing.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize("module", _DAG_FACING)
def test_a_dag_file_pays_for_nothing_heavy(module: str) -> None:
    loaded = _loaded_by(module)

    assert module in loaded
    assert {name for name in loaded if name in _HEAVY or name.split(".")[0] in _HEAVY} == set()
    assert {name for name in loaded if name.startswith("airflow.providers")} == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        "airflow_provider_runcomfy.api.client",
        "airflow_provider_runcomfy.api.aio",
        "airflow_provider_runcomfy.api.schema",
        "airflow_provider_runcomfy.api.download",
        "airflow_provider_runcomfy.ledger",
        "airflow_provider_runcomfy.api.diagnosis",
        "airflow_provider_runcomfy.sandbox.server",
        "airflow_provider_runcomfy.cli.main",
        "airflow_provider_runcomfy.cli.check",
        "airflow_provider_runcomfy.cli.validate",
    ],
)
def test_what_needs_no_airflow_loads_none(module: str) -> None:
    listing = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*sys.modules, sep='\\n')"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert [name for name in listing.stdout.split() if name.split(".")[0] == "airflow"] == []


def test_the_provider_info_names_modules_that_exist() -> None:
    info = get_provider_info()
    named = [module for room in ("hooks", "operators", "sensors", "triggers") for entry in info[room]
             for module in entry["python-modules"]]  # fmt: skip
    named += [entry["python-module"] for entry in info["transfers"]]

    for module in named:
        __import__(module)


def test_the_provider_info_names_things_that_can_be_called() -> None:
    info = get_provider_info()
    paths = [entry["class-name"] for entry in info["task-decorators"]]
    paths += [entry["hook-class-name"] for entry in info["connection-types"]]

    for path in [*paths, *info["cli"]]:
        module, _, name = path.rpartition(".")
        assert callable(getattr(import_module(module), name))


def test_the_provider_info_fits_airflows_schema() -> None:
    import json
    from importlib.resources import files

    from jsonschema import validate  # type: ignore[import-untyped]

    validate(get_provider_info(), json.loads((files("airflow") / "provider_info.schema.json").read_text()))
