"""A local Google Cloud Storage: gcp_storage_emulator, and what it lacks for the copies to be tested."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gcp_storage_emulator.exceptions import BadRequest, Conflict
from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler, Router
from gcp_storage_emulator.storage import Storage
from google.cloud import storage as google_storage
from google.oauth2.credentials import Credentials

from dev.processes import LOOPBACK

BUCKET = "videos"
#: What one may be allowed to do with objects; as permissions they are called storage.objects.create and so on.
EVERYTHING = frozenset({"create", "delete", "get", "list", "update"})
_ADMIN = "admin"
# It tells of every file that is not there.
logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)
_PATH = re.compile(r"(?:/upload|/download)?/storage/v1/b/([^/]+)/o(?:/(.+))?")
# GCS keeps whole multiples of this of a chunk that breaks off.
_KEPT = 256 * 1024


class Fault(Enum):
    """What may happen to one chunk of an upload."""

    UNAVAILABLE = "503; nothing of it is kept"
    CUT = "half of it is kept, and the connection is reset"
    SHORT = "half of it is kept, and that is what the answer says"
    UNANSWERED = "all of it is kept, and the connection is reset before the answer"
    DAMAGED = "a byte of it is another one on arrival"


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class _Storage(Storage):  # type: ignore[misc]
    """Objects in memory, each replaced only under the condition of the request that is being served."""

    def __init__(self) -> None:
        super().__init__(use_memory_fs=True)
        self.lock = threading.Lock()
        self.condition: str | None = None
        self.announced_hash = ""
        #: The object of each upload that is complete.
        self.completed: dict[str, dict[str, Any]] = {}
        self._received: dict[str, bytearray] = {}

    def check(self, bucket: str, name: str) -> None:
        generation = self.objects.get(bucket, {}).get(name, {}).get("generation", "0")
        if self.condition not in (None, generation):
            raise _RefusedError(412, "At least one of the pre-conditions you specified did not hold.")

    def unfinished(self) -> list[str]:
        """Return the names of the objects whose upload has begun, but has not come to its end."""
        with self.lock:
            return [self.resumable[upload]["name"] for upload in self._received]

    def get_resumable_byte_count(self, file_id: str) -> int:
        return len(self._received.get(file_id, b""))

    def add_to_resumable_upload(
        self, file_id: str, content: bytes, total_size: int | None = None, expected_start: int | None = None
    ) -> bytes | None:
        received = self._received.setdefault(file_id, bytearray())
        known = len(received) - (len(received) if expected_start is None else expected_start)
        if known < 0:
            raise BadRequest(f"Invalid Content-Range: {len(received)} bytes have come so far.")
        received += memoryview(content)[known:]
        if total_size is None or len(received) < total_size:
            return None
        return bytes(received)

    def create_file(
        self, bucket_name: str, file_name: str, content: bytes, file_obj: dict[str, Any], file_id: str | None = None
    ) -> None:
        self.check(bucket_name, file_name)
        if self.announced_hash not in ("", f"crc32c={file_obj['crc32c']}", f"md5={file_obj['md5Hash']}"):
            raise Conflict(f"Provided {self.announced_hash} doesn't match calculated crc32c={file_obj['crc32c']}.")
        before, file_obj["generation"] = file_obj["generation"], str(time.time_ns())
        file_obj["mediaLink"] = file_obj["mediaLink"].replace(before, file_obj["generation"])
        super().create_file(bucket_name, file_name, content, file_obj, file_id)
        if file_id:
            self.completed[file_id] = file_obj
            self._received.pop(file_id, None)


@dataclass
class GCS:
    """
    A running server.

    ``faults`` are what the next chunks suffer; ``asked`` has the method, path and headers (lower case) of each request.
    """

    endpoint: str
    storage: _Storage
    bucket: str = BUCKET
    faults: list[Fault | None] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    allowed: frozenset[str] = EVERYTHING

    @contextmanager
    def allowing(self, *permissions: str) -> Iterator[None]:
        """Allow everybody but the administrator nothing else while the block runs."""
        before, self.allowed = self.allowed, frozenset(permissions)
        try:
            yield
        finally:
            self.allowed = before

    def unfinished(self) -> list[str]:
        """Return the names of the objects of which something has come, but not the end: Google tells nobody."""
        return self.storage.unfinished()

    def client(self) -> Any:
        """Return a client of Google's for the administrator, whatever the environment says."""
        return google_storage.Client(
            project="test",
            credentials=Credentials(token=_ADMIN),
            client_options={"api_endpoint": self.endpoint},
        )

    def connection(self) -> str:
        """
        Return an Airflow connection as JSON, as AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT takes it.

        It leads here only where STORAGE_EMULATOR_HOST is `endpoint`, else to Google.
        """
        return json.dumps({"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": "test"}})


class _Handler(RequestHandler):  # type: ignore[misc]
    """One request after the other, whole, under the store's lock: the end of an upload is atomic, as it is in GCS."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    storage: _Storage
    rfile: Any
    wfile: Any

    def __init__(self, gcs: GCS, *args: Any) -> None:
        self.gcs = gcs
        super().__init__(gcs.storage, *args)

    def _serve(self) -> None:
        method = self.command
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.gcs.asked.append((method, self.path, headers))
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        is_chunk = method == "PUT" and bool(body)
        fault = self.gcs.faults.pop(0) if is_chunk and self.gcs.faults else None
        if len(body) < length:
            body, fault = body[: len(body) // _KEPT * _KEPT], Fault.UNANSWERED
        if fault in (Fault.CUT, Fault.SHORT):
            body = body[: len(body) // 2 // _KEPT * _KEPT]
        if fault is Fault.DAMAGED:
            body = bytes([body[0] ^ 1]) + body[1:]
        answer = self._answer(method, body, fault)
        if fault in (Fault.CUT, Fault.UNANSWERED):
            self.close_connection = True
            # Closing with this set sends a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _answer(self, method: str, body: bytes, fault: Fault | None) -> bytes:
        streams, answer = (self.rfile, self.wfile), io.BytesIO()
        self.rfile, self.wfile = io.BytesIO(body), answer
        if "Content-Length" in self.headers:
            self.headers.replace_header("Content-Length", str(len(body)))
        try:
            with self.storage.lock:
                if fault is Fault.UNAVAILABLE:
                    raise _RefusedError(503, "Backend error")
                if not self._is_complete(method):
                    self._check(method, body)
                    Router(self).handle(method)
        except _RefusedError as error:
            self._say(error.status, {"error": {"code": error.status, "message": error.message}})
        finally:
            self.rfile, self.wfile = streams
        return answer.getvalue()

    def _is_complete(self, method: str) -> bool:
        upload = parse_qs(urlsplit(self.path).query).get("upload_id", [""])[0]
        done = self.storage.completed.get(upload) if method == "PUT" else None
        if done:
            self._say(200, done)
        return bool(done)

    def _check(self, method: str, body: bytes) -> None:
        """Refuse what GCS would refuse before it does anything."""
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.storage.condition = query.get("ifGenerationMatch")
        self.storage.announced_hash = self.headers.get("x-goog-hash", "")
        found = _PATH.fullmatch(url.path)
        # Whoever has an upload's URL may send to it.
        if not found or "upload_id" in query:
            return
        bucket, name = found[1], unquote(found[2] or "")
        if bucket not in self.storage.buckets:
            raise _RefusedError(404, "The specified bucket does not exist.")
        if method == "POST":
            name = name or query.get("name") or _name(body)
        exists = name in self.storage.objects.get(bucket, {})
        if method != "GET":
            self.storage.check(bucket, name)
        elif query.get("generation") not in (
            None,
            self.storage.objects.get(bucket, {}).get(name, {}).get("generation"),
        ):
            raise _RefusedError(404, f"No such object: {bucket}/{name}, generation {query['generation']}")
        is_admin = self.headers.get("Authorization") == f"Bearer {_ADMIN}"
        for permission in _needed(method, name, exists):
            if not is_admin and permission not in self.gcs.allowed:
                raise _RefusedError(
                    403,
                    f"Caller does not have storage.objects.{permission} access to the Google Cloud Storage "
                    f"object. Permission 'storage.objects.{permission}' denied on resource (or it may not exist).",
                )

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a test's own log is what matters."""

    def _say(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _name(body: bytes) -> str:
    """Return the object's name: it is in the first JSON of the body, which may have another part, the bytes."""
    described = json.JSONDecoder().raw_decode(body[body.index(b"{") :].decode(errors="replace"))[0]
    return str(described["name"])


def _needed(method: str, name: str, exists: bool) -> list[str]:
    if method == "POST":
        return ["create", "delete"] if exists else ["create"]
    if method == "GET":
        return ["get"] if name else ["list"]
    return {"PATCH": ["update"], "DELETE": ["delete"]}[method]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have gone."""


@contextmanager
def gcs() -> Iterator[GCS]:
    """
    Run a GCS in this process, its objects in memory, while the block runs; its one bucket is there and empty.

    Where it differs from the real one: nobody has to sign in, and all but the administrator may do the same; an
    upload's URL never expires; no quota is ever used up; a list has one page; a part of a chunk that GCS keeps without
    saying so is only what `Fault` makes of it.
    """
    storage = _Storage()
    create_bucket(BUCKET, storage)["softDeletePolicy"] = {"retentionDurationSeconds": "0"}
    running = GCS("", storage)
    server = _Server((LOOPBACK, 0), partial(_Handler, running))
    running.endpoint = f"http://{LOOPBACK}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
