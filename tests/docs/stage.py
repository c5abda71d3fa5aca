"""Where the errors of the documentation's table come from: real tasks, a sandbox, and a file server that misbehaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runcomfy.operators.runcomfy import RunComfyGenerateOperator
from airflow_provider_runcomfy.sandbox.server import Sandbox, running_sandbox
from airflow_provider_runcomfy.sensors.runcomfy import RunComfyRequestSensor
from tests.runcomfy import CONNECTION_VARIABLE, PRO, connection_to
from tests.submission.parts import StateStore, TaskInstance, context_of
from tests.transfers.conftest import RunComfy
from tests.transfers.file_server import FileServer
from tests.transfers.targets.local import LocalTarget

CLIP = {"prompt": "A cat", "duration": 3, "sound": False}


class Stage:
    """
    One task instance with a connection to a sandbox, or to a file server that answers for RunComfy.

    Each call of :meth:`generate` is one try, on the worker.
    """

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, server: FileServer, stack: ExitStack) -> None:
        self.patch = patch
        self.ti = TaskInstance()
        self.store: StateStore | None = StateStore()
        self._folder, self._server, self._stack = folder, server, stack

    @cached_property
    def sandbox(self) -> Sandbox:
        """A sandbox whose generations take no time."""
        return self.connect(run_seconds=0)

    def connect(self, **seconds: Any) -> Sandbox:
        """Run a sandbox, and let the connection lead to it."""
        sandbox = self._stack.enter_context(running_sandbox(**{"queue_seconds": 0, **seconds}))
        self.set_connection(connection_to(sandbox))
        return sandbox

    def set_connection(self, text: str) -> None:
        """Set the variable of the default connection."""
        self.patch.setenv(CONNECTION_VARIABLE, text)

    def generate(self, **given: Any) -> Any:
        """Run a try of a generate task."""
        return self.make(**given).execute(context_of(self.ti, self.store))

    def make(self, **given: Any) -> RunComfyGenerateOperator:
        """Return a generate task that waits on the worker."""
        parameters = {"model_id": PRO, "inputs": CLIP, "deferrable": False, "poll_interval": 0.05, **given}
        return RunComfyGenerateOperator(task_id="make", max_poll_interval=0.05, **parameters)

    def wait(self, request_id: Any, **given: Any) -> Any:
        """Run a sensor on the worker."""
        sensor = RunComfyRequestSensor(
            task_id="wait", request_id=request_id, deferrable=False, poke_interval=0.05, **given
        )
        self.ti.start_date = datetime.now(UTC)  # type: ignore[attr-defined]
        return sensor.execute(context_of(self.ti, self.store))

    @cached_property
    def files(self) -> RunComfy:
        """A file server that answers for RunComfy's results."""
        self._server.files.clear()
        files = RunComfy(self._server)
        self.set_connection(json.dumps({"conn_type": "runcomfy", "host": files.server.base, "password": files.token}))
        return files

    @cached_property
    def folder(self) -> LocalTarget:
        """The folder that copies go to."""
        return LocalTarget(self._folder, self.patch)

    def copy(self, **given: Any) -> Any:
        """Run a copy of request r-1."""
        return self.folder.operator(**given).execute({})


Produce = Callable[[Stage], object]
