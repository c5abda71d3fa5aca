"""Measure a video with ffmpeg."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe


@dataclass(frozen=True)
class Video:
    """What ffmpeg finds in a file; ``seconds`` are decoded, not read from a header."""

    seconds: float
    width: int
    height: int
    has_sound: bool


def measure(file: Path) -> Video:
    """
    Decode the whole file and return what is in it.

    :raises ValueError: it is no video, or broken.
    """
    command = [get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-i", str(file), "-map", "0:v:0", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    size = re.search(r"Stream #0:\d.*?: Video: .*?, (\d{2,5})x(\d{2,5})", said.stderr)
    times = re.findall(r"time=(\d+):(\d+):([\d.]+)", said.stderr)
    if said.returncode or not size or not times:
        raise ValueError(f"{file} is no video that ffmpeg can read: {said.stderr[-500:]}")
    hours, minutes, seconds = times[-1]
    duration = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return Video(duration, int(size[1]), int(size[2]), ": Audio:" in said.stderr)
