"""A model's entry: asked for once by a try, and once in a quarter of an hour by all tries of a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runcomfy import catalogue
from airflow_provider_runcomfy.api.catalogue_cache import CatalogueCache
from airflow_provider_runcomfy.api.errors import UnavailableError
from airflow_provider_runcomfy.api.settings import Settings
from airflow_provider_runcomfy.catalogue import Catalogue
from airflow_provider_runcomfy.exceptions import RunComfyRetryableError

MODEL = "acme/a"
ENTRY = {"model_id": MODEL, "base_price_usd": 0.1}
REAL, LOCAL = Settings("t0ken"), Settings("t0ken", "http://127.0.0.1:8765")


class RunComfy:
    """The hook and the client in one: ``calls`` has how each call was made."""

    def __init__(self, settings: Settings = REAL) -> None:
        self.settings = settings
        self.calls: list[str] = []
        self.is_away = False

    def get_model(self, model_id: str) -> dict[str, Any]:
        self.calls.append("patiently")
        if self.is_away:
            raise RunComfyRetryableError("away")
        return ENTRY

    def client(self, settings: Settings, *, connect_seconds: float, read_seconds: float) -> RunComfy:
        assert (settings, connect_seconds, read_seconds) == (self.settings, 3.0, 7.0)
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        # What was called within the block was the client, and not the hook.
        self.calls[-1] = "quickly"
        if self.is_away:
            raise UnavailableError("away")


@pytest.fixture
def runcomfy(monkeypatch: pytest.MonkeyPatch) -> RunComfy:
    runcomfy = RunComfy()
    monkeypatch.setattr(catalogue, "RunComfyClient", runcomfy.client)
    return runcomfy


def seen_by(runcomfy: RunComfy, folder: Path) -> Catalogue:
    hook: Any = runcomfy
    return Catalogue(hook, MODEL, CatalogueCache(folder))


def test_a_try_asks_once(runcomfy: RunComfy, tmp_path: Path) -> None:
    its = seen_by(runcomfy, tmp_path / "cache")
    assert [its.glance(), its.entry(), its.glance()] == [ENTRY] * 3
    assert runcomfy.calls == ["quickly"]


def test_what_a_glance_did_not_get_is_asked_for_patiently(runcomfy: RunComfy, tmp_path: Path) -> None:
    its = seen_by(runcomfy, tmp_path / "cache")
    runcomfy.is_away = True
    with pytest.raises((UnavailableError, RunComfyRetryableError)):
        its.glance()
    runcomfy.is_away = False
    assert its.entry() == ENTRY
    assert runcomfy.calls == ["quickly", "patiently"]


def test_other_tries_of_the_worker_do_not_ask_again(runcomfy: RunComfy, tmp_path: Path) -> None:
    assert seen_by(runcomfy, tmp_path / "cache").entry() == ENTRY
    runcomfy.is_away = True
    assert seen_by(runcomfy, tmp_path / "cache").entry() == ENTRY
    assert seen_by(runcomfy, tmp_path / "cache").glance() == ENTRY
    assert runcomfy.calls == ["patiently"]


def test_the_token_is_in_no_file(runcomfy: RunComfy, tmp_path: Path) -> None:
    seen_by(runcomfy, tmp_path / "cache").entry()
    [file] = (tmp_path / "cache").iterdir()
    assert "t0ken" not in file.name + file.read_text()


def test_entries_of_a_sandbox_are_not_kept(runcomfy: RunComfy, tmp_path: Path) -> None:
    runcomfy.settings = LOCAL
    for _ in range(2):
        assert seen_by(runcomfy, tmp_path / "cache").entry() == ENTRY
    assert runcomfy.calls == ["patiently", "patiently"]
    assert not (tmp_path / "cache").exists()
