"""The control path: what the sandbox was asked, what it took money for, and which faults it shall show."""

from __future__ import annotations

from aiohttp import web

from airflow_provider_runcomfy.sandbox.calls import CallLog
from airflow_provider_runcomfy.sandbox.engine import Engine
from airflow_provider_runcomfy.sandbox.faultbook import FaultBook
from airflow_provider_runcomfy.sandbox.faults import InvalidFaultError, parse_fault
from airflow_provider_runcomfy.sandbox.gate import read_json


class Control:
    """
    The handlers of ``/_sandbox``. These calls need no token, meet no fault, and are not recorded.

    :param calls: the calls so far.
    :param faults: the faults that are waiting.
    :param engine: the queue and the account.
    """

    def __init__(self, calls: CallLog, faults: FaultBook, engine: Engine) -> None:
        self._calls = calls
        self._faults = faults
        self._engine = engine

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Route the control paths to the handlers."""
        router.add_get("/_sandbox/calls", self._list_calls)
        router.add_get("/_sandbox/requests", self._list_requests)
        router.add_post("/_sandbox/faults", self._add_fault)
        router.add_delete("/_sandbox/faults", self._clear_faults)

    async def _list_calls(self, request: web.Request) -> web.Response:
        calls = [call.as_dict() for call in self._calls.all()]
        return web.json_response({"calls": calls, "dropped": self._calls.dropped})

    async def _list_requests(self, request: web.Request) -> web.Response:
        return web.json_response({"requests": [made.as_dict() for made in self._engine.all()]})

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            self._faults.add(parse_fault(await read_json(request)))
        except InvalidFaultError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.Response(status=204)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return web.Response(status=204)
