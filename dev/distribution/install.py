"""The wheel in clean environments, of what the registry has today: what is seen from there, outside of the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dev.distribution.contents import EXTRAS, PACKAGE

_PROBE = Path(__file__).with_name("probe.py")
_MODEL = "kling/kling-3.0/standard/text-to-video"
_INPUTS = {"prompt": "A paper boat on a rainy street", "duration": 5}
#: What probe.py tries, and the extra that it takes.
NEEDS = {
    "copies_to_s3": "amazon",
    "clips_from_s3": "amazon",
    "copies_to_gcs": "google",
    "copies_to_azure": "azure",
    "lineage": "openlineage",
    "sandbox": "sandbox",
}
#: Whoever has no OpenLineage is asked for no lineage: there is nobody to tell.
UNASKED = ("lineage",)


@dataclass
class Installed:
    """
    What was seen in the environment of an extra; ``none`` is that of no extra.

    ``works`` has what could be done there, ``says`` what could not be with the error's words, ``faults`` what should
    be otherwise; ``packages`` is how many were installed, with the wheel.
    """

    extra: str
    packages: int
    seconds_to_install: float
    seconds_to_look: float = 0.0
    works: list[str] = field(default_factory=list)
    says: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def install_and_look(wheel: Path, extra: str, folder: Path, expected: dict[str, Any]) -> Installed:
    """
    Install the wheel with an extra into an environment of its own, and look from there.

    :param extra: one of the wheel's, or ``none``.
    :param folder: an empty one outside of the checkout; the environment in it is removed again.
    :param expected: what the probe has to see, by name.
    """
    began = time.monotonic()
    python = folder / "venv" / "bin" / "python"
    uv = [sys.executable, "-m", "uv"]
    made = _run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], folder)
    wanted = f"airflow-provider-runcomfy{'' if extra == 'none' else f'[{extra}]'} @ {wheel.resolve().as_uri()}"
    put = _run([*uv, "pip", "install", "--quiet", "--python", str(python), wanted], folder)
    if made.returncode or put.returncode:
        return Installed(extra, 0, time.monotonic() - began, faults=[f"[{extra}] cannot be installed: {put.stderr}"])
    packages = len([*folder.glob("venv/lib/python*/site-packages/*.dist-info")])
    installed = Installed(extra, packages, time.monotonic() - began)
    began = time.monotonic()
    installed.faults += [f"[{extra}] {fault}" for fault in _commands_faults(python, folder)]
    _look(installed, python, folder, expected)
    installed.seconds_to_look = time.monotonic() - began
    shutil.rmtree(folder / "venv")
    return installed


def _commands_faults(python: Path, folder: Path) -> list[str]:
    """Return what is wrong with the commands that people type."""
    inputs = folder / "inputs.json"
    inputs.write_text(json.dumps(_INPUTS))
    airflow = str(python.with_name("airflow"))
    fits = f"The inputs fit {_MODEL}."
    commands = [
        ([airflow, "providers", "get", "airflow-provider-runcomfy"], "airflow-provider-runcomfy"),
        ([airflow, "runcomfy", "--help"], "validate"),
        ([airflow, "runcomfy", "validate", _MODEL, str(inputs)], fits),
        ([str(python), "-m", PACKAGE, "--help"], "validate"),
        ([str(python), "-m", PACKAGE, "validate", _MODEL, str(inputs)], fits),
    ]
    faults = []
    for command, expected in commands:
        done = _run(command, folder)
        if done.returncode or expected not in done.stdout:
            said = f"{done.stdout}{done.stderr}".strip()[-500:]
            faults.append(f"`{' '.join(command[:-1])}` ended with {done.returncode}, without {expected!r}: {said}")
    return faults


def _look(installed: Installed, python: Path, folder: Path, expected: dict[str, Any]) -> None:
    probe, answer = folder / "probe.py", folder / "seen.json"
    shutil.copy(_PROBE, probe)
    # Isolated: neither its own folder nor any variable of Python's may add a module.
    done = _run([str(python), "-I", str(probe), str(answer)], folder)
    if not answer.exists():
        installed.faults.append(f"[{installed.extra}] the probe ended with {done.returncode}: {done.stderr[-1000:]}")
        return
    told = json.loads(answer.read_text())
    installed.works, installed.says = told["works"], told["says"]
    place = told["seen"].pop("folder")
    if not Path(place).is_relative_to(folder.resolve()):
        installed.faults.append(f"[{installed.extra}] the package was found in {place}: that is not the wheel")
    installed.faults += looking_faults(installed, told["seen"], expected)


def looking_faults(installed: Installed, seen: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Return what should be otherwise in what was seen, what works, and what is said where an extra is missing."""
    extra = installed.extra
    has = [one for one in EXTRAS if extra in (one, "all")]
    faults = [
        f"[{extra}] {name} is {seen.get(name)!r}, not {value!r}"
        for name, value in expected.items()
        if seen.get(name) != value
    ]
    for name, needed in NEEDS.items():
        says = installed.says.get(name)
        if needed in has and name not in installed.works:
            faults.append(f"[{extra}] {name} does not work: {says}")
        if needed not in has and name not in UNASKED and f"airflow-provider-runcomfy[{needed}]" not in (says or ""):
            faults.append(f"[{extra}] {name} has to say that the extra {needed} is missing, and says: {says}")
    return faults


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    # What a new account has: no Airflow of its own, and of the machine only what every machine has.
    names = ("AIRFLOW", "PYTHON", "RUNCOMFY", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    env |= {
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "True",
        "NO_GCE_CHECK": "true",
        "PATH": "/usr/bin:/bin",
    }
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
