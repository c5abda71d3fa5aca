"""What the sandbox says of where it is, and which settings it takes."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from airflow_provider_runcomfy.api.settings import clean_base_url
from airflow_provider_runcomfy.sandbox.server import running_sandbox
from airflow_provider_runcomfy.sandbox.service import address
from airflow_provider_runcomfy.sandbox.settings import SandboxSettings


@pytest.mark.parametrize(
    ("host", "url"),
    [
        pytest.param("127.0.0.1", "http://127.0.0.1:8765", id="loopback"),
        pytest.param("localhost", "http://localhost:8765", id="a name"),
        pytest.param("::1", "http://[::1]:8765", id="IPv6"),
        pytest.param("0.0.0.0", "http://127.0.0.1:8765", id="every address"),
        pytest.param("::", "http://[::1]:8765", id="every address of IPv6"),
        pytest.param("", "http://127.0.0.1:8765", id="nothing: every address"),
    ],
)
def test_it_names_an_address_that_can_be_called_and_that_the_provider_takes(host: str, url: str) -> None:
    assert address(host, 8765) == url
    assert clean_base_url(url, where="here") == url


def test_an_address_of_the_network_is_named_as_it_is() -> None:
    assert address("192.0.2.7", 8765) == "http://192.0.2.7:8765"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"balance_usd": math.inf}, "balance_usd must be a number from 0 to 1000000000, not inf"),
        ({"balance_usd": math.nan}, "balance_usd must be a number from 0 to 1000000000, not nan"),
        ({"balance_usd": 1e305}, "balance_usd must be a number from 0 to 1000000000, not 1e+305"),
        ({"balance_usd": -0.01}, "balance_usd must be a number from 0 to 1000000000, not -0.01"),
        ({"run_seconds": math.inf}, "run_seconds must be a number from 0 to 1000000000, not inf"),
        ({"queue_seconds": -1}, "queue_seconds must be a number from 0 to 1000000000, not -1"),
        ({"concurrency": 0}, "concurrency must be a number from 1 to 1000000000, not 0"),
        ({"concurrency": 10**9 + 1}, "concurrency must be a number from 1 to 1000000000, not 1000000001"),
        ({"port": 65536}, "port must be a number from 0 to 65535, not 65536"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_setting_that_no_sandbox_can_have_is_refused_by_name(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(says)}$"), running_sandbox(**given):
        pass


def test_the_largest_settings_are_taken() -> None:
    largest = SandboxSettings(port=65535, queue_seconds=1e9, run_seconds=1e9, concurrency=10**9, balance_usd=1e9)
    assert largest.balance_usd == 1e9
