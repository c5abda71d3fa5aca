"""The videos themselves, looked at with ffmpeg."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_runcomfy.sandbox.catalogue import Clip
from airflow_provider_runcomfy.sandbox.settings import SandboxError
from airflow_provider_runcomfy.sandbox.video import find_ffmpeg, render

pytestmark = pytest.mark.slow

REQUEST_ID = "0123456789abcdef"


def draw(clip: Clip, folder: Path, request_id: str = REQUEST_ID) -> Path:
    target = folder / "clip_output.mp4"
    render(find_ffmpeg(), clip, request_id=request_id, model_id="kling/kling-3.0/pro/text-to-video", target=target)
    assert [path.name for path in folder.iterdir()] == [target.name], "nothing else is left behind"
    return target


def described(path: Path) -> str:
    """Return what ffmpeg says of a file; without an output it always ends with 1."""
    return subprocess.run(
        [find_ffmpeg(), "-hide_banner", "-i", str(path)], capture_output=True, text=True, check=False
    ).stderr


def first_picture(path: Path) -> bytes:
    """Return the first frame as grey pixels."""
    command = [find_ffmpeg(), "-loglevel", "error", "-i", str(path)]
    command += ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("aspect_ratio", "size", "seconds", "sound"),
    [
        pytest.param("16:9", "1280x720", 3, True, id="wide, shortest, with sound"),
        pytest.param("9:16", "720x1280", 5, False, id="tall, silent"),
        pytest.param("1:1", "720x720", 15, True, id="square, longest, with sound"),
    ],
)
def test_a_video_is_what_was_asked_for(tmp_path: Path, aspect_ratio: str, size: str, seconds: int, sound: bool) -> None:
    text = described(draw(Clip("A cat on a roof", seconds, aspect_ratio, sound, 0), tmp_path))
    assert f"Duration: 00:00:{seconds:02}.00" in text
    assert re.search(rf"Video: h264 .* {size}.* 24 fps", text)
    assert ("Audio: aac" in text) is sound
    assert re.search(rf"title +: {REQUEST_ID}", text)


def test_the_request_and_the_prompt_are_in_the_picture(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "three", "same")]
    for folder in folders:
        folder.mkdir()
    clip = Clip("A cat", 3, "1:1", False, 0)
    one = first_picture(draw(clip, folders[0]))
    another_prompt = first_picture(draw(Clip("A dog", 3, "1:1", False, 0), folders[1]))
    another_request = first_picture(draw(clip, folders[2], "fedcba9876543210"))
    assert len({one, another_prompt, another_request}) == 3
    assert first_picture(draw(clip, folders[3])) == one


def test_what_cannot_be_printed_is_a_space(tmp_path: Path) -> None:
    pictures = []
    for name, prompt in (("plain", "A cat "), ("odd", "A\ncat\x1b")):
        (tmp_path / name).mkdir()
        pictures.append(first_picture(draw(Clip(prompt, 3, "1:1", False, 0), tmp_path / name)))
    assert pictures[0] == pictures[1]


@settings(max_examples=6)
@example("%{pts} '; [in] ,: \\ \"$(touch /x)\" `id` | ../../ -vf drawtext=text='x")
@example("\x00\x1b[2J\r\n\t\u202e\ud800\U0010ffff")
@example("")
@example("x" * 100_000)
@example("猫が屋根の上で 🐈 кот на крыше")
@given(st.text())
def test_no_prompt_disturbs_the_drawing(tmp_path_factory: pytest.TempPathFactory, prompt: str) -> None:
    text = described(draw(Clip(prompt, 3, "1:1", False, 0), tmp_path_factory.mktemp("clip")))
    assert "Duration: 00:00:03.00" in text
    assert re.search(r"Video: h264 .* 720x720", text)


def test_a_failing_ffmpeg_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="ffmpeg failed"):
        render("false", Clip("A cat", 3, "1:1", False, 0), request_id="x", model_id="y", target=tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        pytest.param("PIL.ImageFont", r"Pillow: install airflow-provider-runcomfy\[sandbox\]", id="no Pillow"),
        pytest.param(
            "imageio_ffmpeg", r"ffmpeg, and none is on PATH: install airflow-provider-runcomfy\[sandbox\]", id="none"
        ),
    ],
)
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, missing: str, message: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SandboxError, match=message):
        find_ffmpeg()


def test_an_ffmpeg_on_the_path_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    (tmp_path / "ffmpeg").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg() == str(tmp_path / "ffmpeg")
