"""What only folders have; what all stores have in common is in test_every_store.py."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from airflow_provider_runcomfy.exceptions import RunComfyDownloadError
from airflow_provider_runcomfy.transfers.local_store import LocalStore
from airflow_provider_runcomfy.transfers.store import StorageRefusedError
from tests.transfers.conftest import RunComfy
from tests.transfers.copying import copying
from tests.transfers.file_server import File, clip
from tests.transfers.targets.local import LocalTarget

MIB = 1024 * 1024
BODY = clip(3 * MIB)
KEY = "r-1/0.mp4"
CUT = File(BODY, announced=4 * MIB)
UNFINISHED = f".runcomfy-{'0123456789abcdef' * 2}.part"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalTarget:
    return LocalTarget(tmp_path, monkeypatch)


@pytest.mark.slow
class TestFolders:
    def test_a_file_has_another_name_beside_its_own_until_it_is_whole(
        self, runcomfy: RunComfy, folder: LocalTarget
    ) -> None:
        with copying(runcomfy, folder):
            found = (folder.keys(), [len(rest) for rest in folder.leftovers()])
        assert found == ([], [len(f"r-1/{UNFINISHED}")])
        assert (folder.keys(), folder.leftovers()) == ([KEY], [])

    def test_a_file_gets_the_rights_that_any_new_file_gets(self, runcomfy: RunComfy, folder: LocalTarget) -> None:
        runcomfy.has("r-1", File(BODY))
        folder.operator().execute({})
        folder.put("another", b"")
        modes = [stat.S_IMODE((folder.root / key).stat().st_mode) for key in (KEY, "another")]
        assert modes[0] == modes[1]
        assert (folder.root / KEY).stat().st_nlink == 1

    def test_only_folders_that_were_made_for_it_go_with_a_failed_file(
        self, runcomfy: RunComfy, folder: LocalTarget
    ) -> None:
        runcomfy.has("r-1", CUT)
        (folder.root / "r-1").mkdir()
        with pytest.raises(RunComfyDownloadError):
            folder.operator("{request_id}/a/b/{index}").execute({})
        assert folder.leftovers() == ["r-1/"]

    def test_a_share_that_is_not_mounted_is_not_made_up_for(self, runcomfy: RunComfy, folder: LocalTarget) -> None:
        runcomfy.has("r-1", File(BODY))
        with pytest.raises(StorageRefusedError, match=f"Mount or create {folder.root}/share on every worker"):
            folder.operator("share/{request_id}.{ext}").execute({})
        assert folder.leftovers() == []

    @pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
    def test_without_hard_links_a_file_is_renamed_if_its_name_is_free(
        self, runcomfy: RunComfy, folder: LocalTarget, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        def link(*_: object, **__: object) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "link", link)
        runcomfy.has("r-1", File(BODY), File(BODY, before=lambda file, answer: folder.put("r-1/1.mp4", b"theirs")))
        with pytest.raises(StorageRefusedError, match=r"r-1/1\.mp4 is already there"):
            folder.operator().execute({})
        assert (folder.body(KEY), folder.body("r-1/1.mp4"), folder.leftovers()) == (BODY, b"theirs", [])

    @pytest.mark.parametrize(
        ("there", "what"),
        [("r-1/0.mp4/", "it is there, but it is no file"), ("r-1", "Not a directory")],
        ids=["a folder in its place", "a file in the place of its folder"],
    )
    def test_what_stands_in_the_way_stays_there(
        self, runcomfy: RunComfy, folder: LocalTarget, there: str, what: str
    ) -> None:
        runcomfy.has("r-1", File(BODY))
        folder.put(f"{there}x" if there.endswith("/") else there, b"theirs")
        before = folder.keys()
        with pytest.raises(StorageRefusedError, match=f"{what}.*remove what stands in the way"):
            folder.operator(replace=True).execute({})
        assert (folder.keys(), folder.leftovers()) == (before, [])

    def test_a_name_that_is_too_long_is_refused(self, runcomfy: RunComfy, folder: LocalTarget) -> None:
        runcomfy.has("r-1", File(BODY))
        with pytest.raises(StorageRefusedError, match="File name too long"):
            folder.operator("x" * 256 + "{index}").execute({})


class TestDiscarding:
    @pytest.fixture
    def store(self, folder: LocalTarget) -> LocalStore:
        for key in (f"a/b/{UNFINISHED}", f"a/{UNFINISHED}", UNFINISHED, "a/b/theirs.part"):
            folder.put(key, b"...")
        (folder.root / "a/b/c").mkdir()
        return LocalStore(f"{folder.root}/")

    def test_the_rest_goes_and_the_folders_made_for_it(self, folder: LocalTarget) -> None:
        folder.put(f"theirs/a/b/{UNFINISHED}", b"...")
        LocalStore(f"{folder.root}/").discard("theirs/a/b/0.mp4", f"2/{UNFINISHED}")
        assert folder.leftovers() == ["theirs/"]

    def test_no_folder_goes_that_has_something_in_it_nor_the_root(self, folder: LocalTarget) -> None:
        folder.put(f"a/b/{UNFINISHED}", b"...")
        store = LocalStore(f"{folder.root}/")
        store.discard("a/b/0.mp4", f"999/{UNFINISHED}")
        store.discard("a/b/0.mp4", f"999/{UNFINISHED}")
        assert (folder.root.exists(), list(folder.root.iterdir())) == (True, [])

    @pytest.mark.parametrize(
        "token",
        [
            "",
            "0/theirs.part",
            UNFINISHED,
            f"0/../{UNFINISHED}",
            f"0/c/../{UNFINISHED}",
            f"-1/{UNFINISHED}",
            f"0/{UNFINISHED}\n",
            f"0/{UNFINISHED}x",
            f"0/x{UNFINISHED}",
            f"0/{UNFINISHED.upper()}",
            "0//etc/hostname",
        ],
    )
    def test_nothing_goes_that_does_not_bear_our_name(self, store: LocalStore, folder: LocalTarget, token: str) -> None:
        before = (folder.keys(), folder.leftovers())
        store.discard("a/b/0.mp4", token)
        assert (folder.keys(), folder.leftovers()) == before

    def test_a_link_that_bears_our_name_is_not_followed(self, folder: LocalTarget) -> None:
        folder.put("theirs", b"theirs")
        (folder.root / UNFINISHED).symlink_to(folder.root / "theirs")
        LocalStore(f"{folder.root}/").discard("0.mp4", f"0/{UNFINISHED}")
        assert (folder.body("theirs"), (folder.root / UNFINISHED).is_symlink()) == (b"theirs", True)
