"""A copy that is under way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.transfers.conftest import RunComfy
from tests.transfers.file_server import File, Halt, clip

MIB = 1024 * 1024
LARGE = clip(20 * MIB)


@contextmanager
def copying(runcomfy: RunComfy, target: Any) -> Iterator[None]:
    """Let a copy be in the middle of its file while the block runs, and be done after it."""
    halt = Halt(at=15 * MIB)
    runcomfy.has("r-1", File(LARGE, halt=halt))
    with ThreadPoolExecutor(1) as worker:
        under_way = worker.submit(target.operator().execute, {})
        try:
            assert halt.reached.wait(30)
            yield
        finally:
            halt.go_on.set()
        under_way.result()
