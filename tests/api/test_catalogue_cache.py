"""Entries of the catalogue, shared by the processes of a worker; whatever is wrong with them is a miss."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_runcomfy.api import catalogue_cache
from airflow_provider_runcomfy.api.catalogue_cache import MAX_AGE_SECONDS, CatalogueCache

BASE, MODEL = "https://model-api.runcomfy.net", "acme/a"
ENTRY = {"model_id": MODEL, "base_price_usd": 0.1, "input_schema": {"a": "ü\u2028"}}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> CatalogueCache:
    return CatalogueCache(tmp_path / "cache", clock)


def test_an_entry_is_found_by_another_process(tmp_path: Path, clock: Clock, cache: CatalogueCache) -> None:
    cache.put(BASE, MODEL, ENTRY)
    assert CatalogueCache(tmp_path / "cache", clock).get(BASE, MODEL) == ENTRY


def test_nobody_else_may_read_or_write_it(tmp_path: Path, cache: CatalogueCache) -> None:
    cache.put(BASE, MODEL, ENTRY)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".json"]


def test_it_is_written_beside_its_place_and_moved_there(
    tmp_path: Path, cache: CatalogueCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one file system, so that nobody sees half of it."""
    moved: list[tuple[Path, Path]] = []
    replace = Path.replace

    def noted(part: Path, place: Path) -> Path:
        moved.append((part, place))
        return replace(part, place)

    monkeypatch.setattr(Path, "replace", noted)
    cache.put(BASE, MODEL, ENTRY)
    [(part, place)] = moved
    assert part.parent.parent == place.parent == tmp_path / "cache"
    assert list((tmp_path / "cache").iterdir()) == [place]


@pytest.mark.parametrize(("base_url", "model_id"), [("https://other", MODEL), (BASE, "acme/A"), (BASE, "acme/b")])
def test_another_server_or_model_is_another_entry(cache: CatalogueCache, base_url: str, model_id: str) -> None:
    cache.put(BASE, MODEL, ENTRY)
    assert cache.get(base_url, model_id) is None


@pytest.mark.parametrize(
    ("seconds", "is_known"), [(0, True), (MAX_AGE_SECONDS - 1, True), (MAX_AGE_SECONDS, False), (-1, False)]
)
def test_it_is_kept_for_a_quarter_of_an_hour(
    cache: CatalogueCache, clock: Clock, seconds: float, is_known: bool
) -> None:
    cache.put(BASE, MODEL, ENTRY)
    clock.now += seconds
    assert (cache.get(BASE, MODEL) is not None) is is_known


def _overwritten(text: str) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        [file] = folder.iterdir()
        file.write_text(text)

    return act


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(_overwritten(""), id="empty"),
        pytest.param(_overwritten("[" * 100_000), id="nested without end"),
        pytest.param(_overwritten("[]"), id="a list"),
        pytest.param(_overwritten(json.dumps({"time": "now", "entry": ENTRY, "base_url": BASE})), id="a wrong time"),
        pytest.param(_overwritten(json.dumps({"time": 1000.0, "entry": {}, "base_url": BASE})), id="another entry"),
        pytest.param(_overwritten(" " * (5 << 20)), id="huge"),
        pytest.param(lambda folder: folder.chmod(0o777), id="anybody could have written it"),
    ],
)
def test_what_is_wrong_is_a_miss(tmp_path: Path, cache: CatalogueCache, damage: Callable[[Path], None]) -> None:
    cache.put(BASE, MODEL, ENTRY)
    damage(tmp_path / "cache")
    assert cache.get(BASE, MODEL) is None


def test_a_folder_that_somebody_else_has_put_there_is_not_written_to(tmp_path: Path, cache: CatalogueCache) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "theirs")
    cache.put(BASE, MODEL, ENTRY)
    assert [*(tmp_path / "theirs").iterdir()] == []
    assert cache.get(BASE, MODEL) is None


@pytest.mark.parametrize(("mode", "is_known"), [(0o700, True), (0o755, True), (0o720, False), (0o702, False)])
def test_a_folder_that_others_can_write_to_is_a_miss(
    tmp_path: Path, cache: CatalogueCache, mode: int, is_known: bool
) -> None:
    cache.put(BASE, MODEL, ENTRY)
    (tmp_path / "cache").chmod(mode)
    assert (cache.get(BASE, MODEL) is not None) is is_known


def test_a_folder_of_somebody_else_is_a_miss(cache: CatalogueCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put(BASE, MODEL, ENTRY)
    monkeypatch.setattr("os.getuid", lambda: 4242)
    assert cache.get(BASE, MODEL) is None


def test_a_file_as_large_as_may_be_is_read(
    tmp_path: Path, cache: CatalogueCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put(BASE, MODEL, ENTRY)
    [file] = (tmp_path / "cache").iterdir()
    monkeypatch.setattr(catalogue_cache, "_MAX_BYTES", file.stat().st_size)
    assert cache.get(BASE, MODEL) == ENTRY
    monkeypatch.setattr(catalogue_cache, "_MAX_BYTES", file.stat().st_size - 1)
    assert cache.get(BASE, MODEL) is None


def test_a_newer_entry_takes_the_place_of_the_older(cache: CatalogueCache) -> None:
    cache.put(BASE, MODEL, ENTRY)
    newer = {**ENTRY, "base_price_usd": 0.2}
    cache.put(BASE, MODEL, newer)
    assert cache.get(BASE, MODEL) == newer


def test_it_lies_among_the_temporary_files_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    CatalogueCache().put(BASE, MODEL, ENTRY)
    [folder] = tmp_path.iterdir()
    assert folder.name == f"airflow-provider-runcomfy-{os.getuid()}"
    assert CatalogueCache().get(BASE, MODEL) == ENTRY


def test_what_cannot_be_kept_leaves_what_was_kept_before(cache: CatalogueCache) -> None:
    cache.put(BASE, MODEL, ENTRY)
    cache.put(BASE, MODEL, {**ENTRY, "input_schema": object()})
    assert cache.get(BASE, MODEL) == ENTRY


def test_a_folder_that_cannot_be_made_is_a_miss(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = CatalogueCache(tmp_path / "file" / "cache")
    cache.put(BASE, MODEL, ENTRY)
    assert cache.get(BASE, MODEL) is None
