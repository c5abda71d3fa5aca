"""Files that take several parts of a multipart upload: a sandbox draws them with an ffmpeg that appends to each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from airflow_provider_runcomfy.sandbox.video import find_ffmpeg

#: What is appended, in bytes: a file has five parts, where at most three of one are in memory.
PAD = 24 << 20
# A box of MP4's type `free`, which players skip; noise, so that parts that change places are noticed.
_SCRIPT = """#!/bin/sh
"{ffmpeg}" "$@" || exit
for target; do :; done
{{ printf '{length}free'; head -c {pad} /dev/urandom; }} >> "$target"
"""


@contextmanager
def large_files(folder: Path) -> Iterator[None]:
    """Have every sandbox that is started while the block runs make large files; keeps a script in ``folder``."""
    script = folder / "ffmpeg-and-more"
    length = "".join(f"\\{byte:03o}" for byte in (PAD + 8).to_bytes(4, "big"))
    script.write_text(_SCRIPT.format(ffmpeg=find_ffmpeg(), length=length, pad=PAD))
    script.chmod(0o700)
    # The sandbox finds its ffmpeg by imageio-ffmpeg, which looks here first.
    with patch.dict(os.environ, IMAGEIO_FFMPEG_EXE=str(script)):
        yield
