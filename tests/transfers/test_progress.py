from __future__ import annotations

import logging

import pytest

from airflow_provider_runcomfy.transfers.progress import MIB, Progress


@pytest.mark.parametrize(
    ("size", "lines"),
    [
        pytest.param(
            200 * MIB,
            ["r-1 to s3://b/k: 25 % of 200 MiB, 3.3 MiB/s.", "r-1 to s3://b/k: 100 % of 200 MiB, 10.0 MiB/s."],
            id="of a known length",
        ),
        pytest.param(
            None,
            ["r-1 to s3://b/k: 50 MiB, 3.3 MiB/s.", "r-1 to s3://b/k: 200 MiB, 10.0 MiB/s."],
            id="of a length that nobody knows",
        ),
    ],
)
def test_a_line_every_fifteen_seconds(size: int | None, lines: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    seen = {101.0: 1, 114.9: 40, 115.0: 50, 115.1: 51, 129.0: 150, 130.0: 200}
    progress = Progress("r-1 to s3://b/k", size, clock=iter([100.0, *seen]).__next__)
    for mib in seen.values():
        progress(mib * MIB)
    assert caplog.messages == lines


def test_a_copy_that_is_quick_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    progress = Progress("r-1", 10 * MIB)
    progress(10 * MIB)
    assert caplog.messages == []
