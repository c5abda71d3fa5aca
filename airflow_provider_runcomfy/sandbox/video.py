"""
Draws one real video or image per request, with its id and prompt in the picture; H.264, AAC if sound is asked for.

The text is drawn by Pillow into a still, so that no prompt ever comes near ffmpeg's filter language or a command
line; ffmpeg adds a moving bar and a tone. Pillow's built-in font has Latin letters only: others are shown as boxes.
"""

from __future__ import annotations

import hashlib
import subprocess
from importlib import import_module
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, cast

from airflow_provider_runcomfy.sandbox.settings import SandboxError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

    from airflow_provider_runcomfy.sandbox.catalogue import Clip

SIZES = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (720, 720)}
_FRAME_RATE = 24
_BAR = 12
_MARGIN = 48
_FONT_SIZE = 30
_LINE_HEIGHT = 40
# A prompt may be megabytes long: what cannot be seen need not be measured.
_LONGEST_PROMPT = 2000
# 15 s of video take about 2 s; a machine under load gets time, a hanging ffmpeg does not.
_TIMEOUT_SECONDS = 120.0
_INSTALL = "install airflow-provider-runcomfy[sandbox]"


def find_ffmpeg() -> str:
    """
    Return the path of an ffmpeg: the one of imageio-ffmpeg, else the one on PATH; and see that Pillow is there too.

    :raises SandboxError: if one of the two is missing.
    """
    try:
        import_module("PIL.ImageFont")
    except ImportError:
        raise SandboxError(f"the sandbox draws its videos with Pillow: {_INSTALL}") from None
    try:
        return cast("str", import_module("imageio_ffmpeg").get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        found = which("ffmpeg")
    if found is None:
        raise SandboxError(f"the sandbox needs ffmpeg, and none is on PATH: {_INSTALL}")
    return found


def render(ffmpeg: str, clip: Clip, *, request_id: str, model_id: str, target: Path) -> None:
    """
    Write the video or image of a request to ``target``; a 5 s clip takes about half a second.

    :raises SandboxError: if ffmpeg fails, or the disk is full.
    """
    still = target.with_suffix(".part.png")
    moving = target.with_suffix(".part.mp4")
    try:
        _draw(clip, request_id, model_id, still)
        if clip.seconds:
            _animate([ffmpeg, *_arguments(clip, request_id, still), str(moving)])
        (moving if clip.seconds else still).rename(target)
    except OSError as error:
        raise SandboxError(f"the file could not be written: {error}") from error
    finally:
        still.unlink(missing_ok=True)
        moving.unlink(missing_ok=True)


def _animate(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise SandboxError(f"ffmpeg did not end within {_TIMEOUT_SECONDS:.0f} s") from None
    if done.returncode != 0:
        raise SandboxError(f"ffmpeg failed: {done.stderr.decode(errors='replace')[-1000:]}")


def _arguments(clip: Clip, request_id: str, still: Path) -> list[str]:
    width, _ = SIZES[clip.aspect_ratio]
    bar = f"color=white:size={width}x{_BAR}:rate={_FRAME_RATE}"
    # Repeating the decoded frame takes a third of the time that `-loop 1`, which decodes it again and again, does.
    still_video = "[0:v]format=yuv420p,loop=-1:1[s]"
    place = f"x='-w+w*t/{clip.seconds}':y=main_h-{2 * _BAR}"
    tone = f"sine=frequency={_seed(request_id) % 400 + 220}:sample_rate=44100"
    return [
        *("-y", "-nostdin", "-hide_banner", "-loglevel", "error"),
        *("-framerate", str(_FRAME_RATE), "-i", str(still)),
        *("-f", "lavfi", "-i", bar),
        *(("-f", "lavfi", "-i", tone) if clip.sound else ()),
        *("-filter_complex", f"{still_video};[s][1:v]overlay={place}[v]", "-map", "[v]"),
        *(("-map", "2:a", "-c:a", "aac", "-b:a", "64k") if clip.sound else ()),
        *("-t", str(clip.seconds), "-c:v", "libx264", "-preset", "superfast", "-pix_fmt", "yuv420p"),
        *("-metadata", f"title={request_id}", "-movflags", "+faststart"),
    ]


def _draw(clip: Clip, request_id: str, model_id: str, still: Path) -> None:
    from PIL import Image, ImageDraw, ImageFont, ImageOps

    size = SIZES[clip.aspect_ratio]
    hue = _seed(request_id) % 360
    shades = (f"hsl({hue}, 60%, 12%)", f"hsl({(hue + 60) % 360}, 60%, 35%)")
    picture = ImageOps.colorize(Image.linear_gradient("L").resize(size), *shades)
    font = cast("FreeTypeFont", ImageFont.load_default(_FONT_SIZE))
    room = (size[1] - 2 * _MARGIN) // _LINE_HEIGHT
    length = f"{clip.seconds} s, {'sound' if clip.sound else 'silent'}, " if clip.seconds else ""
    about = [request_id, model_id, f"{length}{clip.aspect_ratio}", ""]
    lines = [line for text in about for line in _wrap(text, font, size[0] - 2 * _MARGIN)]
    lines += _wrap(clip.prompt, font, size[0] - 2 * _MARGIN)
    drawing = ImageDraw.Draw(picture)
    for number, line in enumerate(lines[:room]):
        drawing.text((_MARGIN, _MARGIN + number * _LINE_HEIGHT), line, font=font, fill="white")
    picture.save(still, compress_level=1)


def _wrap(text: str, font: FreeTypeFont, width: int) -> list[str]:
    """Break a text into lines that are no wider than ``width`` pixels; what cannot be printed becomes a space."""
    line = ""
    lines = []
    for character in text[:_LONGEST_PROMPT]:
        shown = character if character.isprintable() else " "
        if font.getlength(line + shown) <= width:
            line += shown
            continue
        head, blank, tail = line.rpartition(" ")
        lines.append(head if blank else line)
        line = (tail if blank else "") + shown
    return [*lines, line]


def _seed(request_id: str) -> int:
    return int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:4])
