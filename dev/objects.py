"""The stored objects, downloaded and measured."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dev.media import Video, measure
from dev.seaweedfs import SeaweedFS


@dataclass(frozen=True)
class StoredVideo:
    """An object as it came out of the bucket."""

    uri: str
    file: Path
    size: int
    sha256: str
    video: Video


def fetch(s3: SeaweedFS, uri: str, folder: Path) -> StoredVideo:
    """Download an object into ``folder`` and return what it is; raises ``ValueError`` if it is no whole video."""
    parts = urlsplit(uri)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / Path(parts.path).name
    s3.client().download_file(parts.netloc, parts.path.lstrip("/"), str(file))
    content = file.read_bytes()
    return StoredVideo(uri, file, len(content), hashlib.sha256(content).hexdigest(), measure(file))
