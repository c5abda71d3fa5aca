"""What the tests of Dags share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypedDict

import pytest

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

RunDag = Callable[..., "DagRun"]


class Polls(TypedDict):
    """How often a task looks after its request, in seconds."""

    poll_interval: float
    max_poll_interval: float


CLIP = {"prompt": "a paper boat on a rainy street", "duration": 3, "sound": False}
QUICK: Polls = {"poll_interval": 0.1, "max_poll_interval": 0.1}


def raised(capfd: pytest.CaptureFixture[str], kind: str) -> str:
    """Return the message of the error that ended the task; fails if another error is what the log ends with."""
    log = capfd.readouterr().out
    _, found, traceback = log.rpartition("Task failed with exception")
    assert found, "no task failed"
    traceback = traceback.partition("::endgroup::")[0]
    assert "During handling of the above" not in traceback
    assert "direct cause of the following" not in traceback
    named = re.findall(rf"^[\w.]*\b{kind}: ", traceback, re.MULTILINE)
    assert named, f"the task did not end with {kind}: {traceback}"
    return traceback.rpartition(named[-1])[2]
