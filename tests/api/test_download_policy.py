from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from airflow_provider_runcomfy.api.download_policy import DownloadPolicy, redacted_url, without_query
from airflow_provider_runcomfy.api.errors import DownloadRefusedError

ALLOWED = [
    "https://runcomfy.net/a",
    "https://playgrounds-storage-public.runcomfy.net/a/b.mp4?x=y#z",
    "https://CDN.RunComfy.com:443/a",
    "https://cdn.runcomfy.com/f\u00fcr",
]
REFUSED = [
    "http://cdn.runcomfy.com/a",
    "ftp://cdn.runcomfy.com/a",
    "file:///etc/passwd",
    "//cdn.runcomfy.com/a",
    "cdn.runcomfy.com/a",
    "",
    "https:///a",
    "https://runcomfy.com.evil.example/a",
    "https://evilruncomfy.com/a",
    "https://evil.example/runcomfy.com",
    "https://evil.example#.runcomfy.com/",
    "https://evil.example?.runcomfy.com/",
    "https://user@cdn.runcomfy.com/a",
    "https://cdn.runcomfy.com@evil.example/a",
    "https://127.0.0.1\\@cdn.runcomfy.net/a",
    "https://evil.example\\.runcomfy.net/a",
    "https://evil.example/\\@cdn.runcomfy.net",
    "https://cdn.runcomfy.net\r\nHost: evil/a",
    "https://cdn.runcomfy.net/a b",
    " https://cdn.runcomfy.net/a",
    "https://cdn.runcomfy.net:8443/a",
    "https://cdn.runcomfy.net:99999/a",
    "https://cdn.runcomfy.net:x/a",
    "https://cdn\u3002runcomfy.net/a",
    "https://[::1/a",
    "https://127.0.0.1/a",
    "https://[::1]/a",
    "http://localhost/a",
    "http://169.254.169.254/a",
]


@pytest.mark.parametrize("url", ALLOWED)
def test_runcomfys_own_domains_are_allowed(url: str) -> None:
    DownloadPolicy().check(url)


@pytest.mark.parametrize("url", REFUSED)
def test_everything_else_is_refused(url: str) -> None:
    with pytest.raises(DownloadRefusedError):
        DownloadPolicy().check(url)


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("http://127.0.0.1:8080/a", True),
        ("http://localhost:1/a", True),
        ("http://[::1]:8080/a", True),
        ("https://127.0.0.1:8443/a", True),
        ("https://cdn.runcomfy.net/a", True),
        ("http://cdn.runcomfy.net/a", False),
        ("http://10.0.0.1/a", False),
        ("http://0.0.0.0/a", False),
        ("http://2130706433/a", False),
        ("http://127.0.0.1.evil.example/a", False),
        ("http://u@127.0.0.1/a", False),
    ],
)
def test_a_sandbox_may_serve_from_this_machine_only(url: str, is_allowed: bool) -> None:
    local = DownloadPolicy(allow_loopback_http=True)
    if is_allowed:
        local.check(url)
    else:
        with pytest.raises(DownloadRefusedError):
            local.check(url)


@pytest.mark.parametrize("domain", ["files.example", ".files.example", " Files.Example. "])
def test_a_domain_is_taken_as_people_write_it(domain: str) -> None:
    policy = DownloadPolicy(hosts=(domain,))
    policy.check("https://files.example/a")
    policy.check("https://eu.files.example/a")
    with pytest.raises(DownloadRefusedError):
        policy.check("https://otherfiles.example/a")


@given(
    st.text(max_size=40),
    st.sampled_from(["https://", "http://", ""]),
    st.sampled_from(["evil.example", ""]),
    st.text("@\\/?#:[]. %\t", max_size=4),
)
def test_no_odd_url_leads_anywhere_else(tail: str, scheme: str, host: str, odd: str) -> None:
    url = f"{scheme}{host}{odd}cdn.runcomfy.net{tail}"
    try:
        DownloadPolicy().check(url)
    except DownloadRefusedError:
        return
    connected = parse_url(url)
    assert connected.scheme == "https"
    assert f".{(connected.host or '').lower()}".endswith((".runcomfy.net", ".runcomfy.com"))


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://a.example/b.mp4?sig=1#x", "https://a.example/b.mp4"),
        ("https://u:p@a.example/b@c", "https://a.example/b@c"),
        ("https://a.example/x@y/z", "https://a.example/x@y/z"),
        ("https://u:p@a.example/b/https://c@d", "https://a.example/b/https://c@d"),
        ("https://a.example", "https://a.example"),
        ("https://a.example#/x?y", "https://a.example"),
    ],
)
def test_a_signed_url_does_not_show_its_signature(url: str, plain: str) -> None:
    assert without_query(url) == plain


def test_a_url_in_a_message_is_printable_and_short() -> None:
    assert redacted_url("https://a.example/\n\x1b\u202e") == "https://a.example/\\n\\x1b\\u202e"
    start = "https://a.example/"
    longest = start + "x" * (200 - len(start))
    assert redacted_url(longest) == longest
    assert redacted_url(f"{longest}x") == redacted_url(longest + "x" * 9000) == f"{longest}..."
