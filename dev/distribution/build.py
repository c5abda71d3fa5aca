"""Wheel and sdist of a commit, built twice; all that may differ between two machines is made to differ in between."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_OTHER_MACHINE = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "1"}


class BuildFailedError(RuntimeError):
    """The commit cannot be built; the message has what the build said."""


@dataclass(frozen=True)
class Built:
    """A wheel, an sdist, and the files that they were made of, named from the top of the repository."""

    wheel: Path
    sdist: Path
    source: frozenset[str]


def build_twice(commit: str, folder: Path) -> tuple[Built, list[str]]:
    """
    Build a commit in two ways, and return the first with what differs in the second.

    The first is what an index or a packager does: isolated, by the build backend that pyproject.toml pins, the wheel
    out of the sdist. The second builds both straight from the tree, by the backend of this environment, in another
    folder, time zone, locale and umask. So equal wheels say that the sdist is complete, too.

    :param commit: what git calls it.
    :param folder: an empty one.
    :raises BuildFailedError: if one of them fails.
    """
    epoch = {"SOURCE_DATE_EPOCH": _run(["git", "log", "-1", "--format=%ct", commit]).strip()}
    first, second = folder / "one" / "source", folder / "another" / "place" / "source"
    _export(commit, first, umask=0o022)
    pins = first / "requirements" / "dev.txt"
    isolated = [sys.executable, "-m", "uv", "build", "--quiet"]
    isolated += ["--python", sys.executable, "--build-constraints", str(pins), "--require-hashes"]
    _run([*isolated, "--out-dir", str(folder / "one" / "dist")], first, epoch)
    _export(commit, second, umask=0o077)
    direct = [sys.executable, "-m", "hatchling", "build", "-d", str(folder / "another" / "dist")]
    _run(direct, second, {**epoch, **_OTHER_MACHINE}, umask=0o077)
    source = frozenset(_run(["git", "ls-tree", "-r", "-z", "--name-only", commit]).split("\0")) - {""}
    built, other = (_built(folder / way / "dist", source) for way in ("one", "another"))
    return built, [*differences(built.wheel, other.wheel), *differences(built.sdist, other.sdist)]


def _export(commit: str, folder: Path, *, umask: int) -> None:
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".tar")
    _run(["git", "archive", "--format=tar", f"--output={archive}", commit])
    _run(["tar", "--no-same-permissions", "-xf", str(archive), "-C", str(folder)], umask=umask)


def _built(dist: Path, source: frozenset[str]) -> Built:
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    return Built(wheel, sdist, source)


def _run(command: list[str], cwd: Path | None = None, env: Mapping[str, str] | None = None, umask: int = -1) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, umask=umask, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildFailedError(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def differences(one: Path, another: Path) -> list[str]:
    """Return in what two wheels, or two sdists, are not the same file; nothing if they are, byte for byte."""
    if one.name != another.name:
        return [f"the same commit is called {one.name} and {another.name}"]
    if sha256(one) == sha256(another):
        return []
    first, second = _members(one), _members(another)
    differing = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    return [f"{one.name} is not reproducible: {', '.join(differing) or 'the order of its files'}"]


def _members(file: Path) -> dict[str, object]:
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            return {each.filename: (each.CRC, each.date_time, each.external_attr) for each in wheel.infolist()}
    with tarfile.open(file) as sdist:
        return {
            each.name: (each.mode, each.mtime, each.uid, each.uname, body.read() if body else b"")
            for each in sdist
            for body in [sdist.extractfile(each)]
        }
