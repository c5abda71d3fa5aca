"""What a transfer tells: the facts of its requests, and of the objects that it has copied them to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_runcomfy.lineage.facts import Copy, Facts, Request

if TYPE_CHECKING:
    from airflow_provider_runcomfy.request_ids import GivenRequest
    from airflow_provider_runcomfy.transfers.files import SourceFile


def before_copies(requests: Sequence[GivenRequest], namespace: str) -> Facts:
    """Return what a transfer knows before it has copied anything."""
    told = (Request(each.request_id, each.model_id, each.state, each.cost_usd) for each in requests)
    return Facts(tuple(told), namespace=namespace)


def after_copies(files: Sequence[SourceFile], manifest: Sequence[Mapping[str, Any]], namespace: str) -> Facts:
    """Return what a transfer knows once it has copied ``files``, of which each has its line in the manifest."""
    requests = {
        file.request_id: Request(file.request_id, file.model_id, "succeeded", file.cost_usd, file.files)
        for file in files
    }
    copies = (Copy(line, requests[file.request_id], file.index) for file, line in zip(files, manifest, strict=True))
    return Facts(tuple(requests.values()), tuple(copies), namespace)
