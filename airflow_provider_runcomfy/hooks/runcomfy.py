"""The Airflow connection turned into RunComfy's clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowRuntimeError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay

from airflow_provider_runcomfy.api.client import RESEND_SECONDS, RunComfyClient, patience
from airflow_provider_runcomfy.api.download_policy import DownloadPolicy
from airflow_provider_runcomfy.api.errors import RunComfyError, UnavailableError
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.api.types import Balance, CancelOutcome, GenerationResult, RequestStatus
from airflow_provider_runcomfy.compat import AirflowNotFoundException, amask_secret
from airflow_provider_runcomfy.exceptions import airflow_errors
from airflow_provider_runcomfy.hooks.settings import (
    download_policy_of,
    settings_of,
    settings_without_connection,
)
from airflow_provider_runcomfy.parameters import DEFAULT_CONN_ID

if TYPE_CHECKING:
    from airflow.sdk import Connection

    # Workers, which have this module too, do without aiohttp.
    from airflow_provider_runcomfy.api.aio import RunComfyAsyncClient

T = TypeVar("T")

_READ_ATTEMPTS = 4
# A PermissionError is Airflow's refusal to tell of a connection.
_NOT_TOLD = (AirflowRuntimeError, PermissionError)


class RunComfyHook(BaseHook):
    """
    Call RunComfy's Model API with an Airflow connection.

    Errors are raised as Airflow acts upon them (:mod:`airflow_provider_runcomfy.exceptions`). Calls that only
    read are made up to four times when RunComfy is not available; a submit never is, see :meth:`submit`.

    Every call raises ``RunComfyConnectionError`` if the connection is missing or unusable, or its token is refused, and
    ``RunComfyRetryableError`` if RunComfy, or Airflow for the connection, cannot be asked now; one about a request also
    ``InvalidInputsError`` if its id is none, and ``RequestNotAvailableError`` if it has expired, never existed, or is
    another account's.

    :param runcomfy_conn_id: the connection, ``runcomfy_default`` by default: its password is the API token, its
        host the base URL (RunComfy's public one by default). Without a connection of that default name, the
        environment variable ``RUNCOMFY_TOKEN`` is enough.
    """

    conn_name_attr = "runcomfy_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = "runcomfy"
    hook_name = "RunComfy"

    def __init__(self, runcomfy_conn_id: str = DEFAULT_CONN_ID) -> None:
        super().__init__()
        self.runcomfy_conn_id = runcomfy_conn_id

    @cached_property
    def _connection(self) -> Connection | None:
        try:
            return self.get_connection(self.runcomfy_conn_id)
        except AirflowNotFoundException:
            return None
        except _NOT_TOLD as error:
            raise _airflow_unavailable(self.runcomfy_conn_id, error) from None

    @cached_property
    def settings(self) -> Settings:
        """Base URL and token."""
        from airflow.sdk.log import mask_secret

        conn = self._connection
        settings = settings_of(conn) if conn else settings_without_connection(self.runcomfy_conn_id)
        # Airflow masks the password as it is stored; this is the token as it is sent.
        mask_secret(settings.token)
        return settings

    @property
    def download_policy(self) -> DownloadPolicy:
        """
        From where, and how much, results may be downloaded.

        :raises RunComfyConnectionError: if the connection cannot be used.
        """
        with airflow_errors():
            return download_policy_of(self._connection, self.settings)

    @cached_property
    def client(self) -> RunComfyClient:
        """The client itself: one HTTP exchange per call, and the errors of the ``api`` package."""
        return RunComfyClient(self.settings)

    def forget_connection(self) -> None:
        """Read the connection anew at the next call: its token may have been replaced."""
        for name in ("_connection", "settings", "client"):
            self.__dict__.pop(name, None)

    def get_conn(self) -> RunComfyClient:
        """
        Return the client.

        :raises RunComfyConnectionError: if the connection cannot be used.
        """
        with airflow_errors():
            return self.client

    def submit(self, model_id: str, inputs: Mapping[str, Any]) -> str:
        """
        Submit a generation and return its ``request_id``. This costs money, and nothing remembers it.

        In a task prefer :class:`~airflow_provider_runcomfy.operators.runcomfy.RunComfySubmitOperator`: it checks
        the inputs first, and a retry of it does not pay twice.

        :param model_id: the model, say ``kling/kling-3.0/pro/text-to-video``.
        :param inputs: the model's inputs.
        :raises UnknownSubmissionError: if it is not known whether RunComfy took it; it is not sent again.
        :raises AirflowException: another class of :mod:`airflow_provider_runcomfy.exceptions`, where it certainly
            was not taken: nothing was charged.
        """
        with airflow_errors():
            return self.client.submit(self.client.prepare_submit(model_id, inputs))

    def get_status(self, request_id: str) -> RequestStatus:
        """Return the state of a request, and its place in the queue; free of charge."""
        return self._read(lambda: self.client.get_status(request_id))

    def get_result(self, request_id: str) -> GenerationResult:
        """Return the result of a request, or its state while it has none; free of charge."""
        return self._read(lambda: self.client.get_result(request_id))

    def cancel(self, request_id: str) -> CancelOutcome:
        """Cancel a request. Only a queued one can be; a running one goes on and is charged. Repeats are no-ops."""
        return self._read(lambda: self.client.cancel(request_id))

    def list_models(
        self,
        *,
        search: str | None = None,
        category: str | None = None,
        kind: str | None = None,
        include_schema: bool = False,
    ) -> list[dict[str, Any]]:
        """
        Return RunComfy's live catalogue; free of charge (source: official clients).

        :param search: words to look for.
        :param category: only models of this category.
        :param kind: only models of this kind.
        :param include_schema: with each model's ``input_schema``.
        :returns: entries with ``model_id``, ``display_name``, ``kind``, ``base_price_usd``, ``price_unit`` and more.
        """
        given = {"search": search, "category": category, "kind": kind}
        filters = {name: value for name, value in given.items() if value}
        if include_schema:
            filters["include_schema"] = "true"
        return self._read(lambda: list(self.client.list_models(filters)))

    def get_model(self, model_id: str) -> dict[str, Any]:
        """Return the catalogue's entry of one model; free of charge (source: official clients)."""
        return self._read(lambda: self.client.get_model(model_id))

    def get_balance(self) -> Balance:
        """Return what is left on the account; free of charge (source: official clients)."""
        return self._read(lambda: self.client.get_balance())

    def test_connection(self) -> tuple[bool, str]:
        """
        Say what is wrong with the connection, if anything is: what *Test Connection* in Airflow's list shows.

        Free of charge. Airflow tests from where its API server runs; workers may have another network.
        """
        from airflow_provider_runcomfy.api.diagnosis import Health, diagnose

        try:
            diagnosis = diagnose(self.settings)
        except RunComfyError as error:
            # While it tests, Airflow gives the connection a random name.
            return False, str(error).replace(f"Connection {self.runcomfy_conn_id!r}", "The connection")
        return diagnosis.health is Health.GOOD, diagnosis.message

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return what Airflow 3.1 shows of the connection form; later ones read the provider's metadata alone."""
        from airflow_provider_runcomfy.get_provider_info import get_provider_info

        form = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
        hidden = [field for field in form["hidden-fields"] if field != "extra"]
        return {
            "hidden_fields": hidden,
            "relabeling": form["relabeling"],
            "placeholders": {**form["placeholders"], "extra": '{"download_hosts": ["runcomfy.net", "runcomfy.com"]}'},
        }

    def _read(self, call: Callable[[], T]) -> T:
        again = Retrying(
            retry=retry_if_exception_type(UnavailableError),
            wait=patience,
            stop=stop_after_attempt(_READ_ATTEMPTS) | stop_before_delay(RESEND_SECONDS),
            reraise=True,
        )
        with airflow_errors():
            return again(call)


class RunComfyAsyncHook(AbstractAsyncContextManager["RunComfyAsyncHook"]):
    """
    The waiting half of the API, for triggers: ``async with RunComfyAsyncHook(conn_id) as hook``.

    One HTTP exchange per call; errors are those of :mod:`airflow_provider_runcomfy.api.errors`, since what a
    failed poll means is for the poll loop to decide.

    :param runcomfy_conn_id: the connection, as for :class:`RunComfyHook`.
    """

    def __init__(self, runcomfy_conn_id: str = DEFAULT_CONN_ID) -> None:
        self.runcomfy_conn_id = runcomfy_conn_id
        self._client: RunComfyAsyncClient | None = None
        self._opening: asyncio.Task[RunComfyAsyncClient] | None = None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the session; the next call reads the connection anew."""
        if self._opening is not None:
            self._opening.cancel()
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def get_conn(self) -> RunComfyAsyncClient:
        """
        Return the client, made at the first call: once, for all who come while it is made.

        :raises InvalidSettingsError: if the connection cannot be used.
        :raises UnavailableError: if Airflow could not be asked for it.
        """
        if self._client is not None:
            return self._client
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        # Whoever is cancelled meanwhile leaves it to the others.
        return await asyncio.shield(self._opening)

    async def is_outdated(self) -> bool:
        """
        Return whether the connection says something else now than when it was read; False where it was not yet.

        :raises RunComfyError: as :meth:`get_conn`.
        """
        return self._client is not None and await self._settings() != self._client.settings

    async def get_status(self, request_id: str) -> RequestStatus:
        """Return the state of a request, and its place in the queue; free of charge."""
        return await (self._client or await self.get_conn()).get_status(request_id)

    async def get_result(self, request_id: str) -> GenerationResult:
        """Return the result of a request, or its state while it has none; free of charge."""
        return await (self._client or await self.get_conn()).get_result(request_id)

    async def cancel(self, request_id: str) -> CancelOutcome:
        """Cancel a request. Only a queued one can be; a running one goes on and is charged."""
        return await (await self.get_conn()).cancel(request_id)

    async def _open(self) -> RunComfyAsyncClient:
        from airflow_provider_runcomfy.api.aio import RunComfyAsyncClient

        self._client = RunComfyAsyncClient(await self._settings())
        return self._client

    def _opened(self, opening: asyncio.Task[RunComfyAsyncClient]) -> None:
        self._opening = None
        if not opening.cancelled():
            # Looked at, since those who waited for it may all be gone.
            opening.exception()

    async def _settings(self) -> Settings:
        try:
            settings = settings_of(await BaseHook.aget_connection(self.runcomfy_conn_id))
        except AirflowNotFoundException:
            settings = settings_without_connection(self.runcomfy_conn_id)
        except _NOT_TOLD as error:
            raise _airflow_unavailable(self.runcomfy_conn_id, error) from None
        await amask_secret(settings.token)
        return settings


def _airflow_unavailable(conn_id: str, error: Exception) -> UnavailableError:
    return UnavailableError(f"Airflow could not be asked for the connection {conn_id!r} ({error}).")
