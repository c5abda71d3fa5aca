"""Find the processes that run a task, by what they do, and kill them."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from dev.gate import Exchange

_TI_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def ti_id(exchange: Exchange) -> str | None:
    """Return the id of the task instance that a call of the execution API is about."""
    found = _TI_ID.search(exchange.path)
    return found.group() if found else None


def runner(task_instance_id: str) -> psutil.Process | None:
    """Return the process that runs a task instance's code; Airflow names it after the id."""
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            if " ".join(process.cmdline()).strip() == f"airflow worker -- {task_instance_id}":
                return process
    return None


def runners(home: Path) -> list[psutil.Process]:
    """Return the processes that run the code of the tasks of one Airflow, which others on this machine are not."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            title = " ".join(process.cmdline()).strip()
            if not title.startswith("airflow worker -- ") or "LocalExecutor" in title:
                continue
            # Its title has overwritten its environment; it starts in the folder of its Airflow.
            if process.cwd() == str(home):
                found.append(process)
    return sorted(found, key=lambda process: process.pid)


def peer(exchange: Exchange) -> psutil.Process | None:
    """Return the process at the other end of an exchange's connection."""
    for connection in psutil.net_connections("tcp4"):
        if (
            connection.laddr
            and connection.laddr.port == exchange.peer_port
            and connection.pid not in (None, os.getpid())
        ):
            return psutil.Process(connection.pid)
    return None


def kill(processes: Iterable[psutil.Process | None]) -> bool:
    """SIGKILL the processes and wait until they are gone; returns whether there was one."""
    killed = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process is not None:
                process.send_signal(signal.SIGKILL)
                killed.append(process)
    psutil.wait_procs(killed, timeout=10)
    return bool(killed)
