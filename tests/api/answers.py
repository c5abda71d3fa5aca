"""Answers as the wire layer gets them, for tests without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping

from airflow_provider_runcomfy.api.payload import Answer
from airflow_provider_runcomfy.api.settings import Settings
from tests.api.callers import MODEL, REQUEST, TOKEN

SETTINGS = Settings(TOKEN)
PAGE = b"<html><body><h1>Bad gateway</h1></body></html>"


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, content, headers or {}, TOKEN)


def accepted(**more: object) -> dict[str, object]:
    """What a submit is answered with (seed, documentation)."""
    base = f"https://model-api.runcomfy.net/v1/requests/{REQUEST}"
    urls = {"status_url": f"{base}/status", "result_url": f"{base}/result", "cancel_url": f"{base}/cancel"}
    return {"request_id": REQUEST, **urls, **more}


def refused(code: object, message: str = "No.", **more: object) -> dict[str, object]:
    """What an error looks like (documentation)."""
    return {"error_code": code, "error_message": message, **more}


def status_of(word: object, **more: object) -> dict[str, object]:
    return {"request_id": REQUEST, "status": word, **more}


__all__ = ["MODEL", "PAGE", "REQUEST", "SETTINGS", "TOKEN", "accepted", "answer", "refused", "status_of"]
