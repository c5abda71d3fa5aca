"""PostgreSQL and Redis, each with a password and a folder of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from dev.distributed.packages import find_postgres, find_redis
from dev.processes import LOOPBACK, ServerFailedError, end, free_ports, server, start, wait_until_ready

_DATABASE = "airflow"
# It refuses to run as root.
_USER = "postgres"


@dataclass(frozen=True)
class Backend:
    """A running server; ``pid`` is that of its process."""

    url: str
    pid: int


@contextmanager
def postgres(log: Path) -> Iterator[Backend]:
    """Run PostgreSQL with an empty database while the block runs."""
    programs = find_postgres()
    if programs is None:
        raise ServerFailedError("PostgreSQL is missing")
    # Another user must get there, whatever folder this is run in.
    folder = Path(tempfile.mkdtemp(prefix="distributed-postgres-"))
    (port,) = free_ports(1)
    password = secrets.token_urlsafe(16)
    (folder / "password").write_text(password)
    as_user: list[str] = []
    if os.geteuid() == 0:
        as_user = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--"]
        for path in (folder, folder / "password"):
            shutil.chown(path, _USER, _USER)
    try:
        make = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", _USER, "-A", "scram-sha-256"]
        make += [f"--pwfile={folder / 'password'}", "--encoding=UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run([*as_user, *make], cwd=folder, capture_output=True, text=True, check=False)
        if made.returncode:
            raise ServerFailedError(f"initdb ended with {made.returncode}:\n{made.stderr}")
        options = {
            "port": port,
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "max_connections": 300,
            # What the machine's crash would lose is of no use anyway.
            "fsync": "off",
        }
        command = [*as_user, str(programs / "postgres"), "-D", str(folder / "data")]
        command += [f"--{name}={value}" for name, value in options.items()]
        process = start(command, log=log, cwd=folder)
        url = f"postgresql://{_USER}:{password}@{LOOPBACK}:{port}"
        try:
            wait_until_ready({log: process}, lambda: _has_database(url), 60)
            yield Backend(f"{url}/{_DATABASE}", process.pid)
        finally:
            _end_postgres(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _end_postgres(process: subprocess.Popen[bytes]) -> None:
    # SIGTERM would wait for every client to leave.
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    end(process)


def _has_database(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_DATABASE}")
        return True
    return False


@contextmanager
def redis(folder: Path) -> Iterator[Backend]:
    """Run Redis while the block runs; it keeps nothing on disk."""
    program = find_redis()
    if program is None:
        raise ServerFailedError("Redis is missing")
    (port,) = free_ports(1)
    password = secrets.token_urlsafe(16)
    config = folder / "redis.conf"
    config.touch(0o600)
    # From a file: everybody may see a command line.
    config.write_text(f'bind {LOOPBACK}\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\ndir "{folder}"\n')
    log = folder / "redis.log"
    ready = "Ready to accept connections"
    with server([program, str(config)], log=log, ready=lambda: ready in log.read_text(errors="replace")) as process:
        yield Backend(f"redis://:{password}@{LOOPBACK}:{port}/0", process.pid)
