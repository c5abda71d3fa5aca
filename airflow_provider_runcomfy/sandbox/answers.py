"""Answers in RunComfy's shapes, and the ways in which there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web
from multidict import CIMultiDict


class RefusedCallError(Exception):
    """
    A call that is refused, in the documented shape ``{"error_code", "error_message", "detail"?}``.

    :param http_status: the HTTP status; mostly the error code's first three digits (inference).
    :param error_code: RunComfy's code.
    :param message: what is wrong.
    :param detail: one entry for each thing that is wrong, where there are several.
    """

    def __init__(self, http_status: int, error_code: int, message: str, detail: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.error_code = error_code
        self.detail = list(detail)


class ConnectionCutError(Exception):
    """The connection is cut and no answer is given."""


def refusal(error: RefusedCallError) -> web.Response:
    """Return the answer that tells of a refused call."""
    body: dict[str, Any] = {"error_code": error.error_code, "error_message": str(error)}
    if error.detail:
        body["detail"] = error.detail
    return web.json_response(body, status=error.http_status)


def made_up(
    code: int, error_code: int | None = None, body: object = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an injected answer: text as a gateway's HTML page, all else as JSON, unless ``headers`` name a type."""
    if body is None:
        body = {"error_code": error_code or code * 1000, "error_message": f"the sandbox was asked to answer {code}"}
    kind, text = ("text/html", body) if isinstance(body, str) else ("application/json", json.dumps(body))
    sent = CIMultiDict({"Content-Type": f"{kind}; charset=utf-8"})
    sent.update(headers or {})
    return web.Response(status=code, body=text.encode(), headers=sent)


def cut(request: web.BaseRequest) -> None:
    """Cut the connection after what was written so far."""
    if request.transport is not None:
        request.transport.close()
