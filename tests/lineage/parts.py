"""A request, its copies, and what they are as facts."""

from __future__ import annotations

from typing import Any

from airflow_provider_runcomfy.lineage.facts import Copy, Request

NAMESPACE = "runcomfy://model-api.runcomfy.net"
REQUEST = Request("r-1", "kling/kling-3.0/pro/text-to-video", "succeeded", 0.336, files=2)


def copy(index: int = 0, uri: str | None = None) -> Copy:
    line: dict[str, Any] = {
        "uri": uri or f"s3://videos/r-1/{index}.mp4",
        "size": 1000 + index,
        "content_type": "video/mp4",
        "sha256": f"{index:064x}",
        "kind": "video",
        "request_id": "r-1",
        "source_url": "https://cdn.runcomfy.net/a.mp4",
    }
    return Copy(line, REQUEST, index)
