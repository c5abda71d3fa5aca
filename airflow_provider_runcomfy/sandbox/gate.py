"""What every call goes through: it is recorded, meets its faults, and gets an answer in RunComfy's shape."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from airflow_provider_runcomfy.sandbox.answers import ConnectionCutError, RefusedCallError, cut, made_up, refusal
from airflow_provider_runcomfy.sandbox.calls import Call, CallKind, CallLog, bearer_token
from airflow_provider_runcomfy.sandbox.engine import Engine, timestamp
from airflow_provider_runcomfy.sandbox.faultbook import CallFacts, FaultBook
from airflow_provider_runcomfy.sandbox.faults import Effect, Fault

#: Answers a call; whatever becomes known of it on the way is written into its record.
Handler = Callable[[web.Request, Call, CallFacts], Awaitable[web.StreamResponse]]
_WITHOUT_TOKEN = (CallKind.FILE, CallKind.OTHER)


class Gate:
    """
    Stands before the handlers of both sites.

    :param calls: where each call is recorded.
    :param faults: the faults that calls may meet.
    :param engine: knows the request that a call is about.
    """

    def __init__(self, calls: CallLog, faults: FaultBook, engine: Engine) -> None:
        self._calls = calls
        self._faults = faults
        self._engine = engine

    def guard(self, kind: CallKind, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return the handler as it is to be routed to."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            call = _record(kind, request)
            self._calls.add(call)
            try:
                response = await self._answer(request, call, handler)
            except RefusedCallError as error:
                response = refusal(error)
            except web.HTTPException as error:
                response = refusal(RefusedCallError(error.status, error.status * 1000, error.reason))
            except ConnectionCutError:
                cut(request)
                return web.Response()
            call.status = response.status
            return response

        return guarded

    def guard_the_rest(self, router: web.UrlDispatcher) -> None:
        """Route every path that has no handler yet: its calls are recorded and answered with 404."""
        router.add_route("*", "/{path:.*}", self.guard(CallKind.OTHER, _no_such_path))

    def take(self, call: Call, facts: CallFacts, *effects: Effect) -> Fault | None:
        """Return the first fault of one of these effects that meets the call, and write it into the record."""
        fault = self._faults.take(facts, *effects)
        if fault:
            call.faults.append(fault.effect)
        return fault

    async def _answer(self, request: web.Request, call: Call, handler: Handler) -> web.StreamResponse:
        facts = await self._facts(request, call)
        for delay in self._faults.take_all(facts, Effect.DELAY):
            call.faults.append(delay.effect)
            await asyncio.sleep(delay.seconds)
        if fault := self.take(call, facts, Effect.OUTAGE, Effect.STATUS, Effect.EXPIRE):
            return _instead(fault, call)
        if not facts.token and call.kind not in _WITHOUT_TOKEN:
            raise RefusedCallError(401, 400004, "the API token is missing")
        response = await handler(request, call, facts)
        if self.take(call, facts, Effect.LOST_ANSWER):
            raise ConnectionCutError
        return response

    async def _facts(self, request: web.Request, call: Call) -> CallFacts:
        token = bearer_token(request.headers.get("Authorization"))
        if call.kind is CallKind.SUBMIT:
            inputs = await read_json(request)
            prompt = inputs.get("prompt") if isinstance(inputs, dict) else None
            return CallFacts(call.kind, token, call.model_id, prompt=prompt if isinstance(prompt, str) else None)
        if call.kind is CallKind.FILE:
            about = self._engine.find_file(request.match_info["name"])
        else:
            about = self._engine.find(request.match_info.get("request_id", ""))
        if about is None:
            return CallFacts(call.kind, token, call.model_id, call.request_id)
        call.request_id, call.model_id = about.request_id, about.model_id
        return CallFacts(call.kind, token, about.model_id, about.request_id, about.clip.prompt)


async def read_json(request: web.Request) -> object:
    """Return the body as JSON, or None if it is none."""
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError):
        return None


async def _no_such_path(request: web.Request, call: Call, facts: CallFacts) -> web.Response:
    raise RefusedCallError(404, 404000, f"there is no {request.method} {request.path}")


def _record(kind: CallKind, request: web.Request) -> Call:
    return Call(
        time=timestamp(time.time()),
        kind=kind,
        method=request.method,
        path=request.path_qs,
        has_authorization="Authorization" in request.headers,
        range=request.headers.get("Range"),
        request_id=request.match_info.get("request_id"),
        model_id=request.match_info.get("model_id"),
    )


def _instead(fault: Fault, call: Call) -> web.Response:
    """Return the answer that a fault gives in the handler's place."""
    if fault.drop:
        raise ConnectionCutError
    if fault.effect is Effect.STATUS and fault.code is not None:
        return made_up(fault.code, fault.error_code, fault.body, fault.headers)
    if fault.effect is Effect.OUTAGE:
        return made_up(fault.code or 503)
    if call.kind is CallKind.FILE:
        return made_up(fault.code or 404)
    raise RefusedCallError(404, 404001, "the request does not exist or has expired")
