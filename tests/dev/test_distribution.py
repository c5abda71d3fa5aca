"""What would be published: the wheel and the sdist of this tree, and the checks of `make dist` themselves."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("readme_renderer", reason="what `make dist` needs is in .venv alone")

from dev.distribution import probe
from dev.distribution.build import Built, differences
from dev.distribution.contents import EXTRAS, NEEDED, PACKAGE, description_of, sdist_faults, wheel_faults
from dev.distribution.install import NEEDS, Installed, looking_faults
from dev.distribution.page import page_faults

ROOT = Path(__file__).parents[2]
HOOK = f"{PACKAGE}/hooks/runcomfy.py"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    if not (ROOT / ".git").exists():
        pytest.skip("what belongs to the repository is known where git is")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    names = [name for name in listed if name and (ROOT / name).is_file()]
    folder = tmp_path_factory.mktemp("built")
    # Of a copy: hatchling ignores .gitignore, and takes up every cache, where a pattern in it fits the checkout's path.
    for name in names:
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "source" / name)
    # Without isolation: the build backend is in the environment, so that nothing is downloaded.
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(build, cwd=folder / "source", check=True, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sdist, frozenset(names))


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    assert wheel_faults(built.wheel, built.source) == []


def test_the_sdist_holds_the_whole_repository(built: Built) -> None:
    assert sdist_faults(built.sdist, built.source) == []


def test_the_page_of_the_registry_leads_nowhere_that_is_not(built: Built) -> None:
    assert page_faults(description_of(built.wheel)) == []


def test_the_page_of_the_registry_names_files_and_needs_no_repository(built: Built) -> None:
    page = description_of(built.wheel)
    assert "[copies]" not in page
    assert "copies (`docs/copies.md`)" in page
    assert "pip install 'airflow-provider-runcomfy[amazon]'" in page
    assert "make " not in page


def test_every_extra_is_installed_and_looked_at() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert sorted(declared) == list(EXTRAS)
    assert sorted({*NEEDS.values(), "all"}) == list(EXTRAS)
    assert [attempt.__name__ for attempt in probe.TRIED] == list(NEEDS)


def rewritten(wheel: Path, folder: Path, change: Callable[[dict[str, bytes]], object], name: str | None = None) -> Path:
    """Return a copy of a wheel whose files, by name, were changed by ``change``."""
    with zipfile.ZipFile(wheel) as archive:
        files = {each: archive.read(each) for each in archive.namelist()}
    change(files)
    copy = folder / (name or wheel.name)
    with zipfile.ZipFile(copy, "w") as archive:
        for each, content in files.items():
            archive.writestr(zipfile.ZipInfo(each), content)
    return copy


def changed(end: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    """Return the change of a text in the one file whose name ends so."""

    def change(files: dict[str, bytes]) -> None:
        (name,) = [name for name in files if name.endswith(end)]
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(lambda files: files.pop(HOOK), f"lacks {HOOK}", id="a module is missing"),
        pytest.param(
            lambda files: files.pop(f"{PACKAGE}/ui/static/tab.js"),
            f"lacks {PACKAGE}/ui/static/tab.js",
            id="a file of the UI is missing",
        ),
        pytest.param(
            lambda files: files.update({"tests/test_store.py": b""}),
            "has tests/test_store.py, which does not belong there",
            id="a test is in it",
        ),
        pytest.param(
            changed("METADATA", b"Provides-Extra: google\n", b""),
            ": Provides-Extra is ['all', 'amazon', 'azure', 'openlineage', 'sandbox'], not",
            id="an extra is missing",
        ),
        pytest.param(
            changed("METADATA", b"Requires-Dist: aiohttp>=3.11", b"Requires-Dist: aiohttp @ file:///aiohttp"),
            " requires aiohttp @ file:///aiohttp, which no registry takes",
            id="a dependency by its address",
        ),
        pytest.param(
            changed("entry_points.txt", b":RunComfyPlugin", b":Plugin"),
            ": the entry points are {'airflow.plugins': {'runcomfy': 'airflow_provider_runcomfy.ui.plugin:Plugin'}",
            id="another entry point",
        ),
    ],
)
def test_a_wheel_that_is_not_as_it_should_be_is_told(
    built: Built, tmp_path: Path, change: Callable[[dict[str, bytes]], object], told: str
) -> None:
    (fault,) = wheel_faults(rewritten(built.wheel, tmp_path, change), built.source)
    assert told in fault


def test_a_file_that_people_need_cannot_be_dropped_from_the_repository_unseen(built: Built, tmp_path: Path) -> None:
    typed = f"{PACKAGE}/py.typed"
    assert "py.typed" in NEEDED
    without = rewritten(built.wheel, tmp_path, lambda files: files.pop(typed))
    assert wheel_faults(without, built.source - {typed}) == [f"{built.wheel.name} has to have {typed}"]


def test_a_file_that_is_twice_in_a_wheel_is_told(built: Built, tmp_path: Path) -> None:
    copy = Path(shutil.copy(built.wheel, tmp_path))
    with zipfile.ZipFile(copy, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(HOOK, b"")
    assert wheel_faults(copy, built.source) == [f"{copy.name} has {HOOK} twice"]


def test_what_an_sdist_lacks_or_has_too_much_is_told(built: Built) -> None:
    name = built.sdist.name
    root = name.removesuffix(".tar.gz")
    assert sdist_faults(built.sdist, built.source - {"LICENSE"} | {"docs/new.md"}) == [
        f"{name} lacks {root}/docs/new.md",
        f"{name} has {root}/LICENSE, which does not belong there",
    ]


def test_what_differs_between_two_wheels_is_told(built: Built, tmp_path: Path) -> None:
    same = Path(shutil.copy(built.wheel, tmp_path))
    assert differences(built.wheel, same) == []
    one, another, last = tmp_path / "one", tmp_path / "another", tmp_path / "last"
    for folder in (one, another, last):
        folder.mkdir()
    first = rewritten(built.wheel, one, lambda files: None)
    other = rewritten(built.wheel, another, lambda files: files.update({HOOK: b"other"}))
    backwards = rewritten(built.wheel, last, lambda files: files.update({HOOK: files.pop(HOOK)}))
    renamed = rewritten(built.wheel, one, lambda files: None, name="other-1-py3-none-any.whl")
    assert differences(first, other) == [f"{built.wheel.name} is not reproducible: {HOOK}"]
    assert differences(first, backwards) == [f"{built.wheel.name} is not reproducible: the order of its files"]
    assert differences(first, renamed) == [f"the same commit is called {built.wheel.name} and {renamed.name}"]


@pytest.mark.parametrize(("mode", "differs"), [(0o644, False), (0o600, True)])
def test_the_rights_of_a_file_in_an_sdist_count(tmp_path: Path, mode: int, differs: bool) -> None:
    files = []
    for number, rights in enumerate((0o644, mode)):
        folder = tmp_path / str(number)
        folder.mkdir()
        files.append(folder / "sdist.tar.gz")
        with tarfile.open(files[-1], "w") as archive:
            member = tarfile.TarInfo("sdist/LICENSE")
            member.mode = rights
            archive.addfile(member)
    assert differences(*files) == (["sdist.tar.gz is not reproducible: sdist/LICENSE"] if differs else [])


@pytest.mark.parametrize(
    ("markdown", "target"),
    [
        ("[a](https://example.org/a)", None),
        ("# A retry and a clear\n[a](#a-retry-and-a-clear)", None),
        ("[a](docs/a.md)", "docs/a.md"),
        ("[a](#nowhere)", "#user-content-nowhere"),
        ("![a](img/a.png)", "img/a.png"),
        ("[a](http://example.org/a)", "http://example.org/a"),
    ],
)
def test_a_link_that_leads_nowhere_on_the_registry_is_told(markdown: str, target: str | None) -> None:
    expected = [] if target is None else [f"the description leads to {target!r}, which the registry's page has not"]
    assert page_faults(markdown) == expected


def missing(*extras: str) -> dict[str, str]:
    return {name: f"install 'airflow-provider-runcomfy[{extra}]'" for name, extra in NEEDS.items() if extra in extras}


STORES = ("amazon", "azure", "google", "sandbox")
WITHOUT_AMAZON = {name: says for name, says in missing(*STORES).items() if name != "copies_to_s3"}


@pytest.mark.parametrize(
    ("extra", "works", "says", "faults"),
    [
        pytest.param("none", [], missing(*STORES), [], id="no extra"),
        pytest.param("all", list(NEEDS), {}, [], id="all"),
        pytest.param("openlineage", ["lineage"], missing(*STORES), [], id="what it needs is there"),
        pytest.param(
            "openlineage",
            [],
            {**missing(*STORES), "lineage": "no"},
            ["[openlineage] lineage does not work: no"],
            id="what it needs is not enough",
        ),
        pytest.param(
            "none",
            [],
            {**missing(*STORES), "sandbox": "No module named 'PIL'"},
            ["[none] sandbox has to say that the extra sandbox is missing, and says: No module named 'PIL'"],
            id="the extra is not named",
        ),
        pytest.param(
            "none",
            ["copies_to_s3"],
            WITHOUT_AMAZON,
            ["[none] copies_to_s3 has to say that the extra amazon is missing, and says: None"],
            id="it works without the extra",
        ),
    ],
)
def test_what_works_with_an_extra_and_what_is_said_without(
    extra: str, works: list[str], says: dict[str, str], faults: list[str]
) -> None:
    installed = Installed(extra, packages=1, seconds_to_install=1.0, works=works, says=says)
    assert looking_faults(installed, {"provider": "1"}, {"provider": "1"}) == faults


def test_what_has_to_be_seen_with_every_extra() -> None:
    installed = Installed("none", packages=1, seconds_to_install=1.0, says=missing(*STORES))
    expected = {"provider": "1", "plugin": ["dag_run"]}
    assert looking_faults(installed, {"provider": "KeyError: 'airflow-provider-runcomfy'"}, expected) == [
        "[none] provider is \"KeyError: 'airflow-provider-runcomfy'\", not '1'",
        "[none] plugin is None, not ['dag_run']",
    ]
