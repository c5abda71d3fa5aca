"""A model's entry in RunComfy's live catalogue, asked for at most once a try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.api.catalogue_cache import CatalogueCache
from airflow_provider_runcomfy.api.client import RunComfyClient

if TYPE_CHECKING:
    from airflow_provider_runcomfy.hooks.runcomfy import RunComfyHook

# Who only wants to check inputs does without it rather than wait.
_CONNECT_SECONDS, _READ_SECONDS = 3.0, 7.0


class Catalogue:
    """
    One model's entry, as the whole of a try sees it.

    :param cache: where entries are kept for other tasks. Those of a local server, the sandbox, are not.
    """

    def __init__(self, hook: RunComfyHook, model_id: str, cache: CatalogueCache | None = None) -> None:
        self._hook = hook
        self._model_id = model_id
        self._cache = cache or CatalogueCache()
        self._entry: dict[str, Any] | None = None

    def glance(self) -> dict[str, Any]:
        """
        Return the entry, asked for once and for ten seconds at most.

        :raises RunComfyError: if it cannot be had.
        """
        return self._entry or self._kept() or self._found(self._ask())

    def entry(self) -> dict[str, Any]:
        """
        Return the entry, asked for as patiently as whatever else only reads.

        :raises AirflowException: another class of :mod:`airflow_provider_runcomfy.exceptions`, if it cannot be had.
        """
        return self._entry or self._kept() or self._found(self._hook.get_model(self._model_id))

    def _ask(self) -> dict[str, Any]:
        settings, connect, read = self._hook.settings, _CONNECT_SECONDS, _READ_SECONDS
        with RunComfyClient(settings, connect_seconds=connect, read_seconds=read) as client:
            return client.get_model(self._model_id)

    def _kept(self) -> dict[str, Any] | None:
        settings = self._hook.settings
        if not settings.is_local:
            self._entry = self._cache.get(settings.base_url, self._model_id)
        return self._entry

    def _found(self, entry: dict[str, Any]) -> dict[str, Any]:
        self._entry = entry
        settings = self._hook.settings
        if not settings.is_local:
            self._cache.put(settings.base_url, self._model_id, entry)
        return entry
