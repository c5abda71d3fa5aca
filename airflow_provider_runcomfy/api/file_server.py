"""Ask a file server for a file: redirects checked one by one, slow answers given up, never the token."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urljoin

import requests
import urllib3

from airflow_provider_runcomfy.api.download_policy import DownloadPolicy, redacted_url
from airflow_provider_runcomfy.api.errors import (
    DownloadFailedError,
    DownloadRefusedError,
    FileGoneError,
    UrlRefusedError,
)
from airflow_provider_runcomfy.api.session import ApiSession
from airflow_provider_runcomfy.api.types import MediaKind
from airflow_provider_runcomfy.api.wire import USER_AGENT

_MAX_REDIRECTS = 5


class BrokenError(Exception):
    """A connection gave no more bytes: the download may be taken up again where it stopped."""


@dataclass(frozen=True)
class Patience:
    """
    How long a download bears a slow or breaking server.

    :param connect: seconds to connect.
    :param read: seconds without a single byte (as the official client), and for all headers of an answer.
    :param window: seconds of waiting over which the rate is looked at.
    :param least_rate: bytes per second over a window below which a connection counts as broken.
    :param resumes: how often in a row a broken download is taken up again without progress.
    :param longest_pause: seconds between two attempts at most; the first pause is one second.
    """

    connect: float = 10.0
    read: float = 120.0
    window: float = 120.0
    least_rate: float = 1024.0
    resumes: int = 5
    longest_pause: float = 30.0


@dataclass(frozen=True)
class Subject:
    """The file that messages are about."""

    url: str
    kind: MediaKind
    request_id: str

    def refused(self, reason: str) -> DownloadRefusedError:
        """Return the error for a file that must not or cannot be had any more."""
        return DownloadRefusedError(f"{self} was not downloaded: {reason}.", request_id=self.request_id)

    def failed(self, reason: str) -> DownloadFailedError:
        """Return the error for a file that another try may get."""
        return DownloadFailedError(
            f"{self} was not downloaded: {reason}. It was paid for, and a further try costs nothing: "
            "run the task again before RunComfy deletes the file.",
            request_id=self.request_id,
        )

    def __str__(self) -> str:
        return f"The {self.kind} {redacted_url(self.url)} of request {self.request_id}"


class FileServer:
    """
    Whoever serves one file.

    :param subject: the file.
    :param policy: what may be downloaded.
    :param patience: the time-outs.
    """

    def __init__(self, subject: Subject, policy: DownloadPolicy, patience: Patience) -> None:
        self._subject, self._policy, self._patience = subject, policy, patience
        self._session = ApiSession()
        self._session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})

    def get(self, headers: dict[str, str]) -> requests.Response:
        """
        Return the answer, 200, 206 or 416, with its body still to come.

        :raises BrokenError: there was no answer, or one that may be another one soon.
        :raises DownloadRefusedError: the URL or a redirect is not allowed.
        :raises FileGoneError: there is no such file any more.
        :raises UrlRefusedError: the URL has expired, or the file is gone.
        :raises DownloadFailedError: redirects without an end, or any other answer.
        """
        url = self._subject.url
        for _ in range(_MAX_REDIRECTS + 1):
            self._policy.check(url, request_id=self._subject.request_id)
            response = self._ask(url, headers)
            location = response.headers.get("Location")
            if not (300 <= response.status_code < 400 and location):
                return self._checked(response)
            response.close()
            url = self._target(url, location)
        raise self._subject.failed(f"it is redirected more than {_MAX_REDIRECTS} times")

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def shut_down(self) -> None:
        """Break the connections under the thread that uses them."""
        self._session.shut_down()

    def _target(self, url: str, location: str) -> str:
        try:
            return urljoin(url, location)
        except ValueError:
            raise self._subject.failed("it is redirected to what is no URL") from None

    def _ask(self, url: str, headers: dict[str, str]) -> requests.Response:
        try:
            with self._session.at_most(self._patience.connect + self._patience.read) as expired:
                timeout = (self._patience.connect, self._patience.read)
                response = self._session.open("GET", url, headers=headers, timeout=timeout)
                if expired.is_set():
                    response.close()
                    raise requests.exceptions.ReadTimeout
                return response
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # The exception's own text would show a signed URL whole.
            raise BrokenError(f"no answer ({type(error).__name__})") from None

    def _checked(self, response: requests.Response) -> requests.Response:
        status = response.status_code
        if status in (200, 206, 416):
            return response
        response.close()
        if status in (401, 403):
            raise UrlRefusedError(
                f"{self._subject} was not downloaded: the file server answered {status}, so its URL has expired, or "
                "the file is gone. It was paid for, and a further try, which asks RunComfy for a new URL, costs "
                "nothing: run the task again before RunComfy deletes the file.",
                request_id=self._subject.request_id,
            )
        if status in (404, 410):
            raise FileGoneError(
                f"{self._subject} was not downloaded: the file server answered {status}, so the file is no longer "
                "there. It was paid for, but RunComfy keeps results for a limited time only; a new generation has to "
                "be paid for. Copy results right after their generation.",
                request_id=self._subject.request_id,
            )
        if status in (408, 425, 429) or status >= 500:
            raise BrokenError(f"the server answered {status}")
        raise self._subject.failed(f"the server answered {status}")


class Body:
    """The bytes of one answer, as they come; slow ones count as broken."""

    def __init__(self, response: requests.Response, patience: Patience) -> None:
        self._response, self._patience = response, patience
        self._waited, self._received = 0.0, 0

    def read(self, amount: int) -> bytes:
        """
        Return what there is, at most ``amount`` bytes; none at the end.

        :raises BrokenError: the connection broke, is silent, or gives less than the least rate.
        """
        started = time.monotonic()
        try:
            piece: bytes = self._response.raw.read1(amount, decode_content=False) or b""
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
            raise BrokenError(f"the connection broke ({type(error).__name__})") from None
        self._waited += time.monotonic() - started
        self._received += len(piece)
        if self._waited >= self._patience.window:
            if self._received < self._patience.least_rate * self._waited:
                raise BrokenError(f"only {self._received} bytes came in {self._waited:.0f} s")
            self._waited, self._received = 0.0, 0
        return piece

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
