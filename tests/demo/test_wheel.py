"""The built wheel in an environment that has Airflow and nothing of this checkout."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_runcomfy import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NAME = "airflow_provider_runcomfy"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    # Without isolation: the build backend is in the environment, so that nothing is downloaded.
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def clean_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment of the wheel and the very packages of this one, but for this project's own."""
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "venv" / "lib" / version / "site-packages"
    for entry in Path(site.getsitepackages()[0]).iterdir():
        if NAME not in entry.name and not (packages / entry.name).exists():
            (packages / entry.name).symlink_to(entry)
    install = [sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps"]
    subprocess.run([*install, "--python", python, wheel], check=True, capture_output=True)
    return folder


def run(clean: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    environment |= {"AIRFLOW_HOME": str(clean / "home")}
    done = subprocess.run(
        [clean / "venv" / "bin" / "python", *arguments],
        cwd=clean,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_comes_from_the_wheel(clean_environment: Path) -> None:
    found = run(clean_environment, "-c", f"import {NAME}; print({NAME}.__file__)").strip()
    assert Path(found).is_relative_to(clean_environment)


def test_airflow_lists_the_provider(clean_environment: Path) -> None:
    listed = json.loads(run(clean_environment, "-m", "airflow", "providers", "list", "-o", "json"))
    assert [row["version"] for row in listed if row["package_name"] == "airflow-provider-runcomfy"] == [__version__]


def test_airflow_lists_the_hook(clean_environment: Path) -> None:
    listed = json.loads(run(clean_environment, "-m", "airflow", "providers", "hooks", "-o", "json"))
    (row,) = [row for row in listed if row["connection_type"] == "runcomfy"]
    assert row["class"] == f"{NAME}.hooks.runcomfy.RunComfyHook"
    assert row["hook_name"] == "RunComfy"


def test_airflow_has_the_form_of_the_connection(clean_environment: Path) -> None:
    # What the API server answers the UI's connection page with.
    service = "airflow.api_fastapi.core_api.services.ui.connections"
    show = "for form in HookMetaService.hook_meta_data(): print(form.model_dump_json())"
    code = f"from {service} import HookMetaService\n{show}"
    forms = [json.loads(line) for line in run(clean_environment, "-c", code).splitlines() if line.startswith("{")]
    (form,) = [form for form in forms if form["connection_type"] == "runcomfy"]
    assert form["hook_name"] == "RunComfy"
    assert form["standard_fields"]["password"]["title"]
