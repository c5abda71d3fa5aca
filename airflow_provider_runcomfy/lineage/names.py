"""How OpenLineage names what tasks read and make; every task names it alike, which is what connects their lineage."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

_FOLDERS = ("file", "local")


class DatasetName(NamedTuple):
    """A dataset's name, within its namespace."""

    namespace: str
    name: str


def namespace_of(base_url: str) -> str:
    """Return the namespace of all that is at a RunComfy: ``runcomfy://`` and its host, with its port if it has one."""
    return f"runcomfy://{urlsplit(base_url).netloc}"


def model_name(namespace: str, model_id: str) -> DatasetName:
    """Return a model's name; it is made as RunComfy's paths are."""
    return DatasetName(namespace, f"models/{model_id}")


def request_name(namespace: str, request_id: str) -> DatasetName:
    """Return a request's name. It needs nothing but the id, since that is all that some tasks are given."""
    return DatasetName(namespace, f"requests/{request_id}")


def object_name(uri: str) -> DatasetName:
    """Return a stored object's name, as the providers of the stores do: the bucket is the namespace."""
    scheme, _, rest = uri.partition("://")
    place, _, path = rest.partition("/")
    if scheme in _FOLDERS and not place:
        return DatasetName("file", f"/{path}")
    return DatasetName(f"{scheme}://{place}", path)
