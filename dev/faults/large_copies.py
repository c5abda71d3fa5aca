"""Copies of files that take several parts: what is copied, and what has to be in the bucket and the manifest."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dev.airflow_client import TaskInstance, TaskKey
from dev.faults.stage import Account, Stage, account, submit
from dev.gate import Exchange

_DAG = "faults_copy"


@dataclass
class LargeCopies:
    """
    Mapped copies, each of one group of requests, and the run that makes them.

    :param groups: the ids that each copy is given, by map index; every request has ended.
    """

    stage: Stage
    prefix: str
    groups: list[list[str]]
    run_id: str = ""

    @classmethod
    def paid(cls, stage: Stage, prefix: str, *, copies: int, files: int) -> LargeCopies:
        """Submit ``files`` requests for each copy."""
        groups = [[submit(stage.large, f"{prefix}/{copy}-{file}") for file in range(files)] for copy in range(copies)]
        return cls(stage, prefix, groups)

    @property
    def wanted(self) -> int:
        """How many files there are."""
        return sum(map(len, self.groups))

    def start(self) -> None:
        """Start the copies."""
        self.run_id = self.stage.start(_DAG, self.prefix, 0, requests=self.groups)

    def group_of(self, exchange: Exchange) -> int | None:
        """Return which copy an exchange with S3 is about; None for those of other runs."""
        request_id = request_of(exchange)
        return next((index for index, group in enumerate(self.groups) if request_id in group), None)

    def key(self, index: int) -> TaskKey:
        """Return the task instance of a copy."""
        return TaskKey(_DAG, "copied.copy", index)

    def wait(self) -> list[TaskInstance]:
        """Wait until the run has ended, and return its copies."""
        return [one for one in self.stage.wait(_DAG, self.run_id) if one.key.task_id == "copied.copy"]

    def account(self) -> Account:
        """Return what is stored."""
        return account(self.stage, self.prefix, self.wanted, self.stage.large)

    def sent_parts(self, index: int) -> dict[str, int]:
        """Return how many parts S3 has of each unfinished upload of a copy, by request."""
        client, bucket, sent = self.stage.s3.client(), self.stage.s3.bucket, {}
        for upload in self.stage.unfinished(self.prefix):
            key, upload_id = upload["Key"], upload["UploadId"]
            if Path(key).stem in self.groups[index]:
                # It may be complete by now.
                with suppress(client.exceptions.NoSuchUpload):
                    parts = client.list_parts(Bucket=bucket, Key=key, UploadId=upload_id)
                    sent[Path(key).stem] = len(parts.get("Parts", []))
        return sent

    def file_calls(self, request_id: str) -> int:
        """Return how often a request's file was asked for so far."""
        return sum((c["kind"], c["request_id"]) == ("file", request_id) for c in self.stage.large.calls())

    def manifest(self, index: int) -> list[dict[str, Any]]:
        """Return what a copy gave."""
        lines: list[dict[str, Any]] = self.stage.airflow.client.xcom(self.key(index), self.run_id)
        return lines

    def judge(self) -> tuple[Account, list[str]]:
        """Wait until the run has ended, and return what is stored, and what is not as it must be whatever happened."""
        faults = [f"{one.key} is {one.state}" for one in self.wait() if one.state != "success"]
        found = self.account()
        counts = (found.submits, found.stored, found.wrong, found.unfinished)
        if counts != (self.wanted, self.wanted, 0, 0):
            faults.append(f"paid, stored, wrong, unfinished: {counts}")
        return found, faults or [fault for index in range(len(self.groups)) for fault in self._wrong_lines(index)]

    def _wrong_lines(self, index: int) -> list[str]:
        lines = self.manifest(index)
        if [line["request_id"] for line in lines] != self.groups[index]:
            return [f"the manifest of {self.key(index)} has other files: {lines}"]
        return [f"the manifest does not tell of the object: {line}" for line in lines if not self._is_true(line)]

    def _is_true(self, line: dict[str, Any]) -> bool:
        parts = urlsplit(line["uri"])
        body = self.stage.s3.client().get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
        return (line["size"], line["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


def request_of(exchange: Exchange) -> str:
    """Return the request whose object an exchange with S3 is about."""
    return Path(urlsplit(exchange.path).path).stem


def is_part(exchange: Exchange) -> bool:
    """Return whether a call uploads a part."""
    return exchange.method == "PUT" and "partNumber=" in exchange.path


def is_completion(exchange: Exchange) -> bool:
    """Return whether a call completes a multipart upload."""
    return exchange.method == "POST" and "uploadId=" in exchange.path
