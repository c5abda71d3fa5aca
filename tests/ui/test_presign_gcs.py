"""Signed URLs of Google Cloud Storage: by the key of the connection, for one object and an hour: `make test-stores`."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_provider_runcomfy.ui.clips import clips_of
from airflow_provider_runcomfy.ui.own_host import OwnHosts
from airflow_provider_runcomfy.ui.presign import NotPlayableError, presigned
from airflow_provider_runcomfy.ui.trust import StoredAt, stored_at
from tests.ui.parts import line, run, task

OWN = OwnHosts(frozenset(["airflow.example.com"]))
AT = StoredAt("gs", "clips", "nightly/r-1/0.mp4", "google_cloud_default")
has_google = bool(find_spec("google") and find_spec("airflow.providers.google"))
needs_google = pytest.mark.skipif(not has_google, reason="the google provider is in .venv-stores only")


@pytest.fixture(scope="module")
def key_file() -> dict[str, Any]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {
        "type": "service_account",
        "project_id": "p",
        "client_email": "clips@p.iam.gserviceaccount.com",
        "token_uri": "http://127.0.0.1:9/token",
        "private_key": key.private_bytes(*form).decode(),
    }


def connect(monkeypatch: pytest.MonkeyPatch, **extra: Any) -> None:
    conn = {"conn_type": "google_cloud_platform", "extra": {"project": "p", **extra}}
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(conn))


@needs_google
def test_an_object_is_signed_by_the_key_of_the_connection(
    monkeypatch: pytest.MonkeyPatch, key_file: dict[str, Any]
) -> None:
    connect(monkeypatch, keyfile_dict=json.dumps(key_file))

    url = urlsplit(presigned(AT, OWN))

    query = parse_qs(url.query)
    assert (url.scheme, url.hostname, url.path) == ("https", "storage.googleapis.com", "/clips/nightly/r-1/0.mp4")
    assert query["X-Goog-Expires"] == ["3600"]
    assert query["X-Goog-Credential"][0].startswith("clips@p.iam.gserviceaccount.com/")


@needs_google
def test_the_identity_of_the_server_is_not_lent(
    monkeypatch: pytest.MonkeyPatch, key_file: dict[str, Any], tmp_path: Any
) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key_file))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    connect(monkeypatch)

    with pytest.raises(NotPlayableError, match="has no credentials of its own"):
        presigned(AT, OWN)
    lent = presigned(StoredAt("gs", "clips", "nightly/r-1/0.mp4", "google_cloud_default", by_configuration=True), OWN)
    assert lent.startswith("https://storage.googleapis.com/clips/nightly/r-1/0.mp4?")


@needs_google
def test_an_anonymous_connection_cannot_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, is_anonymous=True)
    with pytest.raises(NotPlayableError):
        presigned(StoredAt("gs", "clips", "k", "google_cloud_default", by_configuration=True), OWN)


@pytest.mark.skipif(has_google, reason="the google provider is there")
def test_without_the_provider_the_error_says_what_to_install() -> None:
    with pytest.raises(NotPlayableError, match=r"install 'airflow-provider-runcomfy\[google\]' on the API server"):
        presigned(AT, OWN)


def test_the_transfers_fields_say_where_its_objects_are() -> None:
    fields = {
        "bucket_name": "clips",
        "object_name": "nightly/{request_id}/{index}.{ext}",
        "gcp_conn_id": "google_clips",
        "impersonation_chain": ["a@p.iam.gserviceaccount.com"],
    }
    copy = task(
        "copy", operator="RunComfyToGCSOperator", returned=[line(uri="gs://clips/nightly/r-1/0.mp4")], fields=fields
    )
    facts = run(copy)
    [clip] = clips_of(facts)

    assert stored_at(clip.files[0].places[0], copy, ()) == StoredAt(
        "gs", "clips", "nightly/r-1/0.mp4", "google_clips", ["a@p.iam.gserviceaccount.com"]
    )
