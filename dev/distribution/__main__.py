"""Build what would be published of a commit, look into it, install it as strangers do; see ``make help``."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tabulate import tabulate

from dev.distribution.build import BuildFailedError, Built, build_twice, sha256
from dev.distribution.contents import (
    EXTRAS,
    contents_of,
    description_of,
    metadata_of,
    sdist_faults,
    wheel_faults,
)
from dev.distribution.install import UNASKED, Installed, install_and_look
from dev.distribution.page import page_faults

_NONE = "none"


def main() -> int:
    """Do it all, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev.distribution", description=__doc__)
    parser.add_argument("--commit", default="HEAD", help="what is built (HEAD)")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="where wheel and sdist are put (dist)")
    parser.add_argument("--extras", default=",".join((_NONE, *EXTRAS)), help="those that are installed; none: no extra")
    arguments = parser.parse_args()
    if _git("status", "--porcelain"):
        print("What is not committed is not in what is built.\n", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="distribution-") as folder:
        try:
            built, faults = build_twice(arguments.commit, Path(folder) / "build")
        except BuildFailedError as error:
            print(error, file=sys.stderr)
            return 1
        faults += _looked_into(built)
        _show(built)
        looked = _installed(built, arguments.extras.split(","), Path(folder))
        faults += [fault for installed in looked for fault in installed.faults]
        print(f"\n{_table(looked)}\n")
        for fault in faults:
            print(f"FAULT: {fault}", file=sys.stderr)
        if not faults:
            _keep(built, arguments.out)
    return 1 if faults else 0


def _looked_into(built: Built) -> list[str]:
    """Return what is wrong with wheel and sdist, before anything is installed."""
    faults = [*wheel_faults(built.wheel, built.source), *sdist_faults(built.sdist, built.source)]
    faults += page_faults(description_of(built.wheel))
    command = [sys.executable, "-m", "twine", "check", "--strict", str(built.wheel), str(built.sdist)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [*faults, *([f"twine: {done.stdout}{done.stderr}"] if done.returncode else [])]


def _show(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        for each in wheel.infolist():
            print(f"  {each.file_size:7,} {each.filename}")
    tops = Counter("/".join(name.split("/")[1:2]) for name in contents_of(built.sdist))
    print(f"\nThe sdist has {', '.join(f'{top} ({count})' for top, count in sorted(tops.items()))}.")
    for file in (built.wheel, built.sdist):
        print(f"{sha256(file)}  {file.name}, {file.stat().st_size:,} bytes, {len(contents_of(file))} files")


def _keep(built: Built, folder: Path) -> None:
    """Put wheel and sdist where they are published from, in place of any others."""
    folder.mkdir(exist_ok=True)
    for old in (*folder.glob("*.whl"), *folder.glob("*.tar.gz")):
        old.unlink()
    for file in (built.wheel, built.sdist):
        shutil.copy(file, folder)
    print(f"In each: provider, connection type, @task.runcomfy, plugin, commands, example Dags. All is in {folder}/.")


def _installed(built: Built, extras: Iterable[str], folder: Path) -> list[Installed]:
    """Return what was seen with each extra, telling of each at once."""
    looked = []
    for extra in filter(None, extras):
        place = folder / extra
        place.mkdir()
        looked.append(install_and_look(built.wheel, extra, place, _expected(built)))
        print(f"[{extra}] {'seen' if not looked[-1].faults else looked[-1].faults}", flush=True)
    return looked


def _expected(built: Built) -> dict[str, Any]:
    return {
        "provider": metadata_of(built.wheel)["Version"],
        "connection_type": "airflow_provider_runcomfy.hooks.runcomfy.RunComfyHook",
        "decorator": "@task.runcomfy",
        "plugin": ["dag_run", "task_instance"],
        "tab_file": 200,
        "example_dags": sorted(Path(name).stem for name in built.source if fnmatch(name, "example_dags/*.py")),
    }


def _table(looked: Iterable[Installed]) -> str:
    rows = [
        {
            "extra": installed.extra,
            "packages": installed.packages,
            "installed in s": f"{installed.seconds_to_install:.0f}",
            "looked at in s": f"{installed.seconds_to_look:.0f}",
            "works": ", ".join(installed.works) or "-",
            "names its extra": ", ".join(name for name in installed.says if name not in UNASKED) or "-",
            "faults": len(installed.faults),
        }
        for installed in looked
    ]
    return str(tabulate(rows, headers="keys"))


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
