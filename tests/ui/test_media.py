"""From where a file is played, and what nobody is sent to."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_runcomfy.api.download_policy import DEFAULT_HOSTS
from airflow_provider_runcomfy.ui.clips import clips_of
from airflow_provider_runcomfy.ui.files import File
from airflow_provider_runcomfy.ui.found import RunFacts
from airflow_provider_runcomfy.ui.media import Viewing
from airflow_provider_runcomfy.ui.own_host import OwnHosts
from airflow_provider_runcomfy.ui.presign import NotPlayableError
from tests.ui.parts import URL, line, result, run, task

FIELDS = {"s3_bucket": "videos", "s3_key": "clips/{request_id}/{index}.{ext}", "aws_conn_id": "aws_clips"}
STORED = "s3://videos/clips/r-1/0.mp4"


def viewing(own: str = "airflow.example.com", buckets: tuple[str, ...] = ()) -> Viewing:
    return Viewing(buckets, DEFAULT_HOSTS, OwnHosts(frozenset([own])))


def stored(uri: str = STORED, fields: dict[str, Any] | None = None) -> RunFacts:
    copy = task(
        "copy", operator="RunComfyToS3Operator", returned=[line(uri=uri)], fields=FIELDS if fields is None else fields
    )
    return run(task(returned=result()), copy)


def only_at_runcomfy(url: str) -> RunFacts:
    return run(task(returned=result(url=url)))


def the_file(facts: RunFacts) -> File:
    [clip] = clips_of(facts)
    [file] = clip.files
    return file


@pytest.fixture(autouse=True)
def _connections(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = {"region_name": "eu-west-1", "endpoint_url": "http://127.0.0.1:9000"}
    path_style = {"config_kwargs": {"s3": {"addressing_style": "path"}}}
    connections: dict[str, dict[str, Any]] = {
        "aws_clips": {"login": "key", "password": "secret", "extra": {"region_name": "eu-west-1"}},
        "aws_here": {"login": "key", "password": "secret", "extra": {**endpoint, **path_style}},
        "aws_role_of_the_server": {"extra": {"region_name": "eu-west-1"}},
        "aws_default": {"login": "default-key", "password": "secret", "extra": {"region_name": "eu-west-1"}},
    }
    for name, conn in connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({"conn_type": "aws", **conn}))


def test_a_stored_file_is_played_from_its_bucket_for_an_hour() -> None:
    facts = stored()

    assert viewing().source_of(the_file(facts), facts) == "s3"
    url = urlsplit(viewing().url_of(the_file(facts), facts, "r-1"))

    assert url.hostname == "videos.s3.eu-west-1.amazonaws.com" or url.hostname == "videos.s3.amazonaws.com"
    assert (url.scheme, url.path) == ("https", "/clips/r-1/0.mp4")
    query = parse_qs(url.query)
    assert query["X-Amz-Expires"] == ["3600"]
    assert query["X-Amz-Credential"][0].startswith("key/")
    assert "secret" not in url.query


@pytest.mark.parametrize(
    ("uri", "fields"),
    [
        pytest.param("s3://payroll/clips/r-1/0.mp4", FIELDS, id="another bucket"),
        pytest.param("s3://videos/payroll/2026.csv", FIELDS, id="another key"),
        pytest.param("s3://videos/clips/r-1/1.mp4", FIELDS, id="another index"),
        pytest.param("s3://videos/clips/r-1/0.csv", FIELDS, id="no extension of a medium"),
        pytest.param("s3://videos/clips/r-1/../0.mp4", FIELDS, id="out of its prefix"),
        pytest.param(STORED, {}, id="rendered fields that are gone"),
        pytest.param(STORED, {"s3_bucket": "videos"}, id="no template"),
        pytest.param("file:///clips/r-1/0.mp4", FIELDS, id="another store"),
        pytest.param("s3:videos", FIELDS, id="no URI"),
    ],
)
def test_a_manifest_alone_makes_nothing_signed(uri: str, fields: dict[str, Any]) -> None:
    facts = stored(uri, fields)

    assert viewing().source_of(the_file(facts), facts) == "runcomfy"
    assert viewing().url_of(the_file(facts), facts, "r-1") == URL
    with pytest.raises(NotPlayableError, match="Nothing vouches for it"):
        viewing().url_of_copy(the_file(facts).places[0], facts)


@pytest.mark.parametrize("prefix", ["s3://videos", "s3://videos/", "s3://videos/clips"])
def test_the_configuration_vouches_for_a_bucket(prefix: str) -> None:
    facts = stored(fields={})

    url = viewing(buckets=(prefix,)).url_of(the_file(facts), facts, "r-1")

    assert parse_qs(urlsplit(url).query)["X-Amz-Credential"][0].startswith("default-key/")


@pytest.mark.parametrize("prefix", ["s3://vid", "s3://videos/cli", "gs://videos", "videos"])
def test_the_configuration_vouches_for_no_more_than_it_names(prefix: str) -> None:
    facts = stored(fields={})
    assert viewing(buckets=(prefix,)).source_of(the_file(facts), facts) == "runcomfy"


@pytest.mark.parametrize("conn_id", ["aws_role_of_the_server", "aws_that_is_not_there", None])
def test_the_identity_of_the_server_is_lent_by_the_configuration_only(
    conn_id: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-servers-own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-servers-own-secret")
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
    facts = stored(fields=FIELDS | {"aws_conn_id": conn_id})
    file = the_file(facts)

    assert viewing().url_of(file, facts, "r-1") == URL
    with pytest.raises(NotPlayableError, match="has no credentials of its own"):
        viewing().url_of_copy(file.places[0], facts)
    assert "the-servers-own" in viewing(buckets=("s3://videos",)).url_of_copy(file.places[0], facts)


def test_a_store_on_this_machine_is_signed_under_its_other_name() -> None:
    facts = stored(fields=FIELDS | {"aws_conn_id": "aws_here"})

    url = viewing("127.0.0.1").url_of(the_file(facts), facts, "r-1")

    assert url.startswith("http://localhost:9000/videos/clips/r-1/0.mp4?")
    assert url != viewing("localhost").url_of(the_file(facts), facts, "r-1").replace("127.0.0.1", "localhost")


def test_a_store_under_airflows_own_name_is_not_played(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = {"conn_type": "aws", "login": "key", "password": "secret"}
    extra = {"endpoint_url": "https://airflow.example.com:9000", "config_kwargs": {"s3": {"addressing_style": "path"}}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_CLIPS", json.dumps({**conn, "extra": extra}))
    facts = stored()

    with pytest.raises(NotPlayableError, match="session cookie"):
        viewing().url_of_copy(the_file(facts).places[0], facts)


@pytest.mark.parametrize(
    ("own", "url", "target"),
    [
        ("airflow.example.com", URL, URL),
        ("127.0.0.1", URL, URL),
        ("127.0.0.1", "http://127.0.0.1:8765/a.mp4", "http://localhost:8765/a.mp4"),
        ("localhost", "http://127.0.0.1:8765/a.mp4", "http://127.0.0.1:8765/a.mp4"),
    ],
)
def test_what_is_stored_nowhere_is_played_from_runcomfy_or_the_sandbox(own: str, url: str, target: str) -> None:
    facts = only_at_runcomfy(url)

    assert viewing(own).source_of(the_file(facts), facts) == "runcomfy"
    assert viewing(own).url_of(the_file(facts), facts, "r-1") == target


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8765/a.mp4",
        "http://files.runcomfy.net/a.mp4",
        "https://files.runcomfy.net.evil.example/a.mp4",
        "https://files.runcomfy.net:8443/a.mp4",
        "https://user@files.runcomfy.net/a.mp4",
        "https://evil.example/a.mp4",
        "javascript:alert(1)",
        "//evil.example/a.mp4",
        "data:video/mp4,x",
        "",
    ],
)
def test_nobody_is_sent_anywhere_else(url: str) -> None:
    facts = only_at_runcomfy(url)
    with pytest.raises(NotPlayableError, match="does not send browsers"):
        viewing().url_of(the_file(facts), facts, "r-1")


def test_a_domain_of_the_configuration_is_allowed() -> None:
    facts = only_at_runcomfy("https://media.example.com/a.mp4")
    allowed = Viewing((), ("example.com",), OwnHosts(frozenset(["airflow.example.org"])))

    assert allowed.url_of(the_file(facts), facts, "r-1") == "https://media.example.com/a.mp4"


def test_a_copy_that_cannot_be_signed_leaves_runcomfys_url() -> None:
    facts = stored(fields=FIELDS | {"aws_conn_id": "aws_that_is_not_there"})
    assert viewing().url_of(the_file(facts), facts, "r-1") == URL
