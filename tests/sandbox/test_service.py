"""What the sandbox says of where it is."""

from __future__ import annotations

import pytest

from airflow_provider_runcomfy.api.settings import clean_base_url
from airflow_provider_runcomfy.sandbox.service import address


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
