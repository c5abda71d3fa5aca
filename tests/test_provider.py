"""What has to hold on every Airflow that the package declares, the oldest included."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

import airflow_provider_runcomfy

MODULES = [
    module.name
    for module in pkgutil.walk_packages(airflow_provider_runcomfy.__path__, f"{airflow_provider_runcomfy.__name__}.")
    if not module.name.endswith(".__main__")
]
if not find_spec("airflow.providers.google"):
    # Imported where that is: `make test-stores`.
    MODULES.remove("airflow_provider_runcomfy.transfers.gcs_store")
if not find_spec("airflow.providers.openlineage"):
    # It has no place in the environment of the oldest Airflow.
    for told in ("facets", "openlineage"):
        MODULES.remove(f"airflow_provider_runcomfy.lineage.{told}")


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported(name: str) -> None:
    assert import_module(name).__name__ == name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "row"),
    [
        pytest.param("list", ["airflow-provider-runcomfy", "Generate videos and images on RunComfy"], id="provider"),
        pytest.param("hooks", ["runcomfy", "airflow_provider_runcomfy.hooks.runcomfy.RunComfyHook"], id="hook"),
    ],
)
def test_airflow_discovers_the(what: str, row: list[str]) -> None:
    command = [sys.executable, "-m", "airflow", "providers", what, "--output", "plain"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert [line for line in answer.splitlines() if line.startswith(row[0]) and row[1] in line] != []
