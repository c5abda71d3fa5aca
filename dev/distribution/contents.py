"""What has to be in wheel and sdist, and nothing else: names, metadata, entry points."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterable
from configparser import ConfigParser
from email import message_from_bytes
from email.message import Message
from pathlib import Path

PACKAGE = "airflow_provider_runcomfy"
EXAMPLES = f"{PACKAGE}/example_dags"
#: What Airflow, type checkers and browsers look for by name: a build without one of these works, and is broken.
NEEDED = (
    "__main__.py",
    "api/schemas/kling/kling-3.0/pro/text-to-video.json",
    "api/schemas/kling/kling-3.0/standard/text-to-video.json",
    "cli/definition.py",
    "decorators/runcomfy.py",
    "example_dags/example_runcomfy_storyboard.py",
    "get_provider_info.py",
    "hooks/runcomfy.py",
    "py.typed",
    "sandbox/__main__.py",
    "ui/plugin.py",
    "ui/static/card.js",
    "ui/static/clips.css",
    "ui/static/clips.js",
    "ui/static/icon-dark.svg",
    "ui/static/icon.svg",
    "ui/static/page.css",
    "ui/static/page.html",
    "ui/static/page.js",
    "ui/static/player.js",
    "ui/static/tab.js",
)
ENTRY_POINTS = {
    "airflow.plugins": {"runcomfy": f"{PACKAGE}.ui.plugin:RunComfyPlugin"},
    "apache_airflow_provider": {"provider_info": f"{PACKAGE}.get_provider_info:get_provider_info"},
}
EXTRAS = ("all", "amazon", "azure", "google", "openlineage", "sandbox")
_METADATA = {
    "Name": ["airflow-provider-runcomfy"],
    "License-Expression": ["Apache-2.0"],
    "License-File": ["LICENSE"],
    "Requires-Python": [">=3.11"],
    "Description-Content-Type": ["text/markdown"],
    "Provides-Extra": list(EXTRAS),
}


def contents_of(file: Path) -> list[str]:
    """Return the names of the files in a wheel or sdist, sorted."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            return sorted(wheel.namelist())
    with tarfile.open(file) as sdist:
        return sorted(member.name for member in sdist if not member.isdir())


def metadata_of(wheel: Path) -> Message:
    """Return the metadata of a wheel; its payload is the description."""
    with zipfile.ZipFile(wheel) as archive:
        return message_from_bytes(archive.read(f"{_dist_info(wheel)}/METADATA"))


def description_of(wheel: Path) -> str:
    """Return what the registry's page shows, as Markdown."""
    payload = metadata_of(wheel).get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def wheel_faults(wheel: Path, source: Iterable[str]) -> list[str]:
    """
    Return what is wrong with a wheel.

    :param source: the files of the repository, named from its top: the wheel holds those of the package and of
        example_dags, and its own metadata.
    """
    package = {name for name in source if name.startswith(f"{PACKAGE}/")}
    examples = {f"{PACKAGE}/{name}" for name in source if name.startswith("example_dags/")}
    info = {f"{_dist_info(wheel)}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")}
    expected = package | examples | info | {f"{_dist_info(wheel)}/licenses/LICENSE"}
    needed = {f"{PACKAGE}/{name}" for name in NEEDED}
    return [
        *_differences(wheel.name, contents_of(wheel), expected),
        *(f"{wheel.name} has to have {name}" for name in sorted(needed - expected)),
        *_metadata_faults(wheel),
    ]


def sdist_faults(sdist: Path, source: Iterable[str]) -> list[str]:
    """Return what is wrong with an sdist: it holds the whole repository, and its own metadata."""
    root = sdist.name.removesuffix(".tar.gz")
    return _differences(sdist.name, contents_of(sdist), {f"{root}/{name}" for name in (*source, "PKG-INFO")})


def _differences(name: str, found: list[str], expected: set[str]) -> list[str]:
    return [
        *(f"{name} lacks {missing}" for missing in sorted(expected - set(found))),
        *(f"{name} has {stray}, which does not belong there" for stray in sorted(set(found) - expected)),
        *(f"{name} has {twice} twice" for twice in sorted({one for one in found if found.count(one) > 1})),
    ]


def _metadata_faults(wheel: Path) -> list[str]:
    metadata, name = metadata_of(wheel), wheel.name
    found = [(key, metadata.get_all(key) or [], expected) for key, expected in _METADATA.items()]
    # The registry refuses a file that requires another one by its address.
    direct = [required for required in metadata.get_all("Requires-Dist") or [] if "@" in required]
    parser = ConfigParser(delimiters=("=",))
    with zipfile.ZipFile(wheel) as archive:
        parser.read_string(archive.read(f"{_dist_info(wheel)}/entry_points.txt").decode())
    points = {section: dict(parser[section]) for section in parser.sections()}
    return [
        *(f"{name}: {key} is {values}, not {expected}" for key, values, expected in found if values != expected),
        *(f"{name} requires {required}, which no registry takes" for required in direct),
        *([f"{name}: the entry points are {points}, not {ENTRY_POINTS}"] if points != ENTRY_POINTS else []),
    ]


def _dist_info(wheel: Path) -> str:
    return "-".join(wheel.name.split("-")[:2]) + ".dist-info"
