"""Find PostgreSQL's and Redis' servers, and install them where that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.processes import ServerFailedError

_POLICY = Path("/usr/sbin/policy-rc.d")


def find_redis() -> str | None:
    """Return the path of Redis' server, if there is one."""
    return shutil.which("redis-server")


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs, if there is one; Debian does not have it on PATH."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    found = shutil.which("initdb") or newest
    return Path(found).resolve().parent if found else None


def install_what_is_missing() -> None:
    """
    Install the servers that are missing, by apt-get.

    :raises ServerFailedError: one is missing, and this is not root on Debian or Ubuntu.
    """
    wanted = {"postgresql": find_postgres(), "redis-server": find_redis()}
    missing = [name for name, found in wanted.items() if found is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ServerFailedError(f"missing here. On Debian and Ubuntu: apt-get install {' '.join(missing)}")
    print(f"Installing {' and '.join(missing)} by apt-get", flush=True)
    with _without_services():
        _apt_get("update", "-qq")
        _apt_get("install", "-y", "-qq", "--no-install-recommends", *missing)


def _apt_get(*arguments: str) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", *arguments], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerFailedError(f"apt-get {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2000:]}")


@contextmanager
def _without_services() -> Iterator[None]:
    """Keep the packages from starting servers of their own on the usual ports."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()
