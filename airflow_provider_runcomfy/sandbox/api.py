"""The calls of the Model API, the catalogue and the balance."""

from __future__ import annotations

import logging
from typing import Any

from aiohttp import web

from airflow_provider_runcomfy.api.errors import InvalidInputError
from airflow_provider_runcomfy.api.types import CancelOutcome, RequestState
from airflow_provider_runcomfy.sandbox.answers import RefusedCallError
from airflow_provider_runcomfy.sandbox.calls import Call, CallKind, fingerprint
from airflow_provider_runcomfy.sandbox.catalogue import MICRODOLLARS, MODELS, Model, find_models
from airflow_provider_runcomfy.sandbox.engine import Engine, Request, timestamp
from airflow_provider_runcomfy.sandbox.faultbook import CallFacts
from airflow_provider_runcomfy.sandbox.faults import Effect
from airflow_provider_runcomfy.sandbox.gate import Gate, read_json

logger = logging.getLogger(__name__)

_FAILED = "The generation failed (the sandbox was asked to fail it)."
_MODERATED = "The content moderation refused the prompt: it violates the content policy (injected by the sandbox)."


class ModelApi:
    """
    The handlers of the API's calls.

    :param gate: what every call goes through.
    :param engine: the queue and the account.
    :param files_port: the port from which outputs are served.
    """

    def __init__(self, gate: Gate, engine: Engine, files_port: int) -> None:
        self._gate = gate
        self._engine = engine
        self._files_port = files_port

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Route the API's paths to the handlers; any other path is recorded and answered with 404."""
        guard = self._gate.guard
        router.add_post("/v1/models/{model_id:.+}", guard(CallKind.SUBMIT, self._submit))
        router.add_get("/v1/requests/{request_id}/status", guard(CallKind.STATUS, self._status))
        router.add_get("/v1/requests/{request_id}/result", guard(CallKind.RESULT, self._result))
        router.add_post("/v1/requests/{request_id}/cancel", guard(CallKind.CANCEL, self._cancel))
        router.add_get("/v1/models", guard(CallKind.MODELS, self._models))
        router.add_get("/v1/models/{model_id:.+}", guard(CallKind.MODELS, self._model))
        router.add_get("/prod/v2/balance", guard(CallKind.BALANCE, self._balance))
        self._gate.guard_the_rest(router)

    async def _submit(self, request: web.Request, call: Call, facts: CallFacts) -> web.Response:
        model = _known(request.match_info["model_id"])
        inputs = _checked(model, await read_json(request))
        fault = self._gate.take(call, facts, Effect.FAIL, Effect.MODERATE)
        error: Any = None
        if fault and fault.effect is Effect.FAIL:
            error = fault.error or _FAILED
        elif fault:
            error = {"type": "content_moderation", "message": fault.error or _MODERATED}
        made = self._engine.submit(
            model.model_id, inputs, model.clip(inputs), owner=fingerprint(facts.token), error=error
        )
        if made is None:
            raise RefusedCallError(402, 400002, "the balance does not suffice")
        call.request_id = made.request_id
        self._tell(made)
        return web.json_response({"request_id": made.request_id, **_urls(request, made, "status", "result", "cancel")})

    async def _status(self, request: web.Request, call: Call, facts: CallFacts) -> web.Response:
        about = self._own(request, facts)
        ended = about.state in (RequestState.SUCCEEDED, RequestState.FAILED)
        body: dict[str, Any] = {
            "request_id": about.request_id,
            "status": RequestState.COMPLETED if ended else about.state,
        }
        if (position := self._engine.queue_position(about)) is not None:
            body["queue_position"] = position
        return web.json_response({**body, **_urls(request, about, "status", "result")})

    async def _result(self, request: web.Request, call: Call, facts: CallFacts) -> web.Response:
        about = self._own(request, facts)
        body: dict[str, Any] = {"request_id": about.request_id, "status": about.state}
        if about.state is RequestState.SUCCEEDED:
            url = f"http://{_host(request)}:{self._files_port}/{about.file_name}"
            body["output"] = {about.clip.kind.value: url}
        elif about.state is RequestState.FAILED:
            body["error"] = about.error
        body["created_at"] = timestamp(about.created)
        if about.finished is not None:
            body["finished_at"] = timestamp(about.finished)
            if request.query.get("include_cost") == "true":
                body["cost"] = about.charged / MICRODOLLARS
        return web.json_response(body)

    async def _cancel(self, request: web.Request, call: Call, facts: CallFacts) -> web.Response:
        about = self._own(request, facts)
        outcome = self._engine.cancel(about)
        # The documentation's own example has "completed" beside "cancelled"; so has the sandbox.
        state = RequestState.COMPLETED if outcome is CancelOutcome.CANCELLED else about.state
        return web.json_response({"request_id": about.request_id, "status": state, "outcome": outcome}, status=202)

    async def _models(self, request: web.Request, call: Call, facts: CallFacts) -> web.Response:
        query = request.query
        limit, offset = _number(request, "limit", 100, 1, 500), _number(request, "offset", 0, 0, None)
        found = find_models(query.get("search", ""), query.get("category", ""), query.get("kind", ""))
        with_schema = query.get("include_schema") == "true"
        page = [model.entry(with_schema=with_schema) for model in found[offset : offset + limit]]
        return web.json_response({"models": page, "total": len(found), "limit": limit, "offset": offset})

    async def _model(self, request: web.Request, call: Call, facts: CallFacts) -> web.Response:
        return web.json_response(_known(request.match_info["model_id"]).entry(with_schema=True))

    async def _balance(self, request: web.Request, call: Call, facts: CallFacts) -> web.Response:
        balance = self._engine.balance
        dollars = balance / MICRODOLLARS
        return web.json_response({"balance_usd": dollars, "balance_microdollars": balance, "currency": "USD"})

    def _own(self, request: web.Request, facts: CallFacts) -> Request:
        """Return the request that the call is about, if the caller's token submitted it."""
        about = self._engine.find(request.match_info["request_id"])
        if about is None:
            raise RefusedCallError(404, 404001, "the request does not exist or has expired")
        if about.owner != fingerprint(facts.token):
            raise RefusedCallError(403, 403001, "the request belongs to another account")
        return about

    def _tell(self, request: Request) -> None:
        clip = request.clip
        logger.info(
            "submit %s %s, %d s, %s, %s: %.3f USD, balance %.3f USD; %s",
            request.request_id,
            request.model_id,
            clip.seconds,
            clip.aspect_ratio,
            "sound" if clip.sound else "silent",
            clip.cost / MICRODOLLARS,
            self._engine.balance / MICRODOLLARS,
            # A prompt may hold anything, and a terminal obeys some of it.
            ascii(clip.prompt[:60]),
        )


def _known(model_id: str) -> Model:
    if model_id not in MODELS:
        raise RefusedCallError(400, 400001, f"unknown model_id; the sandbox has {', '.join(MODELS)}")
    return MODELS[model_id]


def _checked(model: Model, body: object) -> dict[str, Any]:
    """
    Return the inputs if they fit the model's schema.

    How RunComfy refuses them is not documented: HTTP 422 and 422000 are inference. A number in quotes is refused too:
    taking text for a number is the client's kindness, not RunComfy's.
    """
    if not isinstance(body, dict):
        raise RefusedCallError(422, 422000, "the body must be a JSON object: the model's inputs")
    try:
        checked = model.checked(body)
    except InvalidInputError as error:
        faults = [{"loc": fault.path, "msg": fault.allowed, "input": fault.value} for fault in error.faults]
        raise RefusedCallError(422, 422000, "the inputs do not fit the model", faults) from error
    if checked.inputs != body:
        raise RefusedCallError(422, 422000, "the inputs do not fit the model: a number or boolean came as text")
    return checked.inputs


def _urls(request: web.Request, about: Request, *calls: str) -> dict[str, str]:
    base = request.url.origin() / "v1" / "requests" / about.request_id
    return {f"{name}_url": str(base / name) for name in calls}


def _host(request: web.Request) -> str:
    """Return the host under which the caller reached the API: the files are on another port of it."""
    host = request.url.host or ""
    return f"[{host}]" if ":" in host else host


def _number(request: web.Request, name: str, default: int, low: int, high: int | None) -> int:
    text = request.query.get(name, str(default))
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
    if number < low or (high is not None and number > high):
        raise RefusedCallError(400, 400000, f"{name} must be a number from {low}{f' to {high}' if high else ''}")
    return number
