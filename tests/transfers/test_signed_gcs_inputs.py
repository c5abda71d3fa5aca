"""An input in Google Cloud Storage: signed for with a service account's key, and not at all without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

pytest.importorskip("airflow.providers.google", reason="make test-stores has Google's packages")

from google.auth import _regional_access_boundary_utils

from airflow_provider_runcomfy.api.media_inputs import Medium
from airflow_provider_runcomfy.exceptions import MediaInputError
from airflow_provider_runcomfy.presigning import signed_urls
from tests.transfers.targets.gcs import GCSTarget
from tests.transfers.test_runcomfy_to_gcs import place as place
from tests.transfers.test_runcomfy_to_gcs import token_server

if TYPE_CHECKING:
    from tests.transfers.test_runcomfy_to_gcs import Google

pytestmark = pytest.mark.slow


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, place: GCSTarget) -> Iterator[Google]:
    with token_server() as google:
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", google.connection())
        # An address that no connection can change, asked in the background.
        monkeypatch.setattr(_regional_access_boundary_utils, "_get_domain", lambda: "127.0.0.1:9")
        yield google


def signed(uri: str) -> str:
    [url] = signed_urls(
        [Medium(("image_url",), uri, True)], conn_id=None, seconds=600, allow_loopback_http=True
    ).values()  # fmt: skip
    return url


def test_the_key_of_a_service_account_signs(google: Google, place: GCSTarget) -> None:
    place.put("a cat.png", b"a cat")
    parts = urlsplit(signed(place.uri("a cat.png")))
    query = parse_qs(parts.query)
    assert unquote(parts.path).endswith(f"{place.prefix}a cat.png")
    assert (query["X-Goog-Algorithm"], query["X-Goog-Expires"]) == (["GOOG4-RSA-SHA256"], ["600"])
    assert query["X-Goog-Credential"][0].startswith("key@films.iam.gserviceaccount.com/")
    assert query["X-Goog-Signature"]


def test_an_object_that_is_not_there_is_not_signed_for(google: Google, place: GCSTarget) -> None:
    with pytest.raises(MediaInputError, match="there is no such object"):
        signed(place.uri("dog.png"))


def test_credentials_without_a_key_are_named(place: GCSTarget) -> None:
    place.put("cat.png", b"a cat")
    with pytest.raises(MediaInputError, match=r"'google_cloud_default' gives no URL .* no key to sign with"):
        signed(place.uri("cat.png"))


def test_a_key_that_was_revoked_is_not_tried_again(google: Google, place: GCSTarget) -> None:
    google.status = 400
    with pytest.raises(MediaInputError, match=r"'google_cloud_default' gives no URL .*RefreshError.*invalid_grant"):
        signed(place.uri("cat.png"))
