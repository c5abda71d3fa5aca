"""An OpenLineage backend: takes the events that are posted to it, and keeps them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dev.processes import LOOPBACK

_PATH = "/api/v1/lineage"


@dataclass
class Lineage:
    """A running backend; ``bodies`` has what was posted, as it came."""

    url: str
    bodies: list[bytes] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """The variable that lets an Airflow send its events here."""
        transport = {"type": "http", "url": self.url, "endpoint": _PATH.lstrip("/")}
        return {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)}

    def events(self, job: str, event_type: str) -> list[dict[str, Any]]:
        """Return the events of a job (``dag_id`` or ``dag_id.task_id``) of one type (``COMPLETE``, ``FAIL``, ...)."""
        events = [json.loads(body) for body in list(self.bodies)]
        return [event for event in events if (event["job"]["name"], event["eventType"]) == (job, event_type)]


@contextmanager
def lineage() -> Iterator[Lineage]:
    """Run a backend on a free port while the block runs."""
    server = ThreadingHTTPServer((LOOPBACK, 0), _Handler)
    server.backend = Lineage(f"http://{LOOPBACK}:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, name="openlineage-backend", daemon=True)
    thread.start()
    try:
        yield server.backend  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        taken = self.path == _PATH
        if taken:
            self.server.backend.bodies.append(body)  # type: ignore[attr-defined]
        self.send_response(201 if taken else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing."""
