"""Answers in RunComfy's shapes, and the ways in which there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web


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
    """Return an injected answer: a text body goes as a gateway's HTML page, any other as JSON."""
    if isinstance(body, str):
        return web.Response(status=code, text=body, content_type="text/html", headers=headers)
    if body is None:
        body = {"error_code": error_code or code * 1000, "error_message": f"the sandbox was asked to answer {code}"}
    return web.json_response(body, status=code, headers=headers)


def cut(request: web.BaseRequest) -> None:
    """Cut the connection after what was written so far."""
    if request.transport is not None:
        request.transport.close()
